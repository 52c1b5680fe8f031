"""How does a settlement statement look, as a table for programs and as a sheet for people?"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from catalog.wording import rupees
from core.money import from_paise
from orders.numbering import INDIA

if TYPE_CHECKING:
    from orders.papers.sheet import Sheet

COLUMNS: Final = (
    "kind", "buyer_app", "order", "date", "currency", "before_tax", "cgst", "sgst", "utgst", "igst", "gross",
    "refunded", "finder_fee", "by_buyer_app", "by_us", "net_due", "reference",
)  # fmt: skip
WIDTHS: Final = (28.0, 22.0, 33.0, 31.0, 33.0, 33.0, 28.0, 29.0, 30.0)
ALIGNS: Final = "LRRRRRRRR"
HEADS: Final = (
    "Day", "Orders", "Before tax", "Taxes", "Gross", "Refunded", "Finder fee", "Collected by us", "Net due",
)  # fmt: skip
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Sums:
    """What postings come to, paise.

    `before_tax` and the taxes were earned, goodwill taken off; `refunded` became due to customers; `by_buyer_app` is
    what the buyer app collected less what it paid back, `by_us` the same through our payment providers. `net_due` is
    what the buyer app owes the operator for it: what it collected less its finder fee.
    """

    before_tax: int = 0
    cgst: int = 0
    sgst: int = 0
    utgst: int = 0
    igst: int = 0
    refunded: int = 0
    finder_fee: int = 0
    by_buyer_app: int = 0
    by_us: int = 0

    @property
    def taxes(self) -> int:
        return self.cgst + self.sgst + self.utgst + self.igst

    @property
    def gross(self) -> int:
        return self.before_tax + self.taxes

    @property
    def net_due(self) -> int:
        return self.by_buyer_app - self.finder_fee

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order's money moved on one local day."""

    order: str
    day: date
    sums: Sums


@dataclass(frozen=True, slots=True)
class Settled:
    """A payment of the buyer app to the operator, paise, with the bank's reference."""

    day: date
    reference: str
    paise: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The money of an operator with one buyer app, from `since` before `until`; `opening` was owed before, paise."""

    operator: str
    gstin: str
    buyer_app: str
    since: datetime
    until: datetime
    opening: int
    rows: Sequence[OrderRow]
    settled: Sequence[Settled]
    currency: str = "INR"

    @property
    def total(self) -> Sums:
        return added(row.sums for row in self.rows)

    @property
    def paid(self) -> int:
        return sum(payment.paise for payment in self.settled)

    @property
    def closing(self) -> int:
        """What the buyer app owes the operator at the end, paise."""
        return self.opening + self.total.net_due - self.paid


def added(parts: Iterable[Sums]) -> Sums:
    """All together."""
    whole = Sums()
    for part in parts:
        whole = whole.plus(part)
    return whole


def statements_csv(statements: Iterable[Statement]) -> bytes:
    """The statements as one CSV (UTF-8, RFC 4180): a row for each order and day, settlements, opening and closing.

    The column `net_due` of a statement, from its opening over its rows, adds up to its closing.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for statement in statements:
        for row in _csv_rows(statement):
            writer.writerow([_cell(row.get(name, "")) for name in COLUMNS])
    return text.getvalue().encode()


def statement_pdf(statement: Statement) -> bytes:
    """The statement as a PDF: a line for each day, the totals, the settlements and what is owed."""
    from orders.papers.sheet import printed  # noqa: PLC0415 - half a second that only who prints has to pay

    period = f"{_day(statement.since)} to before {_day(statement.until)}"
    return printed(
        lambda sheet: _draw(sheet, statement, period),
        title=f"Settlement statement {statement.operator} {statement.buyer_app} {period}",
        foot=f"{statement.operator} · {statement.buyer_app} · {period}",
        page_word="Page",
        at=statement.until,
        texts=[statement.operator],
        landscape=True,
    )


def _csv_rows(statement: Statement) -> Iterable[dict[str, str]]:
    frame = {"buyer_app": statement.buyer_app, "currency": statement.currency}
    yield frame | {"kind": "opening", "date": _day(statement.since), "net_due": _amount(statement.opening)}
    for row in statement.rows:
        money = {name: _amount(getattr(row.sums, name)) for name in COLUMNS if hasattr(row.sums, name)}
        yield frame | {"kind": "order", "order": row.order, "date": row.day.isoformat()} | money
    for payment in statement.settled:
        yield frame | {
            "kind": "settlement",
            "date": payment.day.isoformat(),
            "net_due": _amount(-payment.paise),
            "reference": payment.reference,
        }
    yield frame | {"kind": "closing", "date": _day(statement.until), "net_due": _amount(statement.closing)}


def _draw(sheet: Sheet, statement: Statement, period: str) -> None:
    sheet.set_lang("en-IN")
    sheet.line_of("Settlement statement", size=18, bold=True, height=10)
    sheet.line_of(f"{statement.operator}{f', GSTIN {statement.gstin}' if statement.gstin else ''}", bold=True)
    sheet.line_of(f"with {statement.buyer_app}, {period} ({INDIA.key})")
    sheet.ln(4)
    sheet.rule()
    sheet.row(HEADS, WIDTHS, aligns=ALIGNS, bold=True)
    for day in sorted({row.day for row in statement.rows}):
        _money_row(sheet, day.isoformat(), [row for row in statement.rows if row.day == day])
    _money_row(sheet, "Total", statement.rows, bold=True)
    sheet.ln(4)
    _owed(sheet, statement)


def _money_row(sheet: Sheet, name: str, rows: Sequence[OrderRow], *, bold: bool = False) -> None:
    sums = added(row.sums for row in rows)
    amounts = (sums.before_tax, sums.taxes, sums.gross, sums.refunded, sums.finder_fee, sums.by_us, sums.net_due)
    orders = len({row.order for row in rows})
    sheet.row((name, str(orders), *(rupees(paise) for paise in amounts)), WIDTHS, aligns=ALIGNS, bold=bold)


def _owed(sheet: Sheet, statement: Statement) -> None:
    rows = [("Owed before", statement.opening), ("Net due of this period", statement.total.net_due)]
    rows += [(f"Paid {paid.day.isoformat()}, {paid.reference}", -paid.paise) for paid in statement.settled]
    for text, paise in rows:
        sheet.row((text, rupees(paise)), (90, 40), aligns="LR")
    sheet.row((f"Owed by {statement.buyer_app}", rupees(statement.closing)), (90, 40), aligns="LR", bold=True)
    sheet.ln(3)
    note = "Net due is what the buyer app collected, less what it paid back to customers and its finder fee."
    sheet.line_of(note, size=8, color=sheet.GREY)


def _amount(paise: int) -> str:
    return from_paise(paise).wire


def _day(at: datetime) -> str:
    return at.astimezone(INDIA).date().isoformat()


def _cell(text: str) -> str:
    """Text that a spreadsheet would take for a formula begins with an apostrophe; amounts may be negative."""
    number = text.removeprefix("-").replace(".", "", 1).isdigit()
    return text if number or not text.startswith(FORMULAS) else f"'{text}"
