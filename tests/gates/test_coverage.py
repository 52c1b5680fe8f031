"""Does the coverage gate close?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.coverage_gates import WHOLE, faults

ROOT = Path(__file__).resolve().parents[2]


def report(overall: float, **files: float) -> dict[str, Any]:
    return {
        "totals": {"percent_covered": overall},
        "files": {
            name: {"summary": {"percent_covered": percent}, "missing_lines": [7], "missing_branches": [[7, 9]]}
            for name, percent in files.items()
        },
    }


def test_enough_coverage_passes() -> None:
    assert faults(report(90.0, **{"bpp/signing.py": 100.0, "bpp/views.py": 60.0})) == []


@pytest.mark.parametrize("name", WHOLE)
def test_every_rule_that_must_run_whole_is_in_the_tree(name: str) -> None:
    place = ROOT / name
    assert any(place.rglob("*.py")) if name.endswith("/") else place.is_file()


@pytest.mark.parametrize(
    "name", ["bpp/signing.py", "bpp/dialects/v1/order.py", "orders/pricing/making.py", "orders/overlays.py"]
)
def test_rule_that_is_not_run_whole_is_named_with_its_lines(name: str) -> None:
    (fault,) = faults(report(95.0, **{name: 99.0}))
    assert name in fault
    assert "lines 7" in fault
    assert "7→9" in fault


def test_too_little_overall_is_refused() -> None:
    assert faults(report(89.9)) == ["overall 89.9 %, wanted 90 %"]
