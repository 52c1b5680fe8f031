"""The rules of the power supplier, at a clock that the test turns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.meter import ChargingCurve
from sandbox.stations import Session
from sandbox.supplier import Supplier, SupplierError, SupplierSettings


class Bench:
    """A supplier with a clock by hand and a list of what it told."""

    def __init__(self, **settings: Any) -> None:
        self.now = datetime(2026, 2, 1, 4, 0, tzinfo=UTC)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.supplier = Supplier(SupplierSettings(**settings), clock=lambda: self.now, on_event=self._hear)

    def _hear(self, station_id: str, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, data))

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.supplier.tick()

    def charging(self, card: str = "c1") -> Session:
        session, _ = self.supplier.acquire("S", card)
        self.supplier.lock("S", session.slot_number)
        return self.supplier.start(session.id)


def refusal(excinfo: pytest.ExceptionInfo[SupplierError]) -> tuple[int, str]:
    return excinfo.value.status, excinfo.value.kind


def test_card_gets_the_wished_slot_and_keeps_it() -> None:
    bench = Bench()
    session, new = bench.supplier.acquire("S", "c1", wished_slot=2)
    again, newly = bench.supplier.acquire("S", "c1", wished_slot=1)
    assert (session.slot_number, new) == (2, True)
    assert (again.id, newly) == (session.id, False)


def test_third_card_finds_no_slot() -> None:
    bench = Bench()
    bench.supplier.acquire("S", "c1")
    bench.supplier.acquire("S", "c2")
    with pytest.raises(SupplierError) as excinfo:
        bench.supplier.acquire("S", "c3")
    assert refusal(excinfo) == (400, "no-slot")
    assert excinfo.value.detail == "No charging slots available"


def test_wished_slot_beyond_the_last_is_added() -> None:
    bench = Bench()
    assert bench.supplier.acquire("S", "c1", wished_slot=4)[0].slot_number == 4
    fixed = Bench(grow_slots=False)
    assert fixed.supplier.acquire("S", "c1", wished_slot=4)[0].slot_number == 1


def test_unknown_card_station_and_session_are_told_apart() -> None:
    bench = Bench(known_stations_only=True)
    bench.supplier.add_station("S")
    bench.supplier.blocked_cards.add("bad")
    for call, expected in (
        (lambda: bench.supplier.acquire("T", "c1"), (404, "unknown-station")),
        (lambda: bench.supplier.acquire("S", "bad"), (403, "card-refused")),
        (lambda: bench.supplier.active_session("S", "c1"), (404, "no-active-session")),
        (lambda: bench.supplier.session("none"), (404, "unknown-session")),
        (lambda: bench.supplier.lock("S", 9), (404, "unknown-slot")),
        (lambda: bench.supplier.lock("S", 1), (409, "slot-not-reserved")),
    ):
        with pytest.raises(SupplierError) as excinfo:
            call()
        assert refusal(excinfo) == expected


def test_session_goes_its_way_and_frees_the_slot() -> None:
    bench = Bench()
    session = bench.charging()
    bench.later(minutes=6)
    assert bench.supplier.energy_wh(session) == 3000
    with pytest.raises(SupplierError, match="end session"):
        bench.supplier.unlock("S", 1)
    bench.supplier.end(session.id)
    bench.later(minutes=5)
    assert bench.supplier.end(session.id).final_wh == 3000
    payment = bench.supplier.pay(session.id).payment_id
    assert bench.supplier.pay(session.id).payment_id == payment
    bench.supplier.unlock("S", 1)
    statuses = [data["status"] for kind, data in bench.events if kind == "slot-status-changed"]
    assert statuses == ["reserved", "locked", "charging", "locked", "free"]
    assert session.status == "closed"


def test_order_of_the_steps_is_kept() -> None:
    bench = Bench()
    session, _ = bench.supplier.acquire("S", "c1")
    for call, kind in (
        (bench.supplier.start, "not-locked"),
        (bench.supplier.end, "never-started"),
        (bench.supplier.pay, "not-ended"),
    ):
        with pytest.raises(SupplierError) as excinfo:
            call(session.id)
        assert refusal(excinfo) == (409, kind)


def test_register_goes_on_from_the_last_session() -> None:
    bench = Bench()
    first = bench.charging()
    bench.later(minutes=6)
    bench.supplier.end(first.id)
    bench.supplier.unlock("S", 1)
    second = bench.charging("c2")
    assert second.meter_start_wh == first.meter_start_wh + 3000
    assert first.meter_start_wh > 0


def test_time_scale_makes_a_minute_of_a_second() -> None:
    bench = Bench(time_scale=60)
    session = bench.charging()
    bench.later(seconds=6)
    assert bench.supplier.energy_wh(session) == 3000


def test_session_ends_by_itself_when_the_vehicle_is_full() -> None:
    bench = Bench()
    bench.supplier.add_station("S", curve=ChargingCurve(capacity_wh=10_000, soc_start_percent=90))
    session = bench.charging()
    bench.later(hours=5)
    assert (session.status, session.stop_reason, session.final_wh) == ("ended", "vehicle-full", 1000)
    assert bench.events[-2][1]["soc"] == 100
    assert bench.events[-1][1]["status"] == "locked"


def test_meter_values_come_at_their_pace() -> None:
    bench = Bench(meter_every_s=10)
    bench.charging()
    for _ in range(20):
        bench.later(seconds=1)
    readings = [data for kind, data in bench.events if kind == "meter-values"]
    assert len(readings) == 3
    assert readings[0]["energyWh"] < readings[1]["energyWh"] < readings[2]["energyWh"]
    assert (readings[1]["powerW"], readings[1]["voltageV"], readings[1]["currentA"]) == (30_000, 400, 75.0)


def test_fault_ends_the_session_and_recovery_frees_the_slot() -> None:
    bench = Bench()
    session = bench.charging()
    bench.later(minutes=6)
    bench.supplier.fault("S", 1, {"code": "X", "message": "broken"})
    assert (session.status, session.stop_reason, session.final_wh) == ("ended", "fault", 3000)
    bench.supplier.unlock("S", 1)
    assert bench.supplier.slot("S", 1)[1].status == "faulted"
    assert bench.supplier.acquire("S", "c2", wished_slot=1)[0].slot_number == 2
    bench.supplier.recover("S", None)
    assert bench.supplier.slot("S", 1)[1].status == "free"
    assert [kind for kind, _ in bench.events if kind in ("faulted", "recovered")] == ["faulted", "recovered"]


def test_pulled_cable_ends_the_session() -> None:
    bench = Bench()
    session = bench.charging()
    bench.supplier.unplug("S", 1)
    assert (session.status, session.stop_reason) == ("ended", "unplugged")


def test_slow_station_starts_later() -> None:
    bench = Bench(start_delay_s=5)
    session = bench.charging()
    assert session.status == "locked"
    bench.later(seconds=4)
    assert bench.supplier.start(session.id).status == "locked"
    bench.later(seconds=1)
    assert session.status == "charging"


def test_reservation_runs_out() -> None:
    bench = Bench(reservation_s=60)
    session, _ = bench.supplier.acquire("S", "c1")
    bench.later(seconds=61)
    assert session.status == "closed"
    assert bench.supplier.slot("S", 1)[1].status == "free"


def test_unpaid_session_can_be_paid_after_the_card_is_gone() -> None:
    bench = Bench()
    session = bench.charging()
    bench.supplier.end(session.id)
    bench.supplier.declines_left = 1
    with pytest.raises(SupplierError) as excinfo:
        bench.supplier.pay(session.id)
    assert refusal(excinfo) == (402, "payment-declined")
    bench.supplier.unlock("S", 1)
    assert bench.supplier.pay(session.id).status == "closed"


def test_vehicle_draws_no_more_than_its_slot_delivers() -> None:
    supplier = Supplier(SupplierSettings(powers={"st": {1: 7_400}}))
    weak, _ = supplier.acquire("st", "a", wished_slot=1)
    strong, _ = supplier.acquire("st", "b", wished_slot=2)
    assert (weak.curve.power_w, strong.curve.power_w) == (7_400, 30_000)
