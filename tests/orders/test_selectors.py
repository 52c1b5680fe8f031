"""Is the order that is meant found, and only by its own buyer app?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from catalog.models import Evse, Station
from core.errors import DomainError
from orders.models import Reservation
from orders.selectors import (
    alternatives,
    busy_intervals,
    cancellation_terms,
    live_order_for_evse,
    order_by_transaction,
    order_for,
    refund_terms,
)
from tests.factories.orders import BAP, NOW, active_order, connector_on_sale, draft_order, initiated_order

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_order_of_another_buyer_app_is_as_unknown_as_none() -> None:
    order = active_order()
    assert order.code is not None
    assert order_for(BAP, order.code) == order
    texts = set()
    for bap_id, code in (("other.example.org", order.code), (BAP, "VB-NOTHING"), (BAP, "")):
        with pytest.raises(DomainError) as caught:
            order_for(bap_id, code)
        texts.add((caught.value.code, caught.value.text.replace(repr(code), "?")))
    assert len(texts) == 1


def test_codes_cannot_be_counted_up() -> None:
    codes = {str(active_order().code) for _ in range(5)}
    assert len(codes) == 5
    assert all(len(code) == 11 and code.startswith("VB-") for code in codes)


def test_draft_is_found_by_its_transaction() -> None:
    order = draft_order()
    assert order_by_transaction(BAP, order.transaction_id) == order
    with pytest.raises(DomainError):
        order_by_transaction("other.example.org", order.transaction_id)


def test_live_order_is_found_by_its_charger_only_where_it_is_one() -> None:
    connector = connector_on_sale()
    order = active_order(connector)
    assert live_order_for_evse(BAP, connector.evse.uid) == order
    active_order(connector, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR)
    with pytest.raises(DomainError) as caught:
        live_order_for_evse(BAP, connector.evse.uid)
    assert caught.value.code == "order-unknown"


def test_busy_intervals_leave_out_what_ran_out_or_is_over() -> None:
    connector, other = connector_on_sale(), connector_on_sale()
    active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    initiated_order(connector, starts_at=NOW + 3 * HOUR, ends_at=NOW + 4 * HOUR)
    initiated_order(other, ends_at=NOW + HOUR)
    first = [(NOW + HOUR, NOW + 2 * HOUR)]
    held = [(NOW + 3 * HOUR, NOW + 4 * HOUR)]
    assert busy_intervals(NOW) == {connector.evse_id: first + held, other.evse_id: [(NOW, NOW + HOUR)]}
    assert busy_intervals(NOW + HOUR) == {connector.evse_id: first}
    assert busy_intervals(NOW + 2 * HOUR) == {}


def test_alternatives_are_free_of_the_same_kind_and_nearest_first() -> None:
    wanted = connector_on_sale()
    beside = connector_on_sale(station=wanted.evse.station)
    near, far, taken, broken, nowhere = (connector_on_sale() for _ in range(5))
    Station.objects.filter(pk=near.evse.station_id).update(latitude=Decimal("12.980000"))
    Station.objects.filter(pk=far.evse.station_id).update(latitude=Decimal("13.069000"), longitude=Decimal("77.690000"))
    Station.objects.filter(pk=nowhere.evse.station_id).update(published=False, latitude=None, longitude=None)
    Evse.objects.filter(pk=broken.evse_id).update(status="faulted")
    active_order(taken)
    other_kind = connector_on_sale()
    other_kind.standard = "CHADEMO"
    other_kind.save()
    assert alternatives(wanted.item_id, now=NOW, energy_wh=10_000) == [beside, near]
    assert alternatives(wanted.item_id, now=NOW, limit=1) == [beside]
    assert taken in alternatives(wanted.item_id, starts_at=NOW + 3 * HOUR, ends_at=NOW + 4 * HOUR, now=NOW)
    assert alternatives("nothing", now=NOW) == []


def test_alternatives_do_not_name_chargers_off_sale() -> None:
    wanted = connector_on_sale()
    connector_on_sale(station=wanted.evse.station)
    Station.objects.update(published=False)
    assert alternatives(wanted.item_id, now=NOW) == []


def test_terms_are_those_of_the_fees() -> None:
    order = active_order()
    assert [(term["state"], term["percent"]) for term in cancellation_terms(order)] == [
        ("payment-completed", 30),
        ("charging-started", 100),
    ]
    assert refund_terms(order)[0]["within_s"] == 864_000


def test_rows_name_themselves() -> None:
    order = active_order()
    assert str(order) == order.code
    assert str(Reservation.objects.get()) == f"{order.connector.item_id} confirmed"
