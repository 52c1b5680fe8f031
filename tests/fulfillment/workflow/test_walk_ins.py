"""Does a registered card charge without an order: the exact calls, lights and events of each story?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.models import CardEntry, EventOut, StationEvent, WalkIn, WorkflowInstance
from fulfillment.services.cards import balance
from tests.factories.fulfillment import drive_to, run_steps
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.cards import (
    a_card,
    a_station,
    calls,
    charging_walk_in,
    evses_of,
    lights,
    scan,
    told,
)
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import event, process

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]


@pytest.fixture(autouse=True)
def _sink(settings: Settings) -> None:
    """Somebody listens to our events."""
    settings.EVENTS_SINK_URL = "http://127.0.0.1:9/events"
    settings.WORKFLOW_LIFECYCLE_EVENTS = False


def ended_event() -> dict[str, Any]:
    """What the only end of a session told the public."""
    data = EventOut.objects.get(type__endswith="session-ended.v1").data
    assert isinstance(data, dict)
    return data


def test_card_with_a_free_slot_starts(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    row = scan(station, card.uid)
    assert (row.state, row.reason) == ("done", "starts a session of the card")
    run_steps(NOW)
    assert calls(supplier) == [("session", 404), ("acquire", 201), ("lock", 204), ("start", 200), ("leds", 204)]
    assert lights(supplier) == [("1", "on", "blue", None)]
    assert told() == ["session-started.v1"]
    walk_in = WalkIn.objects.get()
    assert (walk_in.state, walk_in.slot_number, walk_in.remote_id) == ("charging", 1, supplier.session.id)
    assert walk_in.evse is not None
    assert walk_in.evse.status == Evse.Status.CHARGING
    instance = WorkflowInstance.objects.get()
    assert (instance.status, instance.walk_in, instance.event) == ("completed", walk_in, row)


def test_same_card_again_ends_pays_and_unlocks(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    calls(supplier), lights(supplier)
    now = supplier.after(600)
    row = scan(station, walk_in.card.uid, now)
    assert (row.state, row.reason) == ("done", "ends the session of the card")
    run_steps(now)
    assert calls(supplier) == [("session", 200), ("end", 200), ("pay", 200), ("unlock", 204), ("leds", 204)]
    assert lights(supplier) == [("1", "flicker", "white", 3000)]
    assert told() == ["session-started.v1", "session-ended.v1"]
    walk_in.refresh_from_db()
    # 30 kW for ten minutes: 5 kWh at ₹18, ₹20 for the session, 18 % GST.
    assert (walk_in.state, walk_in.energy_wh, walk_in.amount_paise) == ("ended", 5000, 12_980)
    assert sum(line["paise"] for line in walk_in.lines) == 12_980
    entry = CardEntry.objects.get()
    assert (entry.kind, entry.paise, entry.walk_in, entry.account) == ("charge", -12_980, walk_in, walk_in.account)
    ended = ended_event()
    assert ended["bill"] == {"energyWh": 5000, "amount": "129.80", "currency": "INR"}
    assert ended["session"]["energyWh"] == 5000
    assert evses_of(station)[0].status == Evse.Status.AVAILABLE
    assert (supplier.session.status, supplier.session.paid) == ("closed", True)


def test_full_station_shows_red(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    for _ in range(2):
        charging_walk_in(station, a_card(station.operator))
    calls(supplier), lights(supplier)
    third = a_card(station.operator)
    assert scan(station, third.uid).state == "done"
    run_steps(NOW)
    assert calls(supplier) == [("session", 404), ("acquire", 400), ("leds", 204)]
    assert lights(supplier) == [("main", "flicker", "red", 3000)]
    walk_in = WalkIn.objects.get(card=third)
    assert (walk_in.state, walk_in.fault) == ("failed", "400 No charging slots available")
    assert WorkflowInstance.objects.get(walk_in=walk_in).status == "completed"
    assert CardEntry.objects.count() == 0


def test_third_card_comes_in_when_the_first_has_gone(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    first, _ = (charging_walk_in(station, a_card(station.operator)) for _ in range(2))
    now = supplier.after(60)
    scan(station, first.card.uid, now)
    run_steps(now)
    walk_in = charging_walk_in(station, a_card(station.operator), supplier.after(10))
    assert walk_in.slot_number == first.slot_number == 1


def test_two_cards_for_the_last_slot_one_gets_it(supplier: FakeSupplier) -> None:
    station = a_station(supplier, slots=1)
    cards = [a_card(station.operator) for _ in range(2)]
    for card in cards:
        assert scan(station, card.uid).state == "done"
    run_steps(NOW)
    assert sorted(WalkIn.objects.values_list("state", flat=True)) == ["charging", "failed"]
    assert [route for route, _ in calls(supplier)].count("start") == 1
    assert lights(supplier) == [("1", "on", "blue", None), ("main", "flicker", "red", 3000)]


def test_fault_ends_the_session_and_bills_what_was_delivered(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    calls(supplier), lights(supplier)
    now = supplier.after(600)
    error = {"code": "GroundFault", "message": "leak"}
    supplier.rules.fault(station.code, 1, error)
    process(event("faulted", {"stationId": station.code, "slotNumber": 1, "error": error}, at=now), now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.stop_reason, walk_in.fault) == ("ended", "fault", "GroundFault: leak")
    assert (walk_in.energy_wh, balance(walk_in.account_id)) == (5000, -12_980)
    assert calls(supplier) == [
        ("end", 200), ("pay", 200), ("unlock", 204), ("leds", 204), ("support", 202), ("leds", 204)
    ]  # fmt: skip
    assert lights(supplier) == [("1", "on", "red", None), ("main", "on", "red", None)]
    assert told() == ["session-started.v1", "session-ended.v1", "out-of-order.v1"]
    assert evses_of(station)[0].status == Evse.Status.FAULTED


def test_fault_while_starting_gives_the_slot_back(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    scan(station, card.uid)
    drive_to("start", NOW)
    now = supplier.after(2)
    supplier.rules.fault(station.code, 1, {"code": "X", "message": "y"})
    process(event("faulted", {"stationId": station.code, "slotNumber": 1, "error": {"code": "X"}}, at=now), now)
    run_steps(supplier.after(30))
    run_steps(supplier.after(61))
    assert WalkIn.objects.get().state == "failed"
    assert supplier.session.status == "closed"
    assert not CardEntry.objects.exists()


def test_fault_told_late_ends_nothing(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    data = {"stationId": station.code, "slotNumber": 1, "error": {"code": "X"}}
    process(event("faulted", data, at=NOW - timedelta(minutes=5)), NOW)
    walk_in.refresh_from_db()
    assert walk_in.state == "charging"


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("unknown", "the card is not registered"),
        ("blocked", "the card is blocked"),
        ("lost", "the card is lost"),
        ("empty", "the card's prepaid account is empty"),
        ("foreign", "the card is another operator's"),
    ],
)
def test_card_that_may_not_charge_sees_red(supplier: FakeSupplier, which: str, reason: str) -> None:
    station = a_station(supplier)
    made: dict[str, dict[str, Any]] = {
        "blocked": {"state": "blocked"},
        "lost": {"state": "lost"},
        "empty": {"kind": "prepaid"},
        "foreign": {},
    }
    if which != "unknown":
        owner = a_station().operator if which == "foreign" else station.operator
        a_card(owner, uid="CARD", **made[which])
    row = scan(station, "CARD")
    assert (row.state, row.reason) == ("refused", reason)
    run_steps(NOW)
    assert calls(supplier) == [("leds", 204)]
    assert lights(supplier) == [("main", "flicker", "red", 3000)]
    instance = WorkflowInstance.objects.get()
    assert (instance.status, instance.input[0]["data"]["refused"]) == ("completed", reason)
    assert not WalkIn.objects.exists()


def test_declined_payment_is_due_and_the_slot_opens(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    calls(supplier), lights(supplier)
    supplier.rules.declines_left = 5
    now = supplier.after(600)
    scan(station, walk_in.card.uid, now)
    run_steps(now)
    assert calls(supplier) == [("session", 200), ("end", 200), ("pay", 402), ("unlock", 204), ("leds", 204)]
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.payment_due) == ("ended", True)
    assert "declined" in walk_in.fault
    assert ended_event()["paymentDue"] is True
    assert balance(walk_in.account_id) == -12_980, "the card is charged all the same"
    assert lights(supplier) == [("1", "flicker", "white", 3000)]


def test_card_that_is_reported_twice_within_five_seconds_is_one_scan(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator, uid="04A1B2C3")
    scan(station, card.uid)
    run_steps(NOW)
    for seconds in (2, 4, 8):
        row = scan(station, "04:a1:b2:c3", supplier.after(2) if seconds != 8 else supplier.after(4))
        assert row.state == "ignored", row.reason
        assert "duplicate" in row.reason
    assert WalkIn.objects.get().state == "charging"
    assert scan(station, card.uid, supplier.after(6)).state == "done"


def test_redelivered_event_is_one_scan(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    body = event("card-scanned", {"stationId": station.code, "cardId": card.uid}, id_="same")
    process(body, NOW)
    run_steps(NOW)
    process(body, supplier.after(30))
    assert (StationEvent.objects.count(), WalkIn.objects.get().state) == (1, "charging")


@pytest.mark.parametrize(
    ("back", "reason"), [(300, "told late"), (60, "older than the start of the session")], ids=["gone", "before"]
)
def test_scan_told_late_changes_nothing(supplier: FakeSupplier, back: int, reason: str) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(30)
    row = scan(station, walk_in.card.uid, now - timedelta(seconds=back), now=now)
    assert row.state == "ignored"
    assert reason in row.reason
    walk_in.refresh_from_db()
    assert walk_in.state == "charging"


def test_scan_from_before_the_end_starts_nothing(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(60)
    scan(station, walk_in.card.uid, now)
    run_steps(now)
    row = scan(station, walk_in.card.uid, now - timedelta(seconds=20), now=supplier.after(10))
    assert (row.state, row.reason) == ("ignored", "older than the end of the card's last session")


def test_card_that_charges_elsewhere_is_refused(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    other = connector_on_sale(operator=station.operator).evse.station
    row = scan(other, walk_in.card.uid, supplier.after(60))
    assert (row.state, "another station" in row.reason) == ("refused", True)
    walk_in.refresh_from_db()
    assert walk_in.state == "charging"


def test_blocked_card_may_still_end_what_it_began(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    fulfillment.set_card_state(walk_in.card_id, "blocked")
    now = supplier.after(60)
    assert scan(station, walk_in.card.uid, now).state == "done"
    run_steps(now)
    walk_in.refresh_from_db()
    assert walk_in.state == "ended"


def test_scan_while_it_starts_or_ends_changes_nothing(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    scan(station, card.uid)
    assert "start is under way" in scan(station, card.uid, supplier.after(10)).reason
    run_steps(supplier.at)
    scan(station, card.uid, supplier.after(10))
    assert "end is under way" in scan(station, card.uid, supplier.after(10)).reason
    run_steps(supplier.at)
    assert WalkIn.objects.get().state == "ended"
    assert [route for route, _ in calls(supplier)].count("start") == 1
