"""What would a session cost here, by the very rule that quotes it, and how does the price run over the week?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from catalog.models import Connector
from catalog.versions import in_force_at_each
from core.errors import NotFound
from orders.selectors import connector_by_item, price_per_kwh
from orders.services.wish import ITEM_PATH, Plan, Said, Wish, plan_for

HOURS = 7 * 24


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan as on_select would quote it, and the price of one kWh in each hour of a week; None where it has none."""

    plan: Plan
    week_from: datetime
    week: tuple[str | None, ...]

    def row(self) -> dict[str, Any]:
        """This preview as JSON; amounts are texts in major units, tax included in the total."""
        plan = self.plan
        return {
            "item_id": plan.connector.item_id,
            "starts_at": plan.begins_at.isoformat(),
            "energy_wh": plan.price.energy_wh,
            "power_w": plan.power_w,
            "duration_s": plan.duration_s,
            "basis": plan.tariff["basis"],
            "tariff": {"code": plan.terms.code, "name": plan.terms.name, "version": plan.terms.version},
            "overlays": plan.tariff["overlays"],
            "lines": [
                {"code": line.code, "amount": line.amount.wire, "note": line.note, "energy_wh": line.energy_wh}
                for line in plan.price.lines
            ],
            "total": plan.price.total.wire,
            "currency": plan.price.currency,
            "week_from": self.week_from.isoformat(),
            "price_per_kwh_by_hour": list(self.week),
        }


def asked_wish(asked: Mapping[str, Any], *, energy_wh: int | None, paise: int | None) -> Wish:
    """What a form or a program asks, as the wish that a buyer app would send: one amount at most, else the default.

    `asked` holds item_id and bap_id, and may hold starts_at, minutes, idle_minutes, coupon, group and person.
    """
    minutes = asked.get("minutes")
    amounts = {"energy": energy_wh, "time": minutes and minutes * 60, "money": paise}
    kind, quantity = next(((kind, amount) for kind, amount in amounts.items() if amount), ("", None))
    return Wish(
        operator_code="",
        item_id=asked["item_id"],
        quantity_kind=kind,
        quantity=quantity,
        starts_at=asked.get("starts_at"),
        bap_id=asked["bap_id"],
        said=Said(
            offers=tuple(filter(None, [asked.get("coupon")])),
            groups=tuple(filter(None, [asked.get("group")])),
            person=asked.get("person", ""),
        ),
        idle_s=(asked.get("idle_minutes") or 0) * 60,
    )


def preview(wish: Wish, *, operator_ids: frozenset[int] | None, now: datetime) -> Preview:
    """Price a wish without making an order; `operator_ids` are those whose connectors may be asked about (None: all).

    Raises NotFound `item-unknown` for another's connector, and as `plan_for`.
    """
    connector = connector_by_item(wish.item_id)
    if connector is None or (operator_ids is not None and connector.evse.station.operator_id not in operator_ids):
        raise NotFound("item-unknown", f"no item {wish.item_id!r} of yours is known; use its item id", path=ITEM_PATH)
    plan = plan_for(wish, now=now)
    zone = ZoneInfo(connector.evse.station.time_zone)
    midnight = plan.begins_at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return Preview(plan, midnight, _week(plan.connector, [midnight + timedelta(hours=hour) for hour in range(HOURS)]))


def _week(connector: Connector, hours: list[datetime]) -> tuple[str | None, ...]:
    """The price of a kWh in each hour, by the version of the tariff that will hold then."""
    if connector.tariff is None:
        return (None,) * len(hours)
    tariffs = in_force_at_each(connector.tariff, hours)
    found = (price_per_kwh(connector, at, tariff=tariff) for at, tariff in zip(hours, tariffs, strict=True))
    return tuple(None if price is None else f"{price.amount:.2f}" for price in found)
