"""Is every wish that cannot be sold refused with its own code and place?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Connector, Evse
from core.errors import DomainError
from orders.models import Order, Quote
from orders.selectors import current_quote
from orders.services import complete_order, confirm_order, init_order, mark_starting, select_offer
from tests.factories.orders import (
    BAP,
    NOW,
    a_confirm,
    a_wish,
    active_order,
    an_init,
    connector_on_sale,
    draft_order,
    initiated_order,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def refused(service: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(DomainError) as caught:
        service(**arguments)
    assert caught.value.text
    return caught.value.code, caught.value.path


@pytest.fixture
def connector() -> Connector:
    return connector_on_sale()


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"operator_code": "nobody"}, "provider-unknown", "order.provider.id"),
        ({"item_id": "nothing"}, "item-unknown", "order.items[0].id"),
        ({"evse_uid": "IN*VBZ*E9999"}, "fulfillment-unknown", "order.fulfillments[0].id"),
        ({"quantity": 0}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity": -5}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity_kind": "", "quantity": 5}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity_kind": "energy", "quantity": None}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity_kind": "litres"}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity": 10**30}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity_kind": "money", "quantity": 2_000}, "quantity-unavailable", "order.items[0].quantity"),
        ({"quantity_kind": "time", "quantity": 86_401}, "quantity-unavailable", "order.items[0].quantity"),
        ({"ends_at": NOW - HOUR}, "quantity-unavailable", "order.fulfillments[0].stops"),
        ({"starts_at": NOW + HOUR, "ends_at": NOW + HOUR}, "quantity-unavailable", "order.fulfillments[0].stops"),
        ({"starts_at": NOW + 31 * 24 * HOUR}, "quantity-unavailable", "order.fulfillments[0].stops"),
        ({"ends_at": NOW + timedelta(minutes=19)}, "quantity-unavailable", "order.items[0].quantity"),
    ],
)
def test_select_refuses(connector: Connector, changes: dict[str, Any], code: str, path: str) -> None:
    assert refused(select_offer, **a_wish(connector, **changes)) == (code, path)
    assert not Order.objects.exists()


def test_select_refuses_an_item_of_another_provider(connector: Connector) -> None:
    other = connector_on_sale().evse.station.operator.code
    assert refused(select_offer, **a_wish(connector, operator_code=other))[0] == "item-unknown"


@pytest.mark.parametrize("broken", ["connector", "station", "operator"])
def test_select_refuses_what_is_not_on_sale(connector: Connector, broken: str) -> None:
    station = connector.evse.station
    if broken == "connector":
        connector.active = False
        connector.save()
    elif broken == "station":
        station.published = False
        station.save()
    else:
        station.operator.active = False
        station.operator.save()
    assert refused(select_offer, **a_wish(connector))[0] in {"item-unknown", "provider-unknown"}


@pytest.mark.parametrize("elements", [None, [], [{"price_components": [{"type": "FLAT", "price": "5"}]}]])
def test_select_never_prices_without_a_tariff(connector: Connector, elements: Any) -> None:
    assert connector.tariff is not None
    if elements is None:
        Connector.objects.update(tariff=None)
    else:
        connector.tariff.elements = elements
        connector.tariff.save()
    assert refused(select_offer, **a_wish(connector))[0] == "no-tariff"
    assert refused(select_offer, **a_wish(connector, quantity_kind="money", quantity=5_000))[0] == "no-tariff"


def test_select_never_offers_for_nothing() -> None:
    free = connector_on_sale(elements=[{"price_components": [{"type": "ENERGY", "price": "0.00"}]}])
    assert refused(select_offer, **a_wish(free))[0] == "quantity-unavailable"


@pytest.mark.parametrize("status", ["faulted", "unavailable", "charging", "finishing"])
def test_select_refuses_a_charger_that_cannot_charge_now(connector: Connector, status: str) -> None:
    Evse.objects.update(status=status)
    assert refused(select_offer, **a_wish(connector)) == ("connector-busy", "order.items[0].id")


def test_select_sells_a_later_window_of_a_charger_in_use(connector: Connector) -> None:
    Evse.objects.update(status="charging")
    order = select_offer(**a_wish(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR))
    assert order.state == Order.State.DRAFT


def test_select_is_refused_once_confirmed(connector: Connector) -> None:
    order = active_order(connector)
    wish = a_wish(connector, transaction_id=order.transaction_id)
    assert refused(select_offer, **wish)[0] == "not-in-this-state"
    assert refused(init_order, **an_init(connector, transaction_id=order.transaction_id))[0] == "not-in-this-state"


@pytest.mark.parametrize(
    ("collected_by", "payment_type"),
    [("BPP", "POST-FULFILLMENT"), ("", "BARTER"), ("NOBODY", ""), ("BAP", "PRE-FULFILLMENT")],
)
def test_init_refuses_payments_we_cannot_take(connector: Connector, collected_by: str, payment_type: str) -> None:
    wish = an_init(connector, collected_by=collected_by, payment_type=payment_type)
    assert refused(init_order, **wish) == ("payment-kind", "order.payments[0].type")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"transaction_id": "unheard-of"}, "no-quote"),
        ({"bap_id": "other.example.org"}, "no-quote"),
        ({"now": NOW + timedelta(seconds=900)}, "quote-expired"),
        ({"amount": Decimal("235.99")}, "price-differs"),
        ({"amount": Decimal("-236")}, "price-differs"),
        ({"amount": Decimal("NaN")}, "price-differs"),
        ({"amount": Decimal("sNaN")}, "price-differs"),
        ({"amount": Decimal("Infinity")}, "price-differs"),
        ({"amount": Decimal("236.001")}, "price-differs"),
        ({"quoted": Decimal("1.00")}, "price-differs"),
        ({"amount": Decimal("236"), "currency": "USD"}, "price-differs"),
        ({"item_id": "another"}, "price-differs"),
        ({"quantity_kind": "energy", "quantity": 20_000}, "price-differs"),
        ({"quantity_kind": "energy", "quantity": 0}, "price-differs"),
        ({"quantity_kind": "energy", "quantity": -10_000}, "price-differs"),
        ({"payment_status": "NOT-PAID"}, "payment-proof"),
        ({"payment_status": ""}, "payment-proof"),
        ({"collected_by": "BPP"}, "payment-kind"),
        ({"payment_type": "ON-FULFILLMENT"}, "payment-kind"),
    ],
)
def test_confirm_refuses_and_leaves_the_order_as_it_was(
    connector: Connector, changes: dict[str, Any], code: str
) -> None:
    order = initiated_order(connector)
    before = (order.state, order.last_event, current_quote(order).total_paise)
    assert refused(confirm_order, **a_confirm(order, **changes))[0] == code
    order.refresh_from_db()
    assert (order.state, order.last_event, current_quote(order).total_paise) == before


def test_confirm_accepts_the_quoted_amount_in_any_spelling(connector: Connector) -> None:
    order = initiated_order(connector)
    proof = {"amount": Decimal("236"), "quoted": Decimal("236.00"), "currency": "INR", "item_id": connector.item_id}
    assert confirm_order(**a_confirm(order, **proof)).state == Order.State.ACTIVE


@pytest.mark.parametrize(("reference", "paid"), [("utr-77", True), (" ", False)])
def test_confirm_needs_the_payers_reference_where_we_collect(connector: Connector, reference: str, paid: bool) -> None:
    order = initiated_order(connector, collected_by="BPP")
    if not paid:
        assert refused(confirm_order, **a_confirm(order, reference=reference))[0] == "payment-proof"
        return
    order = confirm_order(**a_confirm(order, reference=reference, payment_status=""))
    assert (order.payment.status, order.payment.reference) == ("PAID", "utr-77")


@pytest.mark.parametrize(("status", "kept"), [("NOT-PAID", "NOT-PAID"), ("PAID", "PAID")])
def test_confirm_before_payment_where_paid_afterwards(connector: Connector, status: str, kept: str) -> None:
    order = initiated_order(connector, payment_type="POST-FULFILLMENT")
    assert confirm_order(**a_confirm(order, payment_status=status)).payment.status == kept


def test_confirm_needs_an_init_first(connector: Connector) -> None:
    assert refused(confirm_order, **a_confirm(draft_order(connector)))[0] == "not-in-this-state"


def test_confirm_needs_an_agreed_payment(connector: Connector) -> None:
    order = initiated_order(connector)
    order.payment.delete()
    assert refused(confirm_order, **a_confirm(order))[0] == "no-quote"


def test_confirm_is_refused_once_closed(connector: Connector) -> None:
    order = active_order(connector)
    mark_starting(order.pk, now=NOW, actor=BAP)
    complete_order(order.pk, energy_wh=5, started_at=NOW, ended_at=NOW, now=NOW, reason="full", actor="station")
    assert refused(confirm_order, **a_confirm(order))[0] == "already-confirmed"


def test_confirm_is_refused_for_a_charger_that_broke_meanwhile(connector: Connector) -> None:
    order = initiated_order(connector)
    Evse.objects.update(status="faulted")
    assert refused(confirm_order, **a_confirm(order))[0] == "connector-busy"


@pytest.mark.parametrize(
    ("changes", "energy_wh", "total"),
    [
        ({"quantity_kind": "money", "quantity": 23_600}, 10_000, 23_600),
        ({"quantity_kind": "time", "quantity": 1_200}, 10_000, 23_600),
        ({"quantity_kind": "", "quantity": None}, 10_000, 23_600),
        ({"quantity_kind": "", "quantity": 0, "ends_at": NOW + timedelta(minutes=20)}, 10_000, 23_600),
        ({"operator_code": ""}, 10_000, 23_600),
    ],
)
def test_select_understands_every_kind_of_quantity(
    connector: Connector, changes: dict[str, Any], energy_wh: int, total: int
) -> None:
    order = select_offer(**a_wish(connector, **changes))
    assert (order.energy_wh, current_quote(order).total_paise) == (energy_wh, total)


def test_init_takes_what_it_leaves_out_from_the_draft(connector: Connector) -> None:
    wish = a_wish(connector, quantity_kind="money", quantity=11_800, starts_at=NOW + HOUR)
    offered = current_quote(select_offer(**wish))
    later = an_init(connector, transaction_id=wish["transaction_id"], quantity_kind="", quantity=None)
    order = init_order(**later)
    assert (order.quantity, order.starts_at, current_quote(order).number) == (11_800, NOW + HOUR, offered.number)


def test_init_repeats_an_order_by_money_with_the_energy_answered(connector: Connector) -> None:
    wish = a_wish(connector, quantity_kind="money", quantity=23_600)
    offered = current_quote(select_offer(**wish))
    order = init_order(**an_init(connector, transaction_id=wish["transaction_id"]))
    assert (order.quantity_kind, current_quote(order).number) == ("money", offered.number)


def test_init_changes_the_item_of_the_draft(connector: Connector) -> None:
    wish = a_wish(connector)
    select_offer(**wish)
    other = connector_on_sale()
    order = init_order(**an_init(other, transaction_id=wish["transaction_id"]))
    assert order.connector == other


def test_init_keeps_a_promised_price_when_the_tariff_rises(connector: Connector) -> None:
    wish = a_wish(connector)
    offered = current_quote(select_offer(**wish))
    assert connector.tariff is not None
    connector.tariff.elements = [{"price_components": [{"type": "ENERGY", "price": "99"}]}]
    connector.tariff.save()
    order = init_order(**an_init(connector, transaction_id=wish["transaction_id"], now=NOW + timedelta(minutes=1)))
    quote = current_quote(order)
    assert (quote.number, quote.total_paise, quote.valid_until) == (offered.number, 23_600, offered.valid_until)


def test_init_again_renews_without_another_event(connector: Connector) -> None:
    order = initiated_order(connector)
    later = an_init(connector, transaction_id=order.transaction_id, now=NOW + timedelta(minutes=10))
    again = init_order(**later)
    assert again.last_event == order.last_event
    assert Quote.objects.count() == 1
    assert current_quote(again).valid_until == NOW + timedelta(minutes=25)
