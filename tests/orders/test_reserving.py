"""Does a booking cost what the tariff says of reservations, used or not, and nobody else anything?"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Connector, Evse
from orders.balances import purse
from orders.changes import Who
from orders.models import CancellationRule, Order
from orders.pricing import MeterPoint
from orders.selectors import bill_price, current_quote, running_total
from orders.services import change_window, confirm_order, deadlines_due, init_order, mark_started, select_offer
from orders.services.charging import complete_order
from tests.factories.orders import BAP, NOW, a_confirm, a_wish, active_order, an_init, connector_on_sale

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
START = NOW + 3 * HOUR
BOOKED: dict[str, Any] = {"starts_at": START, "ends_at": START + HOUR}


def parts(restriction: str = "", **prices: str) -> dict[str, Any]:
    element: dict[str, Any] = {"price_components": [{"type": kind, "price": price} for kind, price in prices.items()]}
    return element | ({"restrictions": {"reservation": restriction}} if restriction else {})


# A reservation 30.00 and 60.00 an hour of waiting, unused 100.00 more; 18.00 a kWh.
RESERVING = [
    parts("RESERVATION_EXPIRES", FLAT="100.00"),
    parts("RESERVATION", FLAT="30.00", TIME="60.00"),
    parts(ENERGY="18.00"),
]


@pytest.fixture
def connector() -> Connector:
    return connector_on_sale(elements=RESERVING)


def total_of(order: Order) -> str:
    return f"{Decimal(current_quote(order).total_paise) / 100:.2f}"


def charged(order: Order, began: datetime, energy_wh: int = 10_000) -> Order:
    mark_started(order.pk, now=began, actor="station")
    end = began + timedelta(minutes=20)
    return complete_order(
        order.pk, energy_wh=energy_wh, started_at=began, ended_at=end, now=end, reason="full", actor="station"
    )


@pytest.mark.parametrize(
    ("wish", "total"),
    [(BOOKED, "247.80"), ({}, "212.40"), ({"starts_at": NOW, "ends_at": NOW + HOUR}, "212.40")],
    ids=["booked", "at once", "from now on"],
)
def test_only_a_booking_pays_for_the_reservation(connector: Connector, wish: dict[str, Any], total: str) -> None:
    # 10 kWh: 180.00, the reservation 30.00, 18 % of tax
    order = select_offer(**a_wish(connector, **wish))
    assert total_of(order) == total


def test_driver_who_comes_in_time_pays_what_was_quoted(connector: Connector) -> None:
    order = charged(active_order(connector, **BOOKED), START)
    assert (total_of(order), purse(order).due) == ("247.80", 0)


def test_driver_who_comes_late_pays_for_the_waiting(connector: Connector) -> None:
    order = active_order(connector, **BOOKED)
    began = START + timedelta(minutes=10)
    facts: dict[str, Any] = {"started_at": began, "readings": [MeterPoint(began + timedelta(minutes=5), 2_500)]}
    running = running_total(order, 2_500, now=began + timedelta(minutes=5), **facts)
    # 45.00, 30.00, ten minutes at 60.00 an hour
    assert [line.amount.wire for line in running] == ["30.00", "10.00", "45.00", "15.30"]
    bill = bill_price(order, energy_wh=2_500, ended_at=began + timedelta(minutes=5), **facts)
    assert list(bill.lines) == running
    assert total_of(charged(order, began)) == "259.60"


def test_driver_who_comes_early_pays_for_no_waiting(connector: Connector) -> None:
    assert total_of(charged(active_order(connector, **BOOKED), START - timedelta(minutes=5))) == "247.80"


def test_money_is_enough_for_reservation_and_energy(connector: Connector) -> None:
    order = select_offer(**a_wish(connector, quantity_kind="money", quantity=24_780, **BOOKED))
    assert (order.energy_wh, total_of(order)) == (10_000, "247.80")


def test_booking_that_is_moved_pays_for_one_reservation(connector: Connector) -> None:
    order = init_order(**an_init(connector, payment_type="ON-FULFILLMENT", **BOOKED))
    order = confirm_order(**a_confirm(order, payment_status="NOT-PAID"))
    order = change_window(order.pk, who=Who.BUYER, starts_at=START + HOUR, now=NOW, actor=BAP)
    assert total_of(order) == "247.80"


def no_show(order: Order) -> Order:
    deadlines_due(START + HOUR)
    order.refresh_from_db()
    assert order.fulfillment == Order.Fulfillment.NO_SHOW
    return order


@pytest.mark.parametrize(
    ("percent", "kept"),
    [(None, 22_420), (Decimal(10), 22_420), (Decimal(95), 23_541)],
    ids=["no term", "cheaper term", "dearer term"],
)
def test_no_show_costs_the_dearer_of_term_and_tariff(connector: Connector, percent: Decimal | None, kept: int) -> None:
    if percent is not None:
        CancellationRule.objects.create(operator=connector.evse.station.operator, state="no-show", fee_percent=percent)
    # 30.00, 100.00 and an hour of waiting at 60.00, with tax
    order = no_show(active_order(connector, **BOOKED))
    assert (current_quote(order).total_paise, purse(order).captured) == (kept, kept)


def test_no_show_never_costs_more_than_was_promised() -> None:
    dear = [parts("RESERVATION_EXPIRES", FLAT="900.00"), parts(ENERGY="18.00")]
    order = no_show(active_order(connector_on_sale(elements=dear), **BOOKED))
    assert purse(order).captured == 21_240


def test_no_show_at_a_broken_charger_is_free(connector: Connector) -> None:
    order = active_order(connector, **BOOKED)
    Evse.objects.filter(pk=connector.evse_id).update(status=Evse.Status.FAULTED)
    assert purse(no_show(order)).captured == 0


def test_no_show_without_a_price_of_reservations_costs_what_the_terms_say() -> None:
    connector = connector_on_sale()
    tariff = connector.tariff
    assert tariff is not None
    tariff.min_price = {"excl_vat": "150.00"}
    tariff.save()
    # 30 % of what was promised; the least price of a session is none of a mere reservation
    assert purse(no_show(active_order(connector, **BOOKED))).captured == 7_080
