"""Which overlays apply to which order, and what do they do to its price?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.money import Money
from orders.overlays import Occasion, Rule, adjustments, chosen, rows, why_not
from orders.pricing import Terms, assumed, price

NOW = datetime(2026, 2, 1, 4, 30, tzinfo=UTC)  # 10:00 in Kolkata
OCCASION = Occasion(
    now=NOW,
    starts_at=NOW + timedelta(hours=2),
    time_zone="Asia/Kolkata",
    station_id=7,
    bap_id="bap.example.org",
    energy_wh=10_000,
    paise=20_000,
    energy_paise=18_000,
    groups=frozenset({"FLEET"}),
    coupons=frozenset({"TEN"}),
    sessions={5: 4},
)
TERMS = Terms(
    code="T",
    name="Day",
    currency="INR",
    elements=[{"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "FLAT", "price": "20.00"}]}],
    gst_percent=Decimal(18),
    time_zone="Asia/Kolkata",
)


def rule(kind: str = "group", **changes: Any) -> Rule:
    plain: dict[str, Any] = {
        "id": 1,
        "kind": kind,
        "code": "A",
        "name": "Fleet price",
        "change": "percent",
        "value": Decimal(-10),
    }
    return Rule(**({**plain, "scope": "all"} | changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"group_code": "FLEET"}, ""),
        ({"group_code": "OTHER"}, "members"),
        ({"group_code": "OTHER", "member": True, "members_only": True}, ""),
        ({"members_only": True}, "members"),
        ({"members_only": True, "member": True}, ""),
        ({"members_only": True, "group_code": "FLEET"}, ""),
        ({"bap_id": "bap.example.org"}, ""),
        ({"bap_id": "other.example.org"}, "another app"),
        ({"station_id": 7}, ""),
        ({"station_id": 8}, "another station"),
        ({"valid_from": OCCASION.starts_at}, ""),
        ({"valid_from": OCCASION.starts_at + timedelta(microseconds=1)}, "holds from"),
        ({"valid_until": OCCASION.starts_at + timedelta(microseconds=1)}, ""),
        ({"valid_until": OCCASION.starts_at}, "ran out"),
        ({"from_time": time(12), "to_time": time(13)}, ""),
        ({"from_time": time(11), "to_time": time(12)}, "each day"),
        ({"from_time": time(22), "to_time": time(12, 1)}, ""),
        ({"from_time": time(22), "to_time": time(12)}, "each day"),
        ({"min_energy_wh": 10_000}, ""),
        ({"min_energy_wh": 10_001}, "10.001 kWh"),
        ({"min_paise": 20_000}, ""),
        ({"min_paise": 20_001}, "200.01 before tax, this is 200.00"),
        ({"kind": "bulk", "id": 5, "nth": 5}, ""),
        ({"kind": "bulk", "id": 5, "nth": 6}, "session 6"),
        ({"kind": "bulk", "id": 9, "nth": 2}, "session 2"),
        ({"kind": "coupon", "code": "Ten"}, ""),
        ({"kind": "coupon", "code": "TWENTY"}, "not asked for"),
        ({"kind": "coupon", "code": "TEN", "valid_until": NOW}, "ran out"),
        ({"kind": "coupon", "code": "TEN", "valid_until": NOW + timedelta(seconds=1)}, ""),
        ({"kind": "surge", "value": Decimal(20), "announced_at": NOW}, ""),
        ({"kind": "surge", "value": Decimal(20), "announced_at": NOW + timedelta(seconds=1)}, "not announced"),
    ],
)
def test_a_condition_holds_or_says_why_not(changes: dict[str, Any], why: str) -> None:
    said = why_not(rule(**changes), OCCASION)
    assert why in said
    assert bool(said) == bool(why)


def test_the_hours_of_a_coupon_are_those_of_the_order() -> None:
    # 10:00 now, the session begins at 12:00
    early, late = {"from_time": time(9), "to_time": time(11)}, {"from_time": time(11), "to_time": time(13)}
    answers = [
        why_not(rule(kind, code="TEN", **hours), OCCASION) for kind in ("coupon", "group") for hours in (early, late)
    ]
    assert [bool(answer) for answer in answers] == [False, True, True, False]


def test_a_used_up_coupon_says_so() -> None:
    coupon = rule("coupon", id=3, code="TEN")
    assert why_not(coupon, replace(OCCASION, used_up={3: "all 100 uses are taken"})) == "all 100 uses are taken"


def test_of_each_kind_the_best_for_the_customer_applies_in_one_order() -> None:
    rules = [
        rule("coupon", id=1, code="TEN", value=Decimal(-30), change="flat"),
        rule("bulk", id=5, code="B", nth=2),
        rule("group", id=2, code="G5", value=Decimal(-5)),
        rule("group", id=3, code="G1", value=Decimal("-1.50"), change="per_kwh"),
        rule("surge", id=6, code="S", value=Decimal(10), announced_at=NOW),
        rule("surge", id=8, code="S2", value=Decimal(20), announced_at=NOW, scope="energy"),
    ]
    assert [found.id for found in chosen(rules, OCCASION)] == [8, 3, 5, 1]


def test_a_cap_counts_when_the_best_is_sought() -> None:
    capped = rule(id=1, code="A", value=Decimal(-50), cap_paise=500)
    assert [found.id for found in chosen([capped, rule(id=2, code="B", value=Decimal(-5))], OCCASION)] == [2]


def test_equal_offers_are_told_apart_by_code() -> None:
    assert [found.id for found in chosen([rule(id=1, code="B"), rule(id=2, code="A")], OCCASION)] == [2]


# 10 kWh at ₹18 and ₹20 a session: ₹200 before tax; every change is before the tax of 18 %.
@pytest.mark.parametrize(
    ("changes", "paise", "total"),
    [
        ({"value": Decimal(-10)}, -2_000, "212.40"),
        ({"value": Decimal(-10), "scope": "energy"}, -1_800, "214.76"),
        ({"value": Decimal("-1.25"), "change": "per_kwh"}, -1_250, "221.26"),
        ({"value": Decimal(-50), "change": "flat"}, -5_000, "177.00"),
        ({"value": Decimal(-50), "cap_paise": 3_000}, -3_000, "200.60"),
        ({"value": Decimal(-500), "change": "flat"}, -20_000, "0.00"),
        ({"kind": "surge", "value": Decimal(25), "scope": "energy"}, 4_500, "289.10"),
        ({"value": Decimal("-33.33")}, -6_666, "157.34"),
    ],
)
def test_an_overlay_changes_the_price_before_tax(changes: dict[str, Any], paise: int, total: str) -> None:
    terms = replace(TERMS, adjustments=adjustments([rule(**changes)]))
    made = price(terms, assumed(energy_wh=10_000, starts_at=NOW, power_w=30_000))
    changed = [line.amount.paise for line in made.lines if line.code in {"discount", "surge"}]
    assert (changed, made.total) == ([paise], Money(Decimal(total)))


def test_the_line_says_which_overlay_it_is() -> None:
    coupon = rule("coupon", code="TEN", name="Opening week", value=Decimal("-10.00"))
    surge = rule("surge", name="Festival", value=Decimal("2.5"), change="per_kwh")
    notes = [adjustment.note for adjustment in adjustments([coupon, surge])]
    assert notes == ["Opening week (TEN, -10 %)", "Festival (+2.50 INR/kWh)"]
    assert rows([coupon]) == [{"id": 1, "kind": "coupon", "code": "TEN", "name": "Opening week"}]
