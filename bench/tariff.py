"""What does a price cost, from the terms and the facts to the lines, in the same arithmetic done bare?

A quote is one assumed session over a boundary of a time-of-day tariff; a bill is one of 500 readings. Bare is what no
program can do without: for each piece the price times the energy as a Decimal, added up, rounded, taxed. The terms are
read each time anew from what the database keeps, so that nothing is known but what the engine remembers itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Any

from catalog.tariffs import Segment
from core.money import from_paise
from orders.pricing import MeterPoint, Price, Terms, assumed, energy_for_amount, price, session_segments, terms_from

READINGS = 500
START = datetime(2026, 2, 2, 3, 0, tzinfo=UTC)  # 08:30 in Bengaluru
PAISA, KILO = Decimal("0.01"), Decimal(1000)
HALF = Decimal("0.09")
# What the dearest tariff may cost, in times the bare arithmetic; up to 43 and 10 were measured.
MOST_QUOTE, MOST_BILL = 65.0, 15.0
TARIFFS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"price_components": [{"type": "ENERGY", "price": "18.00"}]}],
    "by the clock": [
        {
            "price_components": [{"type": "ENERGY", "price": "14.00"}],
            "restrictions": {"start_time": "09:00", "end_time": "16:00"},
        },
        {"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "FLAT", "price": "20.00"}]},
    ],
    "by power": [
        {"price_components": [{"type": "ENERGY", "price": "14.00"}], "restrictions": {"max_power": 11}},
        {"price_components": [{"type": "ENERGY", "price": "18.00", "step_size": 100}]},
    ],
}


def kept(elements: list[dict[str, Any]]) -> str:
    """The terms of a quote as the database keeps them."""
    return json.dumps(Terms("T", "Day", "INR", elements, Decimal(18), "Asia/Kolkata").snapshot(START))


def readings() -> list[MeterPoint]:
    """A session of 500 minutes that slows down."""
    points, energy_wh = [], 0
    for minute in range(1, READINGS + 1):
        energy_wh += 250 - minute // 4
        points.append(MeterPoint(START + timedelta(minutes=minute), energy_wh))
    return points


def bare(pieces: Sequence[tuple[Decimal, int]]) -> Decimal:
    """The same arithmetic and nothing else: Σ price × kWh, rounded, and twice half of the tax."""
    amount = Decimal(0)
    for per_kwh, energy_wh in pieces:
        amount += per_kwh * energy_wh / KILO
    amount = amount.quantize(PAISA, rounding=ROUND_HALF_EVEN)
    return amount + 2 * (amount * HALF).quantize(PAISA, rounding=ROUND_HALF_EVEN)


def quote(snapshot: dict[str, Any]) -> Price:
    return price(terms_from(snapshot), assumed(energy_wh=10_000, starts_at=START, power_w=7_400))


def quote_for_money(snapshot: dict[str, Any]) -> int:
    """How much energy ₹ 500 buy: a quote for each step of the search."""
    terms = terms_from(snapshot)
    return energy_for_amount(terms, from_paise(50_000), starts_at=START, power_w=7_400, limit_wh=100_000)


def bill(snapshot: dict[str, Any], points: Sequence[MeterPoint]) -> Price:
    return price(terms_from(snapshot), session(points))


def session(points: Sequence[MeterPoint]) -> Sequence[Segment]:
    last = points[-1]
    return session_segments(points, energy_wh=last.energy_wh, started_at=START, ended_at=last.at, limit_w=30_000)


def took_us(work: Callable[[], object], count: int) -> float:
    """The mean time of a call, µs of CPU."""
    started = time.process_time_ns()
    for _ in range(count):
        work()
    return (time.process_time_ns() - started) / count / 1000


def measure(rounds: int, count: int) -> dict[str, float]:
    """Medians of interleaved rounds; times in µs, `_ratio` to the bare arithmetic of the same round."""
    points = readings()
    pieces = [(Decimal(18), segment.energy_wh) for segment in session(points)]
    bands = [(Decimal(18), 3_700), (Decimal(14), 6_300)]
    found: dict[str, list[float]] = {}

    def note(name: str, cost_us: float, bare_us: float) -> None:
        found.setdefault(f"{name}_us", []).append(cost_us)
        found.setdefault(f"{name}_ratio", []).append(cost_us / bare_us)

    for _ in range(rounds):
        bare_quote_us = took_us(partial(bare, bands), count * 4)
        bare_bill_us = took_us(partial(bare, pieces), count // 20)
        found.setdefault("bare_quote_us", []).append(bare_quote_us)
        found.setdefault("bare_bill_us", []).append(bare_bill_us)
        for name, elements in TARIFFS.items():
            snapshot = json.loads(kept(elements))
            note(f"quote {name}", took_us(partial(quote, snapshot), count), bare_quote_us)
            note(f"bill {name}", took_us(partial(bill, snapshot, points), count // 20), bare_bill_us)
        snapshot = json.loads(kept(TARIFFS["by the clock"]))
        note("quote for money", took_us(partial(quote_for_money, snapshot), count // 20), bare_quote_us)
    return {name: round(statistics.median(values), 2) for name, values in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000, help="quotes a round")
    options = parser.parse_args()
    started = time.monotonic()
    found = measure(options.rounds, options.count)
    print(
        f"bare: quote of two prices {found['bare_quote_us']} µs, bill of {READINGS} readings {found['bare_bill_us']} µs"
    )
    for name in [name.removesuffix("_us") for name in found if name.endswith("_us") and not name.startswith("bare")]:
        print(f"{name:22} {found[f'{name}_us']:8.1f} µs   {found[f'{name}_ratio']:5.1f} × bare")
    dearest = {kind: max(found[f"{kind} {tariff}_ratio"] for tariff in TARIFFS) for kind in ("quote", "bill")}
    holds = {"quote": dearest["quote"] <= MOST_QUOTE, "bill": dearest["bill"] <= MOST_BILL}
    print(f"dearest quote {dearest['quote']} × bare (at most {MOST_QUOTE:g}), bill {dearest['bill']} ({MOST_BILL:g})")
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"name": "tariff", **found, "holds": holds, "seconds": seconds, "skipped": []}))
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
