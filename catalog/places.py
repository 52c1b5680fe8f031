"""Which offers lie nearest to a place? A tree of bounding boxes over points of the unit sphere.

Positions are kept as unit vectors: straight-line (chord) distance orders points exactly as distance on the ground does,
and a box in three dimensions gives a bound that costs a few multiplications. One writer at a time; readers need no
lock, since a leaf's points are replaced, never changed, and a leaf becomes a branch by one assignment.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from math import asin, cos, pi, radians, sin, sqrt
from typing import Generic, TypeVar

EARTH_RADIUS_M = 6_371_008.8
LEAF_SIZE = 16

T = TypeVar("T")
Vector = tuple[float, float, float]
Point = tuple[float, float, float, int, T]
Box = tuple[float, float, float, float, float, float]


def vector(latitude: float, longitude: float) -> Vector:
    """The unit vector of a position in degrees."""
    phi, lam = radians(latitude), radians(longitude)
    return cos(phi) * cos(lam), cos(phi) * sin(lam), sin(phi)


def reach(radius_m: float) -> float:
    """The squared chord of a distance on the ground, with a millimetre's grace so that the rim itself is inside."""
    angle = min((radius_m + 0.001) / EARTH_RADIUS_M, pi)
    return float(4 * sin(angle / 2) ** 2)


def distance_m(chord2: float) -> float:
    """The distance on the ground, in metres, of a squared chord."""
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord2) / 2))


class Tree(Generic[T]):
    """Points with a key and a load, found by nearness; every point is `(x, y, z, key, load)`."""

    __slots__ = ("axis", "box", "cut", "left", "points", "right")

    def __init__(self, points: Iterable[Point[T]] = ()) -> None:
        self.points: Sequence[Point[T]] | None = list(points)
        self.box = _box(self.points)
        self.axis = 0
        self.cut = 0.0
        self.left: Tree[T] | None = None
        self.right: Tree[T] | None = None
        self._split()

    def add(self, point: Point[T]) -> None:
        """Put a point in."""
        leaf = self
        while leaf.points is None:
            leaf.box = _grown(leaf.box, point)
            leaf = leaf._side(point)
        leaf.box = _grown(leaf.box, point)
        leaf.points = [*leaf.points, point]
        leaf._split()

    def swap(self, old: Point[T], new: Point[T] | None) -> None:
        """Put `new`, which stands at the same place, where `old` is, or take `old` out where there is no `new`."""
        leaf = self
        while leaf.points is None:
            leaf = leaf._side(old)
        kept = [point for point in leaf.points if point[3] != old[3]]
        leaf.points = kept if new is None else [*kept, new]

    def _side(self, point: Point[T]) -> Tree[T]:
        side = self.left if point[:3][self.axis] < self.cut else self.right
        assert side is not None
        return side

    def _split(self) -> None:
        points = self.points
        if points is None or len(points) <= LEAF_SIZE:
            return
        box = self.box
        self.axis = axis = max(range(3), key=lambda number: box[number + 3] - box[number])
        along = sorted(point[:3][axis] for point in points)
        self.cut = cut = along[len(along) // 2]
        if cut == along[0]:
            self.cut = cut = next((value for value in along if value > cut), cut)
        left = [point for point in points if point[:3][axis] < cut]
        if not left:
            return  # all stand at one place: the leaf stays large
        self.left = Tree(left)
        self.right = Tree(point for point in points if point[:3][axis] >= cut)
        self.points = None


def leaves_by_nearness(roots: Iterable[Tree[T]], at: Vector) -> Iterator[tuple[float, Sequence[Point[T]]]]:
    """The leaves of the trees as (bound, points), by growing bound: no point of a leaf is nearer than its bound.

    Bounds are squared chords to `at`.
    """
    count = 0
    heap: list[tuple[float, int, Tree[T]]] = []
    for root in roots:
        heap.append((_bound(root.box, at), count, root))
        count += 1
    heapq.heapify(heap)
    push, pop = heapq.heappush, heapq.heappop
    while heap:
        bound, _, node = pop(heap)
        points = node.points
        if points is not None:
            yield bound, points
            continue
        for child in (node.left, node.right):
            assert child is not None
            count += 1
            push(heap, (_bound(child.box, at), count, child))


def _bound(box: Box, at: Vector) -> float:
    x, y, z = at
    low_x, low_y, low_z, high_x, high_y, high_z = box
    dx = low_x - x if x < low_x else x - high_x if x > high_x else 0.0
    dy = low_y - y if y < low_y else y - high_y if y > high_y else 0.0
    dz = low_z - z if z < low_z else z - high_z if z > high_z else 0.0
    return dx * dx + dy * dy + dz * dz


def _box(points: Sequence[Point[T]]) -> Box:
    if not points:
        return 2.0, 2.0, 2.0, -2.0, -2.0, -2.0
    xs, ys, zs = [p[0] for p in points], [p[1] for p in points], [p[2] for p in points]
    return min(xs), min(ys), min(zs), max(xs), max(ys), max(zs)


def _grown(box: Box, point: Point[T]) -> Box:
    x, y, z = point[0], point[1], point[2]
    return min(box[0], x), min(box[1], y), min(box[2], z), max(box[3], x), max(box[4], y), max(box[5], z)
