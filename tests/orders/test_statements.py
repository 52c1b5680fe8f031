"""Do the statements say what the ledger says?"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Operator
from core.errors import Invalid
from orders.balances import balance, balances
from orders.models import Account, Order, Posting, Refund
from orders.papers.statement import OrderRow, Settled, Statement, Sums, statement_pdf, statements_csv
from orders.services import cancel_order, complete_order, finish_refund, mark_started
from orders.services.clearing import settle_with
from orders.statements import month_bounds, statements
from tests.factories.orders import BAP, NOW, active_order, connector_on_sale

FEB = month_bounds("2026-02")
MARCH = month_bounds("2026-03")
OTHER_BAP = "other.example.org"


def billed(order: Order, at: datetime, *, energy_wh: int = 8_000) -> Order:
    end = at + timedelta(minutes=20)
    mark_started(order.pk, now=at, actor="test")
    return complete_order(
        order.pk, energy_wh=energy_wh, started_at=at, ended_at=end, now=end, reason="done", actor="test"
    )


@pytest.fixture
def seller(db: None) -> Operator:
    """An operator with a bill, its finder fee and its refund, and a cancellation."""
    operator = connector_on_sale().evse.station.operator
    billed(active_order(connector_on_sale(operator=operator), finder_fee=("amount", Decimal(5))), NOW)
    later = NOW + timedelta(hours=2)
    other = active_order(connector_on_sale(operator=operator), now=later)
    cancel_order(order_id=other.pk, by="CONSUMER", now=later + timedelta(minutes=30), actor="test")
    return operator


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-02", datetime(2026, 1, 31, 18, 30, tzinfo=UTC), datetime(2026, 2, 28, 18, 30, tzinfo=UTC)),
        ("2026-12", datetime(2026, 11, 30, 18, 30, tzinfo=UTC), datetime(2026, 12, 31, 18, 30, tzinfo=UTC)),
    ],
)
def test_month_is_by_the_clock_of_india(text: str, since: datetime, until: datetime) -> None:
    assert month_bounds(text) == (since, until)


@pytest.mark.parametrize("text", ["", "2026", "2026-00", "2026-13", "2026-1-1", "nov"])
def test_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        month_bounds(text)


def test_totals_are_those_of_the_ledger(seller: Operator) -> None:
    (statement,) = statements(seller, since=FEB[0], until=FEB[1])
    ledger = {row.account: row.paise for row in balances(operators=[seller.pk], since=FEB[0], until=FEB[1])}
    whole = statement.total
    assert whole.before_tax == -ledger.get(Account.REVENUE, 0) - ledger.get(Account.FEES, 0)
    assert (whole.cgst, whole.sgst) == (-ledger[Account.CGST], -ledger[Account.SGST])
    assert whole.finder_fee == ledger[Account.FINDER_FEE] == 500
    assert whole.by_buyer_app == ledger[Account.BAP]
    assert whole.refunded == sum(Refund.objects.values_list("paise", flat=True))
    assert statement.closing == ledger[Account.BAP] + ledger[Account.SETTLEMENT]


def test_settlement_closes_what_is_owed_and_the_next_month_begins_there(seller: Operator) -> None:
    for refund in Refund.objects.filter(state=Refund.State.SENT):
        finish_refund(refund.pk, reference="r", now=FEB[1] - timedelta(days=1), actor="test")
    owed = statements(seller, since=FEB[0], until=FEB[1])[0].closing
    settle_with(seller, BAP, paise=owed - 100, reference="UTR1", until=FEB[1], now=MARCH[0], actor="staff:x")
    (later,) = statements(seller, since=MARCH[0], until=MARCH[1])
    assert (later.opening, later.paid, later.closing) == (owed, owed - 100, 100)
    assert later.settled[0].reference == "UTR1"
    assert later.closing == balance(seller.pk, BAP, Account.BAP) + balance(seller.pk, BAP, Account.SETTLEMENT)


def test_every_rupee_of_the_period_is_in_a_row(seller: Operator) -> None:
    (statement,) = statements(seller, since=FEB[0], until=FEB[1])
    assert {row.order for row in statement.rows} == set(Order.objects.values_list("code", flat=True))
    moved = Posting.objects.filter(operator=seller, account=Account.BAP).values_list("paise", flat=True)
    assert sum(row.sums.by_buyer_app for row in statement.rows) == sum(moved)


def test_csv_adds_up_from_opening_to_closing(seller: Operator) -> None:
    rows = list(csv.DictReader(io.StringIO(statements_csv(statements(seller, since=FEB[0], until=FEB[1])).decode())))
    cents = [round(float(row["net_due"]) * 100) for row in rows]
    assert sum(cents[:-1]) == cents[-1]
    assert [row["kind"] for row in rows] == ["opening", "order", "order", "closing"]


def test_other_buyer_app_and_other_operator_are_left_out(seller: Operator) -> None:
    assert statements(seller, since=FEB[0], until=FEB[1], bap_id=OTHER_BAP) == []
    other = connector_on_sale().evse.station.operator
    assert statements(other, since=FEB[0], until=FEB[1]) == []


def test_command_prints_and_writes_the_statement(
    seller: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("settlement", operator=seller.code, month="2026-02", out=tmp_path)
    assert "2 orders" in capsys.readouterr().out
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".csv", ".pdf"]
    call_command("settlement", operator=seller.code, month="2025-02")
    assert "nothing moved" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"operator": "nobody"}, {"month": "2026-20"}])
def test_command_says_what_is_wrong(wrong: dict[str, str]) -> None:
    operator = connector_on_sale().evse.station.operator
    with pytest.raises(CommandError):
        call_command("settlement", **({"operator": operator.code, "month": "2026-02"} | wrong))


def a_statement(rows: int) -> Statement:
    sums = Sums(before_tax=10_000, cgst=900, sgst=900, by_buyer_app=11_800, finder_fee=100)
    days = [FEB[0].date() + timedelta(days=number % 28) for number in range(rows)]
    return Statement(
        operator="=Evil() Ltd", gstin="", buyer_app="@bap.example.org", since=FEB[0], until=FEB[1], opening=-500,
        rows=[OrderRow(f"VB-{number}", day, sums) for number, day in enumerate(days)],
        settled=[Settled(FEB[0].date(), "+cmd", 5_000)],
    )  # fmt: skip


def test_text_that_a_spreadsheet_would_run_is_held_back() -> None:
    text = statements_csv([a_statement(1)]).decode()
    assert "'@bap.example.org" in text
    assert "'+cmd" in text
    assert "-5.00" in text
    assert "'-" not in text


@pytest.mark.no_cover  # a thousand times what other tests measure
@pytest.mark.parametrize("lines", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_same_statement_is_the_same_file_whatever_its_length(lines: int) -> None:
    statement = a_statement(lines)
    assert statement.closing == -500 + lines * 11_700 - 5_000
    sheet = statement_pdf(statement)
    assert sheet == statement_pdf(statement)
    assert sheet.startswith(b"%PDF-")
