"""What becomes of money that an order has no use for, until it is back with the customer?

Asking, approving and closing lock the order first, then the refund. The sending itself is in
`orders.services.returning`: nothing here speaks to a provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from core.errors import Invalid, NotAllowed, NotFound
from core.nudges import nudge_on_commit
from orders import selectors
from orders.balances import Purse, purse
from orders.models import Account, Journal, MoneyRules, Order, Payment, Posting, Quote, Refund
from orders.services import books
from orders.services.collecting import ask_rest
from orders.services.invoices import issue_paper
from orders.services.ledger import lock_order, record
from orders.services.payment import earned_finder_fee
from orders.states import REFUND_MOVES, allowed_text, may_move

QUEUE = "refund"
RULES = "rules"
PATH = "refund"
S = Refund.State


def settle_order(
    order: Order,
    *,
    reason: Refund.Reason,
    now: datetime,
    actor: str,
    told: bool = False,
    within_s: int | None = None,
) -> list[Refund]:
    """Bring a locked, closed order's money to rest: earn what its quote says, return the rest at once.

    What is earned beyond the money held is taken from refunds nobody has sent yet, then owed by the customer. Money a
    provider only holds stays for it to release. Told again it changes nothing. `told`: a callback tells the buyer app;
    `within_s`: how soon the order's terms promise the money, None where they say nothing of it.
    """
    stand = purse(order)
    if order.state in Order.BILLED:
        quote = selectors.current_quote(order)
        if _take_back_unsent(order, quote, stand, now=now, actor=actor):
            stand = purse(order)
        if books.earned(order, quote, now=now, actor=actor, stand=stand) is not None:
            stand = purse(order)
        issue_paper(order, quote, now=now)
        if books.applied(order, now=now, actor=actor, stand=stand) is not None:
            stand = purse(order)
        if not stand.due:
            _share_with_finder(order, quote, now=now, actor=actor)
        ask_rest(order, now=now)
    return _give_back(order, stand, reason=reason, now=now, actor=actor, told=told, within_s=within_s)


def ask_refund(order_id: int, paise: int, *, cause: str, now: datetime, actor: str) -> Refund:
    """Give part of what a closed order earned back as goodwill; for the same `cause` it is the same refund.

    Where it takes several payments to make it up, each gives its refund; the first is returned.
    Raises NotAllowed `not-in-this-state`, Invalid `refund-amount` above what is left.
    """
    with transaction.atomic():
        order = lock_order(order_id)
        known = Refund.objects.filter(order=order, cause=cause).first()
        if known is not None:
            return known
        if order.state not in Order.BILLED:
            raise _wrong_state(order)
        left = sum(source.left for source in _sources(order, Refund.objects.filter(order=order)))
        spendable = min(left, purse(order).captured)
        if not 0 < paise <= spendable:
            raise Invalid(
                "refund-amount",
                f"{paise} paise cannot be refunded; between 1 and {spendable} can",
                path=f"{PATH}.paise",
            )
        return _give_goodwill(order, paise, cause=cause, now=now, actor=actor)[0]


@transaction.atomic
def approve_refund(refund_id: int, *, now: datetime, actor: str) -> Refund:
    """Let a refund go out. Told again it is the same. Raises NotFound, NotAllowed `not-in-this-state`."""
    order, refund = lock_refund(refund_id)
    if refund.approved_at is None:
        refund.approved_at, refund.approved_by = now, actor[:150]
        _let_go(order, refund, now=now, actor=actor, told=True)
    return refund


@transaction.atomic
def decline_refund(refund_id: int, *, text: str, now: datetime, actor: str) -> Refund:
    """Refuse goodwill that waits for approval, with the reason. What is the customer's own cannot be refused.

    Raises NotFound, NotAllowed `not-in-this-state` or `refund-owed`, Invalid `reason-unknown` without a reason.
    """
    order, refund = lock_refund(refund_id)
    if refund.reason != Refund.Reason.GOODWILL:
        raise NotAllowed(
            "refund-owed",
            f"{refund} is for {refund.get_reason_display().lower()}: the money is the customer's; approve it",
            path=PATH,
        )
    if not text.strip():
        raise Invalid("reason-unknown", "say why, the customer is told", path=f"{PATH}.text")
    _move(order, refund, S.DECLINED, now=now, actor=actor, told=True, problem=text)
    _undo(refund, now=now, actor=actor)
    forgone = Journal.objects.get(key=_forgone_key(order, refund.cause))
    books.reverse(forgone, now=now, actor=actor, note="declined")
    return refund


@transaction.atomic
def retry_refund(refund_id: int, *, now: datetime, actor: str) -> Refund:
    """Send a refund that waits for a person once more; under a new key only where the provider gave up the old one.

    Raises NotFound, NotAllowed.
    """
    order, refund = lock_refund(refund_id)
    # Not 0: what was asked for once may have taken effect, and must not be withdrawn.
    refund.attempts = 1
    _let_go(order, refund, now=now, actor=actor, told=False)
    return refund


@transaction.atomic
def finish_refund(refund_id: int, *, reference: str, now: datetime, actor: str) -> Refund:
    """The customer has the money, by the word of the provider, the buyer app or a person. Told again it is the same.

    Raises NotFound, NotAllowed `not-in-this-state`.
    """
    order, refund = lock_refund(refund_id)
    if refund.state == S.DONE:
        return refund
    refund.reference = reference[:255]
    _move(order, refund, S.DONE, now=now, actor=actor, told=True)
    source = Account.BAP if refund.way == Refund.Way.BAP else Account.CASH
    legs = [(Account.REFUNDS, refund.paise), (source, -refund.paise)]
    books.post(
        order,
        Journal.Kind.PAYOUT,
        f"payout:{refund.key}",
        legs,
        now=now,
        actor=actor,
        provider=refund.provider,
        reference=reference,
    )
    return refund


def lock_refund(refund_id: int) -> tuple[Order, Refund]:
    """A refund and its order, both locked, the order first. Raises NotFound `refund-unknown`."""
    order_id = Refund.objects.filter(pk=refund_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise NotFound("refund-unknown", f"there is no refund {refund_id}", path=PATH)
    return lock_order(order_id), Refund.objects.select_for_update(no_key=True).get(pk=refund_id)


def move_refund(
    order: Order, refund: Refund, to: Refund.State, *, next_at: datetime | None, now: datetime, actor: str, problem: str
) -> None:
    """Move a locked refund on its way to the provider, with what went wrong; told to the buyer app at its end only.

    Raises NotAllowed `not-in-this-state`.
    """
    refund.next_at = next_at
    _move(order, refund, to, now=now, actor=actor, problem=problem)


@dataclass(frozen=True, slots=True)
class _Source:
    """A payment of the order that money can go back to, and how much of it is still there, paise."""

    way: Refund.Way
    provider: str
    reference: str
    currency: str
    left: int


def _give_goodwill(order: Order, paise: int, *, cause: str, now: datetime, actor: str) -> list[Refund]:
    """Owe the customer goodwill by the payments that came in, each part forgone by itself: it may be declined alone."""
    known: list[Refund] = list(Refund.objects.filter(order=order))
    made: list[Refund] = []
    for source in _sources(order, known):
        part = min(paise, source.left)
        if part <= 0:
            continue
        name, number = f"{cause} ({len(made) + 1})" if made else cause, len(known) + len(made) + 1
        books.forgone(order, part, key=_forgone_key(order, name), now=now, actor=actor, note=name)
        refund = _new(order, part, source, number=number, reason=Refund.Reason.GOODWILL, cause=name, now=now)
        _open(order, refund, now=now, actor=actor, told=True)
        made.append(refund)
        paise -= part
    return made


def _forgone_key(order: Order, cause: str) -> str:
    return f"forgo:{order.pk}:{cause}"


def _give_back(
    order: Order,
    stand: Purse,
    *,
    reason: Refund.Reason,
    now: datetime,
    actor: str,
    told: bool,
    within_s: int | None,
) -> list[Refund]:
    """Owe the customer all that is held and not a provider's mere hold, by the payments it came with."""
    free = stand.held - stand.authorised
    if free <= 0:
        return []
    known, made = list(Refund.objects.filter(order=order)), list[Refund]()
    for source in _sources(order, known):
        paise = min(free, source.left)
        if paise > 0:
            number = len(known) + len(made) + 1
            refund = _new(order, paise, source, number=number, reason=reason, within_s=within_s, now=now)
            _open(order, refund, now=now, actor=actor, told=told)
            made.append(refund)
            free -= paise
    if free > 0:
        # A bill corrected after goodwill: what was given already takes the place of what would go back now.
        books.regained(order, free, now=now, actor=actor)
    return made


def _new(
    order: Order,
    paise: int,
    source: _Source,
    *,
    number: int,
    reason: Refund.Reason,
    cause: str = "",
    within_s: int | None = None,
    now: datetime,
) -> Refund:
    """A refund, not yet saved, of part of one payment."""
    return Refund(
        order=order,
        number=number,
        cause=cause or f"{reason.value}-{number}",
        reason=reason,
        way=source.way,
        provider=source.provider,
        payment_ref=source.reference,
        paise=paise,
        currency=source.currency,
        state=S.REQUESTED,
        key=f"refund:{order.pk}:{number}",
        requested_at=now,
        deadline_at=now + timedelta(seconds=settings.REFUND_WITHIN_S if within_s is None else within_s),
    )


def _open(order: Order, refund: Refund, *, now: datetime, actor: str, told: bool) -> None:
    if not needs_approval(refund):
        refund.approved_at, refund.approved_by = now, RULES
        _send(refund, now)
    refund.save(force_insert=True)
    legs = [(Account.HELD, refund.paise), (Account.REFUNDS, -refund.paise)]
    books.post(order, Journal.Kind.REFUND, f"owe:{refund.key}", legs, now=now, actor=actor, note=refund.cause)
    _note(order, refund, now=now, actor=actor, told=told)


def needs_approval(refund: Refund) -> bool:
    """Whether the operator wants to see a refund of this size before it goes out."""
    rules = MoneyRules.objects.filter(operator=refund.order.operator_id).first()
    return rules is not None and rules.approve_above_paise is not None and refund.paise > rules.approve_above_paise


def _let_go(order: Order, refund: Refund, *, now: datetime, actor: str, told: bool) -> None:
    _check_move(refund, S.APPROVED)
    refund.state, refund.problem = S.APPROVED, ""
    refund.save()
    _send(refund, now)
    refund.save()
    _note(order, refund, now=now, actor=actor, told=told)


def _send(refund: Refund, now: datetime) -> None:
    """Approved: a provider is asked by the next worker; a buyer app is told by a callback, and has its time."""
    if refund.way == Refund.Way.BAP:
        refund.state, refund.sent_at = S.SENT, now
        refund.next_at = max(refund.deadline_at, now + timedelta(seconds=settings.REFUND_WITHIN_S))
        return
    refund.state, refund.next_at = S.APPROVED, now
    nudge_on_commit(QUEUE)


def _share_with_finder(order: Order, quote: Quote, *, now: datetime, actor: str) -> None:
    """The buyer app has its fee once nothing of the bill is owed any more, and as much of it as the bill then says."""
    payment = Payment.objects.filter(order=order).exclude(finder_fee_type="").first()
    if payment is not None:
        books.finder_fee(order, earned_finder_fee(payment, quote), now=now, actor=actor)


def _take_back_unsent(order: Order, quote: Quote, stand: Purse, *, now: datetime, actor: str) -> bool:
    """Money of the customer that is needed for the bill after all, from the refunds nobody has begun to send.

    False where none was taken.
    """
    missing, taken = books.missing(stand, quote) - stand.held, False
    unsent = Refund.objects.select_for_update(no_key=True).filter(
        order=order, state__in=[S.REQUESTED, S.APPROVED], attempts=0
    )
    for refund in unsent.order_by("-number") if missing > 0 else []:
        refund.next_at = None
        _move(order, refund, S.WITHDRAWN, now=now, actor=actor, problem="needed for the bill")
        _undo(refund, now=now, actor=actor)
        missing, taken = missing - refund.paise, True
        if missing <= 0:
            break
    return taken


def _undo(refund: Refund, *, now: datetime, actor: str) -> None:
    books.reverse(Journal.objects.get(key=f"owe:{refund.key}"), now=now, actor=actor, note=refund.state)


def _sources(order: Order, refunds: Iterable[Refund]) -> list[_Source]:
    """The payments that came in, newest first, less what already went or goes back by the order's `refunds`."""
    given: dict[tuple[str, str, str], int] = {}
    for refund in (refund for refund in refunds if refund.state not in Refund.GIVEN_UP):
        name = (refund.way, refund.provider, refund.payment_ref)
        given[name] = given.get(name, 0) + refund.paise
    came = Posting.objects.filter(
        order=order, journal__kind=Journal.Kind.CHARGE, account__in=[Account.CASH, Account.BAP], paise__gt=0
    )
    sources = []
    for posting in came.select_related("journal").order_by("-pk"):
        way = Refund.Way.BAP if posting.account == Account.BAP else Refund.Way.PROVIDER
        provider, reference = posting.journal.provider, posting.journal.reference
        name = (way.value, provider, reference)
        used = min(given.get(name, 0), posting.paise)
        given[name] = given.get(name, 0) - used
        sources.append(_Source(way, provider, reference, posting.currency, posting.paise - used))
    return sources


def _move(
    order: Order, refund: Refund, to: Refund.State, *, now: datetime, actor: str, told: bool = False, problem: str = ""
) -> None:
    _check_move(refund, to)
    refund.state, refund.problem = to, problem[:500]
    if to == S.SENT and refund.sent_at is None:
        refund.sent_at = now
    if to in {S.DONE, S.DECLINED, S.WITHDRAWN}:
        refund.closed_at, refund.next_at = now, None
    refund.save()
    _note(order, refund, now=now, actor=actor, told=told)


def _check_move(refund: Refund, to: Refund.State) -> None:
    if not may_move(REFUND_MOVES, refund.state, to) or refund.state == to:
        raise NotAllowed(
            "not-in-this-state",
            f"{refund} is {refund.state} and cannot become {to}; from here it may become "
            f"{allowed_text(REFUND_MOVES, refund.state)}",
            path=PATH,
        )


def _note(order: Order, refund: Refund, *, now: datetime, actor: str, told: bool) -> None:
    data = {"refund": refund.number, "paise": refund.paise, "reason": refund.reason, "way": refund.way}
    record(order, f"refund-{refund.state}", now=now, actor=actor, public=told, data=data)


def _wrong_state(order: Order) -> NotAllowed:
    return NotAllowed(
        "not-in-this-state",
        f"order {order} is {order.state}; goodwill is for an order that is complete or cancelled",
        path="order.status",
    )
