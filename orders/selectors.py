"""Which order is meant, what does it cost so far, and when is a charger promised to somebody?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from catalog.models import Connector, Evse, Station, Tariff
from catalog.tariffs import NoTariff, Schedule, TariffFault, price_at, schedule
from core.errors import NotFound
from core.money import Money, from_paise
from orders import terms
from orders.balances import purse
from orders.models import Order, Quote, Reservation
from orders.pricing import Line, MeterPoint, Price, price, reservation, session_segments, terms_from, time_for_energy

EARTH_RADIUS_M = 6_371_008.8
NEARBY_M = 10_000.0
NEARBY_DEGREES = 0.1
CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Settlement:
    """Where the money of an order is: paid = captured + refunded + held; `due` is still to be paid."""

    paid: Money
    captured: Money
    refunded: Money
    held: Money
    due: Money


def order_for(bap_id: str, order_code: str) -> Order:
    """The buyer app's order. Raises NotFound `order-unknown`, the same for an unknown and for another's order."""
    order = _full().filter(bap_id=bap_id, code=order_code).first() if order_code else None
    if order is None:
        raise order_unknown(order_code)
    return order


def order_by_transaction(bap_id: str, transaction_id: str) -> Order:
    """The order of the buyer app's transaction, a draft as well. Raises NotFound `order-unknown`."""
    order = _full().filter(bap_id=bap_id, transaction_id=transaction_id).first()
    if order is None:
        raise order_unknown(transaction_id)
    return order


def live_order_for_evse(bap_id: str, evse_uid: str) -> Order:
    """The buyer app's one active order at an EVSE. Raises NotFound `order-unknown` for none or several."""
    found = list(_full().filter(bap_id=bap_id, connector__evse__uid=evse_uid, state=Order.State.ACTIVE)[:2])
    if len(found) != 1:
        raise order_unknown(evse_uid)
    return found[0]


def order_unknown(name: str) -> NotFound:
    """The one refusal for an order that is not there or not the caller's."""
    return NotFound(
        "order-unknown", f"no order {name!r} of yours is known; use the id from the confirmation", path="order_id"
    )


def current_quote(order: Order) -> Quote:
    """The price that counts now: offer, bill or cancellation. Raises Quote.DoesNotExist before a first select."""
    return Quote.objects.get(order=order, current=True)


def offer_quote(order: Order) -> Quote:
    """The offer the order was promised under. Raises Quote.DoesNotExist before a first select."""
    return Quote.objects.filter(order=order, kind=Quote.Kind.OFFER).latest("pk")


def offer_quotes(order_ids: Iterable[int]) -> dict[int, Quote]:
    """The offer that each of the orders was promised under, by the order's id. One statement."""
    rows = Quote.objects.filter(order__in=list(order_ids), kind=Quote.Kind.OFFER)
    return {quote.order_id: quote for quote in rows.order_by("order_id", "-pk").distinct("order_id")}


def by_energy_alone(offer: Quote) -> bool:
    """Whether only how much energy flows decides what an order costs, not when, how fast or how long."""
    plan = _schedule(offer)
    return plan is not None and plan.by_energy_alone


def by_standing(offer: Quote) -> bool:
    """Whether standing at the charger without charging costs at any time."""
    plan = _schedule(offer)
    return plan is not None and plan.by_standing


def cancellation_terms(order: Order) -> tuple[dict[str, Any], ...]:
    """What cancelling this order costs: {state, percent | paise, from_min, to_min, reason_required}."""
    return terms.cancellation_terms(terms.terms_from(order.rules.get("terms", ())))


def refund_terms(order: Order) -> tuple[dict[str, Any], ...]:
    """What is refunded when this order is cancelled and how soon: {state, eligible, within_s}."""
    return terms.refund_terms(terms.terms_from(order.rules.get("terms", ())))


def bill_price(
    order: Order,
    *,
    energy_wh: int,
    started_at: datetime,
    ended_at: datetime,
    readings: Iterable[MeterPoint] = (),
    unplugged_at: datetime | None = None,
    offer: Quote | None = None,
) -> Price:
    """What a delivered energy costs under the terms of the order's `offer`, by what the meter showed when.

    A place that was booked was kept from the booked start until the charging began.
    """
    offer = offer or offer_quote(order)
    segments = session_segments(
        readings,
        energy_wh=energy_wh,
        started_at=started_at,
        ended_at=ended_at,
        unplugged_at=unplugged_at,
        limit_w=order.connector.max_power_w,
    )
    if order.starts_at is not None and offer.tariff.get("reserved"):
        segments = (reservation(order.starts_at, started_at, came=True), *segments)
    return price(terms_from(offer.tariff), segments)


def running_total(
    order: Order,
    energy_wh: int,
    *,
    started_at: datetime,
    now: datetime,
    readings: Iterable[MeterPoint] = (),
    offer: Quote | None = None,
) -> list[Line]:
    """The cost so far, by the bill's own rule: up to the newest reading, since silence is no standing."""
    points = list(readings)
    ended_at = max(started_at, min(now, points[-1].at) if points else now)
    bill = bill_price(
        order, energy_wh=energy_wh, started_at=started_at, ended_at=ended_at, readings=points, offer=offer
    )
    return list(bill.lines)


def settlement(order: Order) -> Settlement:
    """Where the order's money is, by the books. A closed order keeps its price, gives back the rest and names what is
    missing."""
    stand, currency = purse(order), current_quote(order).currency
    parts = (stand.paid, stand.captured, stand.refunded, stand.held, stand.due)
    paid, captured, refunded, held, due = (from_paise(paise, currency) for paise in parts)
    return Settlement(paid, captured=captured, refunded=refunded, held=held, due=due)


def busy_intervals(now: datetime) -> dict[int, list[tuple[datetime, datetime]]]:
    """When each EVSE (by id) is promised or kept free after a session, from now on; in order of time."""
    busy: dict[int, list[tuple[datetime, datetime]]] = {}
    rows = _standing(now).filter(blocked__endswith__gt=now).order_by("evse_id", "blocked")
    for evse_id, blocked in rows.values_list("evse_id", "blocked"):
        busy.setdefault(evse_id, []).append((blocked.lower, blocked.upper))
    return busy


def connector_by_item(item_id: str) -> Connector | None:
    """The connector sold under an item id."""
    return Connector.objects.select_related("evse__station__operator", "tariff").filter(item_id=item_id).first()


def alternatives(
    item_id: str,
    *,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    energy_wh: int = 0,
    now: datetime,
    limit: int = 3,
) -> list[Connector]:
    """Connectors of the same type and for the same vehicles that are free for the window, nearest first.

    First those of the same station, then those within 10 km.
    """
    connector = connector_by_item(item_id)
    if connector is None:
        return []
    begin = max(starts_at or now, now)
    end = ends_at or begin + timedelta(seconds=max(time_for_energy(energy_wh, connector.max_power_w), 1))
    taken = _standing(now).filter(blocked__overlap=(begin, max(end, begin + timedelta(seconds=1)))).values("evse_id")
    free = _alike(connector).exclude(evse_id__in=taken).order_by("pk")[:CANDIDATES]
    return _nearest(connector, free)[:limit]


def price_per_kwh(connector: Connector, at: datetime, *, tariff: Tariff | None = None) -> Money | None:
    """What one kWh costs at a connector at a moment, before tax; None where its tariff does not say.

    `tariff` is the connector's as it will be then, where that is not how it is now.
    """
    tariff = tariff or connector.tariff
    if tariff is None:
        return None
    try:
        price = price_at(tariff.elements, at, tz=ZoneInfo(connector.evse.station.time_zone))
    except (NoTariff, TariffFault):
        return None
    return Money(price, tariff.currency)


def _schedule(offer: Quote) -> Schedule | None:
    """The prices of an offer; None where it has none that can be read."""
    try:
        return schedule(offer.tariff.get("elements") or ())
    except TariffFault:
        return None


def _alike(connector: Connector) -> QuerySet[Connector]:
    """Connectors of other EVSEs around that could serve the same vehicle now."""
    return (
        Connector.objects.select_related("evse__station__operator", "tariff")
        .filter(
            _around(connector.evse.station),
            active=True,
            standard=connector.standard,
            vehicle__in={Connector.Vehicle.ANY.value, connector.vehicle},
            tariff__isnull=False,
            evse__status=Evse.Status.AVAILABLE,
            evse__station__published=True,
            evse__station__operator__active=True,
        )
        .exclude(evse_id=connector.evse_id)
    )


def _around(station: Station) -> Q:
    """The station itself and, where its place is known, those in a square around it."""
    place = Q(evse__station=station)
    if station.latitude is None or station.longitude is None:
        return place
    latitude, longitude = float(station.latitude), float(station.longitude)
    return place | Q(
        evse__station__latitude__range=(latitude - NEARBY_DEGREES, latitude + NEARBY_DEGREES),
        evse__station__longitude__range=(longitude - NEARBY_DEGREES, longitude + NEARBY_DEGREES),
    )


def _nearest(connector: Connector, found: Iterable[Connector]) -> list[Connector]:
    ranked = sorted(((_distance_m(connector, other), other.pk, other) for other in found), key=lambda entry: entry[:2])
    return [other for distance_m, _, other in ranked if distance_m <= NEARBY_M]


def _distance_m(one: Connector, other: Connector) -> float:
    """Great-circle distance between two stations, m; 0 within one station, infinite where a place is unknown."""
    here, there = one.evse.station, other.evse.station
    if here.pk == there.pk:
        return 0.0
    if here.latitude is None or here.longitude is None or there.latitude is None or there.longitude is None:
        return float("inf")
    phi, psi = radians(float(here.latitude)), radians(float(there.latitude))
    half = radians(float(there.longitude - here.longitude)) / 2
    chord = sin((psi - phi) / 2) ** 2 + cos(phi) * cos(psi) * sin(half) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(chord))


def _standing(now: datetime) -> QuerySet[Reservation]:
    """Live promises, without holds that ran out and wait to be swept."""
    return Reservation.objects.filter(state__in=Reservation.LIVE).exclude(
        state=Reservation.State.HELD, held_until__lte=now
    )


def _full() -> QuerySet[Order]:
    return Order.objects.select_related("operator", "connector__tariff", "connector__evse__station__operator")
