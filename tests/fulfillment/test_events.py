"""What does an event of a station do to its session, its order and the catalogue?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.models import EventOut, Session, StationEvent
from fulfillment.services.watching import watch_due
from orders.models import Order
from tests.factories.fulfillment import charging_session, run_steps, starting_session, waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import TYPES, event, post, process, status_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]

LIFECYCLE = "io.serverlessworkflow."


@pytest.mark.parametrize(
    ("kind", "data", "state", "word"),
    [
        ("recovered", {"stationId": "nowhere"}, "refused", "no station 'nowhere'"),
        ("recovered", {}, "refused", "data.stationId"),
        ("recovered", [], "refused", "data is []"),
        ("no-such-thing", {}, "ignored", "not used"),
        ("card-scanned", {"stationId": "S", "cardId": "C"}, "refused", "not registered"),
        ("meter-values", {"stationId": "S", "slotNumber": 1}, "refused", "data.sessionId"),
        ("slot-status-changed", {"stationId": "S", "slotNumber": 1, "status": "melted"}, "refused", "data.status"),
        ("slot-status-changed", {"stationId": "S", "slotNumber": 99, "status": "free"}, "refused", "no slot 99"),
        ("slot-status-changed", {"stationId": "S", "slotNumber": 0, "status": "free"}, "refused", "data.slotNumber"),
    ],
)
def test_event_that_says_nothing_to_us_is_kept_with_the_reason(kind: str, data: Any, state: str, word: str) -> None:
    session = waiting_session()
    if isinstance(data, dict) and data.get("stationId") == "S":
        data = data | {"stationId": session.evse.station.code}
    row = process(event(kind, data), NOW)
    assert row.state == state
    assert word in row.reason


def test_slot_status_is_shown_in_the_catalogue() -> None:
    session = waiting_session()
    process(event("slot-status-changed", status_of(session) | {"status": "locked"}), NOW)
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.PREPARING


def test_slot_that_turns_free_has_the_station_asked_about_our_session(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(5)
    supplier.rules.unplug(session.evse.station.code, 1)
    assert run_steps(now) == 0, "it was asked a moment ago"
    process(event("slot-status-changed", status_of(session) | {"status": "free"}, at=now), now)
    run_steps(now)
    session.refresh_from_db()
    assert (session.state, session.stop_reason) == (Session.State.ENDED, "ended by the station")


def test_fault_that_is_told_after_the_poll_saw_the_end_is_still_the_reason(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(30)
    supplier.rules.fault(session.evse.station.code, 1, {"code": "X", "message": "y"})
    assert watch_due(now, limit=1) == 1
    process(event("faulted", status_of(session) | {"error": {"code": "X", "message": "y"}}, at=now), now)
    run_steps(now)
    session.refresh_from_db()
    assert (session.state, session.stop_reason) == (Session.State.ENDED, "fault")
    assert session.order.fulfillment == Order.Fulfillment.CHARGER_ERROR


def test_fault_told_late_does_not_end_the_next_session(supplier: FakeSupplier) -> None:
    session = charging_session()
    old = NOW - timedelta(minutes=5)
    process(event("faulted", status_of(session), at=old), supplier.after(5))
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING


def test_event_that_breaks_us_is_tried_again_and_then_set_aside(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    # An order that was closed behind our back refuses to end, which no event handler expects.
    Order.objects.filter(pk=session.order_id).update(state="cancelled", fulfillment="charger-error")
    body = event("faulted", status_of(session), at=now)
    assert post(body).status_code == 202
    for _ in range(5):
        StationEvent.objects.filter(state="new").update(next_at=now)
        fulfillment.process_events_due(now)
    row = StationEvent.objects.get()
    assert (row.state, row.attempts) == ("refused", 5)
    assert "only an active order charges" in row.reason
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING, "nothing half done"
    run_steps(supplier.after(30))
    assert supplier.session.status == "closed", "the station is stopped all the same"


def test_older_status_does_not_replace_a_newer_one() -> None:
    session = waiting_session()
    process(event("slot-status-changed", status_of(session) | {"status": "charging"}, id_="new"), NOW)
    old = NOW - timedelta(minutes=1)
    process(event("slot-status-changed", status_of(session) | {"status": "free"}, id_="old", at=old), NOW)
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.CHARGING


@pytest.mark.parametrize("place", [{"slotNumber": 1}, {}])
def test_fault_while_charging_ends_the_session_and_bills_to_the_meter(
    supplier: FakeSupplier, place: dict[str, Any]
) -> None:
    session = charging_session()
    now = supplier.after(120)
    code = session.evse.station.code
    supplier.rules.fault(code, 1, {"code": "GroundFault", "message": "leak"})
    data = {"stationId": code, "error": {"code": "GroundFault", "message": "leak"}} | place
    process(event("faulted", data, at=now), now)
    run_steps(now)
    session.refresh_from_db()
    assert session.state == Session.State.ENDED
    assert session.energy_wh == 1000
    assert session.fault == "GroundFault: leak"
    assert session.order.fulfillment == Order.Fulfillment.CHARGER_ERROR
    assert supplier.rules.leds[-1]["color"] == "red"
    (ticket,) = supplier.rules.tickets.values()
    assert ticket["error"] == {"code": "GroundFault", "message": "leak"}, "in the station's own words, once"
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.FAULTED


def test_fault_before_energy_flowed_cancels_with_full_refund(supplier: FakeSupplier) -> None:
    session = starting_session()
    process(event("faulted", status_of(session) | {"error": {"code": "X", "message": "y"}}), NOW)
    run_steps(NOW)
    session.refresh_from_db()
    assert session.state == Session.State.FAILED
    assert Order.objects.get(pk=session.order_id).state == Order.State.CANCELLED


def test_fault_cancels_the_order_of_a_driver_on_the_way() -> None:
    session = waiting_session()
    process(event("faulted", status_of(session)), NOW)
    order = Order.objects.get(pk=session.order_id)
    assert (order.state, order.cancellation["by"]) == (Order.State.CANCELLED, "PROVIDER")


def test_fault_leaves_what_is_booked_for_later() -> None:
    session = waiting_session()
    booked = {"starts_at": NOW + timedelta(hours=1), "ends_at": NOW + timedelta(hours=2)}
    Order.objects.filter(pk=session.order_id).update(**booked)
    process(event("faulted", status_of(session)), NOW)
    assert Order.objects.get(pk=session.order_id).state == Order.State.ACTIVE


def test_fault_told_late_leaves_an_order_made_since() -> None:
    session = waiting_session()
    process(event("faulted", status_of(session), at=NOW - timedelta(minutes=5)), NOW)
    assert Order.objects.get(pk=session.order_id).state == Order.State.ACTIVE


def test_recovered_charger_is_offered_again() -> None:
    session = waiting_session()
    process(event("faulted", status_of(session), id_="bad"), NOW)
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.FAULTED
    process(event("recovered", status_of(session), id_="good"), NOW)
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.AVAILABLE


def test_bad_event_does_not_stop_the_next() -> None:
    session = waiting_session()
    StationEvent.objects.create(source="s", event_id="poison", type=f"{TYPES}recovered.v1", time=NOW, data={"x": 1})
    row = process(event("slot-status-changed", status_of(session) | {"status": "charging"}), NOW)
    assert row.state == "done"
    assert StationEvent.objects.get(event_id="poison").state == "refused"


@pytest.mark.parametrize("told", [True, False])
def test_our_own_events_are_owed_once_and_only_where_there_is_a_sink(
    supplier: FakeSupplier, settings: Settings, told: bool
) -> None:
    settings.WORKFLOW_LIFECYCLE_EVENTS = told
    charging_session()
    assert not EventOut.objects.exists()
    settings.EVENTS_SINK_URL = "http://127.0.0.1:9/events"
    session = charging_session()
    types = list(EventOut.objects.order_by("pk").values_list("type", flat=True))
    assert [type_ for type_ in types if not type_.startswith(LIFECYCLE)] == [f"{TYPES}session-started.v1"]
    of_the_workflow = [type_.removeprefix(LIFECYCLE) for type_ in types if type_.startswith(f"{LIFECYCLE}workflow.")]
    assert of_the_workflow == (["workflow.started.v1", "workflow.completed.v1"] if told else [])
    assert any(type_.startswith(f"{LIFECYCLE}task.") for type_ in types) == told
    fulfillment.request_stop(session.order_id, supplier.after(30))
    run_steps(supplier.at)
    ended = EventOut.objects.get(type=f"{TYPES}session-ended.v1").data or {}
    assert ended["session"]["energyWh"] == 250
