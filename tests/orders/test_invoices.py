"""Is what was charged on numbered papers, once, without a gap, to the paisa of the books?"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from orders.balances import income
from orders.models import Invoice, InvoiceSeries, Order, PaperKind, Quote, Refund
from orders.numbering import financial_year, paper_number, year_text
from orders.services import (
    cancel_order,
)
from orders.services.adjusting import correct_bill
from orders.services.auditing import check_books
from orders.services.invoices import all_gaps, gaps, issue_paper, notes_due
from orders.services.refunds import approve_refund, ask_refund, finish_refund
from tests.factories.orders import (
    NOW,
    active_order,
    connector_on_sale,
)
from tests.orders.invoicing import GSTIN, billed, papered, papers, registered

MUMBAI = "27AAGCB7383J1Z8"
K = PaperKind


@pytest.mark.parametrize(
    ("at", "year"),
    [
        (datetime(2026, 4, 1, 0, 0, tzinfo=UTC), 2026),
        (datetime(2026, 3, 31, 18, 29, 59, tzinfo=UTC), 2025),
        (datetime(2026, 3, 31, 18, 30, tzinfo=UTC), 2026),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), 2026),
        (datetime(2027, 1, 1, tzinfo=UTC), 2026),
    ],
)
def test_financial_year_begins_in_april_by_the_clock_of_india(at: datetime, year: int) -> None:
    assert financial_year(at) == year


@pytest.mark.parametrize(
    ("kind", "sequence", "text"),
    [
        ("invoice", 123, "VB/26-27/000123"),
        ("credit-note", 1, "VBC/26-27/000001"),
        ("debit-note", 42, "VBD/26-27/000042"),
        ("invoice", 1_000_000, "VB/26-27/1000000"),
        ("credit-note", 1_000_000, "VBC/2627/1000000"),
        ("invoice", 10_000_000, "VB/2627/10000000"),
    ],
)
def test_number_has_at_most_sixteen_signs(kind: str, sequence: int, text: str) -> None:
    assert paper_number("VB", kind, year=2026, sequence=sequence) == text
    assert len(text) <= 16


def test_number_of_a_full_series_is_refused() -> None:
    with pytest.raises(ValueError, match="full"):
        paper_number("VB", "credit-note", year=2026, sequence=100_000_000)


def test_year_at_the_turn_of_a_century_has_two_digits() -> None:
    assert year_text(2099) == "99-00"


@pytest.mark.django_db
def test_bill_becomes_an_invoice_with_the_lines_of_the_bill() -> None:
    order = billed(active_order(registered(connector_on_sale())))
    bill = Quote.objects.get(order=order, current=True)
    (paper,) = papers(order)
    assert (paper.kind, paper.quote_id, paper.total_paise) == (K.INVOICE, bill.pk, bill.total_paise)
    wanted = [(line["code"], line["paise"]) for line in bill.lines if line["code"] != "gst"]
    assert [(line["code"], line["paise"]) for line in paper.lines] == wanted
    assert paper.supplier["gstin"] == GSTIN
    assert paper.place == {"state": "Karnataka", "code": "29"}
    assert paper.recipient["name"] == "Test Driver"
    assert paper.facts["order"] == order.code


@pytest.mark.django_db
def test_nothing_charged_is_no_invoice() -> None:
    assert papers(billed(energy_wh=0)) == []


@pytest.mark.django_db
def test_same_bill_again_is_the_same_paper() -> None:
    order = billed()
    again = issue_paper(order, Quote.objects.get(order=order, current=True), now=NOW)
    assert [again] == papers(order)


@pytest.mark.django_db
@pytest.mark.parametrize(("energy_wh", "kind"), [(7_000, K.CREDIT_NOTE), (9_000, K.DEBIT_NOTE)])
def test_corrected_bill_is_a_note_about_the_difference(energy_wh: int, kind: str) -> None:
    order = billed(active_order(registered(connector_on_sale())))
    first = papers(order)[0]
    correct_bill(
        order.pk, energy_wh=energy_wh, started_at=NOW, ended_at=NOW + timedelta(minutes=20),
        now=NOW + timedelta(days=1), actor="test", reason="late meter",
    )  # fmt: skip
    note = papers(order)[1]
    assert (note.kind, note.corrects_id, note.facts["corrects"]) == (kind, first.pk, first.number)
    # 1 kWh at 18.00 and 18 %
    assert (note.taxable_paise, note.total_paise) == (1_800, 2_124)
    assert papered(order) == Quote.objects.get(order=order, current=True).total_paise == sum(income(order).values())


@pytest.mark.django_db
def test_goodwill_gets_a_credit_note_without_tax_once_it_is_done() -> None:
    order = billed(active_order(registered(connector_on_sale())))
    refund = ask_refund(order.pk, 5_000, cause="slow", now=NOW, actor="staff:x")
    assert notes_due(now=NOW) == 0
    if refund.state == Refund.State.REQUESTED:
        approve_refund(refund.pk, now=NOW, actor="staff:x")
    Refund.objects.filter(pk=refund.pk).update(state=Refund.State.SENT)
    finish_refund(refund.pk, reference="r1", now=NOW, actor="test")
    assert notes_due(now=NOW) == 1
    assert notes_due(now=NOW) == 0
    note = papers(order)[1]
    assert (note.kind, note.refund_id, note.total_paise, note.taxes) == (K.CREDIT_NOTE, refund.pk, 5_000, [])


@pytest.mark.django_db
def test_unused_prepayment_gets_no_credit_note() -> None:
    order = billed(energy_wh=5_000)
    assert Refund.objects.filter(order=order, reason=Refund.Reason.UNUSED).exists()
    assert notes_due(now=NOW) == 0
    assert [paper.kind for paper in papers(order)] == [K.INVOICE]


@pytest.mark.django_db
def test_cancellation_fee_is_invoiced_and_free_cancellation_is_not() -> None:
    order = active_order(registered(connector_on_sale()))
    cancel_order(order_id=order.pk, by="CONSUMER", now=NOW + timedelta(hours=2), actor="test")
    fee = sum(income(order).values())
    assert papered(order) == fee
    free = active_order()
    cancel_order(order_id=free.pk, by="PROVIDER", now=NOW, actor="test")
    assert papers(free) == []


@pytest.mark.django_db
def test_numbers_count_up_by_operator_kind_and_year() -> None:
    connector = connector_on_sale()
    operator = connector.evse.station.operator
    march, april = datetime(2026, 3, 31, 17, 0, tzinfo=UTC), datetime(2026, 3, 31, 19, 0, tzinfo=UTC)
    orders = [billed(active_order(connector, now=at), at=at) for at in (march, march + timedelta(minutes=30), april)]
    numbers = [papers(order)[0].number for order in orders]
    assert numbers == ["VB/25-26/000001", "VB/25-26/000002", "VB/26-27/000001"]
    assert papers(billed())[0].number.endswith("/000001")
    assert gaps(operator.pk, 2025) == gaps(operator.pk, 2026) == all_gaps() == {}


@pytest.mark.django_db
def test_rolled_back_invoice_leaves_no_gap() -> None:
    connector = connector_on_sale()
    first = active_order(connector)
    with transaction.atomic():
        billed(first)
        transaction.set_rollback(True)
    first.refresh_from_db()
    assert papers(first) == []
    assert papers(billed(first))[0].sequence == 1


def copied(paper: Invoice, **changes: Any) -> Invoice:
    """The paper once more, as a debit note to itself."""
    kept = {field.attname: getattr(paper, field.attname) for field in Invoice._meta.fields if field.name != "id"}
    note = {
        "kind": K.DEBIT_NOTE,
        "corrects_id": paper.pk,
        "number": "VBD/X/1",
        "quote_id": billed().quotes.latest("pk").pk,
    }
    return Invoice(**(kept | note | changes))


def begun(paper: Invoice, kind: PaperKind) -> None:
    InvoiceSeries.objects.create(operator=paper.operator, kind=kind, year=paper.year, last=1)


def unused(paper: Invoice) -> None:
    begun(paper, K.CREDIT_NOTE)
    connection.check_constraints()


def number_of_none(paper: Invoice) -> None:
    copied(paper).save()


def wrong_lines(paper: Invoice) -> None:
    begun(paper, K.DEBIT_NOTE)
    copied(paper, lines=[{"code": "x", "paise": 1}]).save()


BREAKS: dict[str, Callable[[Invoice], object]] = {
    "change a paper": lambda paper: Invoice.objects.filter(pk=paper.pk).update(facts={}),
    "delete a paper": lambda paper: Invoice.objects.filter(pk=paper.pk).delete(),
    "number outside a series": number_of_none,
    "raise a series by two": lambda paper: InvoiceSeries.objects.filter(operator=paper.operator).update(last=3),
    "lower a series": lambda paper: InvoiceSeries.objects.filter(operator=paper.operator).update(last=0),
    "delete a series": lambda paper: InvoiceSeries.objects.filter(operator=paper.operator).delete(),
    "begin a series with two": lambda paper: InvoiceSeries.objects.create(
        operator=paper.operator, kind=K.CREDIT_NOTE, year=paper.year, last=2
    ),
    "take a number for nothing": unused,
    "lines that do not add up": wrong_lines,
}


@pytest.mark.django_db
@pytest.mark.parametrize("how", BREAKS)
def test_database_keeps_papers_and_series(how: str) -> None:
    paper = papers(billed())[0]
    with pytest.raises(IntegrityError), transaction.atomic():
        BREAKS[how](paper)


@pytest.mark.django_db
def test_gap_and_the_bill_without_its_paper_would_be_seen() -> None:
    paper = papers(billed())[0]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders_invoice DISABLE TRIGGER invoice_immutable")
        cursor.execute("DELETE FROM orders_invoice WHERE id = %s", [paper.pk])
        cursor.execute("ALTER TABLE orders_invoice ENABLE TRIGGER invoice_immutable")
    assert gaps(paper.operator_id, paper.year) == {"invoice": [1]}
    assert list(all_gaps().values()) == [[1]]
    check = check_books(now=NOW + timedelta(days=1), whole=True)
    assert check is not None
    assert [finding["rule"] for finding in check.findings] == ["papers", "gap"]


@pytest.mark.django_db
def test_sweep_notices_a_bill_that_the_papers_do_not_show() -> None:
    order = billed(active_order(registered(connector_on_sale())))
    clean = check_books(now=NOW + timedelta(hours=1), whole=True)
    assert clean is not None
    assert clean.findings == []
    paper = papers(order)[0]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders_invoice DISABLE TRIGGER invoice_immutable")
        lines = [{**paper.lines[0], "paise": 1}]
        Invoice.objects.filter(pk=paper.pk).update(lines=lines, taxable_paise=1, total_paise=1 + paper.tax_paise)
        cursor.execute("ALTER TABLE orders_invoice ENABLE TRIGGER invoice_immutable")
    check = check_books(now=NOW + timedelta(hours=2), whole=True)
    assert check is not None
    assert [finding["rule"] for finding in check.findings] == ["papers"]


@pytest.mark.django_db(transaction=True)
def test_twenty_bills_at_once_leave_no_gap() -> None:
    operator = connector_on_sale().evse.station.operator
    orders = [active_order(connector_on_sale(operator=operator)) for _ in range(20)]
    wrong: list[Exception] = []

    def close(order: Order) -> None:
        try:
            billed(order)
        except Exception as err:  # noqa: BLE001  # whatever goes wrong is to be seen
            wrong.append(err)
        finally:
            connection.close()

    threads = [threading.Thread(target=close, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    sequences = Invoice.objects.filter(operator=operator).order_by("sequence").values_list("sequence", flat=True)
    assert list(sequences) == list(range(1, 21))
    assert all_gaps() == {}


@pytest.mark.django_db
def test_papers_of_an_operator_come_to_what_it_earned() -> None:
    connector = connector_on_sale()
    orders = [
        billed(
            active_order(connector, now=NOW + timedelta(hours=hour)),
            energy_wh=energy_wh,
            at=NOW + timedelta(hours=hour),
        )
        for hour, energy_wh in enumerate([1, 333, 4_567, 10_000])
    ]
    whole = Invoice.objects.filter(operator=connector.evse.station.operator).aggregate(Sum("total_paise"))
    assert whole["total_paise__sum"] == sum(sum(income(order).values()) for order in orders)
