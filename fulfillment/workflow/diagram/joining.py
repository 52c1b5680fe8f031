"""Which lines run between the tasks of one list, once each has its place?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fulfillment.workflow.diagram.flow import Exit
from fulfillment.workflow.diagram.nodes import Node
from fulfillment.workflow.diagram.routing import DOWN, LEFT, RIGHT, Arrival, Map
from fulfillment.workflow.diagram.shapes import Block, Box, Catch, Edge, Label, Pill, Point, Rect, Shape
from fulfillment.workflow.diagram.spots import BUS, NO_NODE, Spot

SIDE_Y = 23.0
LINE_ROOM = 6.0


@dataclass(frozen=True, slots=True)
class _Jump:
    """An edge that still lacks its last line, from `begin` to the task with the number `target`."""

    edge: Edge
    begin: Point
    target: int


def joined(nodes: Sequence[Node], ways: Sequence[Sequence[Exit]], placed: Sequence[tuple[Spot, float]]) -> Block:
    """The block of trees of spots, each given with the x of its axis, with all lines: first the straight ones, then
    the jumps round everything.
    """
    work = _Work(nodes, ways)
    rects = []
    for root, x in placed:
        work.put(root, x)
        rects += root.extents(x)
    return _normal([*work.shapes, *work.edges, *work.jumps()], rects, placed[0][1] if placed else 0.0)


class _Work:
    def __init__(self, nodes: Sequence[Node], ways: Sequence[Sequence[Exit]]) -> None:
        self._nodes, self._ways = nodes, ways
        self.shapes: list[Shape] = []
        self.edges: list[Edge] = []
        self._walls: list[Rect] = []
        self._words: list[Rect] = []
        self._doors: dict[int, tuple[Arrival, ...]] = {}
        self._open: list[_Jump] = []

    def put(self, root: Spot, x: float) -> None:
        """Put a tree at its place, with the lines down to each spot."""
        waiting = [(root, x, 0.0)]
        while waiting:
            spot, x, y = waiting.pop()
            self._stand(spot, x, y)
            for child in spot.below:
                self._drop(spot, child, x, y)
                waiting.append((child, x + child.x, y + child.y))

    def jumps(self) -> list[Edge]:
        """The edges to tasks that stand elsewhere, in the order of the document."""
        lanes = Map(self._walls, self._words)
        for edge in [*self.edges, *(jump.edge for jump in self._open)]:
            for line in edge.lines:
                lanes.add(line, edge.target)
        found = []
        numbers = {node.pointer: number for number, node in enumerate(self._nodes)}
        for jump in sorted(self._open, key=lambda each: (numbers[each.edge.source], each.begin)):
            line = lanes.way(jump.begin, self._doors[jump.target], jump.edge.target)
            lanes.add(line, jump.edge.target)
            found.append(replace(jump.edge, lines=(*jump.edge.lines, line)))
        return found

    def _stand(self, spot: Spot, x: float, y: float) -> None:
        block = spot.block
        self.shapes += block.moved(x - block.axis, y)
        rect = Rect(x - block.axis, y, block.width, block.height)
        if rect.w:
            self._walls.append(rect)
        if spot.label is not None:
            self.shapes.append(spot.label.moved(x, y))
            self._words.append(spot.label.rect.moved(x, y))
        if spot.node == NO_NODE:
            return
        sides = (Arrival((rect.x, y + SIDE_Y), RIGHT), Arrival((rect.right, y + SIDE_Y), LEFT))
        self._doors[spot.node] = (Arrival((x, y), DOWN), *sides)
        way = self._ways[spot.node][0] if len(self._ways[spot.node]) == 1 else None
        if way is not None and way.target is not None and not way.labels and not spot.below:
            edge = Edge(spot.name, self._nodes[way.target].pointer, "then", ())
            self._open.append(_Jump(edge, (x, y + block.height), way.target))

    def _drop(self, spot: Spot, child: Spot, x: float, y: float) -> None:
        """The line from a spot to one below it; where that is the sign of a jump, the rest follows later."""
        begin, bus = y + spot.block.height, y + spot.block.height + BUS
        end = (x + child.x, y + child.y)
        line: tuple[Point, ...] = ((x, begin), (x, bus), (end[0], bus), end) if child.x else ((x, begin), end)
        way = child.way
        kind, label = "next", ""
        if way is not None and way.labels:
            kind, label = "case", way.label
        elif way is None and spot.name != "start":
            kind = "branch"
        elif way is not None and (way.to or child.node != spot.node + 1):
            kind = "then"
        if way is not None and way.target is not None and child.node == NO_NODE:
            edge = Edge(spot.name, self._nodes[way.target].pointer, kind, (line,), label)
            self._open.append(_Jump(edge, (end[0], end[1] + child.block.height), way.target))
        else:
            self.edges.append(Edge(spot.name, child.name, kind, (line,), label))


def _normal(shapes: Sequence[Shape], rects: Sequence[Rect], axis: float) -> Block:
    """The shapes moved so that their block begins at 0, 0 and holds every line."""
    turns = [point for shape in shapes if isinstance(shape, Edge) for line in shape.lines for point in line]
    outer = [*rects, *(Rect(x - LINE_ROOM, y, 2 * LINE_ROOM, 0) for x, y in turns)]
    outer += [shape.rect for shape in shapes if isinstance(shape, Box | Catch | Pill | Label)]
    left, top = min(rect.x for rect in outer), min(rect.y for rect in outer)
    size = max(rect.right for rect in outer) - left, max(rect.bottom for rect in outer) - top
    return Block(*size, axis - left, tuple(shape.moved(-left, -top) for shape in shapes))
