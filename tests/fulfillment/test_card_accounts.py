"""Does the money of card accounts add up, and can nobody take it behind our back?"""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from catalog.models import Operator
from core.errors import DomainError
from fulfillment import services as fulfillment
from fulfillment.models import Card, CardAccount, CardEntry, WalkIn
from fulfillment.services.cards import available, balance
from tests.factories.catalog import OperatorFactory
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.cards import a_card, an_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Operator:
    return OperatorFactory.create()


def entries() -> QuerySet[CardEntry]:
    return CardEntry.objects.order_by("pk")


def test_balance_is_the_sum_of_the_entries(operator: Operator) -> None:
    account = an_account(operator, kind="prepaid", paise=10_000)
    fulfillment.withdraw(account.pk, 2_500, reason="cash back", actor="staff:a", now=NOW)
    fulfillment.correct(account.pk, -500, reason="counted twice", actor="staff:a", now=NOW)
    assert balance(account.pk) == 7_000
    assert [(entry.kind, entry.paise) for entry in entries()] == [
        ("topup", 10_000), ("withdrawal", -2_500), ("correction", -500)
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "takes"), [("prepaid", False), ("contract", True)])
def test_prepaid_account_gives_no_more_than_is_on_it(operator: Operator, kind: str, takes: bool) -> None:
    account = an_account(operator, kind=kind, paise=100)
    for deed, paise in ((fulfillment.withdraw, 101), (fulfillment.correct, -101)):
        if takes:
            deed(account.pk, paise, reason="x", actor="x", now=NOW)
        else:
            with pytest.raises(DomainError, match=r"₹1\.00 are left .* ₹1\.01 would be taken out"):
                deed(account.pk, paise, reason="x", actor="x", now=NOW)
    assert balance(account.pk) == (100 if not takes else -102)


@pytest.mark.parametrize("paise", [0, -5])
def test_nothing_is_no_amount(operator: Operator, paise: int) -> None:
    account = an_account(operator)
    for deed in (fulfillment.top_up, fulfillment.withdraw):
        with pytest.raises(DomainError, match="name one above 0"):
            deed(account.pk, paise, reason="x", actor="x", now=NOW)
    assert not entries().exists()


def test_what_charges_now_cannot_be_paid_out(operator: Operator) -> None:
    account = an_account(operator, kind="prepaid", paise=1_000)
    station = connector_on_sale(operator=operator).evse.station
    walk_in = WalkIn.objects.create(
        card=a_card(operator, account=account), account=account, station=station, scanned_as="X", asked_at=NOW,
        amount_paise=400,
    )  # fmt: skip
    assert available(account.pk) == 600
    with pytest.raises(DomainError, match=r"₹6\.00 are left"):
        fulfillment.withdraw(account.pk, 700, reason="x", actor="x", now=NOW)
    WalkIn.objects.filter(pk=walk_in.pk).update(state="failed", ended_at=NOW)
    assert available(account.pk) == 1_000


@pytest.mark.parametrize("deed", ["update", "delete"])
def test_entries_stay_as_they_are(operator: Operator, deed: str) -> None:
    an_account(operator, paise=100)
    with pytest.raises(IntegrityError, match="kept for good"), transaction.atomic():
        entries().update(paise=1) if deed == "update" else entries().delete()
    assert entries().get().paise == 100


def test_database_holds_the_purse_and_the_directions(operator: Operator) -> None:
    account = an_account(operator, kind="prepaid", paise=100)
    rows = [
        ("withdrawal", -101, "would fall to -1 paise"),
        ("correction", -101, "would fall to -1 paise"),
        ("correction", 0, "card_entry_direction"),
        ("topup", -1, "card_entry_direction"),
        ("withdrawal", 1, "card_entry_direction"),
        ("charge", -1, "card_entry_direction"),
    ]
    for kind, paise, text in rows:
        with pytest.raises(IntegrityError, match=text), transaction.atomic():
            CardEntry.objects.create(account=account, kind=kind, paise=paise, reason="x", actor="x", at=NOW)


def test_card_and_account_are_one_operators(operator: Operator) -> None:
    account = an_account(operator)
    with pytest.raises(IntegrityError, match="different operators"), transaction.atomic():
        Card.objects.create(operator=OperatorFactory.create(), account=account, uid="A1")
    with pytest.raises(IntegrityError, match="keeps its operator"), transaction.atomic():
        CardAccount.objects.filter(pk=account.pk).update(operator=OperatorFactory.create())


@pytest.mark.parametrize("uid", ["04a1", "04:A1", "04 A1", ""])
def test_card_id_is_kept_plain(operator: Operator, uid: str) -> None:
    with pytest.raises(IntegrityError, match="card_uid_form"), transaction.atomic():
        a_card(operator, account=an_account(operator)).__class__.objects.create(
            operator=operator, account=an_account(operator), uid=uid
        )
    assert fulfillment.plain_uid(" 04:a1-b2 ") == "04A1B2"


def test_one_card_charges_at_one_place(operator: Operator) -> None:
    card, station = a_card(operator), connector_on_sale(operator=operator).evse.station
    values = {"card": card, "account": card.account, "station": station, "scanned_as": "X", "asked_at": NOW}
    WalkIn.objects.create(**values)
    with pytest.raises(IntegrityError, match="walk_in_one_per_card"), transaction.atomic():
        WalkIn.objects.create(**values)
    other = a_card(operator)
    WalkIn.objects.update(evse=station.evses.get())
    with pytest.raises(IntegrityError, match="walk_in_one_per_evse"), transaction.atomic():
        WalkIn.objects.create(**values | {"card": other, "account": other.account, "evse": station.evses.get()})


def imported(operator: Operator, folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    file = folder / "cards.csv"
    file.write_text(text, encoding="utf-8")
    try:
        call_command("import_cards", "--operator", operator.code, "--file", str(file))
    except CommandError as err:
        return capsys.readouterr().out + str(err)
    return capsys.readouterr().out


LIST = """uid,account,kind,label,state
04:a1:b2:c3,Acme Fleet,contract,Van 1,
04-A1-B2-C4,Acme Fleet,,Van 2,blocked
"""


def test_list_of_cards_comes_in_and_changes_nothing_again(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "2 added, 0 changed, 0 unchanged, 0 refused" in imported(operator, tmp_path, LIST, capsys)
    assert "0 added, 0 changed, 2 unchanged, 0 refused" in imported(operator, tmp_path, LIST, capsys)
    changed = LIST.replace("Van 1", "Lorry 1")
    assert "0 added, 1 changed, 1 unchanged, 0 refused" in imported(operator, tmp_path, changed, capsys)
    cards = Card.objects.order_by("uid").values_list("uid", "account__name", "label", "state")
    assert list(cards) == [
        ("04A1B2C3", "Acme Fleet", "Lorry 1", "active"), ("04A1B2C4", "Acme Fleet", "Van 2", "blocked")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (",Acme Fleet,,,", "line 4: uid is empty"),
        ("04A1,,,,", "line 4: account is empty"),
        ("04 a1 b2 c3,Acme Fleet,,,", "line 4: uid '04 a1 b2 c3' stands in line 2 already"),
        ("04Ä1,Acme Fleet,,,", "line 4: uid is '04Ä1'"),
        ("04A1,Acme Fleet,prepaid,,", "line 4: account 'Acme Fleet' is contract in INR; the row says prepaid"),
        ("04A1,Other,,,", "line 4: account 'Other' is new; say in kind"),
        ("04A1,Other,cash,,", "line 4: kind is 'cash'; allowed: contract, prepaid"),
        ("04A1,Acme Fleet,,,stolen", "line 4: state is 'stolen'; allowed: active, blocked, lost"),
        (f"04A1,Acme Fleet,,{'x' * 101},", "line 4: Ensure this value has at most 100 characters"),
    ],
)
def test_line_that_cannot_be_taken_is_named_and_harms_no_other(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, text: str
) -> None:
    said = imported(operator, tmp_path, f"{LIST}{line}\n", capsys)
    assert text in said
    assert "1 refused; correct the file" in said
    assert Card.objects.count() == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "line 1: the heading is empty"),
        ("uid,name\n", "line 1: the heading is uid,name; allowed"),
        ("uid,uid,account\n", "each once"),
        ("uid,account\nA,B,C\n", "line 2: more values than"),
        ('uid,account\n"A,B\n', "line 2: unexpected end of data"),
        ("uid,account\nA\0,B\n", "NUL"),
    ],
)
def test_file_that_is_no_list_of_cards_is_refused(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, text: str
) -> None:
    assert text in imported(operator, tmp_path, content, capsys)
    assert not Card.objects.exists()


def test_file_that_cannot_be_read_is_named(operator: Operator, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_cards", "--operator", operator.code, "--file", str(tmp_path / "none.csv"))
    (tmp_path / "latin.csv").write_bytes(b"uid,account\n\xe4,B\n")
    with pytest.raises(CommandError, match="is not UTF-8: byte 12 is 0xe4"):
        call_command("import_cards", "--operator", operator.code, "--file", str(tmp_path / "latin.csv"))
