"""Where does the flow go from each task of a list, and which task stands below which? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fulfillment.workflow.diagram.nodes import Node

END, EXIT, ON = "end", "exit", "on"
OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a task: to the task of the list with the number `target`, or `to` end, exit or on (after the list).

    `labels` are the names of the switch's cases that lead there, `whens` their conditions.
    """

    target: int | None
    to: str
    labels: tuple[str, ...] = ()
    whens: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return ", ".join(self.labels)


def exits(nodes: Sequence[Node], index: int, *, top: bool) -> tuple[Exit, ...]:
    """The ways out of one task of a list, those of several cases to one place as one.

    Raises ValueError on a `then` that names no task of the list.
    """
    node = nodes[index]
    if node.kind == "raise":
        return ()
    if node.kind != "switch":
        target, to = _goal(nodes, index, node.then, top=top)
        return (Exit(target, to),)
    cases = list(node.cases)
    if all(when for _, when, _ in cases):
        cases.append((OTHERWISE, "", node.then))
    found: dict[tuple[int | None, str], list[tuple[str, str]]] = {}
    for name, when, then in cases:
        found.setdefault(_goal(nodes, index, then, top=top), []).append((name, when))
    return tuple(
        Exit(target, to, tuple(name for name, _ in told), tuple(when for _, when in told))
        for (target, to), told in found.items()
    )


def parents(ways: Sequence[Sequence[Exit]]) -> list[int | None]:
    """The task below which each task stands: the one before it, if the flow goes on from there, else the first
    earlier one that leads to it; None for the first, and for one that no earlier task leads to.
    """
    found: list[int | None] = [None] * len(ways)
    for index in range(len(ways)):
        earlier = [source for source in range(index) if any(way.target == index for way in ways[source])]
        if earlier:
            found[index] = index - 1 if index - 1 in earlier else earlier[0]
    return found


def _goal(nodes: Sequence[Node], index: int, then: str, *, top: bool) -> tuple[int | None, str]:
    if then in {END, EXIT}:
        return None, END if top else then
    if then in {"", "continue"}:
        return (index + 1, "") if index + 1 < len(nodes) else (None, END if top else ON)
    for number, node in enumerate(nodes):
        if node.name == then:
            return number, ""
    allowed = ", ".join(["continue", EXIT, END, *(node.name for node in nodes)])
    raise ValueError(f"{nodes[index].pointer} goes to {then!r}, which is no task of its list; allowed: {allowed}")
