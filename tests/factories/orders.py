"""Sample connectors on sale, and orders as far along as a test wants them, made by the services themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from catalog.models import Connector, Evse, Operator, Station, Tariff
from orders.models import Order
from orders.services import confirm_order, init_order, select_offer

NOW = datetime(2026, 2, 1, 4, 30, tzinfo=UTC)
BAP = "bap.example.org"
CONTEXT: dict[str, Any] = {"domain": "ev-charging:uei", "bap_id": BAP, "bap_uri": "https://bap.example.org/beckn"}
BILLING = {"name": "Test Driver", "email": "driver@example.org", "phone": "+910000000000"}
ELEMENTS: list[dict[str, Any]] = [
    {"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "FLAT", "price": "20.00"}]}
]

_numbers = count(1)


def connector_on_sale(
    *, operator: Operator | None = None, station: Station | None = None, elements: Any = None, power_w: int = 30_000
) -> Connector:
    """A published 30 kW connector at ₹18/kWh and ₹20 per session, 18 % GST; ids are fresh each time."""
    number = next(_numbers)
    if station is not None:
        operator = station.operator
    operator = operator or Operator.objects.create(
        code=f"cpo-{number}",
        name=f"Example CPO {number}",
        support_phone="18001080",
        support_email="help@cpo.example.org",
    )
    tariff = Tariff.objects.create(
        operator=operator, code=f"T-{number}", name="Day", elements=ELEMENTS if elements is None else elements
    )
    station = station or Station.objects.create(
        operator=operator,
        code=f"LOC-{number}",
        name=f"Hub {number}",
        latitude=Decimal("12.971600"),
        longitude=Decimal("77.594600"),
        published=True,
    )
    evse = Evse.objects.create(station=station, uid=f"IN*VBZ*E{number:04}", slot_number=station.evses.count() + 1)
    return Connector.objects.create(
        evse=evse,
        number="1",
        item_id=f"{evse.uid}*1",
        standard="IEC_62196_T2_COMBO",
        current="DC",
        max_power_w=power_w,
        tariff=tariff,
    )


def a_wish(connector: Connector, **changes: Any) -> dict[str, Any]:
    """The arguments of a select for 10 kWh now; `changes` replace some."""
    wish: dict[str, Any] = {
        "bap_id": BAP,
        "transaction_id": f"tx-{next(_numbers)}",
        "operator_code": connector.evse.station.operator.code,
        "item_id": connector.item_id,
        "quantity_kind": "energy",
        "quantity": 10_000,
        "context": CONTEXT,
        "now": NOW,
    }
    return wish | changes


def an_init(connector: Connector, **changes: Any) -> dict[str, Any]:
    """The arguments of an init for 10 kWh now, to be paid before by the buyer app."""
    return a_wish(connector) | {"billing": BILLING, "customer": BILLING} | changes


def a_confirm(order: Order, **changes: Any) -> dict[str, Any]:
    """The arguments that confirm an initialised order, paid to the buyer app."""
    confirm: dict[str, Any] = {
        "bap_id": order.bap_id,
        "transaction_id": order.transaction_id,
        "payment_status": "PAID",
        "billing": BILLING,
        "customer": BILLING,
        "context": CONTEXT,
        "now": NOW,
    }
    return confirm | changes


def draft_order(connector: Connector | None = None, **changes: Any) -> Order:
    return select_offer(**a_wish(connector or connector_on_sale(), **changes))


def initiated_order(connector: Connector | None = None, **changes: Any) -> Order:
    return init_order(**an_init(connector or connector_on_sale(), **changes))


def active_order(connector: Connector | None = None, *, now: datetime = NOW, **changes: Any) -> Order:
    """A confirmed, paid order of 10 kWh: 236.00 INR."""
    return confirm_order(**a_confirm(initiated_order(connector, now=now, **changes), now=now))
