"""Do the books add up, and does somebody hear of it where they do not?

The database refuses most of this already; the sweep is the second pair of eyes, and sees what only time can break: a
closed order that still holds money, a refund that nobody owes, a payment that the books never saw.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Sum

from orders.balances import CAME_IN, INCOME, Purse, purse_of
from orders.models import Account, BooksCheck, Journal, Order, Payment, Posting, Refund
from orders.services.invoices import all_gaps, papered

log = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
SETTLED_WITHIN = timedelta(minutes=15)
MOST_FINDINGS = 100
CHUNK = 2_000
K = Journal.Kind
Sums = list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not add up; `order` is its id, None for the books as a whole."""

    order: int | None
    rule: str
    text: str


def check_books(*, now: datetime, every: timedelta = timedelta(0), whole: bool = False) -> BooksCheck | None:
    """Look at all orders whose money moved since the last check (`whole`: ever), keep and report what is wrong.

    None where the last check is younger than `every`.
    """
    last = BooksCheck.objects.order_by("-at").first()
    if last is not None and not whole and now - last.at < every:
        return None
    since = None if whole or last is None else last.at - OVERLAP - SETTLED_WITHIN
    orders, findings = 0, list(_unbalanced(since))
    for chunk in _chunks(_moved(since)):
        orders += len(chunk)
        findings.extend(_look(chunk, now))
    findings.extend(Finding(None, "gap", f"series {name} lacks {gap[:10]}") for name, gap in all_gaps().items())
    for finding in findings[:MOST_FINDINGS]:
        log.error("the books do not add up", extra=asdict(finding))
    return BooksCheck.objects.create(
        at=now,
        since=since,
        orders=orders,
        breaks=len(findings),
        findings=[asdict(finding) for finding in findings[:MOST_FINDINGS]],
    )


def findings_of(order: Order, stand: Purse, sums: Sums, *, now: datetime) -> Iterator[Finding]:
    """What is wrong with the money of one order, whose `sums` are (account, kind, paise)."""
    accounts = _by_account(sums)
    if stand.paid != stand.captured + stand.refunded + stand.held:
        yield Finding(order.pk, "paid", f"paid {stand.paid} is not captured + refunded + held: {stand}")
    came = sum(paise for account, kind, paise in sums if _came_in(account, kind))
    if came != stand.paid:
        yield Finding(order.pk, "paid", f"{came} paise came in, {stand.paid} were put down")
    if stand.refunded > stand.paid or stand.returned > stand.refunded:
        yield Finding(order.pk, "refunds", f"more went back than came or was due: {stand}")
    if min(stand.held, stand.due, stand.authorised, stand.refunded) < 0:
        yield Finding(order.pk, "below-zero", f"{stand}")
    earned = -sum(accounts.get(account, 0) for account in (*INCOME, Account.GOODWILL))
    if earned != stand.captured + stand.due:
        yield Finding(order.pk, "captured", f"{earned} paise were earned, {stand.captured} taken, {stand.due} are due")
    rested = now - (order.closed_at or order.updated_at) > SETTLED_WITHIN
    if order.state in Order.ENDED and stand.held != stand.authorised and rested:
        yield Finding(order.pk, "held", f"the order is {order.state} and still holds {stand.held} paise")


def _unbalanced(since: datetime | None) -> Iterator[Finding]:
    recent = Q(journal__at__gte=since) if since is not None else Q()
    legs = Posting.objects.filter(recent).order_by().values_list("journal__key", "currency")
    for key, currency, paise in legs.annotate(sum=Sum("paise")).exclude(sum=0)[:MOST_FINDINGS]:
        yield Finding(None, "balance", f"journal {key} is off by {paise} paise {currency}")


def _moved(since: datetime | None) -> Iterator[int]:
    recent = Q(at__gte=since) if since is not None else Q()
    rows = Journal.objects.filter(recent, order__isnull=False).order_by("order_id")
    return rows.values_list("order_id", flat=True).distinct().iterator(chunk_size=CHUNK)


def _look(order_ids: list[int], now: datetime) -> Iterator[Finding]:
    sums: dict[int, Sums] = {}
    rows = Posting.objects.filter(order__in=order_ids).order_by().values_list("order_id", "account", "journal__kind")
    for order_id, account, kind, paise in rows.annotate(Sum("paise")):
        sums.setdefault(int(order_id or 0), []).append((account, kind, int(paise)))
    refunds = _refunds(order_ids)
    payments = dict(Payment.objects.filter(order__in=order_ids).values_list("order_id", "status"))
    papers = papered(order_ids)
    for order in Order.objects.filter(pk__in=order_ids):
        mine = sums.get(order.pk, [])
        stand = purse_of(mine)
        yield from findings_of(order, stand, mine, now=now)
        earned = -sum(paise for account, _, paise in mine if account in INCOME)
        shown = papers.get(order.pk, 0 if order.state in Order.BILLED else earned)
        if shown != earned:
            yield Finding(order.pk, "papers", f"invoices and notes are {shown} paise, {earned} were earned")
        asked, sent = refunds.get(order.pk, (0, 0))
        if (asked, sent) != (stand.refunded, stand.returned):
            yield Finding(order.pk, "refunds", f"refunds are {asked} ({sent} done) paise, the books say {stand}")
        if payments.get(order.pk) == Payment.Status.PAID and not any(kind in (K.CHARGE, K.HOLD) for _, kind, _ in mine):
            yield Finding(order.pk, "payment", "the payment is PAID, and the books saw no money")


def _refunds(order_ids: list[int]) -> Mapping[int, tuple[int, int]]:
    """What each order has refunds for, and how much of it is done, paise."""
    rows = Refund.objects.filter(order__in=order_ids).exclude(state__in=Refund.GIVEN_UP).order_by()
    sums = rows.values_list("order").annotate(asked=Sum("paise"), sent=Sum("paise", filter=Q(state="done"), default=0))
    return {order: (int(asked), int(sent)) for order, asked, sent in sums}


def _came_in(account: str, kind: str) -> bool:
    return account in {Account.CASH, Account.BAP, Account.AUTHORISED} and kind in CAME_IN


def _by_account(sums: Sums) -> dict[str, int]:
    found: dict[str, int] = {}
    for account, _, paise in sums:
        found[account] = found.get(account, 0) + paise
    return found


def _chunks(order_ids: Iterable[int]) -> Iterator[list[int]]:
    chunk: list[int] = []
    for order_id in order_ids:
        chunk.append(order_id)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
