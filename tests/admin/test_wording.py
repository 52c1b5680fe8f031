"""Are figures written as people in India read them?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.wording import ago, kw, kwh, rupees, span

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (0, "₹0.00"),
        (5, "₹0.05"),
        (123456750, "₹12,34,567.50"),
        (100000, "₹1,000.00"),
        (-17700, "−₹177.00"),
        (None, "–"),
    ],
)
def test_rupees(paise: int | None, text: str) -> None:
    assert rupees(paise) == text


@pytest.mark.parametrize(
    ("energy_wh", "text"), [(2300, "2.300 kWh"), (5, "0.005 kWh"), (-1, "−0.001 kWh"), (None, "–")]
)
def test_kwh(energy_wh: int | None, text: str) -> None:
    assert kwh(energy_wh) == text


@pytest.mark.parametrize(("power_w", "text"), [(30_000, "30 kW"), (7_400, "7.4 kW"), (0, "0 kW"), (None, "–")])
def test_kw(power_w: int | None, text: str) -> None:
    assert kw(power_w) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0404, "40 ms"), (4.0, "4 s"), (4.36, "4.4 s"), (59.6, "1 min"), (250, "4 min 10 s"), (183_600, "2 d 3 h"),
     (3600, "1 h"), (-12, "−12 s")],
)  # fmt: skip
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_ago_looks_both_ways() -> None:
    assert ago(NOW - timedelta(minutes=4), NOW) == "4 min ago"
    assert ago(NOW + timedelta(hours=2), NOW) == "in 2 h"
    assert (ago(NOW, NOW), ago(None, NOW)) == ("now", "–")
