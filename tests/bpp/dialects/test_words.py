"""Do the words fold as they should, whatever their case and separators?"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpp.dialects.v1 import order, reading, words
from bpp.dialects.v1.context import wire_duration, wire_time
from bpp.messages import Quantity


@st.composite
def respelt(draw: st.DrawFn, source: list[str]) -> tuple[str, str]:
    """A word, and the same word in another case with other separators."""
    word = draw(st.sampled_from(source))
    separator = draw(st.sampled_from(["_", " ", "-", " - "]))
    return word, draw(st.sampled_from([str.upper, str.lower, str.title]))(word.replace("-", separator))


@given(respelt(["start-charging", "start-chargin", "end-charging", "stop-charging", "charging-ended"]))
def test_command_folds(pair: tuple[str, str]) -> None:
    assert words.command(pair[1]) == words.command(pair[0]) != ""


@given(respelt(sorted(words.CONNECTORS)))
def test_connector_folds(pair: tuple[str, str]) -> None:
    assert words.connectors(pair[1]) == {pair[0]}


@pytest.mark.parametrize(
    ("text", "current", "types"),
    [
        ("CCS-2", "", {"IEC_62196_T2_COMBO"}),
        ("Combo2", "", {"IEC_62196_T2_COMBO"}),
        ("J1772", "", {"IEC_62196_T1"}),
        ("CCS1", "", {"IEC_62196_T1_COMBO"}),
        ("GB_T", "DC", {"GBT_DC"}),
        ("GB-T", "AC", {"GBT_AC"}),
        ("LEV-AC", "", {"IS_17017"}),
        ("lev dc", "", {"TYPE_6"}),
        ("banana", "", set()),
        ("", "", set()),
    ],
)
def test_connector_aliases(text: str, current: str, types: set[str]) -> None:
    assert words.connectors(text, current) == types


def test_plain_names() -> None:
    assert words.plain_name("IEC_62196_T2_COMBO") == "CCS2"
    assert words.plain_name("NEMA_5_20") == "NEMA 5 20"
    assert set(words.PLAIN_NAMES) <= words.CONNECTORS


@pytest.mark.parametrize(
    ("text", "power_w"),
    [
        ("30kW", 30_000),
        ("7.4 kw", 7400),
        ("3300W", 3300),
        ("22", 22_000),
        (".5kW", 500),
        ("1MW", 1_000_000),
        ("a lot", None),
    ],
)
def test_power_ratings(text: str, power_w: int | None) -> None:
    assert words.power_w(text) == power_w


@pytest.mark.parametrize(
    ("text", "energy_wh"),
    [("40kWh", 40_000), ("40.5 kwh", 40_500), ("40000WH", 40_000), ("2.4", 2400), (".5kWh", 500), ("4MWh", None)],
)
def test_energies(text: str, energy_wh: int | None) -> None:
    assert words.energy_wh(text) == energy_wh


@given(st.decimals(min_value=0, max_value=10**9, places=3))
def test_plain_numbers_read_back(value: Decimal) -> None:
    assert words.number(words.plain(value)) == value
    assert "E" not in words.plain(value)


@given(st.integers(0, 10**9))
def test_durations_read_back(lasting_s: int) -> None:
    assert reading.duration_s(wire_duration(lasting_s)) == lasting_s


@pytest.mark.parametrize("text", ["P", "PT", "10M", "P10", "PT10", "P-1D", "", "P1H"])
def test_what_is_no_duration(text: str) -> None:
    assert reading.duration_s(text) is None


@given(
    st.datetimes(
        min_value=datetime(1990, 1, 1),
        max_value=datetime(2100, 1, 1),
        timezones=st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_times_read_back_to_the_millisecond(moment: datetime) -> None:
    read = reading.instant(wire_time(moment))
    assert read is not None
    assert timedelta(0) <= moment - read[0] < timedelta(milliseconds=1)
    assert not read[1]


@given(st.sampled_from(["energy", "money", "time"]), st.integers(1, 10**9))
def test_quantities_read_back(kind: str, amount: int) -> None:
    assert reading.Reader().measure(dict(order.measure(Quantity(kind, amount))), "$") == Quantity(kind, amount)


@pytest.mark.parametrize(
    ("text", "left"),
    [("EV charger", ""), ("EV Charging Station near Lake View", "Lake View"), ("", ""), ("CCS2", "CCS2")],
)
def test_searched_words(text: str, left: str) -> None:
    assert words.searched(text) == left
