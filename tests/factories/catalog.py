"""Which operators, tariffs, stations, EVSEs and connectors do tests start from? On sale unless told otherwise."""

# factory_boy says it is typed, but neither exports nor annotates its declarations.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from catalog.models import Connector, Evse, Operator, Station, Tariff

FLAT_RATE: list[dict[str, Any]] = [
    {"price_components": [{"type": "ENERGY", "price": "18.00", "step_size": 1}]},
]
TIME_OF_DAY: list[dict[str, Any]] = [
    {
        "price_components": [{"type": "ENERGY", "price": "14.00", "step_size": 1}],
        "restrictions": {"start_time": "09:00", "end_time": "16:00"},
    },
    {
        "price_components": [
            {"type": "ENERGY", "price": "18.00", "step_size": 1},
            {"type": "FLAT", "price": "20.00", "step_size": 1},
        ]
    },
]


class OperatorFactory(DjangoModelFactory[Operator]):
    class Meta:
        model = Operator

    code = factory.Sequence(lambda number: f"OP{number:03d}")
    name = factory.Sequence(lambda number: f"Sample Operator {number}")


class TariffFactory(DjangoModelFactory[Tariff]):
    class Meta:
        model = Tariff

    operator = factory.SubFactory(OperatorFactory)
    code = factory.Sequence(lambda number: f"T{number:03d}")
    name = "Flat rate"
    elements = FLAT_RATE


class StationFactory(DjangoModelFactory[Station]):
    class Meta:
        model = Station

    operator = factory.SubFactory(OperatorFactory)
    code = factory.Sequence(lambda number: f"ST{number:03d}")
    name = factory.Sequence(lambda number: f"Sample Station {number}")
    city = "Bengaluru"
    latitude = Decimal("12.971600")
    longitude = Decimal("77.594600")
    published = True


class EvseFactory(DjangoModelFactory[Evse]):
    class Meta:
        model = Evse

    station = factory.SubFactory(StationFactory)
    uid = factory.Sequence(lambda number: f"IN*SMP*E{number:05d}")
    slot_number = factory.LazyAttribute(lambda evse: evse.station.evses.count() + 1)


class ConnectorFactory(DjangoModelFactory[Connector]):
    class Meta:
        model = Connector

    evse = factory.SubFactory(EvseFactory)
    number = factory.LazyAttribute(lambda connector: str(connector.evse.connectors.count() + 1))
    item_id = factory.LazyAttribute(lambda connector: f"{connector.evse.uid}*{connector.number}")
    standard = "IEC_62196_T2_COMBO"
    current = "DC"
    max_power_w = 30_000
    tariff = factory.SubFactory(TariffFactory, operator=factory.SelfAttribute("..evse.station.operator"))
