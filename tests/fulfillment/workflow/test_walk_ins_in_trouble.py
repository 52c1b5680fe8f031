"""Does a walk-in stay right when something goes wrong: doubled answers, lost suppliers, promises, dead workers?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Evse
from core.errors import NotAllowed
from fulfillment import services as fulfillment
from fulfillment.models import CardEntry, WalkIn, WorkflowInstance
from fulfillment.services.cards import balance
from fulfillment.services.walk_in_watching import watch_walk_ins_due
from fulfillment.services.workflows import LEASE_S, answer, settle
from tests.factories.fulfillment import drive_to, run_steps
from tests.factories.orders import NOW, active_order
from tests.fulfillment.cards import (
    a_card,
    a_station,
    an_account,
    calls,
    charging_walk_in,
    connector_of,
    evses_of,
    lights,
    scan,
)
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import event, process

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]


def test_account_is_charged_once_however_often_the_end_is_told(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(600)
    scan(station, walk_in.card.uid, now)
    supplier.fail_next("end", n=1, reset="after-commit")
    run_steps(now)
    run_steps(supplier.after(20))
    assert [entry.paise for entry in CardEntry.objects.all()] == [-12_980]
    walk_in.refresh_from_db()
    with pytest.raises(IntegrityError, match="card_entry_charged_once"), transaction.atomic():
        CardEntry.objects.create(
            account=walk_in.account, kind="charge", paise=-1, walk_in=walk_in, reason="again", actor="x", at=now
        )


def test_prepaid_session_ends_when_the_balance_is_used_up(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    account = an_account(station.operator, kind="prepaid", paise=10_000)
    walk_in = charging_walk_in(station, a_card(station.operator, account=account))
    for _ in range(40):
        now = supplier.after(30)
        run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.stop_reason) == ("ended", "prepaid balance used up")
    # The last reading is at most half a minute late: a quarter of a kWh.
    assert -600 < balance(account.pk) <= 0
    assert scan(station, walk_in.card.uid, supplier.after(60)).reason == "the card's prepaid account is empty"


def test_supplier_that_is_lost_settles_on_the_newest_reading_and_later_on_the_last(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    run_steps(supplier.after(300))
    walk_in.refresh_from_db()
    believed = walk_in.energy_wh
    supplier.fail_next("session_state", n=1000, status=503)
    for _ in range(40):
        run_steps(supplier.after(30))
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.provisional, walk_in.energy_wh) == ("ended", True, believed)
    assert "silent since" in walk_in.fault
    before = balance(walk_in.account_id)
    now = supplier.after(30)
    data = {"stationId": station.code, "slotNumber": 1, "sessionId": walk_in.remote_id, "timestamp": now.isoformat()}
    told_now = data | {"energyWh": (walk_in.meter_stop_wh or 0) + 1000, "powerW": 0, "context": "Transaction.End"}
    assert process(event("meter-values", told_now, id_="late", at=now), now).state == "done"
    walk_in.refresh_from_db()
    assert (walk_in.provisional, walk_in.energy_wh) == (False, believed + 1000)
    assert before - balance(walk_in.account_id) == 2124, "1 kWh more at ₹18 and 18 % GST"
    assert [entry.kind for entry in CardEntry.objects.order_by("pk")] == ["charge", "correction"]


def test_unplugged_vehicle_ends_by_itself(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(120)
    supplier.rules.unplug(station.code, 1)
    process(event("slot-status-changed", {"stationId": station.code, "slotNumber": 1, "status": "locked"}, at=now), now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.stop_reason, walk_in.energy_wh) == ("ended", "ended by the station", 1000)
    assert evses_of(station)[0].status == Evse.Status.AVAILABLE


def test_readings_of_a_walk_in_are_kept_and_believed_as_those_of_orders(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    first = walk_in.meter_start_wh or 0
    place = {"stationId": station.code, "slotNumber": 1, "sessionId": walk_in.remote_id}
    for number, (seconds, more, state) in enumerate(
        [(60, 500, "done"), (60, 400, "refused"), (60, 900_000, "refused"), (60, 1500, "done")]
    ):
        now = supplier.after(seconds)
        data = place | {"timestamp": now.isoformat(), "energyWh": first + more, "powerW": 30_000}
        assert process(event("meter-values", data, id_=f"m-{number}", at=now), now).state == state
    walk_in.refresh_from_db()
    assert (walk_in.energy_wh, walk_in.readings.count(), walk_in.readings.filter(accepted=True).count()) == (1500, 4, 2)
    # ₹18 and ₹20 a session, with tax, for what has flowed so far.
    assert walk_in.amount_paise == 5546


def test_slot_that_an_order_was_promised_is_not_given_to_a_card(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    active_order(connector_of(station, 1))
    walk_in = charging_walk_in(station, a_card(station.operator))
    assert walk_in.slot_number == 2


def test_slot_given_against_a_promise_goes_back_and_the_card_sees_red(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    active_order(connector_of(station, 1))
    # Somebody stands at slot 2 whom we know nothing of, so that the supplier gives the promised one.
    supplier.rules.acquire(station.code, "STRANGER", wished_slot=2)
    card = a_card(station.operator)
    scan(station, card.uid)
    run_steps(NOW)
    walk_in = WalkIn.objects.get()
    assert (walk_in.state, "promised to an order" in walk_in.fault) == ("failed", True)
    assert supplier.rules.stations[station.code].slots[1].status == "free"
    assert [route for route, _ in calls(supplier)] == ["session", "acquire", "session", "unlock", "leds"]
    assert lights(supplier) == [("main", "flicker", "red", 3000)]
    statuses = WorkflowInstance.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["cancelled", "completed", "completed"]


def test_station_where_every_slot_is_promised_refuses_the_card(supplier: FakeSupplier) -> None:
    station = a_station(supplier, slots=1)
    active_order(connector_of(station))
    row = scan(station, a_card(station.operator).uid)
    assert row.state == "refused"
    assert "promised to an order" in row.reason


def test_walk_in_gives_way_when_a_booked_time_begins(supplier: FakeSupplier) -> None:
    station = a_station(supplier, slots=1)
    starts_at = NOW + timedelta(minutes=30)
    active_order(connector_of(station), starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
    walk_in = charging_walk_in(station, a_card(station.operator))
    while supplier.at < starts_at + timedelta(seconds=30):
        run_steps(supplier.after(30))
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.stop_reason) == ("ended", "promised to an order")


def test_slot_of_no_tariff_is_refused(supplier: FakeSupplier) -> None:
    station = a_station(supplier, slots=1)
    station.evses.get().connectors.update(tariff=None)
    row = scan(station, a_card(station.operator).uid)
    assert (row.state, "no connector" in row.reason) == ("refused", True)


def test_tariff_of_the_start_holds_although_it_changes_meanwhile(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    tariff = connector_of(station).tariff
    assert tariff is not None
    tariff.elements = [{"price_components": [{"type": "ENERGY", "price": "99.00"}]}]
    tariff.save()
    now = supplier.after(600)
    scan(station, walk_in.card.uid, now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert walk_in.amount_paise == 12_980


def test_session_that_the_station_knows_no_more_is_settled_and_another_begins(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    run_steps(supplier.after(30))
    # The supplier ended it by itself, and its news were lost.
    supplier.rules.end(walk_in.remote_id)
    supplier.rules.unlock(station.code, 1)
    now = supplier.after(10)
    scan(station, walk_in.card.uid, now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.provisional, walk_in.energy_wh) == ("ended", True, 250)
    following = WalkIn.objects.get(state="charging")
    assert following.card == walk_in.card
    assert WorkflowInstance.objects.order_by("pk").last().walk_in == following  # type: ignore[union-attr]


def test_end_that_cannot_be_looked_up_is_asked_for_by_its_session(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    calls(supplier)
    supplier.fail_next("session", n=1, status=403)
    now = supplier.after(600)
    scan(station, walk_in.card.uid, now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.amount_paise) == ("ended", 12_980)
    assert [route for route, _ in calls(supplier)] == ["session", "leds", "end", "pay", "unlock", "leds"]


def test_start_that_was_called_off_is_seen_to(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    scan(station, card.uid)
    drive_to("start", NOW)
    WorkflowInstance.objects.update(status="cancelled", ended_at=NOW, next_at=None, holding=False, lease_until=None)
    now = supplier.after(10)
    assert fulfillment.adopt_due(now) == 1
    run_steps(now)
    assert WalkIn.objects.get().state == "failed"
    assert supplier.session.status == "closed"


def test_operator_ends_a_walk_in(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(600)
    fulfillment.stop_by_hand(walk_in.pk, now=now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.stop_reason, balance(walk_in.account_id)) == ("ended", "operator", -12_980)
    with pytest.raises(NotAllowed, match="nothing to stop"):
        fulfillment.stop_by_hand(walk_in.pk, now=now)


def test_worker_that_died_between_two_calls_is_followed_by_another(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    scan(station, a_card(station.operator).uid)
    claim, asked = drive_to("start", NOW)
    answer(asked)  # it reached the station, and the worker died before it wrote that down
    run_steps(supplier.after(LEASE_S + 1))
    assert WalkIn.objects.get().state == "charging"
    assert settle(claim, None, now=supplier.at) is None, "who comes back late changes nothing"
    starts = supplier.calls("start")
    assert len({call["key"] for call in starts}) == 1
    assert [call["replayed"] for call in starts] == [False, True]


def test_energy_that_flows_after_we_gave_up_is_stopped(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    WalkIn.objects.filter(pk=walk_in.pk).update(state="failed", ended_at=NOW, next_at=None)
    now = supplier.after(30)
    data = {"stationId": station.code, "slotNumber": 1, "sessionId": walk_in.remote_id, "timestamp": now.isoformat()}
    row = process(event("meter-values", data | {"energyWh": 10, "powerW": 30_000}, at=now), now)
    assert (row.state, row.reason) == ("refused", "the session is failed")
    run_steps(now)
    assert supplier.session.status == "closed"


def test_fault_told_after_the_poll_saw_the_end_is_the_reason_and_the_place_stays_out(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(30)
    supplier.rules.fault(station.code, 1, {"code": "X", "message": "y"})
    assert watch_walk_ins_due(now) == 1
    data = {"stationId": station.code, "slotNumber": 1, "error": {"code": "X", "message": "y"}}
    process(event("faulted", data, at=now), now)
    run_steps(now)
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.stop_reason, walk_in.fault) == ("ended", "fault", "X: y")
    assert evses_of(station)[0].status == Evse.Status.FAULTED


def test_slot_given_without_an_answer_before_a_refusal_is_given_back(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    supplier.fail_next("acquire", reset="after-commit")
    supplier.fail_next("acquire", status=403)
    scan(station, card.uid, NOW)
    for _ in range(30):
        run_steps(supplier.after(5))
    assert WalkIn.objects.get().state == "failed"
    assert {slot.status for slot in supplier.rules.station(station.code).slots.values()} == {"free"}
    assert not WorkflowInstance.objects.exclude(status="completed").exists()
