"""What does a walk-in cost, by which connector's tariff, and what of that is charged to its account?

The rule is the one of orders: the tariff's terms as they were when the slot was given, and what the meter showed.
"""

from __future__ import annotations

from datetime import datetime

from catalog.models import Connector, Evse
from catalog.tariffs import NoTariff, TariffFault
from catalog.versions import mark_used
from catalog.wording import kwh
from core.errors import Unavailable
from fulfillment.models import WalkIn, WalkInReading
from fulfillment.services.cards import charge
from fulfillment.services.running import STATION, add_fault
from orders.pricing import MeterPoint, Price, price, session_segments, terms_from
from orders.services import current_terms


def priced_connector(evse: Evse) -> Connector | None:
    """The connector whose tariff prices a walk-in, the first that has one: a station does not say which is plugged."""
    priced = evse.connectors.filter(active=True, tariff__isnull=False).order_by("number")
    return priced.select_related("tariff", "evse__station__operator").first()


def agree_terms(walk_in: WalkIn, evse: Evse, *, now: datetime) -> None:
    """Put down what the walk-in is priced by at `evse`, as the tariff stands now. The caller saves.

    Raises Unavailable `no-tariff`, also where the account keeps another currency.
    """
    connector = priced_connector(evse)
    if connector is None or connector.tariff is None:
        raise Unavailable("no-tariff", f"no connector of {evse} has a tariff")
    terms = current_terms(connector, at=now)
    if terms.currency != walk_in.account.currency:
        raise Unavailable(
            "no-tariff", f"{evse} is priced in {terms.currency}, the account in {walk_in.account.currency}"
        )
    walk_in.connector, walk_in.tariff = connector, terms.snapshot(now)
    mark_used(connector.tariff.pk, terms.version, now=now)


def reprice(walk_in: WalkIn, *, until: datetime) -> None:
    """Work out what a walk-in costs up to a moment. The caller saves.

    What its tariff has no price for is left without an amount, with a word: a person decides.
    """
    try:
        made = _price(walk_in, until)
    except (NoTariff, TariffFault) as err:
        walk_in.amount_paise, walk_in.lines = None, []
        text = f"it cannot be priced: {err}"
        if text not in walk_in.fault:
            add_fault(walk_in, text)
    else:
        walk_in.amount_paise, walk_in.lines = made.total.paise, made.rows()


def settle_walk_in(walk_in: WalkIn, *, now: datetime, why: str = "") -> None:
    """Bill an ended walk-in and charge its locked account what the bill adds to what was charged. Saves."""
    reprice(walk_in, until=walk_in.ended_at or now)
    walk_in.save()
    if walk_in.amount_paise is not None:
        reason = f"{kwh(walk_in.energy_wh)} at {walk_in.evse}" + (f": {why}" if why else "")
        charge(walk_in, reason=reason, actor=STATION, now=now)


def _price(walk_in: WalkIn, until: datetime) -> Price:
    if walk_in.tariff is None or walk_in.connector is None or walk_in.started_at is None:
        raise RuntimeError(f"walk-in {walk_in.pk} is {walk_in.state} and has no terms")
    first_wh = walk_in.meter_start_wh or 0
    rows = WalkInReading.objects.filter(walk_in=walk_in, accepted=True).order_by("at")
    points = [MeterPoint(at, wh - first_wh, amps) for at, wh, amps in rows.values_list("at", "energy_wh", "current_a")]
    segments = session_segments(
        points,
        energy_wh=walk_in.energy_wh,
        started_at=walk_in.started_at,
        ended_at=max(walk_in.started_at, until),
        limit_w=walk_in.connector.max_power_w,
    )
    return price(terms_from(walk_in.tariff), segments)
