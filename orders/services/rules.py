"""Which rules does a station sell under, and which did an order promise?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q

from catalog.gstin import STATES, registered_state
from catalog.models import Connector
from catalog.opening import OpeningFault, opening
from core.errors import Invalid, NotAllowed, Unavailable
from orders.booking import Rules, rules_from
from orders.models import CancellationRule, Order, ReservationRules
from orders.terms import FeeTerm, terms_from

WINDOW_PATH = "order.fulfillments[0].stops"


def station_rules(connector: Connector) -> Rules:
    """The reservation rules at a connector: those of its station, else its operator's, else ours."""
    row = ReservationRules.objects.filter(_scopes(connector)).order_by(F("station").asc(nulls_last=True)).first()
    return rules_from(vars(row)) if row is not None else Rules()


def station_terms(connector: Connector) -> list[dict[str, Any]]:
    """The cancellation rules at a connector as JSON; empty where neither station nor operator wrote any."""
    rows = list(CancellationRule.objects.filter(_scopes(connector)))
    nearest = [row for row in rows if row.station_id is not None] or rows
    return [row.snapshot() for row in nearest]


def promised(connector: Connector) -> dict[str, Any]:
    """What an order keeps of the rules it was initialised under: {booking, terms}."""
    return {"booking": station_rules(connector).snapshot(), "terms": station_terms(connector)}


def order_rules(order: Order) -> Rules:
    """The reservation rules the order was promised under; a draft's are the station's."""
    kept = order.rules.get("booking")
    return rules_from(kept) if kept else station_rules(order.connector)


def order_terms(order: Order) -> tuple[FeeTerm, ...]:
    """The cancellation terms the order was promised under."""
    return terms_from(order.rules.get("terms", ()))


def check_tax_state(order: Order, billing: Mapping[str, Any], *, path: str) -> None:
    """Refuse the details of a payer who is registered in another state than the price was taxed for.

    Raises NotAllowed `update-forbidden`.
    """
    quoted, now = order.asked.get("gst_state", ""), registered_state(str(billing.get("tax_id", "")))
    if quoted != now:
        words = [f"a GSTIN of {STATES[code]}" if code else "no GSTIN" for code in (now, quoted)]
        raise NotAllowed(
            "update-forbidden",
            f"the payer gives {words[0]}, the tax was quoted for {words[1]}; give that one, or order anew",
            path=path,
        )


def check_bookable(
    connector: Connector, rules: Rules, *, starts_at: datetime | None, ends_at: datetime | None, now: datetime
) -> None:
    """Refuse a time outside the operator's limits or the opening hours.

    Raises NotAllowed `booking-limit`, Unavailable `station-closed`, Invalid `update-inconsistent` for a past end.
    """
    if ends_at is not None and ends_at <= max(starts_at or now, now):
        raise Invalid(
            "update-inconsistent",
            f"the booked time ends at {ends_at.isoformat()}, which is past or not after its start; choose a later end",
            path=WINDOW_PATH,
        )
    fault = rules.fault(starts_at, ends_at, now=now)
    if fault:
        raise NotAllowed("booking-limit", f"this time cannot be booked: {fault}", path=WINDOW_PATH)
    check_open(connector, starts_at=max(starts_at or now, now), ends_at=ends_at)


def check_open(connector: Connector, *, starts_at: datetime, ends_at: datetime | None) -> None:
    """Raise Unavailable `station-closed` where the station is not open all the time; unreadable hours count as open."""
    station = connector.evse.station
    try:
        hours = opening(station.opening_times or {}, station.time_zone)
    except OpeningFault:
        return
    if hours.covers(starts_at, ends_at or starts_at + timedelta(seconds=1)):
        return
    until = f" to {ends_at.isoformat()}" if ends_at else ""
    raise Unavailable(
        "station-closed",
        f"{station.name} is not open from {starts_at.isoformat()}{until}; choose a time within its opening hours",
        path=WINDOW_PATH,
    )


def _scopes(connector: Connector) -> Q:
    """The rows written for the connector's station, and those for all of its operator."""
    station = connector.evse.station
    return Q(operator_id=station.operator_id) & (Q(station=station) | Q(station=None))
