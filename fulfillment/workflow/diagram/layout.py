"""Where on the picture does each task stand? Boxes for tasks, frames around those that hold others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fulfillment.workflow.diagram.letters import cut, width
from fulfillment.workflow.diagram.listing import branched, listed
from fulfillment.workflow.diagram.nodes import Node
from fulfillment.workflow.diagram.shapes import Block, Box, Catch, Edge, Rect, Shape

BOX_WIDTH, BOX_HEIGHT = 208.0, 46.0
HEAD, PAD, FOOT = 46.0, 15.0, 15.0
CATCH_HEAD, BESIDE, BRACKET = 30.0, 34.0, 8.0
FRAMES = frozenset({"do", "for", "try", "fork"})


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole picture: its size in pixels and its shapes, frames before what they hold."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def picture(nodes: Sequence[Node]) -> Picture:
    """Lay out the tasks of a definition, given in the order of the document.

    Raises ValueError where a `then` names no task of its list or a task's parent is missing.
    """
    known = {node.pointer for node in nodes}
    below: dict[tuple[str, bool], list[Node]] = {}
    for node in nodes:
        if node.parent and node.parent not in known:
            raise ValueError(f"{node.pointer} stands in {node.parent!r}, which is no task of the definition")
        below.setdefault((node.parent, node.branch.startswith("catch")), []).append(node)
    block = _Layout(below).of_list("", caught=False, top=True)
    return Picture(block.width, block.height, block.shapes)


class _Layout:
    def __init__(self, below: dict[tuple[str, bool], list[Node]]) -> None:
        self._below = below

    def of_list(self, parent: str, *, caught: bool, top: bool = False) -> Block:
        nodes = self._below.get((parent, caught), [])
        blocks = [self._of_node(node) for node in nodes]
        return listed(nodes, blocks, top=top) if nodes else Block(0, 0, 0, ())

    def _of_node(self, node: Node) -> Block:
        if node.kind not in FRAMES or not self._holds(node):
            rect = Rect(0, 0, BOX_WIDTH, BOX_HEIGHT)
            return Block(rect.w, rect.h, rect.w / 2, (Box(node, rect),))
        if node.kind == "fork":
            branches = self._below[(node.pointer, False)]
            inner = branched(branches, [self._of_node(branch) for branch in branches], node.pointer)
        else:
            inner = self.of_list(node.pointer, caught=False)
        catch = self.of_list(node.pointer, caught=True) if node.kind == "try" else Block(0, 0, 0, ())
        return _framed(node, inner, catch)

    def _holds(self, node: Node) -> bool:
        return bool(self._below.get((node.pointer, False)) or self._below.get((node.pointer, True)))


def _framed(node: Node, inner: Block, catch: Block) -> Block:
    """A frame around a list; that of a try has the list of its catch beside it."""
    left = max(PAD, BOX_WIDTH / 2 - inner.axis)
    across, down = max(left + inner.width + PAD, BOX_WIDTH), HEAD + inner.height + FOOT
    shapes: list[Shape] = list(inner.moved(left, HEAD))
    if catch.shapes:
        part = Rect(across - PAD + BESIDE, HEAD - 8, max(catch.width + 2 * PAD, _catch_width(node)), 0)
        part = Rect(part.x, part.y, part.w, CATCH_HEAD + catch.height + FOOT)
        x, y = across - PAD + BRACKET, part.y + CATCH_HEAD / 2
        lines = ((x, HEAD), (x, HEAD + max(inner.height, CATCH_HEAD))), ((x, y), (part.x, y))
        shapes += [Catch(node, part), Edge(node.pointer, node.pointer + "/catch", "error", lines)]
        shapes += catch.moved(part.x + (part.w - catch.width) / 2, part.y + CATCH_HEAD)
        across, down = part.right + PAD, max(down, part.bottom + FOOT)
    frame = Box(node, Rect(0, 0, across, down), frame=True)
    return Block(across, down, left + inner.axis, (frame, *shapes))


def _catch_width(node: Node) -> float:
    return width(cut(node.detail or "catch", 11, 190), 11) + 40
