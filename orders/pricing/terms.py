"""Under which terms was a price promised: tariff, tax, and what changes the tariff's price?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from catalog.tariffs import PriceLimit, price_at, price_limit
from catalog.taxes import SAC
from core.money import Money, from_paise

PERCENTAGE, PER_KWH, PER_SESSION = "percent", "per_kwh", "flat"
ENERGY_LINES, ALL_LINES = "energy", "all"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of the tariff's price before tax: a coupon, a membership, a surge.

    `value` is percent, major units per kWh or major units for the session by `kind`; below 0 it is a discount. It
    refers to the energy lines or to all lines by `scope`; `cap` is the most it may come to, in either direction.
    """

    code: str
    note: str
    kind: str
    value: Decimal
    scope: str = ALL_LINES
    cap: Money | None = None

    def row(self) -> dict[str, Any]:
        """This adjustment as JSON."""
        row = {
            "code": self.code,
            "note": self.note,
            "kind": self.kind,
            "value": str(self.value),
            "scope": self.scope,
        }
        return row if self.cap is None else row | {"cap_paise": self.cap.paise}


def adjustments_from(rows: Iterable[Mapping[str, Any]], currency: str = "INR") -> tuple[Adjustment, ...]:
    """The adjustments that were kept as JSON."""
    return tuple(
        Adjustment(
            code=row["code"],
            note=row["note"],
            kind=row["kind"],
            value=Decimal(row["value"]),
            scope=row["scope"],
            cap=from_paise(row["cap_paise"], currency) if "cap_paise" in row else None,
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """A tariff as it was when a price was promised: OCPI elements, GST in percent, the station's time zone.

    The least and the greatest price hold for the tariff's own lines. States are GST codes, empty where unknown, and say
    how the tax divides. `adjustments` are applied in their order, between the tariff's lines and the tax; they are kept
    with the quote, so that the bill applies the same ones.
    """

    code: str
    name: str
    currency: str
    elements: list[dict[str, Any]]
    gst_percent: Decimal
    time_zone: str
    adjustments: tuple[Adjustment, ...] = ()
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    sac: str = SAC
    supplier_state: str = ""
    place_state: str = ""
    version: int = 0

    def snapshot(self, starts_at: datetime) -> dict[str, Any]:
        """These terms as JSON, to be kept beside the quote, with the price of one kWh at the start for display."""
        kept: dict[str, Any] = {
            "code": self.code,
            "name": self.name,
            "version": self.version,
            "currency": self.currency,
            "elements": self.elements,
            "gst_percent": str(self.gst_percent),
            "time_zone": self.time_zone,
            "adjustments": [adjustment.row() for adjustment in self.adjustments],
            "sac": self.sac,
            "supplier_state": self.supplier_state,
            "place_state": self.place_state,
            "price_per_kwh": str(price_at(self.elements, starts_at, tz=ZoneInfo(self.time_zone))),
        }
        for name, limit in (("min_price", self.min_price), ("max_price", self.max_price)):
            # Named even where there is none, so that laid over older terms it takes their limit away.
            kept[name] = None if limit is None else limit.row()
        return kept


def terms_from(snapshot: Mapping[str, Any]) -> Terms:
    """The terms a quote was made under. Raises KeyError where the snapshot is not one of ours."""
    return Terms(
        code=snapshot["code"],
        name=snapshot["name"],
        currency=snapshot["currency"],
        elements=snapshot["elements"],
        gst_percent=Decimal(snapshot["gst_percent"]),
        time_zone=snapshot["time_zone"],
        adjustments=adjustments_from(snapshot.get("adjustments", ()), snapshot["currency"]),
        min_price=price_limit(snapshot.get("min_price"), "min_price"),
        max_price=price_limit(snapshot.get("max_price"), "max_price"),
        sac=snapshot.get("sac", SAC),
        supplier_state=snapshot.get("supplier_state", ""),
        place_state=snapshot.get("place_state", ""),
        version=snapshot.get("version", 0),
    )
