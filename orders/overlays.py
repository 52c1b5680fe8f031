"""Which overlays of an operator fit an order, which of them apply, and as which changes of the price?

Pure: overlays and the occasion go in, adjustments for `orders.pricing` come out. Windows and daily times refer to the
start of the session, those of coupons to the moment of the order. A surge counts only once it has been announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.money import from_paise
from orders.pricing import DISCOUNT, ENERGY_LINES, PER_KWH, PERCENTAGE, Adjustment

SURGE, GROUP, BULK, COUPON = "surge", "group", "bulk", "coupon"
IN_ORDER = (SURGE, GROUP, BULK, COUPON)
PAISE = Decimal(100)


@dataclass(frozen=True, slots=True)
class Rule:
    """An overlay: its change of the price (`value` percent or rupees, before tax) and all its conditions.

    A group that has neither a code nor members is everybody (of the buyer app, at the station).
    """

    id: int
    kind: str
    code: str
    name: str
    change: str
    value: Decimal
    scope: str
    cap_paise: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    announced_at: datetime | None = None
    from_time: time | None = None
    to_time: time | None = None
    station_id: int | None = None
    bap_id: str = ""
    group_code: str = ""
    members_only: bool = False
    member: bool = False
    nth: int | None = None
    min_energy_wh: int = 0
    min_paise: int = 0


@dataclass(frozen=True, slots=True)
class Occasion:
    """What an order is: who asks when, for a session where, of how much; `paise` and `energy_paise` are before tax.

    `sessions` counts the customer's earlier sessions by bulk rule, `used_up` says in words which coupons are.
    """

    now: datetime
    starts_at: datetime
    time_zone: str
    station_id: int
    bap_id: str
    energy_wh: int
    paise: int
    energy_paise: int
    groups: frozenset[str] = frozenset()
    coupons: frozenset[str] = frozenset()
    sessions: Mapping[int, int] = field(default_factory=dict)
    used_up: Mapping[int, str] = field(default_factory=dict)


def chosen(rules: Iterable[Rule], occasion: Occasion) -> tuple[Rule, ...]:
    """The rules that apply, in the order they are applied: of each kind the best for the customer, of surges the worst.

    A coupon applies only where it was asked for.
    """
    fitting = [rule for rule in rules if not why_not(rule, occasion)]
    found: list[Rule] = []
    for kind in IN_ORDER:
        ranked = sorted(
            (rule for rule in fitting if rule.kind == kind),
            key=lambda rule: (-_worth(rule, occasion) if rule.kind == SURGE else _worth(rule, occasion), rule.code),
        )
        found += ranked[:1]
    return tuple(found)


def why_not(rule: Rule, occasion: Occasion) -> str:
    """Why a rule does not apply, as a sentence's end; empty where it does."""
    return next(
        (words for fits, words in _conditions(rule, occasion) if not fits),
        "",
    )


def adjustments(rules: Sequence[Rule], currency: str = "INR") -> tuple[Adjustment, ...]:
    """The changes of the price, in their order; the note names the overlay as it stands on the quote."""
    return tuple(
        Adjustment(
            code=SURGE if rule.kind == SURGE else DISCOUNT,
            note=f"{rule.name} ({_said(rule, currency)})",
            kind=rule.change,
            value=rule.value,
            scope=rule.scope,
            cap=None if rule.cap_paise is None else from_paise(rule.cap_paise, currency),
        )
        for rule in rules
    )


def rows(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Which overlays applied, as JSON to be kept with the quote."""
    return [{"id": rule.id, "kind": rule.kind, "code": rule.code, "name": rule.name} for rule in rules]


def in_words(rule: Rule, currency: str = "INR") -> str:
    """What a coupon takes off and on which conditions, for people who do not have it yet."""
    amount = f"{abs(rule.value):.2f}" if rule.change != PERCENTAGE else f"{abs(rule.value).normalize():f}"
    parts = [
        f"{amount}{_unit(rule, currency)} off {'the energy' if rule.scope == ENERGY_LINES else 'the price'} before tax",
        f"at most {from_paise(rule.cap_paise).wire} {currency}" if rule.cap_paise is not None else "",
        f"from {Decimal(rule.min_energy_wh) / 1000:f} kWh" if rule.min_energy_wh else "",
        f"from {from_paise(rule.min_paise).wire} {currency}" if rule.min_paise else "",
        f"daily {rule.from_time:%H:%M} to {rule.to_time:%H:%M}" if rule.from_time and rule.to_time else "",
    ]
    return ", ".join(part for part in parts if part)


def _conditions(rule: Rule, occasion: Occasion) -> Iterable[tuple[bool, str]]:
    at = occasion.now if rule.kind == COUPON else occasion.starts_at
    yield rule.kind != COUPON or rule.code.upper() in occasion.coupons, "it was not asked for"
    yield rule.valid_from is None or at >= rule.valid_from, f"it holds from {_day(rule.valid_from, occasion)} on"
    yield rule.valid_until is None or at < rule.valid_until, f"it ran out at {_day(rule.valid_until, occasion)}"
    yield rule.kind != SURGE or (rule.announced_at or at) <= occasion.now, "it is not announced yet"
    yield _in_hours(rule, at, occasion), f"it holds from {rule.from_time} to {rule.to_time} each day"
    yield rule.station_id in {None, occasion.station_id}, "it holds at another station"
    yield rule.bap_id in {"", occasion.bap_id}, "it holds for customers of another app"
    yield _belongs(rule, occasion), "it is for members of a group"
    yield _often_enough(rule, occasion), f"it begins with session {rule.nth}"
    yield (
        occasion.energy_wh >= rule.min_energy_wh,
        f"it needs at least {Decimal(rule.min_energy_wh) / 1000:f} kWh, this is {Decimal(occasion.energy_wh) / 1000:f}",
    )
    yield (
        occasion.paise >= rule.min_paise,
        f"it needs at least {from_paise(rule.min_paise).wire} before tax, this is {from_paise(occasion.paise).wire}",
    )
    yield rule.id not in occasion.used_up, occasion.used_up.get(rule.id, "")


def _belongs(rule: Rule, occasion: Occasion) -> bool:
    if not rule.group_code and not rule.members_only:
        return True
    return rule.member or (bool(rule.group_code) and rule.group_code in occasion.groups)


def _often_enough(rule: Rule, occasion: Occasion) -> bool:
    return rule.kind != BULK or occasion.sessions.get(rule.id, 0) + 1 >= (rule.nth or 0)


def _in_hours(rule: Rule, at: datetime, occasion: Occasion) -> bool:
    if rule.from_time is None or rule.to_time is None:
        return True
    clock = at.astimezone(ZoneInfo(occasion.time_zone)).time()
    if rule.from_time < rule.to_time:
        return rule.from_time <= clock < rule.to_time
    return clock >= rule.from_time or clock < rule.to_time


def _worth(rule: Rule, occasion: Occasion) -> Decimal:
    """What the rule comes to before tax, paise; a discount is below 0."""
    base = Decimal(occasion.energy_paise if rule.scope == ENERGY_LINES else occasion.paise)
    if rule.change == PERCENTAGE:
        amount = base * rule.value / 100
    elif rule.change == PER_KWH:
        amount = rule.value * PAISE * occasion.energy_wh / 1000
    else:
        amount = rule.value * PAISE
    if rule.cap_paise is not None:
        amount = max(-Decimal(rule.cap_paise), min(amount, Decimal(rule.cap_paise)))
    return max(amount, -base)


def _said(rule: Rule, currency: str) -> str:
    unit = _unit(rule, currency)
    change = f"{rule.value:+.2f}" if rule.change != PERCENTAGE else f"{rule.value.normalize():+f}"
    return f"{rule.code}, {change}{unit}" if rule.kind == COUPON else f"{change}{unit}"


def _unit(rule: Rule, currency: str) -> str:
    return {PERCENTAGE: " %", PER_KWH: f" {currency}/kWh"}.get(rule.change, f" {currency}")


def _day(moment: datetime | None, occasion: Occasion) -> str:
    return "" if moment is None else f"{moment.astimezone(ZoneInfo(occasion.time_zone)):%Y-%m-%d %H:%M}"
