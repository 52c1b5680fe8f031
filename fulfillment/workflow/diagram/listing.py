"""Where do the tasks of one list stand, and how do the lines between them run?

Each task stands below the one it follows. What follows in the document stays on the axis, so that the usual way is a
straight line down; the other ways out of a switch stand to its right. Jumps to tasks that stand elsewhere are routed.
"""

from __future__ import annotations

from collections.abc import Sequence

from fulfillment.workflow.diagram import flow
from fulfillment.workflow.diagram.joining import joined
from fulfillment.workflow.diagram.letters import cut, width
from fulfillment.workflow.diagram.nodes import Node
from fulfillment.workflow.diagram.shapes import Block, Label, Pill, Rect
from fulfillment.workflow.diagram.spots import Spot

SIDE_GAP, GAP, ROW_GAP = 30.0, 24.0, 54.0
SMALL, LABEL_ROOM, LABEL_HEIGHT, ABOVE_ARROW = 11.0, 150.0, 14.0, 14.0
PILL_HEIGHT = 22.0
# What is taller stands a shelf lower, so that the short ones find room above it.
TALL, LINE = 200.0, 6.0


def listed(nodes: Sequence[Node], blocks: Sequence[Block], *, top: bool) -> Block:
    """The block of a list of tasks, whose own blocks are given. At the top it begins with start and ends with end."""
    ways = [flow.exits(nodes, index, top=top) for index in range(len(nodes))]
    above = flow.parents(ways)
    spots = [Spot(block, index, name=nodes[index].pointer) for index, block in enumerate(blocks)]
    for index in reversed(range(len(nodes))):
        for way in ways[index]:
            spots[index].below += _spot_below(way, index, spots, above, top=top)
        _arrange(spots[index])
    roots = [spot for index, spot in enumerate(spots) if above[index] is None]
    if top and roots:
        start = Spot(_pill_block("start", "start", "the workflow begins"), name="start")
        start.below = [roots[0]]
        _arrange(start)
        roots[0] = start
    return joined(nodes, ways, _side_by_side(roots))


def branched(nodes: Sequence[Node], blocks: Sequence[Block], source: str) -> Block:
    """The block of a fork's branches, side by side below a line from the frame, whose pointer is `source`."""
    root = Spot(Block(0, 0, 0, ()), name=source)
    root.below = [Spot(block, index, name=nodes[index].pointer) for index, block in enumerate(blocks)]
    _arrange(root)
    return joined(nodes, [()] * len(nodes), [(root, 0.0)])


def _spot_below(way: flow.Exit, source: int, spots: list[Spot], above: list[int | None], *, top: bool) -> list[Spot]:
    """What a way out puts below its task: the task that stands there, a pill, or nothing where the jump is bare."""
    if way.target is not None and above[way.target] == source:
        spot = spots[way.target]
        spot.way, spot.label = way, _label(way)
        return [spot]
    if way.target is not None:
        return [Spot(_pill_block("case", way.label, _told(way)), way=way)] if way.labels else []
    if way.to == flow.ON and not way.labels:
        return []
    words = {flow.END: "the workflow ends", flow.EXIT: "the list ends", flow.ON: "goes on after this frame"}
    return [Spot(_pill_block(way.to, way.to, words[way.to]), name=way.to, way=way, label=_label(way))]


def _arrange(spot: Spot) -> None:
    """Place what stands below: the next task on the axis, the others to its right as near as they fit."""
    if not spot.below:
        return
    main = next((child for child in spot.below if child.node == spot.node + 1 and child.node >= 0), spot.below[0])
    spot.below = [main, *(child for child in spot.below if child is not main)]
    bare = len(spot.below) == 1 and not (main.way and main.way.labels)
    y = spot.block.height + (GAP if bare else ROW_GAP)
    main.x, main.y = 0.0, y
    if len(spot.below) == 1:
        return
    others = spot.below[1:]
    tall = [child for child in others if _height(child) > TALL]
    short = [child for child in others if child not in tall]
    shelf = y + max((_height(child) for child in short), default=0.0) + ROW_GAP
    ordered, level, stepped = [*tall, *short], [y] * len(others), [*[shelf] * len(tall), *[y] * len(short)]
    tops = min((level, stepped), key=lambda tops: _row(main, ordered, tops)[1])
    for child, x, top in zip(ordered, _row(main, ordered, tops)[0], tops, strict=True):
        child.x, child.y = x, top


def _row(main: Spot, others: Sequence[Spot], tops: Sequence[float]) -> tuple[list[float], float]:
    """The x of each of the others, as near to the main one as they find room, and how far the row reaches."""
    taken, found = main.extents(0.0, main.y), []
    for child, y in zip(others, tops, strict=True):
        drop = Rect(-LINE, main.y, 2 * LINE, y - main.y)
        found.append(_free(taken, [drop, *child.extents(0.0, y)]))
        taken += [drop.moved(found[-1], 0), *child.extents(found[-1], y)]
    return found, max(rect.right for rect in taken)


def _height(spot: Spot) -> float:
    return max(rect.bottom for rect in spot.extents())


def _free(taken: Sequence[Rect], rects: Sequence[Rect]) -> float:
    """How far right of the axis the rectangles move at least so that none comes near one that is taken."""
    barred = sorted(
        (one.x - SIDE_GAP - new.right, one.right + SIDE_GAP - new.x)
        for one in taken
        for new in rects
        if one.y < new.bottom + GAP and new.y < one.bottom + GAP
    )
    x = SIDE_GAP
    for left, right in barred:
        if left < x < right:
            x = right
    return x


def _side_by_side(roots: Sequence[Spot]) -> list[tuple[Spot, float]]:
    """Trees beside each other, each with the x of its axis."""
    taken: list[Rect] = []
    placed = []
    for root in roots:
        rects = root.extents()
        x = _free(taken, rects) if taken else 0.0
        placed.append((root, x))
        taken += [rect.moved(x, 0) for rect in rects]
    return placed


def _label(way: flow.Exit) -> Label | None:
    """The names of the cases, right of the arrow's point; None on a bare way."""
    if not way.labels:
        return None
    text = cut(way.label, SMALL, LABEL_ROOM)
    place = Rect(6, -ABOVE_ARROW - LABEL_HEIGHT, width(text, SMALL), LABEL_HEIGHT)
    return Label(text, _told(way), place)


def _told(way: flow.Exit) -> str:
    """The cases with their conditions."""
    pairs = zip(way.labels, way.whens, strict=True)
    return "; ".join(f"{name}: {when}" if when else name for name, when in pairs)


def _pill_block(kind: str, text: str, whole: str) -> Block:
    shown = cut(text, SMALL, LABEL_ROOM)
    wide = width(shown, SMALL) + 22
    return Block(wide, PILL_HEIGHT, wide / 2, (Pill(kind, shown, whole, Rect(0, 0, wide, PILL_HEIGHT)),))
