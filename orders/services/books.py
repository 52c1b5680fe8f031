"""Which journal does each money event make?

The caller holds the order's lock. Each function may be called again for the same event: the key makes it happen once.
Money that comes in is held for the order; `settle_order` turns what is held into income, and the rest into a refund.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection
from django.db.models import Sum

from core.errors import Invalid
from orders.balances import INCOME, Purse, purse
from orders.earnings import earnings, fee_earnings
from orders.models import Account, Journal, Order, Payment, Posting, Quote
from orders.services.payment import PATH

Legs = Iterable[tuple[Account | str, int]]
K = Journal.Kind
_FACTS = (
    *("key", "kind", "operator_id", "order_id", "quote_id", "bap_id"),
    *("provider", "reference", "note", "actor", "at", "reverses_id"),
)
# A journal and its legs in one statement: the key decides whether it is made at all, and no lookup comes before it.
_POST = """
WITH made AS (
  INSERT INTO orders_journal (key, kind, operator_id, order_id, quote_id, bap_id,
    provider, reference, note, actor, at, reverses_id)
  VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
  ON CONFLICT (key) DO NOTHING RETURNING id, order_id, operator_id, bap_id
)
INSERT INTO orders_posting (journal_id, order_id, operator_id, bap_id, account, paise, currency)
SELECT made.*, leg.account, leg.paise,
  coalesce((SELECT currency FROM orders_quote WHERE orders_quote.order_id = made.order_id AND current), 'INR')
FROM made, unnest(%s::text[], %s::bigint[]) AS leg (account, paise)
RETURNING journal_id
"""


def post(
    order: Order,
    kind: Journal.Kind,
    key: str,
    legs: Legs,
    *,
    now: datetime,
    actor: str,
    provider: str = "",
    reference: str = "",
    note: str = "",
    quote: Quote | None = None,
    reverses: Journal | None = None,
) -> Journal:
    """Write one journal of `legs` (account, paise; debit positive; zeros are left out), or find it by its key.

    The currency is that of the order's quote, INR before there is one. Raises IntegrityError where it does not balance
    (at the latest on commit) or a purse would fall below zero.
    """
    journal = Journal(
        key=key,
        kind=kind,
        operator_id=order.operator_id,
        order=order,
        quote=quote,
        bap_id=order.bap_id,
        provider=provider,
        reference=reference[:255],
        note=note[:300],
        actor=actor[:150],
        at=now,
        reverses=reverses,
    )
    journal.pk = _write(journal, legs)
    return journal if journal.pk is not None else Journal.objects.get(key=key)


def charged(
    order: Order,
    paise: int,
    *,
    by: Payment.CollectedBy,
    provider: str = "",
    reference: str,
    now: datetime,
    actor: str,
) -> Journal:
    """Money came in: cash where we collect, where the buyer app collects only its debt to the operator.

    `reference` is the payment's id at the provider or buyer app; the same again is the same payment, which is told
    here whether it was authorised before or not. Raises Invalid `payment-proof` for an amount that is none.
    """
    _positive(paise)
    source = Account.BAP if by == Payment.CollectedBy.BAP else Account.CASH
    known = 0 if source == Account.BAP else min(_authorised(order, reference), paise)
    legs = [(source, paise), (Account.AUTHORISED, -known), (Account.HELD, known - paise)]
    key = f"charge:{order.pk}:{provider}:{reference or by.value}"
    return post(order, K.CHARGE, key, legs, now=now, actor=actor, provider=provider, reference=reference)


def captured(order: Order, paise: int, *, provider: str = "", reference: str, now: datetime, actor: str) -> Journal:
    """Our provider took the payer's money, authorised before or not: it is cash now."""
    by = Payment.CollectedBy.BPP
    return charged(order, paise, by=by, provider=provider, reference=reference, now=now, actor=actor)


def authorised(
    order: Order, paise: int, *, provider: str = "", reference: str, now: datetime, actor: str
) -> Journal | None:
    """The provider holds money for us that it has not taken yet; None where it told of the taking first."""
    _positive(paise)
    if Journal.objects.filter(order=order, kind=K.CHARGE, provider=provider, reference=reference).exists():
        return None
    legs = [(Account.AUTHORISED, paise), (Account.HELD, -paise)]
    key = f"hold:{order.pk}:{provider}:{reference}"
    return post(order, K.HOLD, key, legs, now=now, actor=actor, provider=provider, reference=reference)


def released(
    order: Order, paise: int, *, provider: str = "", reference: str, now: datetime, actor: str
) -> Journal | None:
    """Authorised money is given free without being taken, at most what is left of it; None where nothing is.

    What a closed order earned of it is owed by the customer then.
    """
    paise = min(_authorised(order, reference), paise)
    if paise <= 0:
        return None
    name = f"{order.pk}:{provider}:{reference}"
    spent = paise - purse(order).held
    if spent > 0:
        legs = [(Account.CUSTOMER, spent), (Account.HELD, -spent)]
        post(order, K.CAPTURE, f"uncover:{name}", legs, now=now, actor=actor, note="the hold was lost")
    legs = [(Account.HELD, paise), (Account.AUTHORISED, -paise)]
    return post(order, K.RELEASE, f"release:{name}", legs, now=now, actor=actor, provider=provider, reference=reference)


def earned(order: Order, quote: Quote, *, now: datetime, actor: str, stand: Purse | None = None) -> Journal | None:
    """Bring what the order earned to what `quote` says: from the money held first, the rest is owed by the customer.

    A first bill or fee is a capture, a later one an adjusting entry; nothing is ever edited. None where it is so.
    `stand` is the order's purse as it is now, where it was read already.
    """
    stand = stand or purse(order)
    before, wanted = stand.income, income_of(quote)
    change = {account: wanted.get(account, 0) - before.get(account, 0) for account in (*INCOME,)}
    change = {account: paise for account, paise in change.items() if paise}
    if not change:
        return None
    kind = K.ADJUSTMENT if before else K.FEE if quote.kind == Quote.Kind.CANCELLATION else K.CAPTURE
    more = sum(change.values())
    legs: list[tuple[Account | str, int]] = [(account, -paise) for account, paise in change.items()]
    legs.extend(_from_customer(stand, more) if more >= 0 else _to_customer(stand, -more))
    return post(order, kind, f"earn:{order.pk}:{quote.pk}", legs, now=now, actor=actor, quote=quote)


def missing(stand: Purse, quote: Quote) -> int:
    """How much more, paise, an order is to earn by `quote` than it has; negative where it earned too much."""
    return sum(income_of(quote).values()) - sum(stand.income.values())


def forgone(order: Order, paise: int, *, key: str, now: datetime, actor: str, note: str) -> Journal:
    """Hold part of what was earned for the customer again. The taxes stay: a gift after the supply lowers none.

    Source: CGST Act s. 15(3).
    """
    _positive(paise)
    legs = [(Account.GOODWILL, paise), (Account.HELD, -paise)]
    return post(order, K.ADJUSTMENT, key, legs, now=now, actor=actor, note=note)


def regained(order: Order, paise: int, *, now: datetime, actor: str) -> Journal | None:
    """Money held again after goodwill, up to the goodwill given, is what the customer had back already."""
    given = Posting.objects.filter(order=order, account=Account.GOODWILL).aggregate(paise=Sum("paise"))["paise"]
    paise = min(int(given or 0), paise)
    if paise <= 0:
        return None
    legs = [(Account.HELD, paise), (Account.GOODWILL, -paise)]
    return post(order, K.ADJUSTMENT, _numbered(order, "regain"), legs, now=now, actor=actor)


def finder_fee(order: Order, paise: int, *, now: datetime, actor: str) -> Journal | None:
    """Bring what the buyer app keeps for having found the customer to `paise`; None where it is so.

    The first entry is a fee, a later one adjusts it; nothing is ever edited.
    """
    booked = Posting.objects.filter(order=order, account=Account.FINDER_FEE).aggregate(paise=Sum("paise"))["paise"]
    change = paise - int(booked or 0)
    if not change:
        return None
    kind = K.FEE if booked is None else K.ADJUSTMENT
    legs = [(Account.FINDER_FEE, change), (Account.SETTLEMENT, -change)]
    return post(order, kind, _numbered(order, "finder"), legs, now=now, actor=actor)


def applied(order: Order, *, now: datetime, actor: str, stand: Purse | None = None) -> Journal | None:
    """Money held for a closed order pays what the customer still owes; None where nothing is owed or held.

    `stand` is the order's purse as it is now, where it was read already.
    """
    stand = stand or purse(order)
    paise = min(stand.held, stand.due)
    if paise <= 0:
        return None
    legs = [(Account.HELD, paise), (Account.CUSTOMER, -paise)]
    return post(order, K.CAPTURE, _numbered(order, "apply"), legs, now=now, actor=actor)


def reverse(journal: Journal, *, now: datetime, actor: str, note: str = "") -> Journal:
    """Take a journal back by its opposite, of the same kind."""
    assert journal.order is not None
    return post(
        journal.order,
        Journal.Kind(journal.kind),
        f"reverse:{journal.key}",
        [(leg.account, -leg.paise) for leg in journal.postings.all()],
        now=now,
        actor=actor,
        reference=journal.reference,
        note=note,
        reverses=journal,
    )


def income_of(quote: Quote) -> dict[str, int]:
    """What a bill or a cancellation earns, paise by account."""
    if quote.kind == Quote.Kind.CANCELLATION:
        return fee_earnings(quote.lines)
    return earnings(quote.lines)


def _from_customer(stand: Purse, paise: int) -> list[tuple[Account | str, int]]:
    held = min(stand.held, paise)
    return [(Account.HELD, held), (Account.CUSTOMER, paise - held)]


def _to_customer(stand: Purse, paise: int) -> list[tuple[Account | str, int]]:
    owed = min(stand.due, paise)
    return [(Account.CUSTOMER, -owed), (Account.HELD, owed - paise)]


def _authorised(order: Order, reference: str) -> int:
    """What the provider still holds of one payment, paise."""
    rows = Posting.objects.filter(order=order, account=Account.AUTHORISED, journal__reference=reference)
    return int(rows.aggregate(paise=Sum("paise"))["paise"] or 0)


def _write(journal: Journal, legs: Legs) -> int | None:
    """The id of a new journal, written with its legs; None where its key is known."""
    moved = [(str(account), paise) for account, paise in legs if paise]
    facts = [getattr(journal, name) for name in _FACTS]
    with connection.cursor() as cursor:
        cursor.execute(_POST, [*facts, [account for account, _ in moved], [paise for _, paise in moved]])
        made = cursor.fetchone()
    return int(made[0]) if made is not None else None


def _numbered(order: Order, word: str) -> str:
    return f"{word}:{order.pk}:{Journal.objects.filter(order=order).count()}"


def _positive(paise: int) -> None:
    if paise <= 0:
        raise Invalid("payment-proof", f"{paise} paise is no payment; it must be above 0", path=PATH)
