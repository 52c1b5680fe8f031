"""Can what a buyer asks for be sold, how much energy is it, and what does it cost?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from catalog.gstin import state_code
from catalog.models import Connector, Evse, Operator
from catalog.tariffs import TariffFault, price_limit
from catalog.taxes import Rate, TaxFault, rate_on, read_rates
from catalog.versions import in_force
from core.errors import Invalid, NotFound, Unavailable
from core.money import from_paise
from orders.estimates import Vehicle, charging_power_w, vehicle_from
from orders.models import Order, Reservation
from orders.overlays import rows as overlay_rows
from orders.pricing import Price, Terms, assumed, energy_for_amount, energy_in_time, price, time_for_energy
from orders.services.amount import QUANTITY_PATH, Amount, basis_in_words, change_terms, wanted_amount
from orders.services.holds import BUFFER_S, busy, wanted_range
from orders.services.overlaying import Asker, Standing, standing, with_overlays
from orders.services.rules import WINDOW_PATH, order_rules

ITEM_PATH = "order.items[0].id"
IN_USE = (Evse.Status.CHARGING, Evse.Status.FINISHING)


@dataclass(frozen=True, slots=True)
class Said:
    """What a buyer says beside item, amount and time: coupon codes, group codes, the person's id, the vehicle.

    `gst_state` is the code of the state of the payer's GSTIN, known from init on; it divides the tax.
    """

    offers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    person: str = ""
    vehicle: Vehicle = field(default_factory=Vehicle)
    until_full: bool = False
    gst_state: str = ""

    def row(self) -> dict[str, Any]:
        """This as JSON, as an order keeps it; what is not said is left out."""
        said = {
            "offers": list(self.offers),
            "groups": list(self.groups),
            "person": self.person,
            "vehicle": self.vehicle.row(),
            "gst_state": self.gst_state,
        }
        return {name: value for name, value in said.items() if value}

    def or_else(self, kept: dict[str, Any]) -> Said:
        """This, with what it leaves out as it was kept."""
        return Said(
            offers=self.offers or tuple(kept.get("offers", ())),
            groups=self.groups or tuple(kept.get("groups", ())),
            person=self.person or kept.get("person", ""),
            vehicle=self.vehicle if self.vehicle.row() else vehicle_from(kept.get("vehicle", {})),
            until_full=self.until_full,
            gst_state=self.gst_state,
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer asks for; `quantity` is Wh, paise or seconds by `quantity_kind`; left to us where both are empty.

    `idle_s` is the time the vehicle is expected to stand after charging, s.
    """

    operator_code: str
    item_id: str
    quantity_kind: str = ""
    quantity: int | None = None
    evse_uid: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    bap_id: str = ""
    said: Said = field(default_factory=Said)
    idle_s: int = 0

    @property
    def open_quantity(self) -> bool:
        return not self.quantity_kind and not self.quantity


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish that can be sold: every gap filled, the energy known, the price made; `tariff` is kept with the quote."""

    connector: Connector
    quantity_kind: str
    quantity: int
    starts_at: datetime | None
    ends_at: datetime | None
    price: Price
    tariff: dict[str, Any]
    asked: dict[str, Any]
    terms: Terms
    begins_at: datetime
    power_w: int

    @property
    def duration_s(self) -> int:
        """How long the charging takes, s."""
        return time_for_energy(self.price.energy_wh, self.power_w)


@dataclass(frozen=True, slots=True)
class _Session:
    """The session a wish comes to, but for its energy."""

    connector: Connector
    amount: Amount
    begins_at: datetime
    limit_s: int
    power_w: int
    idle_s: int
    reserved_s: int | None


def plan_for(wish: Wish, *, now: datetime, order_id: int | None = None) -> Plan:
    """Resolve and price a wish; of a coupon the uses of order `order_id` do not count against it.

    Raises DomainError naming what cannot be sold and why.
    """
    connector = resolve_connector(wish.operator_code, wish.item_id, evse_uid=wish.evse_uid)
    begins_at = max(wish.starts_at or now, now)
    terms = current_terms(connector, at=begins_at, gst_state=wish.said.gst_state)
    session = _session(wish, connector, begins_at=begins_at, now=now)
    power_w = session.power_w
    asker = Asker(wish.bap_id, wish.said.person, wish.said.groups, wish.said.offers)
    offers = standing(connector, asker, starts_at=begins_at, now=now, order_id=order_id)
    terms, energy_wh, overlays = _with_overlays(terms, session, offers)
    made = _priced(terms, session, energy_wh)
    ends_at = wish.ends_at
    if wish.starts_at is not None and ends_at is None:
        ends_at = begins_at + timedelta(seconds=time_for_energy(energy_wh, power_w) + BUFFER_S)
    amount = session.amount
    kept = terms.snapshot(begins_at) | {
        "overlays": overlays,
        "basis": basis_in_words(amount, power_w=power_w, currency=terms.currency),
        "power_w": power_w,
        "duration_s": time_for_energy(energy_wh, power_w),
        "reserved": session.reserved_s is not None,
        **change_terms(connector),
    }
    return Plan(
        connector=connector,
        quantity_kind=amount.kind,
        quantity=amount.quantity,
        starts_at=wish.starts_at,
        ends_at=ends_at,
        price=made,
        tariff=kept,
        asked=wish.said.row(),
        terms=terms,
        begins_at=begins_at,
        power_w=power_w,
    )


def resolve_connector(operator_code: str, item_id: str, *, evse_uid: str = "") -> Connector:
    """The connector on sale under these names.

    Raises NotFound `provider-unknown`, `item-unknown` or `fulfillment-unknown`.
    """
    connector = (
        Connector.objects.select_related("evse__station__operator__quote_rules", "tariff")
        .filter(item_id=item_id, active=True, evse__station__published=True, evse__station__operator__active=True)
        .first()
    )
    if connector is None or (operator_code and connector.evse.station.operator.code != operator_code):
        _check_operator(operator_code)
        seller = f" of provider {operator_code!r}" if operator_code else ""
        raise NotFound("item-unknown", f"no item {item_id!r}{seller} is on sale; use one from search", path=ITEM_PATH)
    if evse_uid and connector.evse.uid != evse_uid:
        raise NotFound(
            "fulfillment-unknown",
            f"item {item_id!r} belongs to {connector.evse.uid!r}, not to {evse_uid!r}",
            path="order.fulfillments[0].id",
        )
    return connector


def _check_operator(operator_code: str) -> None:
    if operator_code and not Operator.objects.filter(code=operator_code, active=True).exists():
        raise NotFound(
            "provider-unknown",
            f"no provider {operator_code!r} sells here; use one from search",
            path="order.provider.id",
        )


def current_terms(connector: Connector, *, at: datetime, gst_state: str = "") -> Terms:
    """The terms of the connector's tariff as they will be at `at`, as far as they are known, with that day's tax.

    The place of supply is the state of the payer's GSTIN, without one the station's.

    Raises Unavailable `no-tariff`.
    """
    station = connector.evse.station
    if connector.tariff is None:
        raise no_tariff(connector.item_id, "it has no tariff")
    tariff = in_force(connector.tariff, at)
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
            place_state=gst_state or state_code(station.state),
            version=tariff.version,
        )
    except (TariffFault, TaxFault) as err:
        raise no_tariff(tariff.code, f"its tariff or tax cannot be read: {err.path}") from err


def priced(
    terms: Terms,
    *,
    energy_wh: int,
    starts_at: datetime,
    power_w: int,
    voltage_v: int = 0,
    idle_s: int = 0,
    reserved_s: int | None = None,
) -> Price:
    """The price of an offer, never nothing; `reserved_s` as `assumed` has it.

    Raises Unavailable `no-tariff` or `quantity-unavailable`.
    """
    try:
        wished = assumed(
            energy_wh=energy_wh,
            starts_at=starts_at,
            power_w=power_w,
            voltage_v=voltage_v,
            idle_s=idle_s,
            reserved_s=reserved_s,
        )
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
            evse_id=connector.evse_id, state__in=Reservation.LIVE, blocked__overlap=(starts_at, ends_at + kept_free)
        )
        .exclude(state=Reservation.State.HELD, held_until__lte=now)
        .exclude(order_id=order.pk)
    )
    if taken.exists():
        raise busy(connector.item_id, starts_at, ends_at)


def check_in_service(connector: Connector) -> None:
    """Raise Unavailable `connector-busy` where the station reports the EVSE as out of service."""
    if connector.evse.status in Evse.OUT_OF_SERVICE:
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


def _session(wish: Wish, connector: Connector, *, begins_at: datetime, now: datetime) -> _Session:
    window_s = _window_s(wish, begins_at, now)
    power_w = charging_power_w(connector.max_power_w, connector.current, wish.said.vehicle)
    amount = wanted_amount(
        connector,
        kind=wish.quantity_kind,
        quantity=wish.quantity,
        vehicle=wish.said.vehicle,
        until_full=wish.said.until_full,
        window_s=window_s,
        power_w=power_w,
    )
    limit_s = min(window_s or settings.MAX_SESSION_S, settings.MAX_SESSION_S)
    # Who wants to charge now has no place kept; who books has it kept from the booked start on.
    reserved_s = 0 if wish.starts_at is not None and wish.starts_at > now else None
    return _Session(connector, amount, begins_at, limit_s, power_w, wish.idle_s, reserved_s)


def _with_overlays(terms: Terms, session: _Session, offers: Standing) -> tuple[Terms, int, list[dict[str, Any]]]:
    """The terms with the overlays that apply, the energy under them, and which they are.

    Overlays may depend on the energy and, where money was asked for, the energy on the overlays: they are looked at
    once more with the energy that came of them.
    """
    energy_wh = _energy_wh(terms, session)
    if not offers.rules and not offers.asker.offers:
        return terms, energy_wh, []
    for _ in range(2):
        found = offers.applied(_priced(terms, session, energy_wh))
        adjusted = with_overlays(terms, found)
        before, energy_wh = energy_wh, _energy_wh(adjusted, session)
        if energy_wh == before:
            break
    return adjusted, energy_wh, overlay_rows(found)


def _priced(terms: Terms, session: _Session, energy_wh: int) -> Price:
    return priced(
        terms,
        energy_wh=energy_wh,
        starts_at=session.begins_at,
        power_w=session.power_w,
        voltage_v=session.connector.max_voltage_v,
        idle_s=session.idle_s,
        reserved_s=session.reserved_s,
    )


def _energy_wh(terms: Terms, session: _Session) -> int:
    """The energy, Wh, that the amount comes to, held against what can be delivered in the session's time."""
    connector, amount, power_w = session.connector, session.amount, session.power_w
    limit_wh = energy_in_time(session.limit_s, power_w)
    if amount.kind == Order.Quantity.MONEY:
        try:
            energy_wh = energy_for_amount(
                terms,
                from_paise(amount.quantity, terms.currency),
                starts_at=session.begins_at,
                power_w=power_w,
                limit_wh=limit_wh,
                voltage_v=connector.max_voltage_v,
                reserved_s=session.reserved_s,
            )
        except TariffFault as err:
            raise no_tariff(connector.item_id, f"its tariff cannot be read: {err.path}") from err
    elif amount.kind == Order.Quantity.TIME:
        energy_wh = energy_in_time(amount.quantity, power_w)
    else:
        energy_wh = amount.quantity
    if not 0 < energy_wh <= limit_wh:
        raise Unavailable(
            "quantity-unavailable",
            f"{amount.quantity} ({amount.kind}) comes to {energy_wh} Wh; {connector.item_id} delivers between 1 and "
            f"{limit_wh} Wh in {session.limit_s // 60} minutes",
            path=QUANTITY_PATH,
        )
    return energy_wh
