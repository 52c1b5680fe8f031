"""How do the tasks of a list hang below each other, and how much room does each tree of them take?"""

from __future__ import annotations

from dataclasses import dataclass, field

from fulfillment.workflow.diagram.flow import Exit
from fulfillment.workflow.diagram.shapes import Block, Label, Rect

BUS = 14.0
NO_NODE = -1


@dataclass(slots=True)
class Spot:
    """What stands at one place of the tree: the block of the task with the number `node`, or a pill.

    `name` is its pointer, or what the pill says. `way` and `label` tell how the flow comes here, `x` and `y` where the
    axis and the top are, seen from the axis and top of the spot above.
    """

    block: Block
    node: int = NO_NODE
    name: str = ""
    way: Exit | None = None
    label: Label | None = None
    below: list[Spot] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    def extents(self, x: float = 0.0, y: float = 0.0) -> list[Rect]:
        """The room of all that stands here and below, the lines between included, seen from the axis and top."""
        found, open_ = [], [(self, x, y)]
        while open_:
            spot, ax, top = open_.pop()
            found.append(Rect(ax - spot.block.axis, top, spot.block.width, spot.block.height))
            if spot.label is not None:
                found.append(spot.label.rect.moved(ax, top))
            if len(spot.below) > 1:
                right = max(child.x for child in spot.below)
                found.append(Rect(ax, top + spot.block.height, right, BUS))
                drops = [(ax + child.x, child.y - spot.block.height - BUS) for child in spot.below]
                found += [Rect(x, top + spot.block.height + BUS, 0, far) for x, far in drops]
            open_ += [(child, ax + child.x, top + child.y) for child in spot.below]
        return found
