"""Charging curves for the tests of what is derived: drawn by stretches of power, or from `tests/fixtures/curves`.

The fixtures are tables of (second, register in Wh, power in W, state of charge) as stations of four kinds would send
them: a hatchback at a fast charger, a sedan at a wallbox that paused it, a bus in a depot that shares its connection,
a scooter through a power cut.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fulfillment.truths import Curve, Point, curve_of

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "fixtures" / "curves"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def drawn(*stretches: tuple[float, float], every_s: int = 5, told: bool = True) -> list[Point]:
    """Points of a session that flows for (seconds, W) each; the register is cut to whole Wh."""
    points = [Point(NOW, 1_000_000)]
    energy_wh, passed_s = 1_000_000.0, 0
    for seconds, power_w in stretches:
        for _ in range(int(seconds) // every_s):
            passed_s += every_s
            energy_wh += power_w * every_s / 3600
            points.append(Point(at(passed_s), int(energy_wh + 1e-6), round(power_w) if told else None))
    return points


def curve(*stretches: tuple[float, float], every_s: int = 5, told: bool = True) -> Curve:
    return curve_of(drawn(*stretches, every_s=every_s, told=told))


def recorded(name: str) -> list[Point]:
    with (RECORDED / f"{name}.csv").open(newline="") as file:
        return [
            Point(at(float(second)), int(register), int(power), int(percent) if percent else None)
            for second, register, power, percent in list(csv.reader(file))[1:]
        ]


def until(points: Iterable[Point], seconds: float) -> Curve:
    """What was known so many seconds after the start."""
    return curve_of(point for point in points if point.at <= at(seconds))
