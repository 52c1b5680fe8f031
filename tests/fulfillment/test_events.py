"""What does POST /events take, refuse and do?"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import EventOut, Reading, Session, StationEvent
from orders.models import Order
from tests.factories.fulfillment import charging_session, run_steps, starting_session, waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.urls("fulfillment.urls")]

TYPES = "com.ev-power-supplier.charging-station."
TOKEN = "events-token"


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.EVENTS_TOKEN = TOKEN
    settings.TIME_SCALE = 1.0


def event(kind: str, data: Any, *, id_: str = "e-1", at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_,
        "source": "https://supplier.example/stations/1",
        "type": f"{TYPES}{kind}.v1",
        "time": at.isoformat(),
        "data": data,
    }
    return whole | changes


def post(body: Any, *, token: str = TOKEN, kind: str = "application/cloudevents+json", **headers: str) -> HttpResponse:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    given = {"Authorization": f"Bearer {token}"} if token else {}
    response: Any = Client().post("/events", data=data, content_type=kind, headers=given | headers)
    return response  # type: ignore[no-any-return]  # the test client's answer is patched with helpers


def process(body: dict[str, Any], now: datetime) -> StationEvent:
    """Post an event and process it at `now`, which the database's clock knows nothing of."""
    assert post(body).status_code == 202
    StationEvent.objects.update(next_at=now)
    fulfillment.process_events_due(now)
    return StationEvent.objects.get(event_id=body["id"])


def status_of(session: Session) -> dict[str, Any]:
    return {"stationId": session.evse.station.code, "slotNumber": 1}


def meter(session: Session, energy_wh: int, at: datetime, **changes: Any) -> dict[str, Any]:
    values = {"sessionId": session.remote_id, "timestamp": at.isoformat(), "energyWh": energy_wh, "powerW": 30_000}
    return status_of(session) | values | changes


@pytest.mark.parametrize("token", ["", "wrong", "events-toke", "events-token-x", "évents"])
def test_event_without_our_token_is_refused_and_not_kept(token: str) -> None:
    body = event("recovered", {"stationId": "LOC-1"})
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")} if token else {}
    answer = Client().post("/events", body, content_type="application/cloudevents+json", headers=headers)
    assert answer.status_code == 401
    assert not StationEvent.objects.exists()


def test_nothing_is_taken_while_no_token_is_set(settings: Settings) -> None:
    settings.EVENTS_TOKEN = ""
    answer = post(event("recovered", {"stationId": "LOC-1"}), token="")
    assert answer.status_code == 401
    assert "EVENTS_TOKEN is not set" in answer.content.decode()


def test_repeated_event_is_accepted_and_kept_once() -> None:
    body = event("recovered", {"stationId": "LOC-1"})
    assert [post(body).status_code for _ in range(3)] == [202, 202, 202]
    assert StationEvent.objects.count() == 1


def test_same_id_from_another_source_is_another_event() -> None:
    post(event("recovered", {"stationId": "LOC-1"}))
    post(event("recovered", {"stationId": "LOC-1"}, source="https://supplier.example/stations/2"))
    assert StationEvent.objects.count() == 2


def test_binary_mode_is_read() -> None:
    headers = {"Ce-Specversion": "1.0", "Ce-Id": "b-1", "Ce-Source": "s", "Ce-Type": f"{TYPES}recovered.v1"}
    assert post({"stationId": "LOC-1"}, kind="application/json", **headers).status_code == 202
    assert StationEvent.objects.get().data == {"stationId": "LOC-1"}


def test_odd_accept_header_does_not_lose_an_event() -> None:
    body = event("recovered", {"stationId": "LOC-1"})
    assert post(body, Accept="application/cloudevents+json").status_code == 202


def test_batch_is_read() -> None:
    batch = [event("recovered", {"stationId": "LOC-1"}, id_=f"e-{number}") for number in range(3)]
    assert post(batch, kind="application/cloudevents-batch+json").status_code == 202
    assert StationEvent.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", "$"),
        (b"", "$"),
        (b"[1]", "$"),
        (b"\xff", "$"),
        (b'{"a": NaN}', "$"),
        (b"[" * 5000, "$"),
        (json.dumps(event("faulted", {"stationId": "a\0b"})).encode(), "$"),
        (rb'{"specversion":"1.0","id":"\ud800","source":"s","type":"t","data":{}}', "$"),
        (event("recovered", {}, specversion="0.3"), "$.specversion"),
        (event("recovered", {}, id=""), "$.id"),
        (event("recovered", {}, id=7), "$.id"),
        (event("recovered", {}, source="s" * 256), "$.source"),
        (event("recovered", {}, type=None), "$.type"),
        (event("recovered", {}, time="yesterday"), "$.time"),
        (event("recovered", {}, time="2026-02-01T00:00:00"), "$.time"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t"}, "$.data"),
    ],
)
def test_unreadable_event_is_refused_with_its_place(body: Any, path: str) -> None:
    answer = post(body)
    assert answer.status_code == 400
    said = json.loads(answer.content)
    assert said["path"] == path
    assert "allowed" in said["error"]


def test_strange_content_type_is_refused() -> None:
    assert post(event("recovered", {}), kind="text/plain").status_code == 400


def test_oversized_body_is_refused() -> None:
    assert post(b" " * 300_000).status_code == 413


@pytest.mark.parametrize(
    ("kind", "data", "state", "word"),
    [
        ("recovered", {"stationId": "nowhere"}, "refused", "no station 'nowhere'"),
        ("recovered", {}, "refused", "data.stationId"),
        ("recovered", [], "refused", "data is []"),
        ("no-such-thing", {}, "ignored", "not used"),
        ("card-scanned", {"stationId": "S", "cardId": "C"}, "ignored", "walk-in"),
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
    fulfillment.advance_due(now, limit=1)
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
    assert next(iter(supplier.rules.tickets.values()))["error"] == {"message": "GroundFault: leak"}
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


def test_reading_moves_the_session_on(supplier: FakeSupplier) -> None:
    session = charging_session()
    start_wh = session.meter_start_wh or 0
    now = supplier.after(60)
    row = process(event("meter-values", meter(session, start_wh + 400, now, soc=55, voltageV=400.5)), now)
    session.refresh_from_db()
    assert (row.state, session.energy_wh, session.soc_percent, session.power_w) == ("done", 400, 55, 30_000)


def test_reading_that_reaches_the_ordered_energy_ends_the_session(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=500)
    now = supplier.after(60)
    process(event("meter-values", meter(session, (session.meter_start_wh or 0) + 500, now)), now)
    run_steps(now)
    session.refresh_from_db()
    assert session.state == Session.State.ENDED


@pytest.mark.parametrize(
    ("gain_wh", "seconds", "changes", "word"),
    [
        (-1, 30, {}, "decreasing"),
        (5_000, 30, {}, "implausible"),
        (100, 300, {}, "in the future"),
        (100, -30, {}, "out of order"),
        (100, 30, {"slotNumber": 2}, "no slot 2"),
        (100, 30, {"sessionId": "ses-foreign"}, "no session of ours"),
    ],
)
def test_reading_that_cannot_be_is_kept_and_not_believed(
    supplier: FakeSupplier, gain_wh: int, seconds: int, changes: dict[str, Any], word: str
) -> None:
    session = charging_session()
    now = supplier.after(60)
    start_wh = session.meter_start_wh or 0
    at = NOW + timedelta(seconds=seconds)
    row = process(event("meter-values", meter(session, start_wh + gain_wh, at, **changes)), now)
    session.refresh_from_db()
    assert row.state == "refused"
    assert word in row.reason
    assert session.energy_wh == 0
    assert not Reading.objects.filter(session=session, accepted=True).exists()


def test_same_reading_twice_is_recorded_once(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    body = meter(session, (session.meter_start_wh or 0) + 400, now)
    process(event("meter-values", body, id_="a"), now)
    process(event("meter-values", body, id_="b"), now)
    assert Reading.objects.filter(session=session).count() == 1


def test_vehicle_that_takes_nothing_pauses_the_session_until_it_does(supplier: FakeSupplier) -> None:
    session = charging_session()
    start_wh = session.meter_start_wh or 0
    for number, (gain_wh, power_w) in enumerate([(100, 0), (100, 0), (150, 9_000)]):
        now = supplier.after(15)
        body = meter(session, start_wh + gain_wh, now, powerW=power_w)
        process(event("meter-values", body, id_=f"m-{number}"), now)
        session.refresh_from_db()
        assert session.state == (Session.State.PAUSED if number == 1 else Session.State.CHARGING)
    assert Order.objects.get(pk=session.order_id).fulfillment == Order.Fulfillment.CHARGING_RESUMED


def test_energy_that_flows_after_we_gave_up_is_stopped(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(30)
    Session.objects.filter(pk=session.pk).update(state="failed", step="done", next_at=None)
    process(event("meter-values", meter(session, (session.meter_start_wh or 0) + 100, now)), now)
    run_steps(now)
    assert supplier.session.status == "closed"


histories = st.lists(st.tuples(st.integers(-60, 90), st.integers(-500, 3000)), min_size=1, max_size=8)


@hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_energy_of_a_session_never_decreases(supplier: FakeSupplier, history: list[tuple[int, int]]) -> None:
    session = charging_session(quantity=40_000, now=supplier.at)
    start_wh, highest, now = session.meter_start_wh or 0, 0, supplier.after(60)
    for number, (seconds, gain_wh) in enumerate(history):
        at = now + timedelta(seconds=seconds)
        data = meter(session, max(0, start_wh + gain_wh), at)
        said = Incoming("s", f"{session.card}-{number}", f"{TYPES}meter-values.v1", at, data)
        fulfillment.store_events([said])
        StationEvent.objects.filter(state="new").update(next_at=now)
        fulfillment.process_events_due(now)
        session.refresh_from_db()
        assert session.energy_wh >= highest
        highest = session.energy_wh
    events = StationEvent.objects.filter(event_id__startswith=session.card)
    refused = Reading.objects.filter(session=session, accepted=False)
    assert refused.count() == events.filter(state="refused").count()
    fulfillment.request_stop(session.order_id, now)
    run_steps(now)


def test_bad_event_does_not_stop_the_next() -> None:
    session = waiting_session()
    StationEvent.objects.create(source="s", event_id="poison", type=f"{TYPES}recovered.v1", time=NOW, data={"x": 1})
    row = process(event("slot-status-changed", status_of(session) | {"status": "charging"}), NOW)
    assert row.state == "done"
    assert StationEvent.objects.get(event_id="poison").state == "refused"


def test_our_own_events_are_owed_once_and_only_where_there_is_a_sink(
    supplier: FakeSupplier, settings: Settings
) -> None:
    charging_session()
    assert not EventOut.objects.exists()
    settings.EVENTS_SINK_URL = "http://127.0.0.1:9/events"
    session = charging_session()
    assert [row.type for row in EventOut.objects.all()] == [f"{TYPES}session-started.v1"]
    fulfillment.request_stop(session.order_id, supplier.after(30))
    run_steps(supplier.at)
    assert EventOut.objects.get(type=f"{TYPES}session-ended.v1").data["session"]["energyWh"] == 250
