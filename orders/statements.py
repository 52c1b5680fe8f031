"""What did an operator and a buyer app come to owe each other in a period, by the postings of the ledger?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from django.db.models import DateField, Sum
from django.db.models.functions import TruncDate

from catalog.models import Operator
from core.errors import Invalid
from orders.balances import in_period
from orders.models import Account, Journal, Posting
from orders.numbering import INDIA
from orders.papers.statement import OrderRow, Settled, Statement, Sums

A = Account
# Account → column and sign: what is credited is shown positive.
COLUMN: Final[Mapping[str, tuple[str, int]]] = {
    A.REVENUE: ("before_tax", -1), A.FEES: ("before_tax", -1), A.GOODWILL: ("before_tax", -1),
    A.CGST: ("cgst", -1), A.SGST: ("sgst", -1), A.UTGST: ("utgst", -1), A.IGST: ("igst", -1),
    A.FINDER_FEE: ("finder_fee", 1), A.BAP: ("by_buyer_app", 1), A.CASH: ("by_us", 1),
}  # fmt: skip
OWED: Final = (Account.BAP, Account.SETTLEMENT)


def month_bounds(text: str) -> tuple[datetime, datetime]:
    """The first moments of a month `YYYY-MM` and of the next one, by the clock of India. Raises Invalid `month`."""
    try:
        year, month = (int(part) for part in text.split("-"))
        begin = datetime(year, month, 1, tzinfo=INDIA)
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=INDIA)
    except ValueError as err:
        raise Invalid("month", f"{text!r} is no month; write it like 2026-11", path="month") from err
    return begin, end


def statements(operator: Operator, *, since: datetime, until: datetime, bap_id: str = "") -> list[Statement]:
    """A statement for each buyer app with money moved before `until` (only for `bap_id` where given), in its order.

    Their totals are those of the ledger: `closing` is the balance of what the buyer app owes less its finder fees.
    """
    rows = Posting.objects.filter(operator=operator, journal__at__lt=until)
    if bap_id:
        rows = rows.filter(bap_id=bap_id)
    return [
        _statement(operator, name, since=since, until=until)
        for name in rows.order_by("bap_id").values_list("bap_id", flat=True).distinct()
    ]


def _statement(operator: Operator, bap_id: str, *, since: datetime, until: datetime) -> Statement:
    mine = Posting.objects.filter(operator=operator, bap_id=bap_id)
    before = in_period(mine.filter(account__in=OWED), until=since).aggregate(paise=Sum("paise"))["paise"]
    return Statement(
        operator=operator.legal_name or operator.name,
        gstin=operator.gstin,
        buyer_app=bap_id,
        since=since,
        until=until,
        opening=int(before or 0),
        rows=_rows(operator, bap_id, since=since, until=until),
        settled=_settled(operator, bap_id, since=since, until=until),
    )


def _rows(operator: Operator, bap_id: str, *, since: datetime, until: datetime) -> list[OrderRow]:
    mine = Posting.objects.filter(operator=operator, bap_id=bap_id, order__isnull=False)
    day = TruncDate("journal__at", tzinfo=INDIA, output_field=DateField())
    sums = (
        in_period(mine, since=since, until=until)
        .annotate(day=day)
        .order_by("day", "order_id")
        .values_list("day", "order_id", "order__code", "account", "journal__kind")
        .annotate(Sum("paise"))
    )
    found: dict[tuple[date, int, str], dict[str, int]] = {}
    for moved_on, order_id, code, account, kind, paise in sums:
        cells = found.setdefault((moved_on, int(order_id or 0), code or ""), {})
        name, sign = ("refunded", -1) if _refunded(account, kind) else COLUMN.get(account, ("", 0))
        if name:
            cells[name] = cells.get(name, 0) + sign * int(paise)
    rows = [OrderRow(code or f"draft {order_id}", moved_on, Sums(**cells)) for (moved_on, order_id, code), cells in
            found.items()]  # fmt: skip
    return [row for row in rows if row.sums != Sums()]


def _refunded(account: str, kind: str) -> bool:
    """What became due to the customer; its paying out moves what was collected instead."""
    return account == A.REFUNDS and kind != Journal.Kind.PAYOUT


def _settled(operator: Operator, bap_id: str, *, since: datetime, until: datetime) -> list[Settled]:
    """Payments to the operator: what leaves the buyer app's debt less the finder fees it kept."""
    mine = Posting.objects.filter(operator=operator, bap_id=bap_id, order__isnull=True, account__in=OWED)
    sums = (
        in_period(mine, since=since, until=until)
        .order_by("journal__at", "journal_id")
        .values_list("journal__at", "journal__reference", "journal_id")
        .annotate(Sum("paise"))
    )
    return [Settled(at.astimezone(INDIA).date(), reference, -int(paise)) for at, reference, _, paise in sums if paise]
