"""Which GSTINs are believed?"""

from __future__ import annotations

from importlib import import_module

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from catalog.gstin import STATES, check_character, gstin_fault, registered_state, state_code
from catalog.models import Operator
from tests.factories.catalog import OperatorFactory

OF_TODAY = {"a": "V1", "b": "V0", "c": "VB"}
GOOD = ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "37AADCS0472N1Z1"]


@pytest.mark.parametrize("text", GOOD)
def test_gstin_in_use_is_believed(text: str) -> None:
    assert gstin_fault(text) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "15 signs"),
        ("29AAGCB7383J1Z", "15 signs"),
        ("29aagcb7383j1z4", "15 signs"),
        ("29AAGCB7383J1Z4\n", "15 signs"),
        ("29AAGCB7383J0Z4", "15 signs"),
        ("29AAGCB7383J1Y4", "15 signs"),
        ("25AAGCB7383J1Z4", "no state"),
        ("00AAGCB7383J1Z4", "no state"),
        ("29AAGCB7383J1Z5", "ask for 4"),
        ("29AAGCB7338J1Z4", "mistyped"),
    ],
)
def test_gstin_that_cannot_be_is_refused_with_the_reason(text: str, said: str) -> None:
    assert said in gstin_fault(text)


@pytest.mark.parametrize("text", GOOD)
def test_every_single_wrong_sign_is_noticed(text: str) -> None:
    for place in range(14):
        for sign in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            if sign != text[place]:
                assert check_character(text[:place] + sign + text[place + 1 : 14]) != text[14]


@pytest.mark.parametrize(
    ("name", "code"),
    [("Karnataka", "29"), ("  tamil  NADU ", "33"), ("29", "29"), ("Orissa", "21"), ("", ""), ("Mysore", "")],
)
def test_state_is_known_by_name_or_code(name: str, code: str) -> None:
    assert state_code(name) == code


@pytest.mark.parametrize(
    ("text", "code"), [("29AAGCB7383J1Z4", "29"), (" 29aagcb7383j1z4 ", "29"), ("29AAGCB7383J1Z5", ""), ("", "")]
)
def test_payers_state_is_that_of_a_true_gstin(text: str, code: str) -> None:
    assert registered_state(text) == code


def test_every_state_is_found_by_its_own_name() -> None:
    assert {code: state_code(name) for code, name in STATES.items()} == {code: code for code in STATES}


def test_operator_with_a_mistyped_gstin_is_refused() -> None:
    operator = Operator(code="x", name="x", gstin="29AAGCB7383J1Z5", state_code="29")
    with pytest.raises(ValidationError, match="ask for 4"):
        operator.clean()


def test_operator_of_another_state_than_its_gstin_is_refused() -> None:
    operator = Operator(code="x", name="x", gstin="29AAGCB7383J1Z4", state_code="33")
    with pytest.raises(ValidationError, match="Karnataka"):
        operator.clean()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "facts",
    [
        {"gstin": "29AAGCB7383J1Z", "state_code": "29"},
        {"gstin": "29AAGCB7383J1Z4", "state_code": "33"},
        {"gstin": "29AAGCB7383J1Z4"},
    ],
)
def test_database_refuses_a_gstin_without_its_form_or_state(facts: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Operator.objects.create(code="x", name="x", **facts)


@pytest.mark.django_db
def test_two_operators_of_one_gstin_need_two_prefixes() -> None:
    facts = {"gstin": "29AAGCB7383J1Z4", "state_code": "29"}
    Operator.objects.create(code="a", name="a", **facts)
    with pytest.raises(IntegrityError), transaction.atomic():
        Operator.objects.create(code="b", name="b", **facts)
    Operator.objects.create(code="c", name="c", invoice_prefix="VC", **facts)


@pytest.mark.django_db
@pytest.mark.parametrize("prefix", ["V", "", "vb", "V-"])
def test_prefix_has_two_signs_so_that_no_note_bears_the_number_of_anothers_invoice(prefix: str) -> None:
    operator = OperatorFactory.create()
    with pytest.raises(IntegrityError, match="operator_prefix_form"), transaction.atomic():
        Operator.objects.filter(pk=operator.pk).update(invoice_prefix=prefix)


@pytest.mark.django_db
def test_prefixes_of_one_sign_become_two_and_stay_apart() -> None:
    fill = import_module("catalog.migrations.0006_two_sign_prefixes").FILL
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_operator DROP CONSTRAINT operator_prefix_form")
        of_before(Operator)
        cursor.execute(fill)
    assert dict(Operator.objects.values_list("code", "invoice_prefix")) == OF_TODAY


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_prefixes_of_one_sign_become_two_when_all_is_migrated() -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    state = MigrationExecutor(connection).migrate([("catalog", "0005_tariff_versions")])
    try:
        of_before(state.apps.get_model("catalog", "Operator"))
    finally:
        MigrationExecutor(connection).migrate(latest)
    assert dict(Operator.objects.values_list("code", "invoice_prefix")) == OF_TODAY


def of_before(operators: type[Model]) -> None:
    """Operators of one GSTIN as they were when one sign was enough."""
    for code, prefix in (("a", "V"), ("b", "V0"), ("c", "VB")):
        facts = {"gstin": "29AAGCB7383J1Z4", "state_code": "29"}
        operators._default_manager.create(code=code, name=code, invoice_prefix=prefix, **facts)
