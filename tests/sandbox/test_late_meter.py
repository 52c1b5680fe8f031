"""Does a station that was cut off keep silent, and tell the truth once it is back?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.late_meter import LAST_READING, cut_off, tell_late
from sandbox.stations import Session
from sandbox.supplier import Supplier, SupplierError

NOW = datetime(2026, 2, 1, 4, 0, tzinfo=UTC)


class Bench:
    """A supplier with a clock by hand, and all that it told."""

    def __init__(self) -> None:
        self.now = NOW
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.supplier = Supplier(clock=lambda: self.now, on_event=lambda _, kind, data: self.told.append((kind, data)))

    def ended_unheard(self) -> Session:
        """A session of 3 kWh at a station that was cut off before it."""
        cut_off(self.supplier, "S")
        session, _ = self.supplier.acquire("S", "c1", wished_slot=1)
        self.supplier.lock("S", 1)
        self.supplier.start(session.id)
        self.now += timedelta(minutes=6)
        self.supplier.tick()
        return self.supplier.end(session.id)


def test_nothing_is_heard_of_a_station_that_is_cut_off() -> None:
    bench = Bench()
    session = bench.ended_unheard()
    assert (bench.told, session.final_wh) == ([], 3000)


@pytest.mark.parametrize("energy_wh", [0, 2000, 4500])
def test_station_that_is_back_tells_its_last_reading_and_the_supplier_knows_it(energy_wh: int) -> None:
    bench = Bench()
    session = bench.ended_unheard()
    tell_late(bench.supplier, session.id, energy_wh=energy_wh)
    ((kind, data),) = bench.told
    assert (kind, data["context"], data["sessionId"]) == ("meter-values", LAST_READING, session.id)
    assert data["energyWh"] == session.meter_start_wh + energy_wh
    assert (bench.supplier.energy_wh(session), bench.supplier.reading(session)["energyWh"]) == (
        energy_wh,
        data["energyWh"],
    )
    bench.supplier.unlock("S", 1)
    assert bench.supplier.acquire("S", "c2", wished_slot=1)[0].meter_start_wh == session.meter_start_wh + energy_wh


def test_reading_taken_earlier_and_not_the_last_says_so() -> None:
    bench = Bench()
    session = bench.ended_unheard()
    bench.now += timedelta(hours=2)
    tell_late(bench.supplier, session.id, energy_wh=3500, last=False, after_s=60)
    ((_, data),) = bench.told
    assert ("context" in data, data["timestamp"]) == (False, "2026-02-01T04:07:00.000Z")


def test_register_of_a_later_session_stays() -> None:
    bench = Bench()
    first = bench.ended_unheard()
    bench.supplier.unlock("S", 1)
    session, _ = bench.supplier.acquire("S", "c2", wished_slot=1)
    bench.supplier.lock("S", 1)
    bench.supplier.start(session.id)
    bench.now += timedelta(minutes=6)
    bench.supplier.end(session.id)
    tell_late(bench.supplier, first.id, energy_wh=2000)
    assert bench.supplier.slot("S", 1)[1].register_wh == session.meter_start_wh + 3000


def test_only_what_has_ended_is_told_late_and_no_meter_runs_back() -> None:
    bench = Bench()
    session, _ = bench.supplier.acquire("S", "c1")
    with pytest.raises(SupplierError, match="end it first"):
        tell_late(bench.supplier, session.id, energy_wh=1)
    ended = Bench()
    with pytest.raises(SupplierError, match="never runs back"):
        tell_late(ended.supplier, ended.ended_unheard().id, energy_wh=-1)
