"""Does the one-time code of an order start and end its charging at the station itself, and nothing else?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from fulfillment.models import Session, StationEvent, WorkflowInstance
from orders.models import Order, ReservationRules
from orders.services import start_code
from tests.factories.fulfillment import run_steps, waiting_session
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.cards import scan
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]


def coded_session() -> Session:
    """A waiting session whose operator asks for a start code."""
    connector = connector_on_sale()
    ReservationRules.objects.create(operator=connector.evse.station.operator, start_code=True)
    return waiting_session(connector)


def scan_at(session: Session, text: str, supplier: FakeSupplier) -> StationEvent:
    row = scan(session.evse.station, text, supplier.at)
    run_steps(supplier.at)
    session.refresh_from_db()
    return row


@pytest.mark.parametrize("kind", ["card", "upper", "code"])
def test_code_starts_and_scanned_again_ends_its_order(supplier: FakeSupplier, kind: str) -> None:
    session = coded_session()
    text = {"card": session.card, "upper": session.card.upper(), "code": start_code(session.order)}[kind]
    row = scan_at(session, text, supplier)
    assert (row.state, row.reason) == ("done", f"starts order {session.order}")
    assert session.state == Session.State.CHARGING
    assert supplier.session.card == session.card, "the station knows the order by its own card"
    supplier.after(120)
    row = scan_at(session, text, supplier)
    assert (row.state, row.reason) == ("done", f"ends order {session.order}")
    assert (session.state, session.stop_reason) == (Session.State.ENDED, "card scanned again")
    assert (session.order.state, session.energy_wh) == (Order.State.COMPLETE, 1000)
    supplier.after(60)
    row = scan_at(session, text, supplier)
    assert row.state == "refused"
    assert supplier.rules.leds[-1]["color"] == "red"
    if kind != "code":  # a used start code is a text like any other
        assert "its code was good for one charging" in row.reason


def test_code_is_debounced_and_left_alone_while_it_starts(supplier: FakeSupplier) -> None:
    session = coded_session()
    scan(session.evse.station, session.card, supplier.at)
    assert "duplicate" in scan(session.evse.station, session.card, supplier.after(3)).reason
    assert "start is under way" in scan(session.evse.station, session.card, supplier.after(6)).reason
    run_steps(supplier.at)
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING
    assert WorkflowInstance.objects.count() == 1


def test_code_at_another_station_is_refused(supplier: FakeSupplier) -> None:
    session = coded_session()
    elsewhere = connector_on_sale(operator=session.evse.station.operator).evse.station
    for text, word in ((session.card, "another station"), (start_code(session.order), "not registered")):
        row = scan(elsewhere, text, supplier.after(10))
        assert row.state == "refused"
        assert word in row.reason
        run_steps(supplier.at)
        assert supplier.rules.leds[-1] | {"at": ""} == {
            "at": "", "stationId": elsewhere.code, "led": "main", "action": "flicker", "color": "red", "duration": 3000
        }  # fmt: skip
    session.refresh_from_db()
    assert session.state == Session.State.WAITING


def test_start_code_cannot_be_guessed_at_the_station(supplier: FakeSupplier) -> None:
    session = coded_session()
    right = start_code(session.order)
    wrong = [f"{(int(right) + step) % 1_000_000:06d}" for step in range(1, 6)]
    for text in wrong:
        assert scan_at(session, text, supplier).state == "refused"
    supplier.after(10)
    assert scan_at(session, right, supplier).state == "refused", "after five unknown codes none is taken"
    supplier.after(700)
    assert scan_at(session, right, supplier).state == "done"


def test_start_code_counts_only_where_the_operator_asks_for_one(supplier: FakeSupplier) -> None:
    session = waiting_session()
    assert scan_at(session, "123456", supplier).reason == "the card is not registered"


def test_refusal_of_the_order_is_the_verdict(supplier: FakeSupplier) -> None:
    session = waiting_session()
    session.evse.status, session.evse.status_at = "faulted", NOW
    session.evse.save()
    row = scan_at(session, session.card, supplier)
    assert row.state == "refused"
    assert "cannot be started: it is faulted" in row.reason
    assert session.state == Session.State.WAITING


def test_code_told_late_starts_and_ends_nothing(supplier: FakeSupplier) -> None:
    session = waiting_session()
    row = scan(session.evse.station, session.card, NOW - timedelta(minutes=3), now=NOW)
    assert (row.state, row.reason[:9]) == ("ignored", "told late")
    scan_at(session, session.card, supplier)
    row = scan(session.evse.station, session.card, NOW - timedelta(seconds=30), now=supplier.after(30))
    assert (row.state, row.reason) == ("ignored", "older than the start of the session")
