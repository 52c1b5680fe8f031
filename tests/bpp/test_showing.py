"""Does a buyer app see an order as its rows say, no more and no less?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bpp import messages as m
from bpp import replies, showing
from catalog.models import Connector, Evse, Station
from core.money import Money
from fulfillment import services as fulfillment
from fulfillment.models import Session
from orders import services as orders
from orders.models import Order, Payment
from tests.factories.fulfillment import charging_session
from tests.factories.orders import BAP, NOW, active_order, connector_on_sale, draft_order, initiated_order
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db


def shown(order: Order) -> replies.OrderView:
    return showing.order_view(Order.objects.get(pk=order.pk), now=NOW)


def of_evse(order: Order, status: str) -> str:
    Evse.objects.filter(connectors=order.connector_id).update(status=status)
    return shown(order).plug.availability


def test_draft_shows_the_offer_alone() -> None:
    view = shown(draft_order())
    assert (view.draft, view.code, view.status, view.fulfillment) == (True, "", "", "")
    assert (view.payment, view.fees, view.refunds, view.billing, view.charging) == (None, (), (), None, None)
    assert view.quote.total == Money(Decimal("236.00"), "INR")
    assert view.quote.ttl_s


def test_initialised_order_shows_payment_and_terms() -> None:
    view = shown(initiated_order())
    assert (view.draft, view.fulfillment) == (True, Order.Fulfillment.ORDER_INITIATED)
    assert view.payment is not None
    assert (view.payment.amount.amount, view.payment.status) == (Decimal("236.00"), Payment.Status.NOT_PAID)
    assert view.fees
    assert view.refunds
    assert view.billing == m.Contact("Test Driver", "+910000000000", "driver@example.org")


def test_confirmed_order_shows_its_id_and_payment() -> None:
    order = active_order()
    view = shown(order)
    assert (view.draft, view.code, view.status) == (False, order.code, Order.State.ACTIVE)
    assert view.payment is not None
    assert (view.payment.status, view.payment.paid_at) == (Payment.Status.PAID, NOW)


def test_order_without_an_agreed_payment_shows_none() -> None:
    order = initiated_order()
    Payment.objects.all().delete()
    assert shown(order).payment is None


def test_time_left_of_a_quote_is_never_negative() -> None:
    order = draft_order()
    assert showing.order_view(order, now=NOW + timedelta(days=1)).quote.ttl_s == 0


def test_booked_window_is_shown() -> None:
    begin, end = NOW + timedelta(hours=2), NOW + timedelta(hours=3)
    assert shown(draft_order(starts_at=begin, ends_at=end)).window == m.Window(begin, end)
    assert shown(draft_order()).window is None


# -- the charger ------------------------------------------------------------------------------------------------------


def test_charger_reserved_for_this_order_is_available_to_it() -> None:
    assert of_evse(initiated_order(), Evse.Status.RESERVED) == Evse.Status.AVAILABLE
    order = active_order()
    assert of_evse(order, Evse.Status.RESERVED) == Evse.Status.AVAILABLE
    orders.mark_starting(order.pk, now=NOW, actor=BAP)
    assert of_evse(order, Evse.Status.RESERVED) == Evse.Status.RESERVED


@pytest.mark.parametrize(
    ("status", "online"),
    [(Evse.Status.AVAILABLE, True), (Evse.Status.FAULTED, False), (Evse.Status.UNAVAILABLE, False)],
)
def test_broken_charger_is_offline(status: str, online: bool) -> None:
    order = draft_order()
    assert of_evse(order, status) == status
    assert shown(order).plug.charger.online is online


def test_connector_without_tariff_is_not_green() -> None:
    order = draft_order()
    Connector.objects.update(tariff=None)
    view = shown(order)
    assert view.plug.green is False
    # The price is the promised one, whatever is asked today.
    assert view.plug.price_per_kwh == Money(Decimal("18.00"), "INR")


def test_address_joins_what_there_is() -> None:
    station = connector_on_sale().evse.station
    station.address, station.city, station.postal_code = "7 Sample Road", "Bengaluru", ""
    assert showing.place(station).address == "7 Sample Road, Bengaluru"
    station.address, station.city = "", ""
    assert showing.place(station).address == ""


def test_station_without_coordinates_is_shown_at_zero() -> None:
    place = showing.place(Station(code="S", name="Sample"))
    assert (place.latitude, place.longitude) == (Decimal(0), Decimal(0))


# -- the session ------------------------------------------------------------------------------------------------------


def test_running_session_shows_its_meter_and_the_cost_so_far(supplier: FakeSupplier) -> None:
    session = charging_session()
    before = shown(session.order)
    assert before.charging is not None
    assert (before.charging.energy_wh, before.quote.total.amount) == (0, Decimal("236.00"))
    at = supplier.after(300)
    fulfillment.advance_due(at, limit=20)
    session.refresh_from_db()
    view = showing.order_view(session.order, now=at)
    assert view.charging is not None
    assert view.charging.energy_wh == session.energy_wh > 0
    assert view.charging.power_w is not None
    assert Decimal(0) < view.quote.total.amount < Decimal("236.00")
    assert view.quote.total == Money(sum(line.amount.amount for line in view.quote.lines) + Decimal(0), "INR")
    assert view.quote.ttl_s is None


def test_ended_session_shows_its_bill_and_no_power(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.advance_due(supplier.after(300), limit=20)
    fulfillment.request_stop(session.order_id, supplier.at)
    fulfillment.advance_due(supplier.at, limit=20)
    session.refresh_from_db()
    assert session.state == Session.State.ENDED
    view = shown(session.order)
    assert (view.status, view.fulfillment) == (Order.State.COMPLETE, Order.Fulfillment.CHARGING_ENDED)
    assert view.charging is not None
    assert (view.charging.power_w, view.charging.ended_at) == (None, session.ended_at)
    assert view.quote.ttl_s is None


# -- around it --------------------------------------------------------------------------------------------------------


def test_cancellation_says_who_and_why() -> None:
    order = active_order()
    assert shown(order).cancellation is None
    orders.cancel_order(order_id=order.pk, by="CONSUMER", reason_id="5", text="plans changed", now=NOW, actor=BAP)
    assert shown(order).cancellation == replies.Cancellation(NOW, "CONSUMER", "5", "plans changed")


def test_caller_is_the_orders_buyer_app_in_its_transaction() -> None:
    order = draft_order()
    caller = showing.caller_of(order, "m-1")
    assert (caller.bap_id, caller.bap_uri) == (BAP, "https://bap.example.org/beckn")
    assert (caller.transaction_id, caller.message_id) == (order.transaction_id, "m-1")


@pytest.mark.parametrize("url", ["https://bpp.example.org/beckn", "https://bpp.example.org/deep/path/beckn"])
def test_pages_stand_at_the_root_of_our_host(settings: Any, url: str) -> None:
    settings.BECKN_SUBSCRIBER_URL = url
    assert showing.public_base() == "https://bpp.example.org"


def test_nothing_free_near_a_taken_connector_is_no_sentence() -> None:
    for item_id in (connector_on_sale().item_id, "no-such-item"):
        assert showing.instead(item_id, None, 0, now=NOW) == ()
