"""A busy operator, laid into the tables at once: stations, chargers, sessions priced plainly or by time of day."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catalog.models import Connector, Evse, Operator, Station, Tariff
from fulfillment.models import Reading, Session
from orders.models import Order, Quote
from orders.pricing import Terms

PLAIN: list[dict[str, Any]] = [{"price_components": [{"type": "ENERGY", "price": "18.00"}]}]
BY_DAY: list[dict[str, Any]] = [
    {
        "price_components": [{"type": "ENERGY", "price": "12.00"}],
        "restrictions": {"start_time": "09:00", "end_time": "16:00"},
    },
    {"price_components": [{"type": "ENERGY", "price": "18.00"}]},
]
ROUND_THE_CITY = ("12.9784 77.6408", "12.9352 77.6245", "12.9698 77.7500", "12.9250 77.5938", "13.0354 77.5988")


def crowd(operator: Operator, *, stations: int, sessions: int, now: datetime) -> list[Session]:
    """That many stations with two chargers each, heard now, and sessions at the first of their chargers."""
    tariff = Tariff.objects.create(operator=operator, code="crowd", name="Crowd", elements=PLAIN)
    places = Station.objects.bulk_create(_station(operator, number) for number in range(stations))
    evses = Evse.objects.bulk_create(
        Evse(station=place, uid=f"{place.code}*{slot}", slot_number=slot, status_at=now)
        for place in places
        for slot in (1, 2)
    )
    plugs = Connector.objects.bulk_create(
        Connector(evse=evse, number="1", item_id=f"{evse.uid}*1", standard="IEC_62196_T2_COMBO", current="DC",
                  max_power_w=60_000, tariff=tariff)
        for evse in evses
    )  # fmt: skip
    orders = Order.objects.bulk_create(
        Order(bap_id="bap.example.org", transaction_id=f"{operator.code}-{number}", code=f"VB-{operator.pk}-{number}",
              operator=operator, connector=plug, state="active", fulfillment="charging-started", quantity=20_000,
              energy_wh=20_000, confirmed_at=now)
        for number, plug in enumerate(plugs[:sessions])
    )  # fmt: skip
    Quote.objects.bulk_create(
        Quote(order=order, lines=[{"code": "energy-cost", "paise": 36_000}], total_paise=36_000, energy_wh=20_000,
              tariff=_terms(BY_DAY if number % 2 else PLAIN, now))
        for number, order in enumerate(orders)
    )  # fmt: skip
    running = Session.objects.bulk_create(_session(order, now) for order in orders)
    Reading.objects.bulk_create(
        Reading(session=session, at=now - timedelta(seconds=back), energy_wh=11_000 - 8 * back, power_w=29_000)
        for session in running
        for back in (60, 30, 0)
    )
    return running


def _station(operator: Operator, number: int) -> Station:
    latitude, longitude = map(Decimal, ROUND_THE_CITY[number % 5].split())
    step = Decimal(number % 17 - 8) / 400, Decimal(number % 13 - 6) / 400
    return Station(operator=operator, code=f"{operator.code}-{number}", name=f"{operator.name} {number:03}",
                   city="Bengaluru" if number % 3 else "Mysuru", latitude=latitude + step[0],
                   longitude=longitude + step[1], published=True)  # fmt: skip


def _session(order: Order, now: datetime) -> Session:
    return Session(order=order, evse=order.connector.evse, state="charging", card=f"card-{order.pk}",
                   started_at=now - timedelta(minutes=20), asked_at=now - timedelta(minutes=21), meter_start_wh=1_000,
                   meter_wh=11_000, power_w=29_000, read_at=now, soc_percent=40)  # fmt: skip


def _terms(elements: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    return Terms("crowd", "Crowd", "INR", elements, Decimal(18), "Asia/Kolkata").snapshot(now)
