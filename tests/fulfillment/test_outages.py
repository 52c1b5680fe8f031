"""What is known of a station that is out of order, and what do those hear who wait for it?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from catalog.models import Evse, Station
from catalog.services import set_evse_status
from fulfillment import services as fulfillment
from fulfillment.models import EventOut, Outage, Session, StationEvent, WorkflowInstance
from orders.models import Order
from tests.factories.fulfillment import charging_session, later, run_steps, waiting_session
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import TYPES, event, process, status_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]

ERROR = {"error": {"code": "GroundFault", "message": "leak"}}
BOOKED = {"starts_at": later(3600), "ends_at": later(7200)}


def booked_session(**wish: Any) -> Session:
    """A session of an order for an hour from now."""
    session = waiting_session(**wish)
    Order.objects.filter(pk=session.order_id).update(**BOOKED)
    return session


def tell(
    kind: str, session: Session, seconds: float, *, slot: bool = True, now: datetime | None = None
) -> StationEvent:
    """The station says something of its slot 1, or of itself, at a time; it is heard at `now`, by default at once."""
    at = later(seconds)
    data: dict[str, Any] = status_of(session) if slot else {"stationId": session.evse.station.code}
    data |= ERROR if kind == "faulted" else {}
    return process(event(kind, data, id_=f"{kind}-{seconds}-{slot}", at=at), now or at)


def told(session: Session) -> list[str]:
    """What the buyer app is owed about its charger, oldest first."""
    kinds = ("charger-out", "charger-warning", "charger-back", "moved")
    events = session.order.events.filter(kind__in=kinds, public=True)
    return list(events.order_by("number").values_list("kind", flat=True))


def status(session: Session) -> str:
    return Evse.objects.get(pk=session.evse_id).status


def test_fault_begins_an_outage_and_the_recovery_ends_it() -> None:
    session = waiting_session()
    row = tell("faulted", session, 0)
    outage = Outage.objects.get()
    assert (outage.evse_id, outage.since, outage.until, outage.untold) == (session.evse_id, NOW, None, True)
    assert (outage.error, outage.event) == ("GroundFault: leak", row)
    assert outage.orders == {session.order.code: "cancelled"}
    tell("recovered", session, 60)
    outage.refresh_from_db()
    assert (outage.until, outage.untold) == (later(60), True)


def test_fault_told_again_is_the_same_outage_and_says_so() -> None:
    session = waiting_session()
    tell("faulted", session, 0)
    Outage.objects.update(untold=False)
    again = tell("faulted", session, 5)
    assert (again.state, again.reason) == ("done", f"known to be out of order since {NOW.isoformat()}")
    assert not Outage.objects.get().untold, "there is nothing new in it"
    assert WorkflowInstance.objects.filter(event=again).count() == 1, "each event is acted on once"


def test_out_of_order_is_told_once_for_each_event(supplier: FakeSupplier, settings: Settings) -> None:
    settings.EVENTS_SINK_URL = "http://127.0.0.1:9/events"
    session = waiting_session()
    for id_ in ("first", "first", "second"):
        process(event("faulted", status_of(session) | ERROR, id_=id_), NOW)
    run_steps(NOW)
    told_out = EventOut.objects.filter(type=f"{TYPES}out-of-order.v1").values_list("data", flat=True)
    assert list(told_out) == [status_of(session) | ERROR] * 2
    assert Outage.objects.count() == 1


def test_error_told_after_the_status_is_added() -> None:
    session = waiting_session()
    process(event("slot-status-changed", status_of(session) | {"status": "faulted"}, id_="first"), NOW)
    Outage.objects.update(untold=False)
    tell("faulted", session, 1)
    outage = Outage.objects.get()
    assert (outage.error, outage.untold) == ("GroundFault: leak", True)


def test_fault_of_one_slot_is_part_of_the_fault_of_all() -> None:
    session = waiting_session()
    tell("faulted", session, 0, slot=False)
    tell("faulted", session, 1)
    assert Outage.objects.get().evse is None


def test_outage_of_all_lasts_until_no_slot_is_out_of_order() -> None:
    session = waiting_session()
    neighbour = connector_on_sale(station=session.evse.station).evse
    Evse.objects.update(status_at=NOW - timedelta(days=1))
    tell("faulted", session, 0, slot=False)
    tell("recovered", session, 60)
    assert Outage.objects.get().until is None
    data = {"stationId": session.evse.station.code, "slotNumber": neighbour.slot_number, "status": "free"}
    process(event("slot-status-changed", data, id_="free", at=later(90)), later(90))
    assert Outage.objects.get().until == later(90)


def test_fault_older_than_a_recovery_that_was_heard_changes_nothing() -> None:
    session = waiting_session()
    tell("recovered", session, 2, now=later(5))
    row = tell("faulted", session, 0, now=later(6))
    assert (row.state, row.reason) == (
        "ignored",
        f"older than the recovery of {later(2).isoformat()}, which was heard before",
    )
    assert not Outage.objects.exists()
    assert not WorkflowInstance.objects.exists()
    assert (status(session), Order.objects.get(pk=session.order_id).state) == ("available", Order.State.ACTIVE)


def test_recovery_of_another_slot_says_nothing_of_this_one() -> None:
    session = waiting_session()
    neighbour = connector_on_sale(station=session.evse.station).evse
    data = {"stationId": session.evse.station.code, "slotNumber": neighbour.slot_number}
    process(event("recovered", data, id_="other", at=later(2)), later(5))
    assert tell("faulted", session, 0, now=later(6)).state == "done"
    assert status(session) == Evse.Status.FAULTED


def test_fault_older_than_the_state_of_the_charger_is_no_news(supplier: FakeSupplier) -> None:
    session = charging_session()
    row = tell("faulted", session, -300, now=supplier.after(5))
    assert row.state == "ignored"
    assert "older than what" in row.reason
    assert not Outage.objects.exists()


def test_recovery_older_than_the_fault_leaves_it_out_of_order() -> None:
    session = waiting_session()
    tell("faulted", session, 60)
    row = tell("recovered", session, 0, now=later(90))
    assert row.state == "ignored"
    assert "older than what was told since" in row.reason
    assert (status(session), Outage.objects.get().until) == ("faulted", None)


def test_fate_of_an_order_is_the_first_that_was_not_its_end(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    tell("faulted", session, 60)
    process(event("slot-status-changed", status_of(session) | {"status": "faulted"}, id_="status", at=now), now)
    assert Outage.objects.get().orders == {session.order.code: "charging stopped, billed to the meter"}


def test_fault_while_a_session_ends_keeps_the_slot_out_of_the_catalogue(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(60))
    tell("faulted", session, 60)
    run_steps(supplier.at)
    session.refresh_from_db()
    assert (session.state, status(session)) == (Session.State.ENDED, "faulted")


def test_booking_for_later_is_warned_once_and_hears_of_the_recovery() -> None:
    session = booked_session()
    for seconds in (0, 5):
        tell("faulted", session, seconds)
    assert told(session) == ["charger-warning"]
    assert Outage.objects.get().orders == {session.order.code: "customer warned"}
    tell("recovered", session, 60)
    tell("recovered", session, 61)
    assert told(session) == ["charger-warning", "charger-back"]
    assert Order.objects.get(pk=session.order_id).state == Order.State.ACTIVE
    tell("faulted", session, 120)
    assert told(session) == ["charger-warning", "charger-back", "charger-warning"]


def test_nobody_hears_of_a_recovery_that_was_told_of_no_fault() -> None:
    session = booked_session()
    tell("recovered", session, 0)
    assert told(session) == []


def test_customer_who_was_asked_hears_that_the_charger_is_back_and_need_not_answer() -> None:
    session = waiting_session()
    connector_on_sale(station=session.evse.station)
    Evse.objects.update(status_at=NOW - timedelta(days=1))
    tell("faulted", session, 0)
    assert Outage.objects.get().orders == {session.order.code: "customer asked"}
    tell("recovered", session, 60)
    assert told(session) == ["charger-out", "charger-back"]
    assert not session.order.deadlines.filter(kind="answer", done_at__isnull=True).exists()


@pytest.mark.parametrize(("wish", "fate"), [({"may_redirect": True}, "moved"), ({}, "asked"), (None, "cancelled")])
def test_booking_whose_time_comes_while_the_charger_is_out_finds_its_way(
    wish: dict[str, Any] | None, fate: str
) -> None:
    session = booked_session(**wish or {})
    if wish is not None:
        connector_on_sale(station=session.evse.station)
        Evse.objects.update(status_at=NOW - timedelta(days=1))
    tell("faulted", session, 0)
    assert fulfillment.stranded_due(later(3599)) == 0
    assert fulfillment.stranded_due(later(3601)) == 1
    assert fulfillment.stranded_due(later(3602)) == 0, "once"
    order = Order.objects.get(pk=session.order_id)
    found = "cancelled" if order.state == Order.State.CANCELLED else told(session)[-1]
    assert found == {"moved": "moved", "asked": "charger-out", "cancelled": "cancelled"}[fate]
    ((code, noted),) = Outage.objects.get().orders.items()
    assert (code, fate in noted) == (order.code, True)


def test_outage_that_an_operator_ends_by_hand_is_over() -> None:
    session = booked_session()
    tell("faulted", session, 0)
    assert fulfillment.outages_over_due(later(30)) == 0
    set_evse_status(session.evse_id, Evse.Status.AVAILABLE, later(40))
    assert fulfillment.outages_over_due(later(50)) == 1
    assert Outage.objects.get().until == later(50)
    assert told(session) == ["charger-warning", "charger-back"]


@pytest.mark.parametrize("whole", [True, False])
def test_place_has_one_open_outage(whole: bool) -> None:
    evse = connector_on_sale().evse
    place: dict[str, Station | Evse | None] = {"station": evse.station, "evse": None if whole else evse}
    Outage.objects.create(**place, since=NOW, until=NOW)
    Outage.objects.create(**place, since=NOW)
    with pytest.raises(IntegrityError, match="outage_one_open"), transaction.atomic():
        Outage.objects.create(**place, since=NOW)
