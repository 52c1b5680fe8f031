"""Do an operator's rules come from a file, and is one that cannot be read refused in words?"""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Operator
from orders.models import CancellationRule, ReservationRules
from tests.factories.catalog import OperatorFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Operator:
    return OperatorFactory.create()


def set_rules(operator: Operator, file: Path) -> str:
    out = StringIO()
    call_command("set_rules", str(file), "--operator", operator.code, stdout=out)
    return out.getvalue()


def written(folder: Path, content: Any) -> Path:
    file = folder / "rules.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_the_rules_of_a_file_replace_what_stands(operator: Operator, tmp_path: Path) -> None:
    CancellationRule.objects.create(operator=operator, fee_percent=90)
    content = {"booking": {"mode": "provisional"}, "cancellation": [{"fee_percent": 30}, {"fee_percent": 10}]}
    assert "2 cancellation rules" in set_rules(operator, written(tmp_path, content))
    assert ReservationRules.objects.get().mode == "provisional"
    assert [(rule.place, rule.fee_percent) for rule in CancellationRule.objects.all()] == [
        (1, Decimal(30)),
        (2, Decimal(10)),
    ]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "is not JSON"),
        ([{"fee_percent": 30}], "holds a list"),
        ("null", "holds a NoneType"),
        ({"booking": {"pace": 1}}, "pace"),
        ({"booking": [1]}, "rules.json"),
        ({"cancellation": [{"fee_percent": 300}]}, "100"),
        ({"cancellation": 5}, "rules.json"),
    ],
)
def test_a_file_that_holds_no_rules_is_refused_and_what_stands_stays(
    operator: Operator, tmp_path: Path, content: Any, word: str
) -> None:
    CancellationRule.objects.create(operator=operator, fee_percent=90)
    with pytest.raises(CommandError, match=word):
        set_rules(operator, written(tmp_path, content))
    assert CancellationRule.objects.get().fee_percent == 90


def test_a_file_that_is_not_there_is_named(operator: Operator, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        set_rules(operator, tmp_path / "none.json")
