"""Registered cards and what is on their accounts, and cards that are scanned at a station."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db.models import QuerySet

from catalog.models import Connector, Evse, Operator, Station
from fulfillment import services as fulfillment
from fulfillment.models import Card, CardAccount, EventOut, StationEvent, WalkIn
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import event, process

STATION = "com.ev-power-supplier.charging-station."

_numbers = count(1)


def a_station(supplier: FakeSupplier | None = None, *, slots: int = 2, elements: Any = None) -> Station:
    """A station on sale with slots of 30 kW at ₹18/kWh and ₹20 a session, also at the supplier."""
    first = connector_on_sale(elements=elements)
    station = first.evse.station
    for _ in range(slots - 1):
        connector_on_sale(station=station, elements=elements)
    # The rows were made by the database's clock, the story plays at NOW.
    evses_of(station).update(status_at=NOW - timedelta(days=1))
    if supplier is not None:
        supplier.rules.add_station(station.code, slots=slots)
    return station


def evses_of(station: Station) -> QuerySet[Evse]:
    return station.evses.order_by("slot_number")


def connector_of(station: Station, slot_number: int = 1) -> Connector:
    return Connector.objects.get(evse__station=station, evse__slot_number=slot_number)


def an_account(operator: Operator, *, kind: str = "contract", paise: int = 0) -> CardAccount:
    account = CardAccount.objects.create(operator=operator, name=f"Account {next(_numbers)}", kind=kind)
    if paise:
        fulfillment.top_up(account.pk, paise, reason="cash", actor="test", now=NOW)
    return account


def a_card(operator: Operator, *, uid: str = "", account: CardAccount | None = None, **values: Any) -> Card:
    """An active card of an operator, on an account of its own."""
    owner = account or an_account(operator, kind=values.pop("kind", "contract"), paise=values.pop("paise", 0))
    return Card.objects.create(operator=operator, account=owner, uid=uid or f"04A1{next(_numbers):04}", **values)


def scan(station: Station, uid: str, at: datetime = NOW, *, now: datetime | None = None, **data: Any) -> StationEvent:
    """A reader of the station reports a card at `at`; it is taken in at `now`."""
    told = {"stationId": station.code, "cardId": uid} | data
    return process(event("card-scanned", told, id_=f"scan-{next(_numbers)}", at=at), now or at)


def charging_walk_in(station: Station, card: Card, at: datetime = NOW) -> WalkIn:
    """A walk-in of the card that charges at the supplier the settings name."""
    scan(station, card.uid, at)
    fulfillment.advance_due(at, limit=20)
    walk_in = WalkIn.objects.get(card=card, state__in=WalkIn.LIVE)
    assert walk_in.state == WalkIn.State.CHARGING, walk_in.fault
    return walk_in


def calls(supplier: FakeSupplier) -> list[tuple[str, int]]:
    """Every call since the last look, with its answer."""
    made = [(call["route"], call["status"]) for call in supplier.api.calls]
    supplier.api.calls.clear()
    return made


def lights(supplier: FakeSupplier) -> list[tuple[Any, ...]]:
    """Every light since the last look: which, what, how long."""
    shown = [(led["led"], led["action"], led["color"], led.get("duration")) for led in supplier.rules.leds]
    supplier.rules.leds.clear()
    return shown


def told() -> list[str]:
    """The public events that are owed, oldest first, without what their types begin with."""
    return [row.type.removeprefix(STATION) for row in EventOut.objects.order_by("pk")]
