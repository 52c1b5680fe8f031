"""How does the picture look as SVG text? Everything a definition says is escaped; no script, no outside file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, pairwise

from fulfillment.workflow.diagram.flow import END, EXIT, ON
from fulfillment.workflow.diagram.layout import CATCH_HEAD, Picture, picture
from fulfillment.workflow.diagram.letters import LEAST, cut, duration, escaped, width
from fulfillment.workflow.diagram.nodes import STATES, Mark, Node, anchor
from fulfillment.workflow.diagram.palette import KIND_SIGNS, SIGNS, style
from fulfillment.workflow.diagram.shapes import Box, Catch, Edge, Label, Pill, Point, Rect

MARGIN, LEGEND, LEGEND_ROW = 14.0, 34.0, 24.0
NAME_SIZE, SMALL = 12.5, 11.0
TEXT_X, EDGE_X, SLANT, ROUND, TURN = 38.0, 10.0, 12.0, 8.0, 6.0
UNKNOWN = Mark("pending")
FLAGS = {
    "running": "now", "waiting": "waiting here", "retried": "trying again", "faulted": "stopped here",
    "suspended": "suspended",
}  # fmt: skip
# States of a task from which the flow went on.
LEFT = frozenset({"completed", "skipped", "retried"})


def draw(nodes: Sequence[Node], marks: Mapping[str, Mark], *, title: str) -> str:
    """The picture of a definition's tasks, given in the order of the document, as the text of one SVG element.

    `marks` by pointer; a task without one is pending. Each box is a link to `#` and its `anchor`. The same arguments
    give the same text. Since an image may hold no links, the whole is a group, and the lines in it are the image.
    Raises ValueError where a `then` names no task of its list or a parent is missing. Source: WAI-ARIA 1.2, img.
    """
    shown = _laid_out(tuple(nodes))
    legend, legend_height = _legend(nodes, marks, shown.width)
    wide, high = shown.width + 2 * MARGIN, shown.height + legend_height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wf" role="group" viewBox="0 0 {_n(wide)} {_n(high)}" '
        f'width="{_n(wide)}" height="{_n(high)}">',
        f"<title>{escaped(title)}</title><desc>{escaped(told(nodes, marks))}</desc><style>{style()}</style>",
        legend,
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN + legend_height)})">',
        *_shapes(shown, nodes, marks),
        "</g></svg>",
    ]
    return "\n".join(parts)


@lru_cache(maxsize=16)
def _laid_out(nodes: tuple[Node, ...]) -> Picture:
    """Where everything stands does not depend on how far it is, and takes by far the longest."""
    return picture(nodes)


def told(nodes: Sequence[Node], marks: Mapping[str, Mark]) -> str:
    """The picture in words: how many steps are in which state, and where the instance stands."""
    counts = Counter(marks.get(node.pointer, UNKNOWN).state for node in nodes)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    now = [f"{node.name} ({_words(marks[node.pointer])})" for node in nodes if _current(marks, node)]
    return f"{len(nodes)} steps: {states or 'none'}." + (f" It stands at {', '.join(now)}." if now else "")


def _shapes(shown: Picture, nodes: Sequence[Node], marks: Mapping[str, Mark]) -> list[str]:
    boxes = {shape.node.pointer: shape for shape in shown.shapes if isinstance(shape, Box)}
    inside = {node.parent for node in nodes if _current(marks, node)}
    parts = [
        _box(boxes[node.pointer], marks.get(node.pointer, UNKNOWN), full=node.pointer not in inside) for node in nodes
    ]
    parts.append('<g role="img" aria-label="The ways between the steps">')
    parts += [_catch(shape) for shape in shown.shapes if isinstance(shape, Catch)]
    names = {node.pointer: node.name for node in nodes}
    edges = [shape for shape in shown.shapes if isinstance(shape, Edge)]
    taken = _taken(edges, nodes, marks)
    parts += [_edge(edge, names, taken=edge in taken) for edge in sorted(edges, key=lambda each: each in taken)]
    parts += [_pill(shape) for shape in shown.shapes if isinstance(shape, Pill)]
    parts += [_label(shape) for shape in shown.shapes if isinstance(shape, Label)]
    return [*parts, "</g>"]


def _box(box: Box, mark: Mark, *, full: bool) -> str:
    node, rect = box.node, box.rect
    inset = SLANT - 4 if node.kind == "switch" else 0.0
    classes = f"wf-step wf-{'frame' if box.frame else 'box'} wf-{mark.state}"
    halo = flag = ""
    if mark.current:
        classes += " wf-current" + (" wf-full" if full and not box.frame else "")
        halo, flag = _ground(node, rect.grown(5), "wf-halo"), _flag(rect, mark)
    step = ' aria-current="step"' if mark.current else ""
    figures = _figures(mark)
    x, y = rect.x + inset, rect.y
    line = 19 if box.frame else 35
    room, beside = rect.w - TEXT_X - EDGE_X - 2 * inset, width(figures, SMALL) + 8 if figures else 0.0
    kind = KIND_SIGNS.get(node.kind, "")
    name, detail = (room - beside, room) if box.frame else (room + inset, room - beside)
    return (
        f'<a class="{classes}" href="#{anchor(node.pointer)}" data-pointer="{escaped(node.pointer)}"'
        f"{step}><title>{escaped(_whole(node, mark))}</title>"
        f"{halo}{_ground(node, rect, 'wf-ground')}{_disc(x + 10, y + 13, mark.state)}"
        f'<text class="wf-name" x="{_n(x + TEXT_X)}" y="{_n(y + 19)}">'
        f"{escaped(cut(node.name, NAME_SIZE, name))}</text>"
        f'<path class="wf-kind" transform="translate({_n(x + TEXT_X - 1)} {_n(y + 25)}) scale(.65)" d="{kind}"/>'
        f'<text x="{_n(x + TEXT_X + 17)}" y="{_n(y + 35)}">{escaped(_detail(node, detail - 17))}</text>'
        f"{_figure_text(figures, rect.right - EDGE_X - inset, y + line)}{flag}</a>"
    )


def _ground(node: Node, rect: Rect, name: str) -> str:
    if node.kind != "switch":
        size = f'width="{_n(rect.w)}" height="{_n(rect.h)}"'
        return f'<rect class="{name}" x="{_n(rect.x)}" y="{_n(rect.y)}" {size} rx="{_n(ROUND)}"/>'
    x, y, middle = rect.x, rect.y, rect.y + rect.h / 2
    top = f"M{_n(x + SLANT)} {_n(y)}H{_n(rect.right - SLANT)}L{_n(rect.right)} {_n(middle)}"
    low = f"L{_n(rect.right - SLANT)} {_n(rect.bottom)}H{_n(x + SLANT)}L{_n(x)} {_n(middle)}Z"
    return f'<path class="{name}" d="{top}{low}" stroke-linejoin="round"/>'


def _disc(x: float, y: float, state: str) -> str:
    return (
        f'<g transform="translate({_n(x)} {_n(y)})"><circle class="wf-disc" cx="10" cy="10" r="9.5"/>'
        f'<path class="wf-sign" d="{SIGNS[state]}"/></g>'
    )


def _flag(rect: Rect, mark: Mark) -> str:
    text = FLAGS.get(mark.state, "here")
    wide = width(text, SMALL) + 10
    x, y = rect.right - wide - 3, rect.y
    return (
        f'<g class="wf-flag"><rect x="{_n(x)}" y="{_n(y - 14)}" width="{_n(wide)}" height="17" rx="4"/>'
        f'<text x="{_n(x + wide / 2)}" y="{_n(y - 2)}" text-anchor="middle">{text}</text></g>'
    )


def _figure_text(figures: str, x: float, y: float) -> str:
    return f'<text class="wf-figures" x="{_n(x)}" y="{_n(y)}" text-anchor="end">{figures}</text>' if figures else ""


def _catch(catch: Catch) -> str:
    rect, node = catch.rect, catch.node
    text = node.detail or "catch"
    return (
        f'<g class="wf-catch"><title>{escaped(f"{node.name}: {text}")}</title><rect x="{_n(rect.x)}" y="{_n(rect.y)}" '
        f'width="{_n(rect.w)}" height="{_n(rect.h)}" rx="{_n(ROUND)}"/><text x="{_n(rect.x + 14)}" '
        f'y="{_n(rect.y + CATCH_HEAD / 2 + 4)}">{escaped(cut(text, SMALL, rect.w - 24))}</text></g>'
    )


def _edge(edge: Edge, names: Mapping[str, str], *, taken: bool) -> str:
    paths = "".join(f'<path d="{_path(line)}"/>' for line in edge.lines)
    tip = _tip(edge.lines[-1]) if edge.arrow else ""
    to = names.get(edge.target, edge.target.rsplit("/", 1)[-1])
    text = f"{names.get(edge.source, edge.source)} → {to}" + (f": {edge.label}" if edge.label else "")
    return (
        f'<g class="wf-edge wf-{edge.kind}{" wf-taken" if taken else ""}" data-from="{escaped(edge.source)}" '
        f'data-to="{escaped(edge.target)}"><title>{escaped(text)}</title>{paths}{tip}</g>'
    )


def _pill(pill: Pill) -> str:
    rect = pill.rect
    size = f'width="{_n(rect.w)}" height="{_n(rect.h)}" rx="{_n(rect.h / 2)}"'
    middle = f'x="{_n(rect.x + rect.w / 2)}" y="{_n(rect.y + rect.h / 2 + 4)}" text-anchor="middle"'
    return (
        f'<g class="wf-pill wf-{pill.kind}"><title>{escaped(pill.whole)}</title>'
        f'<rect x="{_n(rect.x)}" y="{_n(rect.y)}" {size}/><text {middle}>{escaped(pill.text)}</text></g>'
    )


def _label(label: Label) -> str:
    place = f'x="{_n(label.rect.x)}" y="{_n(label.rect.bottom - 3)}"'
    return f'<g><title>{escaped(label.whole)}</title><text class="wf-label" {place}>{escaped(label.text)}</text></g>'


def _path(line: Sequence[Point]) -> str:
    """The line with round turns."""
    text = f"M{_n(line[0][0])} {_n(line[0][1])}"
    for (ax, ay), (bx, by), (cx, cy) in zip(line, line[1:], line[2:], strict=False):
        turn = min(TURN, (abs(bx - ax) + abs(by - ay)) / 2, (abs(cx - bx) + abs(cy - by)) / 2)
        inward, outward = _toward((bx, by), (ax, ay), turn), _toward((bx, by), (cx, cy), turn)
        text += f"L{_n(inward[0])} {_n(inward[1])}Q{_n(bx)} {_n(by)} {_n(outward[0])} {_n(outward[1])}"
    return text + f"L{_n(line[-1][0])} {_n(line[-1][1])}"


def _tip(line: Sequence[Point]) -> str:
    """The arrow's point at the end of a line."""
    (ax, ay), (x, y) = list(pairwise(line))[-1]
    bx, by = _toward((x, y), (ax, ay), 8)
    dx, dy = (4, 0) if ax == x else (0, 4)
    return f'<path class="wf-tip" d="M{_n(x)} {_n(y)}L{_n(bx + dx)} {_n(by + dy)}L{_n(bx - dx)} {_n(by - dy)}Z"/>'


def _toward(start: Point, end: Point, far: float) -> Point:
    length = abs(end[0] - start[0]) + abs(end[1] - start[1])
    part = far / length if length else 0.0
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _legend(nodes: Sequence[Node], marks: Mapping[str, Mark], room: float) -> tuple[str, float]:
    """The states that occur, with their signs and numbers, in rows; and the height they take."""
    counts = Counter(marks.get(node.pointer, UNKNOWN).state for node in nodes)
    parts, x, y = [], 0.0, 0.0
    for state in [each for each in STATES if counts[each]]:
        text = f"{counts[state]} {state}"
        wide = 24 + width(text, SMALL) + 14
        if x and x + wide > room:
            x, y = 0.0, y + LEGEND_ROW
        word = f'<text x="{_n(x + 25)}" y="{_n(y + 14)}">{text}</text>'
        parts.append(f'<g class="wf-{state}">{_disc(x, y, state)}{word}</g>')
        x += wide
    height = y + LEGEND if parts else 0.0
    return f'<g class="wf-legend" transform="translate({_n(MARGIN)} {_n(MARGIN)})">{"".join(parts)}</g>', height


def _taken(edges: Sequence[Edge], nodes: Sequence[Node], marks: Mapping[str, Mark]) -> set[Edge]:
    """The ways that the instance seems to have gone: out of a task that is done into one that was begun."""
    entered = {node.pointer for node in nodes if marks.get(node.pointer, UNKNOWN).state != "pending"}
    entered |= {f"{node.parent}/catch" for node in nodes if node.pointer in entered and node.branch.startswith("catch")}
    left = {node.pointer for node in nodes if marks.get(node.pointer, UNKNOWN).state in LEFT} | {"start"}
    inward = {edge for edge in edges if edge.kind in {"branch", "error"}}
    found = {edge for edge in edges if edge.source in (entered if edge in inward else left) and edge.target in entered}
    onward = {edge.source for edge in found - inward}
    ends = [edge for edge in edges if edge.target in {END, EXIT, ON} and edge.source in left - onward]
    several = {edge.source for edge, other in combinations(ends, 2) if edge.source == other.source}
    return found | {edge for edge in ends if edge.source not in several}


def _current(marks: Mapping[str, Mark], node: Node) -> bool:
    return marks.get(node.pointer, UNKNOWN).current


def _detail(node: Node, room: float) -> str:
    """What stands below the name; of a call its method and the end of its path, of an event the end of its type."""
    text = node.detail or node.kind
    method, space, path = text.partition(" ")
    if node.kind != "call" or not space:
        return cut(text, SMALL, room, keep_end=node.kind == "emit")
    path = cut(path, SMALL, room - width(method + " ", SMALL), keep_end=True)
    return f"{method} {path}" if len(path) > LEAST else method


def _figures(mark: Mark) -> str:
    attempts = f"×{mark.attempts}" if mark.attempts > 1 else ""
    seconds = duration(mark.seconds) if mark.seconds is not None else ""
    return " · ".join(part for part in (attempts, seconds) if part)


def _whole(node: Node, mark: Mark) -> str:
    told_ = f"{node.name} ({' '.join(part for part in (node.kind, node.detail) if part)}): {_words(mark)}"
    return f"{told_}. {node.pointer}"


def _words(mark: Mark) -> str:
    parts = [mark.state]
    if mark.attempts > 1:
        parts.append(f"{mark.attempts} attempts")
    if mark.seconds is not None:
        parts.append(duration(mark.seconds))
    return ", ".join(parts)


def _n(value: float) -> str:
    """A number with at most one decimal, the shortest way."""
    return f"{value:.1f}".removesuffix(".0")
