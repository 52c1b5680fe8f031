"""Does a session go from the wish to the bill, whatever fails in between?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog.models import Evse
from core.errors import NotAllowed, NotFound, Unavailable
from fulfillment import services as fulfillment
from fulfillment.models import Reading, Session, TaskRun
from fulfillment.selectors import meter_points
from fulfillment.services.instances import in_hand
from orders.models import Order, Quote
from orders.pricing import MeterPoint
from orders.selectors import running_total
from sandbox.meter import ChargingCurve
from tests.factories.fulfillment import charging_session, drive_to, later, run_steps, starting_session, waiting_session
from tests.factories.orders import NOW, active_order, connector_on_sale, draft_order, initiated_order
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

S = Session.State
F = Order.Fulfillment


def fresh(session: Session) -> Session:
    return Session.objects.select_related("order", "evse").get(pk=session.pk)


def test_confirmed_order_gets_its_session_though_nobody_told_us() -> None:
    order = active_order()
    assert fulfillment.open_sessions_due(NOW) == 1
    assert fulfillment.open_sessions_due(NOW) == 0
    assert Session.objects.get(order=order).state == S.WAITING


def test_start_acquires_locks_starts_and_lights_in_this_order(supplier: FakeSupplier) -> None:
    session = charging_session()
    assert supplier.routes() == ["acquire", "lock", "start", "leds"]
    assert session.state == S.CHARGING
    assert session.order.fulfillment == F.CHARGING_STARTED
    assert session.meter_start_wh == supplier.session.meter_start_wh
    assert supplier.rules.leds[-1]["color"] == "blue"
    assert fresh(session).evse.status == Evse.Status.CHARGING


def test_start_asked_again_changes_nothing(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.request_start(session.order_id, NOW)
    run_steps(NOW)
    assert len(supplier.calls("start")) == 1


def test_stop_bills_exactly_what_the_meter_shows(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(600)
    fulfillment.request_stop(session.order_id, now, reason="requested")
    run_steps(now)
    session = fresh(session)
    assert session.state == S.ENDED
    assert supplier.routes()[4:] == ["end", "pay", "unlock", "leds"]
    assert session.energy_wh == supplier.session.final_wh == 5000
    bill = Quote.objects.get(order=session.order, current=True)
    assert (bill.kind, bill.energy_wh) == (Quote.Kind.BILL, 5000)
    assert session.order.state == Order.State.COMPLETE
    assert session.next_at is None
    assert session.evse.status == Evse.Status.AVAILABLE


def test_bill_and_running_cost_follow_the_readings_over_a_change_of_price(supplier: FakeSupplier) -> None:
    before = {"price_components": [{"type": "ENERGY", "price": "14.00"}], "restrictions": {"end_time": "10:05"}}
    after = {"price_components": [{"type": "ENERGY", "price": "18.00"}]}
    session = charging_session(connector_on_sale(elements=[before, after]))  # at 10:00 in Bengaluru
    first_wh = session.meter_start_wh or 0
    # 2.4 kWh in the first minute, 2.6 in the other nine: 3555 Wh by 10:05, not the half
    Reading.objects.create(session=session, at=later(60), energy_wh=first_wh + 2_400)
    now = supplier.after(600)
    fulfillment.request_stop(session.order_id, now, reason="requested")
    run_steps(now)
    session = fresh(session)
    bill = Quote.objects.get(order=session.order, current=True)
    assert [line.get("energy_wh") for line in bill.lines[:2]] == [3_555, 1_445]
    running = running_total(
        session.order,
        session.energy_wh,
        started_at=NOW,
        now=now,
        readings=[*meter_points(session), MeterPoint(now, 5_000)],
    )
    assert [line.row() for line in running] == bill.lines


def test_session_ends_by_itself_when_the_ordered_energy_is_reached(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=2000)
    for _ in range(20):
        run_steps(supplier.after(15))
    session = fresh(session)
    assert session.state == S.ENDED
    assert session.stop_reason == "ordered energy reached"
    assert 2000 <= session.energy_wh < 2500


def test_silent_station_is_asked_after_20_seconds(supplier: FakeSupplier) -> None:
    session = charging_session()
    assert run_steps(supplier.after(10)) == 0
    assert run_steps(supplier.after(11)) == 1
    reading = Reading.objects.get(session=session)
    assert reading.accepted
    assert reading.energy_wh == supplier.session.meter_start_wh + 175


def test_session_ends_when_the_station_says_that_it_is_over(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    supplier.rules.unplug(session.evse.station.code, 1)
    run_steps(now)
    assert fresh(session).state == S.ENDED
    assert fresh(session).energy_wh == 500


def test_station_that_does_not_know_the_session_is_a_fault_settled_on_the_newest_reading(
    supplier: FakeSupplier,
) -> None:
    session = charging_session()
    run_steps(supplier.after(30))
    supplier.rules.sessions.clear()
    run_steps(supplier.after(30))
    session = fresh(session)
    assert session.state == S.ENDED
    assert session.order.fulfillment == F.CHARGER_ERROR
    assert session.energy_wh == 250


def test_slow_station_is_asked_until_energy_flows(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    supplier.rules.station(connector.evse.station.code).start_delay_s = 5
    session = starting_session(connector)
    run_steps(NOW)
    assert fresh(session).state == S.STARTING
    run_steps(supplier.after(6))
    assert fresh(session).state == S.CHARGING


def test_start_that_never_comes_about_is_given_up_and_the_slot_given_back(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    supplier.rules.station(connector.evse.station.code).start_delay_s = 3600
    session = starting_session(connector)
    run_steps(NOW)
    for _ in range(3):
        run_steps(supplier.after(31))
    session = fresh(session)
    assert session.state == S.FAILED
    assert session.order.state == Order.State.CANCELLED
    assert session.order.fulfillment == F.CHARGER_ERROR
    assert supplier.rules.station(connector.evse.station.code).slots[1].status == "free"
    assert supplier.rules.leds[-1]["color"] == "red"
    assert len(supplier.rules.tickets) == 1


def test_start_confirmed_after_we_gave_up_is_stopped_at_once(supplier: FakeSupplier) -> None:
    session = starting_session()
    supplier.fail_next("start", n=30, reset="after-commit")
    supplier.fail_next("session_state", n=30, status=503)
    run_steps(NOW)
    supplier.fail_next("session", n=30, status=503)
    for _ in range(7):
        run_steps(supplier.after(10))
    assert fresh(session).state == S.FAILED
    assert supplier.session.status == "charging"
    supplier.api.faults.clear()
    run_steps(supplier.after(30))
    assert supplier.session.status == "closed"
    run_steps(supplier.after(60))
    assert not in_hand(session)
    assert supplier.session.paid


def test_refused_start_fails_the_order_with_the_station_words(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    session = starting_session(connector)
    supplier.rules.blocked_cards.add(session.card)
    run_steps(NOW)
    session = fresh(session)
    assert session.state == S.FAILED
    assert "unknown or blocked" in session.fault


def test_full_station_is_asked_again_until_a_slot_is_free(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    code = connector.evse.station.code
    other, _ = supplier.rules.acquire(code, "other-1")
    supplier.rules.acquire(code, "other-2")
    session = starting_session(connector)
    run_steps(NOW)
    assert fresh(session).state == S.STARTING
    supplier.rules.unlock(code, other.slot_number)
    run_steps(supplier.after(2))
    assert fresh(session).state == S.CHARGING


@pytest.mark.parametrize("route", ["acquire", "lock", "start"])
@pytest.mark.parametrize("reset", ["before-commit", "after-commit"])
def test_cut_line_on_the_way_to_the_start_gives_one_session(supplier: FakeSupplier, route: str, reset: str) -> None:
    session = starting_session()
    supplier.fail_next(route, reset=reset)
    for _ in range(3):
        run_steps(supplier.after(2))
    assert fresh(session).state == S.CHARGING
    assert len(supplier.rules.sessions) == 1
    assert len({call["key"] for call in supplier.calls(route)}) == 1


@pytest.mark.parametrize("route", ["end", "pay", "unlock"])
@pytest.mark.parametrize("reset", ["before-commit", "after-commit"])
def test_cut_line_on_the_way_to_the_end_pays_once_and_frees_the_slot(
    supplier: FakeSupplier, route: str, reset: str
) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(60))
    supplier.fail_next(route, reset=reset)
    for _ in range(3):
        run_steps(supplier.after(2))
    assert fresh(session).state == S.ENDED
    assert not in_hand(session)
    assert supplier.session.paid
    assert supplier.rules.station(session.evse.station.code).slots[1].status == "free"


def test_declined_payment_does_not_keep_the_vehicle_locked_in(supplier: FakeSupplier) -> None:
    session = charging_session()
    supplier.rules.declines_left = 100
    fulfillment.request_stop(session.order_id, supplier.after(60))
    for _ in range(8):
        run_steps(supplier.after(10))
    session = fresh(session)
    assert session.state == S.ENDED
    assert "declined" in session.fault
    assert supplier.rules.station(session.evse.station.code).slots[1].status == "free"


def test_station_that_stays_silent_is_settled_provisionally_and_still_stopped_later(supplier: FakeSupplier) -> None:
    session = charging_session()
    run_steps(supplier.after(30))
    supplier.fail_next("*", n=10_000, status=503)
    for _ in range(40):
        run_steps(supplier.after(30))
    session = fresh(session)
    assert session.state == S.ENDED
    assert session.energy_wh == 250
    assert "silent" in session.fault
    supplier.api.faults.clear()
    run_steps(supplier.after(60))
    assert supplier.session.ended_at is not None


def test_stop_before_the_start_is_refused() -> None:
    session = waiting_session()
    with pytest.raises(NotAllowed) as refused:
        fulfillment.request_stop(session.order_id, NOW)
    assert refused.value.code == "not-in-this-state"


def test_start_after_the_end_is_refused(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(60))
    run_steps(supplier.at)
    with pytest.raises(NotAllowed):
        fulfillment.request_start(session.order_id, supplier.at)


def test_stop_while_starting_is_done_once_energy_flows(supplier: FakeSupplier) -> None:
    session = starting_session()
    fulfillment.request_stop(session.order_id, NOW)
    run_steps(NOW)
    assert fresh(session).state == S.ENDED
    assert fresh(session).order.state == Order.State.COMPLETE


def test_two_sessions_never_run_at_one_charger(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    starting_session(connector)
    second = active_order(connector, starts_at=later(86_400), ends_at=later(90_000))
    with pytest.raises(Unavailable) as refused:
        fulfillment.request_start(second.pk, NOW)
    assert refused.value.code == "connector-busy"
    assert Session.objects.filter(state=S.STARTING).count() == 1


@pytest.mark.parametrize("make", [draft_order, initiated_order])
def test_order_that_is_not_confirmed_cannot_be_started(make: Callable[[], Order]) -> None:
    with pytest.raises(NotAllowed):
        fulfillment.request_start(make().pk, NOW)


def test_unknown_order_is_not_found() -> None:
    with pytest.raises(NotFound):
        fulfillment.request_start(999_999_999, NOW)


def test_start_after_the_booked_time_is_refused() -> None:
    session = waiting_session(starts_at=NOW, ends_at=later(1800))
    with pytest.raises(NotAllowed, match="booked time"):
        fulfillment.request_start(session.order_id, later(1801))


def test_ended_by_time_where_time_was_ordered(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    supplier.rules.add_station(connector.evse.station.code, curve=ChargingCurve(power_w=10_000))
    session = charging_session(connector, quantity_kind="time", quantity=600)
    run_steps(supplier.after(20))
    run_steps(supplier.after(585))
    session = fresh(session)
    assert (session.state, session.stop_reason) == (S.ENDED, "booked time over")


def test_full_vehicle_ends_the_session(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=60_000)
    for _ in range(10):
        run_steps(supplier.after(3600))
    session = fresh(session)
    assert (session.state, session.stop_reason, session.soc_percent) == (S.ENDED, "vehicle full", 100)
    assert session.energy_wh == 32_000


def test_faulted_charger_is_not_started() -> None:
    session = waiting_session()
    Evse.objects.filter(pk=session.evse_id).update(status=Evse.Status.FAULTED)
    with pytest.raises(Unavailable) as refused:
        fulfillment.request_start(session.order_id, NOW)
    assert refused.value.code == "connector-busy"


def test_cancelled_order_closes_its_waiting_session() -> None:
    session = waiting_session()
    fulfillment.cancel_waiting(session.order_id, NOW)
    assert fresh(session).state == S.CANCELLED
    assert run_steps(NOW) == 0


def test_cancelled_while_starting_gives_the_slot_back(supplier: FakeSupplier) -> None:
    session = starting_session()
    drive_to("start", NOW)
    fulfillment.cancel_waiting(session.order_id, NOW)
    run_steps(NOW)
    assert supplier.session.status == "closed"
    assert supplier.rules.station(session.evse.station.code).slots[1].status == "free"


def test_progress_is_due_once_per_interval(supplier: FakeSupplier) -> None:
    session = charging_session()
    run_steps(supplier.after(31))
    now = supplier.at
    assert fulfillment.progress_due(now, every_s=30) == [session.order_id]
    assert fulfillment.mark_progress(session.order_id, now, every_s=30)
    assert not fulfillment.mark_progress(session.order_id, now, every_s=30)
    assert fulfillment.pending_progress(now) == []


def test_commands_are_on_record_with_their_outcome(supplier: FakeSupplier) -> None:
    session = charging_session()
    calls = TaskRun.objects.filter(instance__session=session, key__isnull=False).exclude(request__method="GET")
    names = ["acquireSlot", "lockSlot", "start", "lightBlue"]
    done = calls.filter(state=TaskRun.State.COMPLETED).order_by("id")
    assert list(done.values_list("name", flat=True)) == names
    assert done.count() == calls.count()


def test_booked_time_over_ends_the_session(supplier: FakeSupplier) -> None:
    session = charging_session(starts_at=NOW, ends_at=NOW + timedelta(minutes=30))
    run_steps(supplier.after(20))
    run_steps(supplier.after(1800))
    assert fresh(session).state == S.ENDED
    assert later(1800) <= (fresh(session).ended_at or NOW)
