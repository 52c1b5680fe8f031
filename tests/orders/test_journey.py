"""Does an order go from a wish to its bill as promised?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders.models import Order, Quote, Reservation
from orders.pricing import MeterPoint
from orders.selectors import current_quote, running_total, settlement
from orders.services import (
    cancel_order,
    complete_order,
    confirm_order,
    init_order,
    mark_ending,
    mark_started,
    mark_starting,
    select_offer,
)
from tests.factories.orders import BAP, NOW, a_confirm, a_wish, active_order, an_init, connector_on_sale

pytestmark = pytest.mark.django_db


def rupees(quote: Quote) -> list[tuple[str, str]]:
    return [(line["code"], f"{line['paise'] / 100:.2f}") for line in quote.lines]


def test_select_prices_ten_kilowatt_hours_as_published() -> None:
    quote = current_quote(select_offer(**a_wish(connector_on_sale())))
    assert rupees(quote) == [("energy-cost", "180.00"), ("service-charge", "20.00"), ("gst", "36.00")]
    assert quote.total_paise == 23_600


def test_journey_ends_with_a_bill_for_what_was_delivered() -> None:
    order = active_order()
    assert order.code is not None
    mark_starting(order.pk, now=NOW, actor=BAP)
    mark_started(order.pk, now=NOW, actor="station")
    mark_ending(order.pk, now=NOW + timedelta(minutes=16), actor=BAP)
    ended = NOW + timedelta(minutes=16)
    order = complete_order(
        order.pk, energy_wh=8_000, started_at=NOW, ended_at=ended, now=ended, reason="stopped", actor="station"
    )
    bill = current_quote(order)
    assert rupees(bill) == [("energy-cost", "144.00"), ("service-charge", "20.00"), ("gst", "29.52")]
    assert (order.state, order.fulfillment, bill.total_paise) == ("complete", "charging-ended", 19_352)
    money = settlement(order)
    assert (money.captured.wire, money.refunded.wire, money.due.wire) == ("193.52", "42.48", "0.00")
    assert Reservation.objects.get(order=order).state == "released"


def test_events_tell_the_whole_story_without_gaps() -> None:
    order = active_order()
    mark_starting(order.pk, now=NOW, actor=BAP)
    mark_started(order.pk, now=NOW, actor="station")
    order = complete_order(order.pk, energy_wh=1, started_at=NOW, ended_at=NOW, now=NOW, reason="full", actor="station")
    events = list(order.events.order_by("number").values_list("number", "kind", "public"))
    assert events == [
        (1, "selected", False),
        (2, "initiated", False),
        (3, "confirmed", False),
        (4, "charging-starting", False),
        (5, "charging-started", True),
        (6, "completed", True),
        (7, "refund-sent", False),
    ]


def test_cancel_after_payment_keeps_thirty_percent() -> None:
    order = cancel_order(order_id=active_order().pk, by="CONSUMER", reason_id="5", now=NOW, actor=BAP)
    quote = current_quote(order)
    assert rupees(quote)[-1] == ("refund", "-165.20")
    assert (quote.total_paise, order.state, order.fulfillment) == (7_080, "cancelled", "order-cancelled")
    assert order.cancellation["text"] == "Plans changed"


def test_running_cost_is_the_bill_so_far() -> None:
    order = active_order()
    lines = running_total(order, 8_000, started_at=NOW, now=NOW + timedelta(minutes=16))
    assert [line.amount.wire for line in lines] == ["144.00", "20.00", "29.52"]


def test_silence_of_the_station_is_no_standing() -> None:
    standing = [{"price_components": [{"type": "ENERGY", "price": "18"}, {"type": "PARKING_TIME", "price": "60"}]}]
    order = active_order(connector_on_sale(elements=standing))
    heard = [MeterPoint(NOW + timedelta(minutes=10), 5_000)]
    lines = running_total(order, 5_000, started_at=NOW, now=NOW + timedelta(minutes=40), readings=heard)
    assert [line.code for line in lines] == ["energy-cost", "gst"]


def test_init_keeps_the_number_of_an_unchanged_quote() -> None:
    connector = connector_on_sale()
    wish = a_wish(connector)
    offered = current_quote(select_offer(**wish)).number
    later = NOW + timedelta(minutes=5)
    order = init_order(**an_init(connector, transaction_id=wish["transaction_id"], now=later))
    quote = current_quote(order)
    assert (quote.number, quote.valid_until) == (offered, later + timedelta(minutes=15))


def test_init_makes_a_new_quote_for_a_changed_wish() -> None:
    connector = connector_on_sale()
    wish = a_wish(connector)
    offered = current_quote(select_offer(**wish)).number
    order = init_order(**an_init(connector, transaction_id=wish["transaction_id"], quantity=5_000))
    assert current_quote(order).number != offered
    assert order.energy_wh == 5_000


def test_confirm_again_is_the_same_order_without_new_effect() -> None:
    order = active_order()
    again = confirm_order(**a_confirm(order))
    assert (again.code, again.last_event) == (order.code, order.last_event)


def test_select_again_gives_back_what_init_held() -> None:
    connector = connector_on_sale()
    order = init_order(**an_init(connector))
    order = select_offer(**a_wish(connector, transaction_id=order.transaction_id, quantity=2_000))
    assert (order.state, order.energy_wh) == (Order.State.DRAFT, 2_000)
    assert Reservation.objects.get(order=order).state == "released"
