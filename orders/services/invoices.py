"""How does a bill become a numbered tax invoice, and a change of it a credit or debit note?

The caller holds the order's lock. The number is taken in the issuing transaction, by the row lock on the series'
counter: what is rolled back leaves no gap. The taxes are those of the books, so that both say the same to the paisa.
Source: CGST Rules 46 (invoices) and 53 (notes), CGST Act s. 15(3) and 34.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q, Sum

from catalog.gstin import STATES, state_code
from catalog.models import Operator
from core.due import each_alone
from orders.models import Invoice, InvoiceSeries, Order, PaperKind, Quote, Refund
from orders.numbering import INDIA, financial_year, paper_number
from orders.pricing import CANCELLATION_FEE, GST, REFUND
from orders.services.books import income_of
from orders.services.ledger import lock_order

CORRECTION = "correction"
GOODWILL = "goodwill"
TAXES = ("cgst", "sgst", "utgst", "igst")


@dataclass(frozen=True, slots=True)
class _Sum:
    """An amount before tax and its taxes, paise; `rates` in percent by the code of the tax."""

    taxable: int
    taxes: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.taxable + sum(self.taxes.values())

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"code": code.upper(), "percent": self.rates.get(code, ""), "paise": self.taxes[code]}
            for code in TAXES
            if self.taxes.get(code)
        ]


def issue_paper(order: Order, quote: Quote, *, now: datetime) -> Invoice | None:
    """Bring an order's papers to what its bill or cancellation says: an invoice first, notes for what changed since.

    Told again of the same quote it is the same paper; None where nothing was charged or nothing changed. For an
    order that was charged nothing at first, a later bill is the invoice.
    """
    papers = list(Invoice.objects.filter(order=order).order_by("pk"))
    known = next((paper for paper in papers if paper.quote_id == quote.pk), None)
    if known is not None:
        return known
    wanted = _wanted(quote)
    invoice = next((paper for paper in papers if paper.kind == PaperKind.INVOICE), None)
    if invoice is None:
        if wanted.total <= 0:
            return None
        return _issue(order, PaperKind.INVOICE, wanted, lines=_bill_lines(quote, wanted), now=now, quote=quote)
    change = _change(_papered(papers), wanted)
    if change.total == 0:
        return None
    kind = PaperKind.CREDIT_NOTE if change.total < 0 else PaperKind.DEBIT_NOTE
    size = _negative(change) if change.total < 0 else change
    line = {"code": CORRECTION, "note": "", "paise": size.taxable}
    return _issue(order, kind, size, lines=[line], now=now, quote=quote, corrects=invoice, reason=CORRECTION)


def issue_credit_note(refund: Refund, *, now: datetime) -> Invoice | None:
    """A credit note for a goodwill refund, without tax: a gift after the supply lowers none (CGST Act s. 15(3)).

    Told again it is the same note; None where the order has no invoice or the refund is no goodwill: what was not
    used was never invoiced, and a corrected bill has the note that `issue_paper` gives it.
    """
    known = Invoice.objects.filter(refund=refund).first()
    if known is not None or refund.reason != Refund.Reason.GOODWILL:
        return known
    invoice = Invoice.objects.filter(order_id=refund.order_id, kind=PaperKind.INVOICE).first()
    if invoice is None:
        return None
    line = {"code": GOODWILL, "note": "", "paise": refund.paise}
    return _issue(
        refund.order, PaperKind.CREDIT_NOTE, _Sum(refund.paise), lines=[line], now=now, refund=refund,
        corrects=invoice, reason=GOODWILL,
    )  # fmt: skip


def notes_due(*, now: datetime, limit: int = 50) -> int:
    """Give goodwill refunds that are done their credit notes; returns how many.

    Each in a transaction of its own: a settlement may close many refunds at once, and must not hold a series that long.
    """
    invoiced = Invoice.objects.filter(order_id=OuterRef("order_id"), kind=PaperKind.INVOICE)
    waiting = Refund.objects.filter(
        Exists(invoiced), reason=Refund.Reason.GOODWILL, state=Refund.State.DONE, credit_note__isnull=True
    )
    return each_alone(waiting.order_by("pk"), lambda key: _note(key, now), limit=limit)


def _note(refund_id: int, now: datetime) -> bool:
    refund = Refund.objects.get(pk=refund_id)
    refund.order = lock_order(refund.order_id)
    return issue_credit_note(refund, now=now) is not None


def gaps(operator_id: int, year: int) -> dict[str, list[int]]:
    """The numbers missing from an operator's series of a financial year, by kind of paper; empty where none are.

    The database lets none arise; this is the second pair of eyes.
    """
    missing: dict[str, list[int]] = {}
    for series in InvoiceSeries.objects.filter(operator_id=operator_id, year=year):
        rows = Invoice.objects.filter(operator_id=operator_id, kind=series.kind, year=year)
        seen = rows.aggregate(count=Count("pk"), last=Max("sequence"))
        if (seen["count"], seen["last"] or 0) != (series.last, series.last):
            there = set(rows.values_list("sequence", flat=True))
            last = max(series.last, seen["last"] or 0)
            missing[series.kind] = [number for number in range(1, last + 1) if number not in there]
    return missing


def all_gaps() -> dict[str, list[int]]:
    """The numbers missing from any series of any operator, by `operator year kind`."""
    years = InvoiceSeries.objects.order_by().values_list("operator_id", "year").distinct()
    return {
        f"{operator_id} {year} {kind}": numbers
        for operator_id, year in years
        for kind, numbers in gaps(operator_id, year).items()
    }


def papered(order_ids: Sequence[int]) -> dict[int, int]:
    """What the papers of each order that has any come to, paise, goodwill left out: what was earned with the order."""
    rows = Invoice.objects.filter(order__in=order_ids, refund__isnull=True).order_by().values_list("order_id")
    credit = Q(kind=PaperKind.CREDIT_NOTE)
    sums = rows.annotate(
        billed=Sum("total_paise", filter=~credit, default=0), noted=Sum("total_paise", filter=credit, default=0)
    )
    return {order_id: int(billed) - int(noted) for order_id, billed, noted in sums}


def _wanted(quote: Quote) -> _Sum:
    parts = income_of(quote)
    taxes = {code: parts[code] for code in TAXES if parts.get(code)}
    rates = {part["code"].lower(): part["percent"] for row in quote.lines for part in row.get("tax", ())}
    if not rates:
        # Quotes made before lines named their taxes have GST in two halves.
        half = Decimal(str(quote.tariff.get("gst_percent", "0"))) / 2
        rates = {code: f"{half.normalize():f}" for code in taxes}
    return _Sum(sum(parts.values()) - sum(taxes.values()), taxes, rates)


def _bill_lines(quote: Quote, wanted: _Sum) -> list[dict[str, Any]]:
    """The bill's own lines without the tax; of a cancellation the fee alone."""
    if quote.kind == Quote.Kind.CANCELLATION:
        note = next((row.get("note", "") for row in quote.lines if row["code"] == REFUND), "")
        return [{"code": CANCELLATION_FEE, "note": note, "paise": wanted.taxable}]
    return [{name: row[name] for name in row if name != "tax"} for row in quote.lines if row["code"] != GST]


def _papered(papers: Sequence[Invoice]) -> _Sum:
    """What an order's invoice and notes come to; goodwill is a gift, and changes no price."""
    whole, taxes = 0, dict.fromkeys(TAXES, 0)
    for paper in (paper for paper in papers if paper.refund_id is None):
        sign = -1 if paper.kind == PaperKind.CREDIT_NOTE else 1
        whole += sign * paper.taxable_paise
        for row in paper.taxes:
            taxes[row["code"].lower()] += sign * int(row["paise"])
    return _Sum(whole, taxes)


def _change(before: _Sum, after: _Sum) -> _Sum:
    taxes = {code: after.taxes.get(code, 0) - before.taxes.get(code, 0) for code in TAXES}
    return _Sum(after.taxable - before.taxable, {code: paise for code, paise in taxes.items() if paise}, after.rates)


def _negative(change: _Sum) -> _Sum:
    return _Sum(-change.taxable, {code: -paise for code, paise in change.taxes.items()}, change.rates)


def _issue(
    order: Order,
    kind: PaperKind,
    size: _Sum,
    *,
    lines: Sequence[Mapping[str, Any]],
    now: datetime,
    quote: Quote | None = None,
    refund: Refund | None = None,
    corrects: Invoice | None = None,
    reason: str = "",
) -> Invoice:
    operator, year = order.operator, financial_year(now)
    sequence = _next_number(operator.pk, kind, year)
    taxes = size.rows()
    return Invoice.objects.create(
        operator=operator,
        order=order,
        quote=quote,
        refund=refund,
        corrects=corrects,
        kind=kind,
        year=year,
        sequence=sequence,
        number=paper_number(operator.invoice_prefix, kind, year=year, sequence=sequence),
        issued_at=now,
        supplier=corrects.supplier if corrects else _supplier(order),
        recipient=corrects.recipient if corrects else _recipient(order),
        place=corrects.place if corrects else _place(order, quote),
        facts=_facts(order, corrects, reason),
        lines=[{**line, "sac": _sac(operator, quote, corrects)} for line in lines],
        taxes=taxes,
        currency=quote.currency if quote else refund.currency if refund else "INR",
        taxable_paise=size.taxable,
        tax_paise=sum(row["paise"] for row in taxes),
        total_paise=size.total,
    )


def _sac(operator: Operator, quote: Quote | None, corrects: Invoice | None) -> str:
    """The code of the service as it was quoted, on a note that of the invoice it corrects."""
    if corrects is not None and corrects.lines:
        return str(corrects.lines[0]["sac"])
    return str((quote.tariff.get("sac") if quote else "") or operator.sac)


def _next_number(operator_id: int, kind: str, year: int) -> int:
    """The series raised by one; the row stays locked until the issuing transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_invoiceseries (operator_id, kind, year, last) VALUES (%s, %s, %s, 1) "
            "ON CONFLICT (operator_id, kind, year) DO UPDATE SET last = orders_invoiceseries.last + 1 RETURNING last",
            [operator_id, kind, year],
        )
        return int(cursor.fetchone()[0])


def _supplier(order: Order) -> dict[str, str]:
    operator = order.operator
    return {
        "name": operator.legal_name or operator.name,
        "address": operator.address,
        "gstin": operator.gstin,
        "state": STATES.get(operator.state_code, ""),
        "state_code": operator.state_code,
        "phone": operator.support_phone,
        "email": operator.support_email,
    }


def _recipient(order: Order) -> dict[str, str]:
    billing = order.billing
    return {
        "name": str(billing.get("name", "")),
        "address": str(billing.get("address", "")),
        "gstin": str(billing.get("tax_id", "")),
    }


def _place(order: Order, quote: Quote | None) -> dict[str, str]:
    """Where the supply takes place: as it was taxed, in the payer's state or at the station."""
    station = order.connector.evse.station
    code = str(quote.tariff.get("place_state", "")) if quote else ""
    code = code or state_code(station.state)
    return {"state": STATES.get(code, station.state), "code": code}


def _facts(order: Order, corrects: Invoice | None, reason: str) -> dict[str, str]:
    connector = order.connector
    facts = {
        "order": order.code or "",
        "station": ", ".join(part for part in (connector.evse.station.name, connector.evse.station.city) if part),
        "evse": connector.item_id,
    }
    if corrects is not None:
        facts["corrects"] = corrects.number
        facts["corrects_on"] = corrects.issued_at.astimezone(INDIA).date().isoformat()
        facts["reason"] = reason
    return facts
