"""What if a whole station fails: does every order find its way out, and does nobody wait in a circle?"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Evse, Station
from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import Session, StationEvent
from tests.factories.fulfillment import waiting_session
from tests.factories.orders import NOW, connector_on_sale

pytestmark = pytest.mark.django_db


def fail(station: Station) -> list[str]:
    """The station says that it is out of order; the statements that follow."""
    kind = "com.ev-power-supplier.charging-station.faulted.v1"
    fulfillment.store_events([Incoming("https://supplier.example", "e-1", kind, NOW, {"stationId": station.code})])
    StationEvent.objects.update(next_at=NOW)
    with CaptureQueriesContext(connection) as run:
        assert fulfillment.process_events_due(NOW) == 1
    assert StationEvent.objects.get().state == StationEvent.State.DONE
    return [query["sql"] for query in run]


def test_every_order_is_locked_before_any_charger_and_chargers_in_one_order() -> None:
    first = waiting_session(may_redirect=True)
    station = first.evse.station
    second = waiting_session(connector_on_sale(station=station), may_redirect=True)
    others = {connector_on_sale(operator=station.operator).evse_id for _ in range(3)}
    Evse.objects.update(status_at=NOW - timedelta(days=1))
    asked = fail(station)
    locks = [[int(evse_id) for evse_id in re.findall(r"'evse:(\d+)'", sql)] for sql in asked]
    first_lock = next(place for place, found in enumerate(locks) if found)
    orders = [place for place, sql in enumerate(asked) if re.search(r'FOR NO KEY UPDATE OF "orders_order"', sql)]
    assert len([place for place in orders if place < first_lock]) == 2
    taken = list(dict.fromkeys(evse_id for found in locks for evse_id in found))
    assert taken == sorted(taken)
    moved = {Session.objects.get(pk=session.pk).evse_id for session in (first, second)}
    assert len(moved) == 2
    assert moved <= others


def test_no_order_moves_to_a_charger_of_the_station_that_fails() -> None:
    session = waiting_session(may_redirect=True)
    neighbour = connector_on_sale(station=session.evse.station)
    Evse.objects.update(status_at=NOW - timedelta(days=1))
    fail(session.evse.station)
    session.refresh_from_db()
    assert session.evse_id != neighbour.evse_id
    assert session.order.state == "cancelled"
