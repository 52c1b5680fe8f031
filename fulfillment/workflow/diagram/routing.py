"""Which way does a jump take round the boxes? The cheapest of right angles, found by A* over the lanes beside them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fulfillment.workflow.diagram.shapes import Point, Rect

LANES = (8.0, 15.0, 22.0)
CLEAR, APART = 5.0, 2.5
BEND, CROSSING, SHARED = 24.0, 14.0, 60.0
STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))
UP, RIGHT, DOWN, LEFT = range(4)
Line = tuple[Point, Point]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A place at which a jump may end, and the direction in which it comes there."""

    point: Point
    direction: int

    @property
    def before(self) -> Point:
        """The last turn before the end."""
        dx, dy = STEPS[self.direction]
        return self.point[0] - dx * LANES[0], self.point[1] - dy * LANES[0]


class Map:
    """The lanes between obstacles, and the lines that are there already, by what they lead to.

    Words bar the way, too, but have no lanes of their own.
    """

    def __init__(self, obstacles: Sequence[Rect], words: Sequence[Rect] = ()) -> None:
        self._walls = [rect.grown(CLEAR) for rect in (*obstacles, *words)]
        self._xs = _spread(x for r in obstacles for lane in LANES for x in (r.x - lane, r.right + lane))
        self._ys = _spread(y for r in obstacles for lane in LANES[:2] for y in (r.y - lane, r.bottom + lane))
        self._lines: list[tuple[Point, Point, str]] = []

    def add(self, line: Iterable[Point], to: str) -> None:
        """Remember a line that is drawn, so that others keep away from it, save those to the same place."""
        self._lines += [(a, b, to) for a, b in pairwise(line) if a != b]

    def way(self, start: Point, arrivals: Sequence[Arrival], to: str) -> tuple[Point, ...]:
        """The cheapest way from a box's lower side down and on to one of the arrivals; its bends, ends included."""
        first = (start[0], start[1] + LANES[0])
        goals = {arrival.before: arrival for arrival in arrivals}
        xs = sorted(self._xs | {first[0]} | {x for x, _ in goals})
        ys = sorted(self._ys | {first[1]} | {y for _, y in goals})
        lines = [(a, b) for a, b, end in self._lines if end != to]
        found = _Search(xs, ys, self._walls, lines, goals).run(first)
        return _bends([start, *found, goals[found[-1]].point])


class _Search:
    def __init__(
        self, xs: list[float], ys: list[float], walls: list[Rect], lines: list[Line],
        goals: dict[Point, Arrival],
    ) -> None:  # fmt: skip
        self._xs, self._ys, self._walls, self._lines, self._goals = xs, ys, walls, lines, goals
        self._prices: dict[Line, float | None] = {}
        self._near: dict[tuple[int, float], tuple[list[Rect], list[Line], list[Line]]] = {}

    def run(self, first: Point) -> list[Point]:
        begin = (self._xs.index(first[0]), self._ys.index(first[1]), DOWN)
        queue = [(0.0, 0.0, begin)]
        came: dict[tuple[int, int, int], tuple[int, int, int] | None] = {begin: None}
        best = {begin: 0.0}
        while queue:
            _, cost, here = heapq.heappop(queue)
            if cost > best[here]:
                continue
            if here[2] == -1:
                return self._back(came, came[here])
            for there, price in self._next(here):
                total = cost + price
                if total < best.get(there, float("inf")):
                    best[there], came[there] = total, here
                    heapq.heappush(queue, (total + self._least(there), total, there))
        raise ValueError(f"no way from {first}: the lanes of the picture are closed")

    def _next(self, here: tuple[int, int, int]) -> Iterable[tuple[tuple[int, int, int], float]]:
        column, row, heading = here
        point = (self._xs[column], self._ys[row])
        goal = self._goals.get(point)
        if goal is not None and heading != (goal.direction + 2) % 4:
            yield (column, row, -1), 0.0 if heading == goal.direction else BEND
        for direction, (dx, dy) in enumerate(STEPS):
            to = (column + dx, row + dy)
            if direction == (heading + 2) % 4 or not (0 <= to[0] < len(self._xs) and 0 <= to[1] < len(self._ys)):
                continue
            price = self._price(point, (self._xs[to[0]], self._ys[to[1]]))
            if price is not None:
                yield (*to, direction), price + (0.0 if direction == heading else BEND)

    def _price(self, a: Point, b: Point) -> float | None:
        """What one step costs; None where a box stands in the way."""
        key = (a, b) if a < b else (b, a)
        if key not in self._prices:
            self._prices[key] = self._fresh_price(*key)
        return self._prices[key]

    def _fresh_price(self, a: Point, b: Point) -> float | None:
        axis = 0 if a[0] == b[0] else 1
        along = 1 - axis
        walls, beside, across = self._near_to(axis, a[axis])
        low, high = a[along], b[along]
        for wall in walls:
            near, far = (wall.y, wall.bottom) if axis == 0 else (wall.x, wall.right)
            if near < high and low < far:
                return None
        price = high - low
        for c, d in beside:
            price += SHARED * max(0.0, min(high, max(c[along], d[along])) - max(low, min(c[along], d[along])))
        return price + CROSSING * sum(low <= c[along] <= high for c, _ in across)

    def _near_to(self, axis: int, at: float) -> tuple[list[Rect], list[Line], list[Line]]:
        """The walls in a column (axis 0) or row, the lines that run in it or so near that they look the same, and
        those that cross it.
        """
        key = axis, at
        if key not in self._near:
            walls = [w for w in self._walls if (w.x < at < w.right if axis == 0 else w.y < at < w.bottom)]
            parallel = [line for line in self._lines if line[0][axis] == line[1][axis]]
            beside = [line for line in parallel if abs(line[0][axis] - at) < CLEAR]
            others = [line for line in self._lines if line[0][axis] != line[1][axis]]
            across = [(c, d) for c, d in others if min(c[axis], d[axis]) <= at <= max(c[axis], d[axis])]
            self._near[key] = walls, beside, across
        return self._near[key]

    def _least(self, there: tuple[int, int, int]) -> float:
        x, y = self._xs[there[0]], self._ys[there[1]]
        return min(abs(x - gx) + abs(y - gy) for gx, gy in self._goals)

    def _back(
        self, came: dict[tuple[int, int, int], tuple[int, int, int] | None], last: tuple[int, int, int] | None
    ) -> list[Point]:
        found = []
        while last is not None:
            found.append((self._xs[last[0]], self._ys[last[1]]))
            last = came[last]
        return found[::-1]


def _spread(values: Iterable[float]) -> set[float]:
    """The values without those that hardly differ from a smaller one."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] >= APART:
            kept.append(value)
    return set(kept)


def _bends(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points without those that lie on a straight line between their neighbours."""
    kept: list[Point] = []
    for point in points:
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept[-1] = point
        else:
            kept.append(point)
    return tuple(kept)
