"""How does a session look as shapes of an SVG: power as areas, energy as a line, pauses and gaps as bands?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 600, 200
HEADROOM = 0.94

Row = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Band:
    """A part of the time: from `x`, `width` wide, in the drawing's units."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """The shapes, in a box of WIDTH × HEIGHT: one area of power and one line of energy for each unbroken part.

    `peak_w` and `energy_wh` are what the top of each scale stands for; `span_s` is the time from left to right.
    """

    areas: tuple[str, ...]
    lines: tuple[str, ...]
    pauses: tuple[Band, ...]
    gaps: tuple[Band, ...]
    peak_w: int
    energy_wh: int
    span_s: int


def drawing_of(series: Sequence[Row], gaps: Sequence[tuple[int, int]]) -> Drawing | None:
    """The drawing of a series of (s since the start, W, Wh) and its gaps (from s, until s); None for less than two."""
    if len(series) < 2 or series[-1][0] <= series[0][0]:
        return None
    span_s = max(series[-1][0], max((until for _, until in gaps), default=0))
    peak_w, energy_wh = max(row[1] for row in series), max(row[2] for row in series)
    parts = list(unbroken(series, gaps))
    return Drawing(
        areas=tuple(_area(part, span_s, peak_w) for part in parts if len(part) > 1),
        lines=tuple(_line(part, span_s, energy_wh) for part in parts if len(part) > 1),
        pauses=tuple(_band(begin, end, span_s) for begin, end in pauses(series, gaps)),
        gaps=tuple(_band(begin, end, span_s) for begin, end in gaps),
        peak_w=peak_w,
        energy_wh=energy_wh,
        span_s=span_s,
    )


def unbroken(series: Sequence[Row], gaps: Sequence[tuple[int, int]]) -> Iterator[list[Row]]:
    """The series cut where a gap lies between two of its rows."""
    part: list[Row] = []
    for row in series:
        if part and any(part[-1][0] <= begin and end <= row[0] for begin, end in gaps):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def pauses(series: Sequence[Row], gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The times (from s, until s) in which values came and no power flowed."""
    found: list[tuple[int, int]] = []
    for part in unbroken(series, gaps):
        for before, after in pairwise(part):
            if before[1] or after[1]:
                continue
            if found and found[-1][1] == before[0]:
                found[-1] = (found[-1][0], after[0])
            else:
                found.append((before[0], after[0]))
    return found


def thinned(series: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, evenly taken, the first and the last among them."""
    if len(series) <= most:
        return list(series)
    last = len(series) - 1
    return [series[place * last // (most - 1)] for place in range(most)]


def _area(part: Sequence[Row], span_s: int, peak_w: int) -> str:
    points = [f"{_x(at_s, span_s)},{_y(power_w, peak_w)}" for at_s, power_w, _ in part]
    floor = f"{HEIGHT}"
    return f"M{_x(part[0][0], span_s)},{floor} L{' '.join(points)} L{_x(part[-1][0], span_s)},{floor} Z"


def _line(part: Sequence[Row], span_s: int, energy_wh: int) -> str:
    return " ".join(f"{_x(at_s, span_s)},{_y(energy, energy_wh)}" for at_s, _, energy in part)


def _band(begin_s: int, end_s: int, span_s: int) -> Band:
    return Band(_x(begin_s, span_s), f"{max(2.0, (end_s - begin_s) * WIDTH / span_s):.1f}")


def _x(at_s: int, span_s: int) -> str:
    return f"{at_s * WIDTH / span_s:.1f}"


def _y(value: int, top: int) -> str:
    return f"{HEIGHT - (value / top * HEIGHT * HEADROOM if top else 0):.1f}"
