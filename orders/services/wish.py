"""Can what a buyer asks for be sold, how much energy is it, and what does it cost?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from catalog.gstin import state_code
from catalog.models import Connector, Evse, Operator
from catalog.tariffs import TariffFault, price_limit
from catalog.taxes import Rate, TaxFault, rate_on, read_rates
from core.errors import Invalid, NotFound, Unavailable
from core.money import from_paise
from orders.models import Order, Reservation
from orders.pricing import Price, Terms, assumed, energy_for_amount, energy_in_time, price, time_for_energy
from orders.services.holds import BUFFER_S, LIVE, busy, wanted_range
from orders.services.rules import order_rules

ITEM_PATH = "order.items[0].id"
QUANTITY_PATH = "order.items[0].quantity"
WINDOW_PATH = "order.fulfillments[0].stops"
OUT_OF_SERVICE = (Evse.Status.FAULTED, Evse.Status.UNAVAILABLE)
IN_USE = (Evse.Status.CHARGING, Evse.Status.FINISHING)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer asks for; `quantity` is Wh, paise or seconds by `quantity_kind`; left to us where both are empty."""

    operator_code: str
    item_id: str
    quantity_kind: str = ""
    quantity: int | None = None
    evse_uid: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def open_quantity(self) -> bool:
        return not self.quantity_kind and not self.quantity


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish that can be sold: every gap filled, the energy known, the price made."""

    connector: Connector
    quantity_kind: str
    quantity: int
    starts_at: datetime | None
    ends_at: datetime | None
    price: Price
    tariff: dict[str, Any]


def plan_for(wish: Wish, *, now: datetime) -> Plan:
    """Resolve and price a wish. Raises DomainError naming what cannot be sold and why."""
    connector = resolve_connector(wish.operator_code, wish.item_id, evse_uid=wish.evse_uid)
    begins_at = max(wish.starts_at or now, now)
    terms = current_terms(connector, at=begins_at)
    window_s = _window_s(wish, begins_at, now)
    kind, quantity = _quantity(wish, window_s)
    limit_s = min(window_s or settings.MAX_SESSION_S, settings.MAX_SESSION_S)
    energy_wh = _energy_wh(connector, terms, kind=kind, quantity=quantity, begins_at=begins_at, limit_s=limit_s)
    made = priced(
        terms,
        energy_wh=energy_wh,
        starts_at=begins_at,
        power_w=connector.max_power_w,
        voltage_v=connector.max_voltage_v,
    )
    ends_at = wish.ends_at
    if wish.starts_at is not None and ends_at is None:
        ends_at = begins_at + timedelta(seconds=time_for_energy(energy_wh, connector.max_power_w) + BUFFER_S)
    return Plan(connector, kind, quantity, wish.starts_at, ends_at, made, terms.snapshot(begins_at))


def resolve_connector(operator_code: str, item_id: str, *, evse_uid: str = "") -> Connector:
    """The connector on sale under these names.

    Raises NotFound `provider-unknown`, `item-unknown` or `fulfillment-unknown`.
    """
    if operator_code and not Operator.objects.filter(code=operator_code, active=True).exists():
        raise NotFound(
            "provider-unknown",
            f"no provider {operator_code!r} sells here; use one from search",
            path="order.provider.id",
        )
    connector = (
        Connector.objects.select_related("evse__station__operator", "tariff")
        .filter(item_id=item_id, active=True, evse__station__published=True, evse__station__operator__active=True)
        .first()
    )
    if connector is None or (operator_code and connector.evse.station.operator.code != operator_code):
        seller = f" of provider {operator_code!r}" if operator_code else ""
        raise NotFound("item-unknown", f"no item {item_id!r}{seller} is on sale; use one from search", path=ITEM_PATH)
    if evse_uid and connector.evse.uid != evse_uid:
        raise NotFound(
            "fulfillment-unknown",
            f"item {item_id!r} belongs to {connector.evse.uid!r}, not to {evse_uid!r}",
            path="order.fulfillments[0].id",
        )
    return connector


def current_terms(connector: Connector, *, at: datetime) -> Terms:
    """The terms of the connector's tariff as they are now, with the tax of the day of `at`.

    Raises Unavailable `no-tariff`.
    """
    tariff, station = connector.tariff, connector.evse.station
    if tariff is None:
        raise no_tariff(connector.item_id, "it has no tariff")
    day = at.astimezone(ZoneInfo(station.time_zone)).date()
    try:
        rates = read_rates(station.operator.gst_rates)
        rate = rate_on(rates, day, otherwise=Rate(tariff.gst_percent, station.operator.sac))
        return Terms(
            code=tariff.code,
            name=tariff.name,
            currency=tariff.currency,
            elements=tariff.elements,
            gst_percent=rate.percent,
            time_zone=station.time_zone,
            min_price=price_limit(tariff.min_price, "min_price"),
            max_price=price_limit(tariff.max_price, "max_price"),
            sac=rate.sac,
            supplier_state=station.operator.state_code,
            place_state=state_code(station.state),
        )
    except (TariffFault, TaxFault) as err:
        raise no_tariff(tariff.code, f"its tariff or tax cannot be read: {err.path}") from err


def priced(terms: Terms, *, energy_wh: int, starts_at: datetime, power_w: int, voltage_v: int = 0) -> Price:
    """The price of an offer, never nothing. Raises Unavailable `no-tariff` or `quantity-unavailable`."""
    try:
        wished = assumed(energy_wh=energy_wh, starts_at=starts_at, power_w=power_w, voltage_v=voltage_v)
        made = price(terms, wished)
    except TariffFault as err:
        raise no_tariff(terms.code, f"its tariff cannot be read: {err.path}") from err
    if made.total.amount <= 0:
        raise Unavailable(
            "quantity-unavailable",
            f"{energy_wh} Wh come to {made.total.wire} {made.currency}; ask for more energy",
            path=QUANTITY_PATH,
        )
    return made


def no_tariff(what: str, why: str) -> Unavailable:
    return Unavailable("no-tariff", f"{what} cannot be priced: {why}; choose another connector", path=ITEM_PATH)


def check_free(order: Order, *, now: datetime) -> None:
    """Raise Unavailable `connector-busy` where the order's connector is out of service, in use or promised."""
    connector = order.connector
    check_in_service(connector)
    starts_at, ends_at = wanted_range(order, now)
    if starts_at <= now and connector.evse.status in IN_USE:
        raise busy(connector.item_id, starts_at, ends_at)
    kept_free = timedelta(seconds=order_rules(order).buffer_s)
    taken = (
        Reservation.objects.filter(
            evse_id=connector.evse_id, state__in=LIVE, blocked__overlap=(starts_at, ends_at + kept_free)
        )
        .exclude(state=Reservation.State.HELD, held_until__lte=now)
        .exclude(order_id=order.pk)
    )
    if taken.exists():
        raise busy(connector.item_id, starts_at, ends_at)


def check_in_service(connector: Connector) -> None:
    """Raise Unavailable `connector-busy` where the station reports the EVSE as out of service."""
    if connector.evse.status in OUT_OF_SERVICE:
        raise Unavailable(
            "connector-busy",
            f"{connector.item_id} is {connector.evse.status} since {connector.evse.status_at:%Y-%m-%d %H:%M} UTC; "
            "choose another connector",
            path=ITEM_PATH,
        )


def _window_s(wish: Wish, begins_at: datetime, now: datetime) -> int | None:
    """The length of the wanted window that is still ahead, s; None where no end was named."""
    if begins_at > now + timedelta(days=settings.BOOK_AHEAD_DAYS):
        raise Invalid(
            "quantity-unavailable",
            f"the window begins at {begins_at.isoformat()}; bookings are taken {settings.BOOK_AHEAD_DAYS} days ahead",
            path=WINDOW_PATH,
        )
    if wish.ends_at is None:
        return None
    if wish.ends_at <= begins_at:
        raise Invalid(
            "quantity-unavailable",
            f"the window ends at {wish.ends_at.isoformat()}, which is not after its begin or already past "
            f"({begins_at.isoformat()}); choose a later end",
            path=WINDOW_PATH,
        )
    return int((wish.ends_at - begins_at).total_seconds())


def _quantity(wish: Wish, window_s: int | None) -> tuple[str, int]:
    """The quantity asked for; without one the whole window, without a window our default."""
    if wish.open_quantity:
        if window_s is not None:
            return Order.Quantity.TIME.value, min(max(window_s, 1), settings.MAX_SESSION_S)
        return Order.Quantity.ENERGY.value, settings.DEFAULT_ENERGY_WH
    if wish.quantity is None or wish.quantity <= 0 or wish.quantity_kind not in Order.Quantity.values:
        raise Invalid(
            "quantity-unavailable",
            f"{wish.quantity} ({wish.quantity_kind or 'of no kind'}) is not a quantity; ask for a positive amount of "
            f"{', '.join(Order.Quantity.values)}",
            path=QUANTITY_PATH,
        )
    return wish.quantity_kind, wish.quantity


def _energy_wh(
    connector: Connector, terms: Terms, *, kind: str, quantity: int, begins_at: datetime, limit_s: int
) -> int:
    """The energy, Wh, that the quantity comes to, held against what the connector can deliver in `limit_s`."""
    power_w = connector.max_power_w
    limit_wh = energy_in_time(limit_s, power_w)
    if kind == Order.Quantity.MONEY:
        amount = from_paise(quantity, terms.currency)
        try:
            energy_wh = energy_for_amount(
                terms,
                amount,
                starts_at=begins_at,
                power_w=power_w,
                limit_wh=limit_wh,
                voltage_v=connector.max_voltage_v,
            )
        except TariffFault as err:
            raise no_tariff(connector.item_id, f"its tariff cannot be read: {err.path}") from err
    elif kind == Order.Quantity.TIME:
        energy_wh = energy_in_time(quantity, power_w)
    else:
        energy_wh = quantity
    if not 0 < energy_wh <= limit_wh:
        raise Unavailable(
            "quantity-unavailable",
            f"{quantity} ({kind}) comes to {energy_wh} Wh; {connector.item_id} delivers between 1 and {limit_wh} Wh in "
            f"{limit_s // 60} minutes",
            path=QUANTITY_PATH,
        )
    return energy_wh
