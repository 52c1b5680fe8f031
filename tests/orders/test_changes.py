"""Who may change what of an order in which state? Every cell of the table is walked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from catalog.models import Connector, TariffVersion
from core.errors import DomainError
from orders.booking import PROVISIONAL
from orders.changes import CHANGES, What, Who, allowed, check, may_change
from orders.models import Order, Payment, Quote, Reservation, ReservationRules
from orders.selectors import current_quote
from orders.services import (
    approve_order,
    cancel_order,
    change_billing,
    change_connector,
    change_window,
    complete_order,
    confirm_order,
    decline_order,
    mark_ending,
    mark_paused,
    mark_resumed,
    mark_started,
    mark_starting,
)
from orders.services.expire import DEEDS
from orders.states import FITS
from tests.factories.orders import BAP, NOW, a_confirm, active_order, connector_on_sale, initiated_order

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
STATES = sorted(FITS["active"])


def test_table_names_every_change_and_only_open_states() -> None:
    assert set(CHANGES) == set(What)
    assert {state for row in CHANGES.values() for cell in row.values() for state in cell} <= FITS["active"]


@pytest.mark.parametrize("state", ["draft", "initiated", "complete", "cancelled", "expired"])
def test_nothing_changes_unless_the_order_is_active(state: str) -> None:
    cells = itertools.product(Who, FITS[state] | FITS["active"])
    assert all(allowed(who, state=state, fulfillment=fulfillment) == () for who, fulfillment in cells)
    with pytest.raises(DomainError) as caught:
        check(Who.BUYER, What.WINDOW, state=state, fulfillment="payment-completed")
    assert caught.value.code == "not-in-this-state"


def test_refusal_names_what_is_allowed_instead() -> None:
    with pytest.raises(DomainError) as caught:
        check(Who.BUYER, What.CONNECTOR, state="active", fulfillment="charging-started")
    assert caught.value.code == "update-forbidden"
    assert "end, billing, start, stop" in caught.value.text


# -- the services obey the table: each change is tried by each who in each state -----------------------------------

IN_STATE: dict[str, tuple[Callable[..., Any], ...]] = {
    "charging-starting": (mark_starting,),
    "charging-started": (mark_starting, mark_started),
    "charging-paused": (mark_starting, mark_started, mark_paused),
    "charging-resumed": (mark_starting, mark_started, mark_paused, mark_resumed),
    "charging-ending": (mark_starting, mark_started, mark_ending),
}


def order_at(fulfillment: str) -> Order:
    """A confirmed order whose fulfilment is there, brought by the services."""
    connector = connector_on_sale()
    connector_on_sale(operator=connector.evse.station.operator, station=connector.evse.station)
    if fulfillment == "pending-approval":
        ReservationRules.objects.create(operator=connector.evse.station.operator, mode=PROVISIONAL)
    order = active_order(connector, starts_at=NOW, ends_at=NOW + HOUR)
    for step in IN_STATE.get(fulfillment, ()):
        step(order.pk, now=NOW, actor=BAP)
    order.refresh_from_db()
    assert order.fulfillment == fulfillment
    return order


def other_item(order: Order) -> str:
    station = order.connector.evse.station
    return str(station.evses.exclude(pk=order.connector.evse_id).get().connectors.get().item_id)


TRIES: dict[What, Callable[[Order, Who], object]] = {
    What.WINDOW: lambda order, who: change_window(
        order.pk, who=who, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR, now=NOW, actor="x"
    ),
    What.END: lambda order, who: change_window(order.pk, who=who, ends_at=NOW + 2 * HOUR, now=NOW, actor="x"),
    What.CONNECTOR: lambda order, who: change_connector(
        order.pk, who=who, item_id=other_item(order), now=NOW, actor="x"
    ),
    What.BILLING: lambda order, who: change_billing(
        order.pk, who=who, billing={"name": "Other Payer"}, now=NOW, actor="x"
    ),
}
ACTED: dict[tuple[What, Who], Callable[[Order], object]] = {
    (What.CANCEL, Who.BUYER): lambda order: cancel_order(order_id=order.pk, by="CONSUMER", now=NOW, actor=BAP),
    (What.CANCEL, Who.OPERATOR): lambda order: cancel_order(order_id=order.pk, by="PROVIDER", now=NOW, actor="desk"),
    (What.CANCEL, Who.SYSTEM): lambda order: DEEDS["answer"](order, NOW),
    (What.APPROVE, Who.OPERATOR): lambda order: approve_order(order.pk, now=NOW, actor="desk"),
    (What.DECLINE, Who.OPERATOR): lambda order: decline_order(order.pk, now=NOW, actor="desk"),
    (What.DECLINE, Who.SYSTEM): lambda order: DEEDS["approval"](order, NOW),
    (What.REMIND, Who.SYSTEM): lambda order: DEEDS["reminder"](order, NOW),
    (What.CLOSE, Who.SYSTEM): lambda order: DEEDS["no-show"](order, NOW),
}


@pytest.mark.parametrize("fulfillment", STATES)
@pytest.mark.parametrize(("what", "who"), [*itertools.product(TRIES, Who), *ACTED])
def test_each_cell_is_what_the_services_do(what: What, who: Who, fulfillment: str) -> None:
    order = order_at(fulfillment)
    deed = partial(TRIES[what], order, who) if what in TRIES else partial(ACTED[what, who], order)
    if may_change(who, what, state="active", fulfillment=fulfillment):
        deed()
        return
    before = Order.objects.values().get(pk=order.pk)
    with pytest.raises(DomainError) as caught:
        deed()
    assert caught.value.code in {"update-forbidden", "cancel-forbidden"}
    assert Order.objects.values().get(pk=order.pk) == before


# -- what the changes do ------------------------------------------------------------------------------------------


def test_moving_the_start_takes_the_end_along_and_frees_the_old_time() -> None:
    connector = connector_on_sale()
    order = active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    change_window(order.pk, who=Who.BUYER, starts_at=NOW + 5 * HOUR, now=NOW, actor=BAP)
    order.refresh_from_db()
    assert (order.starts_at, order.ends_at) == (NOW + 5 * HOUR, NOW + 6 * HOUR)
    assert active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR).state == "active"


def test_time_of_another_is_refused_and_the_old_promise_stays() -> None:
    connector = connector_on_sale()
    order = active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    active_order(connector, starts_at=NOW + 3 * HOUR, ends_at=NOW + 4 * HOUR)
    with pytest.raises(DomainError) as caught:
        change_window(order.pk, who=Who.BUYER, starts_at=NOW + 3.5 * HOUR, now=NOW, actor=BAP)
    assert caught.value.code == "connector-busy"
    held = Reservation.objects.exclude(state="released").get(order=order)
    assert (held.during.lower, held.during.upper) == (NOW + HOUR, NOW + 2 * HOUR)


def test_order_by_time_costs_what_its_new_stay_costs() -> None:
    order = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR, quantity_kind="time", quantity=3600)
    before = Quote.objects.get(order=order, current=True).total_paise
    change_window(order.pk, who=Who.BUYER, ends_at=NOW + 3 * HOUR, now=NOW, actor=BAP)
    order.refresh_from_db()
    quote = Quote.objects.get(order=order, current=True)
    assert (order.quantity, order.energy_wh) == (7200, 60_000)
    assert (before, quote.total_paise, quote.kind) == (66_080, 129_800, "offer")


def test_stay_too_short_for_the_energy_is_refused() -> None:
    order = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    with pytest.raises(DomainError) as caught:
        change_window(order.pk, who=Who.BUYER, ends_at=NOW + HOUR + timedelta(minutes=10), now=NOW, actor=BAP)
    assert caught.value.code == "quantity-unavailable"


def test_end_is_extended_while_charging_unless_the_time_is_anothers() -> None:
    connector = connector_on_sale()
    order = active_order(connector, starts_at=NOW, ends_at=NOW + HOUR)
    active_order(connector, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR)
    mark_starting(order.pk, now=NOW, actor=BAP)
    mark_started(order.pk, now=NOW, actor="station")
    change_window(order.pk, who=Who.BUYER, ends_at=NOW + 2 * HOUR, now=NOW, actor=BAP)
    assert Reservation.objects.get(order=order).during.upper == NOW + 2 * HOUR
    with pytest.raises(DomainError) as caught:
        change_window(order.pk, who=Who.BUYER, ends_at=NOW + 2.5 * HOUR, now=NOW, actor=BAP)
    assert caught.value.code == "connector-busy"


def test_asking_again_changes_nothing() -> None:
    order = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    for _ in range(2):
        change_window(order.pk, who=Who.BUYER, starts_at=NOW + 3 * HOUR, now=NOW, actor=BAP)
        change_billing(order.pk, who=Who.BUYER, billing={"name": "Other Payer"}, now=NOW, actor=BAP)
    order.refresh_from_db()
    assert list(order.events.order_by("number").values_list("kind", flat=True))[3:] == ["changed", "changed"]
    assert order.billing["name"] == "Other Payer"


def test_change_by_the_operator_is_told_the_buyers_own_is_answered() -> None:
    order = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    change_window(order.pk, who=Who.BUYER, starts_at=NOW + 3 * HOUR, now=NOW, actor=BAP)
    change_window(order.pk, who=Who.OPERATOR, starts_at=NOW + 4 * HOUR, now=NOW, actor="desk")
    assert list(order.events.filter(kind="changed").order_by("number").values_list("public", flat=True)) == [
        False,
        True,
    ]


def test_moved_order_is_billed_under_the_terms_it_moved_to() -> None:
    order = active_order()
    dear = connector_on_sale(
        operator=order.operator,
        station=order.connector.evse.station,
        elements=[{"price_components": [{"type": "ENERGY", "price": "20.00"}]}],
    )
    stranger = connector_on_sale()
    with pytest.raises(DomainError) as caught:
        change_connector(order.pk, who=Who.BUYER, item_id=stranger.item_id, now=NOW, actor=BAP)
    assert caught.value.code == "update-inconsistent"
    change_connector(order.pk, who=Who.BUYER, item_id=dear.item_id, now=NOW, actor=BAP)
    order.refresh_from_db()
    assert (order.connector_id, Quote.objects.get(order=order, current=True).total_paise) == (dear.pk, 23_600)
    mark_starting(order.pk, now=NOW, actor=BAP)
    mark_started(order.pk, now=NOW, actor="station")
    complete_order(
        order.pk, energy_wh=5_000, started_at=NOW, ended_at=NOW + HOUR, now=NOW + HOUR, reason="full", actor="station"
    )
    assert Quote.objects.get(order=order, current=True).total_paise == 11_800  # 5 kWh at ₹20.00 and 18 %


def test_moved_order_that_is_not_paid_asks_for_the_price_and_the_time_of_its_new_connector() -> None:
    order = initiated_order(payment_type="ON-FULFILLMENT")
    order = confirm_order(**a_confirm(order, payment_status="NOT-PAID"))
    dear = connector_on_sale(
        station=order.connector.evse.station,
        elements=[{"price_components": [{"type": "ENERGY", "price": "30.00"}]}],
        power_w=60_000,
    )
    change_connector(order.pk, who=Who.BUYER, item_id=dear.item_id, now=NOW, actor=BAP)
    assert Payment.objects.get(order=order).amount_paise == 35_400
    tariff = current_quote(order).tariff
    assert (tariff["power_w"], tariff["duration_s"]) == (60_000, 600)
    version = TariffVersion.objects.get(tariff=dear.tariff, number=tariff["version"])
    assert version.used_at == NOW


def test_moved_stay_tells_on_which_estimate_it_costs_so_much() -> None:
    order = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR, quantity_kind="time", quantity=3600)
    change_window(order.pk, who=Who.BUYER, ends_at=NOW + 3 * HOUR, now=NOW, actor=BAP)
    tariff = current_quote(order).tariff
    assert (tariff["duration_s"], tariff["basis"]) == (7_200, "estimate: 30 kW over 120 minutes")


def test_tariff_by_current_is_priced_anew_like_any_other() -> None:
    elements = [
        {"price_components": [{"type": "ENERGY", "price": "18.00"}], "restrictions": {"max_current": 50}},
        {"price_components": [{"type": "ENERGY", "price": "30.00"}]},
    ]
    order = initiated_order(by_current(connector_on_sale(elements=elements)))
    order = confirm_order(**a_confirm(order))
    station = order.connector.evse.station
    change_window(order.pk, who=Who.BUYER, ends_at=NOW + 3 * HOUR, now=NOW, actor=BAP)
    assert current_quote(order).total_paise == 35_400  # 75 A
    other = by_current(connector_on_sale(station=station, elements=elements, power_w=16_000))
    change_connector(order.pk, who=Who.BUYER, item_id=other.item_id, now=NOW, actor=BAP)
    assert current_quote(order).total_paise == 21_240  # 40 A


def by_current(connector: Connector) -> Connector:
    connector.max_voltage_v = 400
    connector.save()
    return connector


def test_draft_is_kept_and_resumed_in_the_same_transaction() -> None:
    order = initiated_order()
    again = initiated_order(order.connector, transaction_id=order.transaction_id)
    assert (again.pk, confirm_order(**a_confirm(again)).state) == (order.pk, "active")
