"""Of what does the picture consist? Boxes, small signs, catches and edges, in pixels from the top left."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fulfillment.workflow.diagram.nodes import Node

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rect:
    """An upright rectangle."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    def moved(self, dx: float, dy: float) -> Rect:
        return Rect(self.x + dx, self.y + dy, self.w, self.h)

    def grown(self, by: float) -> Rect:
        return Rect(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)

    def meets(self, other: Rect) -> bool:
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def holds(self, other: Rect) -> bool:
        return self.x <= other.x and self.y <= other.y and other.right <= self.right and other.bottom <= self.bottom


@dataclass(frozen=True, slots=True)
class Box:
    """A task. A frame holds the boxes of its own tasks below its head of HEAD pixels."""

    node: Node
    rect: Rect
    frame: bool = False

    def moved(self, dx: float, dy: float) -> Box:
        return replace(self, rect=self.rect.moved(dx, dy))


@dataclass(frozen=True, slots=True)
class Catch:
    """The part of a try's frame that holds the tasks of its catch."""

    node: Node
    rect: Rect

    def moved(self, dx: float, dy: float) -> Catch:
        return replace(self, rect=self.rect.moved(dx, dy))


@dataclass(frozen=True, slots=True)
class Pill:
    """A small sign on the way: start, end, exit, on, or the case (`kind` case) from which a jump leaves."""

    kind: str
    text: str
    whole: str
    rect: Rect

    def moved(self, dx: float, dy: float) -> Pill:
        return replace(self, rect=self.rect.moved(dx, dy))


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a case beside its edge; `whole` where it is cut, with the condition."""

    text: str
    whole: str
    rect: Rect

    def moved(self, dx: float, dy: float) -> Label:
        return replace(self, rect=self.rect.moved(dx, dy))


@dataclass(frozen=True, slots=True)
class Edge:
    """A way of the flow from a pointer to a pointer (or to end, exit, on), by one or more lines of right angles.

    `kind`: next, then, case, branch (into a fork), error (from a try to its catch).
    """

    source: str
    target: str
    kind: str
    lines: tuple[tuple[Point, ...], ...]
    label: str = ""
    arrow: bool = True

    def moved(self, dx: float, dy: float) -> Edge:
        return replace(self, lines=tuple(tuple((x + dx, y + dy) for x, y in line) for line in self.lines))


Shape = Box | Catch | Pill | Label | Edge


@dataclass(frozen=True, slots=True)
class Block:
    """A drawn part of the picture: its size, the x at which the flow comes in and goes on, and its shapes."""

    width: float
    height: float
    axis: float
    shapes: tuple[Shape, ...]

    def moved(self, dx: float, dy: float) -> tuple[Shape, ...]:
        return tuple(shape.moved(dx, dy) for shape in self.shapes)
