"""Does the live page say what follows from the readings: end, notices, line, refund, and at the same few statements?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.models import Reading, Session, StationEvent
from fulfillment.services.tracking import Notice, Snapshot, snapshot
from orders.models import Order, Quote, Refund
from orders.services import cancel_order, mark_failed
from tests.factories.fulfillment import charging_session, run_steps, waiting_session
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.test_leaving import ELEMENTS, says

pytestmark = pytest.mark.django_db

A_MOMENT = timedelta(seconds=3)
PARKING = {"type": "PARKING_TIME", "price": "60.00", "grace": 300}
PER_HOUR: list[dict[str, Any]] = [
    {"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "TIME", "price": "60.00"}]}
]


def reads(session: Session, *stretches: tuple[int, int], every_s: int = 5, soc: int | None = None) -> datetime:
    """The session's meter as it flows for (seconds, W) each from its start on; returns when the last value was."""
    start_wh, at = session.meter_start_wh or 0, session.started_at or NOW
    energy_wh, rows, power_w = float(start_wh), [], 0
    for seconds, power_w in stretches:
        for _ in range(seconds // every_s):
            at += timedelta(seconds=every_s)
            energy_wh += power_w * every_s / 3600
            rows.append(
                Reading(session=session, at=at, energy_wh=int(energy_wh + 1e-6), power_w=power_w, soc_percent=soc)
            )
    Reading.objects.bulk_create(rows)
    session.meter_wh, session.power_w, session.read_at, session.updated_at = int(energy_wh + 1e-6), power_w, at, at
    session.save()
    return at


def codes(seen: Snapshot) -> list[str]:
    return [notice.code for notice in seen.notices]


def left_min(seen: Snapshot, now: datetime) -> float:
    return (datetime.fromisoformat(seen.ends_at) - now).total_seconds() / 60


def test_waiting_order_has_no_end_and_no_notices() -> None:
    seen = snapshot(waiting_session().order_id, NOW)
    assert (seen.at, seen.ends_at, seen.ends_by, seen.soc_target) == ("", "", "", None)
    assert (seen.notices, seen.series, seen.gaps, seen.refund, seen.refund_by) == ((), (), (), "", "")
    assert seen.seq > 0


def test_end_by_energy_with_its_line(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = reads(session, (600, 30_000))
    seen = snapshot(session.order_id, now)
    assert (seen.ends_by, seen.minutes_left, seen.power_w) == ("energy", 10, 30_000)
    assert left_min(seen, now) == pytest.approx(10, abs=0.1)
    assert seen.at == "2026-02-01T04:40:00.000+00:00"
    assert seen.series[0] == (0, 0, 0)
    assert seen.series[-1] == (600, 30_000, 5_000)
    assert seen.notices == ()


@pytest.mark.parametrize(
    ("wish", "ends_by", "minutes"),
    [
        ({"quantity_kind": "money", "quantity": 20_000}, "money", 6.6),
        ({"quantity_kind": "time", "quantity": 1_800}, "energy", 20.0),
        ({"quantity": 40_000, "starts_at": None, "ends_at": NOW + timedelta(minutes=90)}, "energy", 70.0),
    ],
)
def test_end_by_what_was_ordered(wish: dict[str, Any], ends_by: str, minutes: float, supplier: FakeSupplier) -> None:
    session = charging_session(**wish)
    seen = snapshot(session.order_id, reads(session, (600, 30_000)))
    assert seen.ends_by == ends_by
    assert left_min(seen, NOW + timedelta(minutes=10)) == pytest.approx(minutes, abs=0.2)


def test_slow_vehicle_ends_by_the_time_it_bought(supplier: FakeSupplier) -> None:
    session = charging_session(quantity_kind="time", quantity=1_800)
    seen = snapshot(session.order_id, reads(session, (600, 15_000)))
    assert (seen.ends_by, seen.minutes_left) == ("time", 20)


def test_money_is_used_up_sooner_where_the_time_costs_too(supplier: FakeSupplier) -> None:
    session = charging_session(connector_on_sale(elements=PER_HOUR), quantity_kind="money", quantity=20_000)
    now = reads(session, (600, 10_000))
    seen = snapshot(session.order_id, now)
    # ₹ 169.49 before tax at ₹ 3 a minute for 10 kW and ₹ 1 for the time
    assert seen.ends_by == "money"
    assert left_min(seen, now) == pytest.approx(169.49 / 4 - 10, abs=0.2)


def test_full_vehicle_ends_first_and_its_wish_is_named(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=40_000)
    Order.objects.filter(pk=session.order_id).update(asked={"vehicle": {"target_percent": "80"}})
    start_wh = session.meter_start_wh or 0
    now = reads(session, (1200, 30_000))
    for reading in Reading.objects.filter(session=session):
        reading.soc_percent = 50 + (reading.energy_wh - start_wh) // 400
        reading.save()
    seen = snapshot(session.order_id, now)
    assert (seen.ends_by, seen.soc_target) == ("full", 80)


def test_pause_says_whose_it_is_and_no_energy_end(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = reads(session, (600, 30_000), (10, 0))
    began = "2026-02-01T04:40:00.000+00:00"
    seen = snapshot(session.order_id, now)
    assert (seen.power_w, seen.ends_at, seen.minutes_left) == (0, "", None)
    assert seen.notices == (Notice("vehicle-paused", began),)
    Evse.objects.filter(pk=session.evse_id).update(status=Evse.Status.PREPARING)
    assert snapshot(session.order_id, now).notices == (Notice("station-paused", began),)
    Session.objects.filter(pk=session.pk).update(voltage_v=0)
    assert snapshot(session.order_id, now).notices == (Notice("grid", began),)


def test_silence_unrest_and_gap_are_told(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = reads(session, (600, 30_000), (60, 12_000))
    Reading.objects.filter(
        session=session, at__gt=NOW + timedelta(seconds=100), at__lt=NOW + timedelta(seconds=200)
    ).delete()
    seen = snapshot(session.order_id, now)
    assert codes(seen) == ["fluctuating"]
    assert seen.gaps == ((100, 200),)
    stale = snapshot(session.order_id, now + timedelta(seconds=16))
    assert codes(stale) == ["stale", "fluctuating"]
    silent = snapshot(session.order_id, now + timedelta(seconds=61))
    assert codes(silent) == ["silent", "fluctuating"]
    assert silent.notices[0].since == "2026-02-01T04:41:00.000+00:00"


def test_session_whose_meter_is_not_known_yet_tells_its_silence(supplier: FakeSupplier) -> None:
    session = charging_session()
    Session.objects.filter(pk=session.pk).update(meter_start_wh=None, meter_wh=None)
    seen = snapshot(session.order_id, NOW + timedelta(seconds=20))
    assert (codes(seen), seen.series, seen.ends_at) == (["stale"], (), "")


def test_standing_is_warned_of_while_it_charges_and_when_it_costs(supplier: FakeSupplier) -> None:
    quick = [{"price_components": [ELEMENTS[0]["price_components"][0], PARKING]}]
    session = charging_session(connector_on_sale(elements=quick))
    now = reads(session, (600, 30_000))
    assert codes(snapshot(session.order_id, now)) == [], "ten minutes to go, and five that are free"
    later = charging_session(connector_on_sale(elements=quick))
    now = reads(later, (1_140, 30_000))
    seen = snapshot(later.order_id, now)
    assert codes(seen) == ["idle-soon"]
    assert abs(datetime.fromisoformat(seen.notices[0].until) - now - timedelta(seconds=361)) < A_MOMENT


def test_standing_after_the_end_costs_from_the_first_paisa(supplier: FakeSupplier) -> None:
    session = charging_session(connector_on_sale(elements=ELEMENTS))
    fulfillment.request_stop(session.order_id, supplier.after(600))
    run_steps(supplier.at)
    assert codes(snapshot(session.order_id, supplier.at + timedelta(minutes=2))) == [], "nobody says that it stands"
    says(session, "finishing", minutes=0.1, supplier=supplier)
    soon = snapshot(session.order_id, supplier.at + timedelta(minutes=2))
    assert codes(soon) == ["idle-soon"]
    assert soon.notices[0].until == "2026-02-01T04:50:01.000+00:00"
    late = snapshot(session.order_id, supplier.at + timedelta(minutes=12))
    assert late.notices == (Notice("idle-now", "2026-02-01T04:50:01.000+00:00"),)
    says(session, "free", minutes=40, supplier=supplier)
    assert snapshot(session.order_id, supplier.at + timedelta(minutes=41)).notices == ()


def test_standing_in_a_pause_costs_too(supplier: FakeSupplier) -> None:
    session = charging_session(connector_on_sale(elements=ELEMENTS))
    now = reads(session, (600, 30_000), (300, 0))
    seen = snapshot(session.order_id, now)
    assert codes(seen) == ["vehicle-paused", "idle-soon"]
    assert seen.notices[1].until == "2026-02-01T04:50:01.000+00:00"


def test_tariff_without_a_price_tomorrow_says_nothing_of_money(supplier: FakeSupplier) -> None:
    today = [{"price_components": [{"type": "ENERGY", "price": "18.00"}], "restrictions": {"end_time": "10:20"}}]
    session = charging_session(connector_on_sale(elements=today), quantity_kind="money", quantity=10_000)
    now = reads(session, (300, 10_000))
    assert snapshot(session.order_id, now).ends_by == "money", "by the energy it was promised for"


def test_broken_charger_is_told_to_whoever_waits_or_charged(supplier: FakeSupplier) -> None:
    session = waiting_session()
    Evse.objects.filter(pk=session.evse_id).update(status=Evse.Status.FAULTED, status_at=NOW)
    assert snapshot(session.order_id, NOW).notices == (Notice("charger-error", "2026-02-01T04:30:00.000+00:00"),)
    later = NOW + timedelta(minutes=1)
    mark_failed(session.order_id, now=later, reason="it smokes", actor="station")
    Evse.objects.filter(pk=session.evse_id).update(status=Evse.Status.AVAILABLE)
    assert snapshot(session.order_id, later).notices == (Notice("charger-error", "2026-02-01T04:31:00.000+00:00"),)


def test_ended_session_keeps_its_line_and_names_its_refund(supplier: FakeSupplier) -> None:
    session = charging_session()
    run_steps(supplier.after(300))
    fulfillment.request_stop(session.order_id, supplier.at)
    run_steps(supplier.at)
    seen = snapshot(session.order_id, supplier.at)
    assert (seen.state, seen.ends_at, seen.notices) == ("ended", "", ())
    assert seen.series[-1] == (300, 30_000, 2_500)
    assert snapshot_of_late_end(session).series[-1] == (320, 0, 2_500)
    refund = Refund.objects.get(order=session.order_id)
    assert seen.refund == "159.30"
    assert datetime.fromisoformat(seen.refund_by) == refund.deadline_at
    Refund.objects.filter(pk=refund.pk).update(state=Refund.State.DONE, closed_at=supplier.at)
    assert (snapshot(session.order_id, supplier.at).refund, snapshot(session.order_id, supplier.at).refund_by) == (
        "",
        "",
    )


def snapshot_of_late_end(session: Session) -> Snapshot:
    """The station said that it ended some time after the last reading."""
    Session.objects.filter(pk=session.pk).update(ended_at=NOW + timedelta(seconds=320))
    return snapshot(session.order_id, NOW + timedelta(seconds=330))


def test_cancelled_order_names_its_refund() -> None:
    session = waiting_session()
    cancel_order(order_id=session.order_id, by="CONSUMER", reason_id="", text="", soft=False, now=NOW, actor="app")
    fulfillment.cancel_waiting(session.order_id, NOW)
    seen = snapshot(session.order_id, NOW)
    assert seen.refund
    assert seen.refund_by


def test_number_grows_with_every_news(supplier: FakeSupplier) -> None:
    session = charging_session()
    Quote.objects.filter(order=session.order_id).update(created_at=NOW)
    Evse.objects.filter(pk=session.evse_id).update(status_at=NOW)
    now = reads(session, (600, 30_000))
    numbers = [snapshot(session.order_id, now + timedelta(seconds=seconds)).seq for seconds in (0, 10, 16, 30, 61, 90)]
    assert numbers == sorted(numbers)
    assert numbers[0] == numbers[1] < numbers[2] == numbers[3] < numbers[4] == numbers[5]
    Session.objects.filter(pk=session.pk).update(updated_at=now + timedelta(seconds=95))
    assert snapshot(session.order_id, now + timedelta(seconds=95)).seq > numbers[-1]


def test_statements_do_not_grow_with_the_session(supplier: FakeSupplier) -> None:
    counted = []
    for seconds in (60, 7_200):
        session = charging_session(quantity_kind="money", quantity=90_000)
        now = reads(session, (seconds, 7_200))
        with CaptureQueriesContext(
            connection,
        ) as asked:
            snapshot(session.order_id, now)
        counted.append(len(asked))
    assert counted[0] == counted[1] <= 5, counted
    assert not StationEvent.objects.exists()
