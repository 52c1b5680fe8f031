"""What does an operator's support hear of a station that is out of order? One ticket for each outage, and its end."""

from __future__ import annotations

from datetime import datetime

from fulfillment import services as fulfillment
from fulfillment.models import Outage
from support import services as support

ACTOR = "station"


def tell_outages(*, now: datetime, limit: int = 20) -> int:
    """Open, go on with or close the tickets of the outages that have news; returns how many had."""
    return fulfillment.tell_outages(lambda outage: _keep_ticket(outage, now), limit=limit)


def _keep_ticket(outage: Outage, now: datetime) -> str:
    """Put how a locked outage stands on its ticket, opened where there is none yet; returns the ticket's code."""
    code, over = outage.ticket, outage.until is not None
    if not code:
        operator_id = outage.station.operator_id
        code = support.open_station_ticket(operator_id, subject=_subject(outage), text=_broken(outage), now=now).code
    elif not over:
        support.note_on_ticket(code, text=_broken(outage), actor=ACTOR, now=now)
    if over:
        support.note_on_ticket(code, text=_mended(outage), actor=ACTOR, now=now, over=True)
    return code


def _subject(outage: Outage) -> str:
    place = f", {outage.evse}" if outage.evse else ""
    return f"Out of order: {outage.station}{place}"


def _broken(outage: Outage) -> str:
    """Which charge points are out of order since when, with which error, and what became of whose orders."""
    places = [outage.evse] if outage.evse else outage.station.evses.order_by("slot_number")
    uids = ", ".join(evse.uid for evse in places)
    error = outage.error or "the station did not say why"
    orders = "; ".join(f"{code}: {fate}" for code, fate in sorted(outage.orders.items()))
    since = f"{outage.since:%Y-%m-%d %H:%M:%S} UTC"
    return f"{outage.station.code}, {uids}: out of order since {since}. {error}. Orders: {orders or 'none'}."


def _mended(outage: Outage) -> str:
    return f"In service again since {outage.until:%Y-%m-%d %H:%M:%S} UTC."
