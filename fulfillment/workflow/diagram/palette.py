"""Which colours and signs does each state have, in light and in dark?

Every text stands out from its ground by 4.5 : 1 or more, and every state has a sign, since not everybody sees colours.
"""

from __future__ import annotations

from dataclasses import dataclass

# Paths in a square of 20 × 20: the state's sign inside its disc, and the kind's sign.
SIGNS = {
    "pending": "",
    "running": "M8 6.2v7.6l6-3.8z",
    "waiting": "M6 10h.01M10 10h.01M14 10h.01",
    "completed": "M6 10.4l2.8 2.8 5.4-6",
    "faulted": "M6.8 6.8l6.4 6.4M13.2 6.8l-6.4 6.4",
    "skipped": "M5.5 7l3.2 3-3.2 3M10.3 7l3.2 3-3.2 3M15 7v6",
    "retried": "M13.9 8.2A4.4 4.4 0 1 0 14.4 10.6M14.3 5.4v3h-3",
    "cancelled": "M6 10h8",
    "suspended": "M7.9 6.4v7.2M12.1 6.4v7.2",
}
KIND_SIGNS = {
    "call": "M4 10h11M11 6l4 4-4 4",
    "emit": "M10 10h.01M6.8 6.8a4.5 4.5 0 0 0 0 6.4M13.2 6.8a4.5 4.5 0 0 1 0 6.4M4.4 4.4a8 8 0 0 0 0 11.2M15.6 4.4a8 8"
    " 0 0 1 0 11.2",
    "listen": "M4 10a6 6 0 0 1 12 0M7.2 10a2.8 2.8 0 0 1 5.6 0M10 10v6",
    "set": "M4 7.5h12M4 12.5h12",
    "switch": "M10 3.5L16.5 10 10 16.5 3.5 10z",
    "try": "M10 3.5l5.5 2v4.5c0 3.4-2.4 5.4-5.5 6.5-3.1-1.1-5.5-3.1-5.5-6.5V5.5z",
    "do": "M5 5.5h10M5 10h10M5 14.5h10",
    "for": "M15 7.5A5.6 5.6 0 1 0 15.6 11M15.4 4v3.8h-3.8",
    "fork": "M10 16.5v-4M10 12.500L5 8V3.500M10 12.500L15 8V3.500",
    "raise": "M10 3.500l7 12.500H3zM10 8.200v3.600M10 13.900h.01",
    "run": "M6.500 4.500v11l9-5.500z",
    "wait": "M10 4a6 6 0 1 0 .01 0zM10 7v3.200l2.200 1.600",
}


@dataclass(frozen=True, slots=True)
class Colours:
    """Of one state: ground and text of a box, its border; `strong` the disc, `on` the sign in it.

    The box of the current step is `strong` with `on` as its text.
    """

    ground: str
    ink: str
    line: str
    strong: str
    on: str


LIGHT = {
    "pending": Colours("#ffffff", "#5b6675", "#aeb7c2", "#647080", "#ffffff"),
    "running": Colours("#e3edff", "#123f8f", "#175cd3", "#175cd3", "#ffffff"),
    "waiting": Colours("#fff3d6", "#6f3d00", "#b76e00", "#93520a", "#ffffff"),
    "completed": Colours("#e6f6ed", "#085a36", "#3a9d6a", "#067647", "#ffffff"),
    "faulted": Colours("#fee4e2", "#8f1d14", "#d92d20", "#b42318", "#ffffff"),
    "skipped": Colours("#f3f4f6", "#55606e", "#98a2ae", "#647080", "#ffffff"),
    "retried": Colours("#ffeadb", "#86300a", "#d0571a", "#b03c08", "#ffffff"),
    "cancelled": Colours("#eceef1", "#48515e", "#7d8794", "#48515e", "#ffffff"),
    "suspended": Colours("#efe9ff", "#4a2fb0", "#6d4fd6", "#5b3cc4", "#ffffff"),
}
DARK = {
    "pending": Colours("#161b22", "#a3adba", "#465160", "#8b95a3", "#10141a"),
    "running": Colours("#13294d", "#c9dcff", "#84adff", "#84adff", "#0b1a33"),
    "waiting": Colours("#3a2a0b", "#fde2a4", "#fec84b", "#fec84b", "#2a1c02"),
    "completed": Colours("#0f2e21", "#b4efd0", "#4fb985", "#75e0a7", "#06281a"),
    "faulted": Colours("#3f1513", "#ffd3cf", "#fda29b", "#fda29b", "#3a0d0a"),
    "skipped": Colours("#1d232b", "#a8b2bf", "#566170", "#8b95a3", "#10141a"),
    "retried": Colours("#3d2110", "#ffd7bd", "#fb9a5a", "#fb9a5a", "#331503"),
    "cancelled": Colours("#22272e", "#b8c1cc", "#6c7785", "#9aa5b1", "#12161b"),
    "suspended": Colours("#2a2150", "#ddd4ff", "#b4a3f8", "#b4a3f8", "#1c1240"),
}
# Of the picture itself: (light, dark).
PLAIN = {
    "paper": ("#ffffff", "#0f1318"),
    "frame": ("#f6f8fa", "#12171d"),
    "word": ("#3f4a57", "#b8c1cc"),
    "way": ("#97a1ad", "#5d6875"),
    "taken": ("#1f2937", "#dbe2ea"),
}
RULES = """\
.wf{display:block;max-width:100%;height:auto;font-family:Inter,"Helvetica Neue",Arial,sans-serif}
.wf text{font-size:11px;fill:var(--wf-word)}.wf a{cursor:pointer;text-decoration:none}
.wf .wf-ground{fill:var(--g);stroke:var(--l);stroke-width:1.25}.wf .wf-frame .wf-ground{fill:var(--wf-frame)}
.wf .wf-step text{fill:var(--i)}.wf .wf-step .wf-name{font-size:12.5px;font-weight:600}
.wf .wf-disc{fill:var(--s)}
.wf .wf-sign{fill:none;stroke:var(--o);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.wf .wf-kind{fill:none;stroke:var(--i);stroke-width:1.9;stroke-linecap:round;stroke-linejoin:round}
.wf .wf-pending .wf-disc{fill:none;stroke:var(--l);stroke-width:1.5}
.wf .wf-running .wf-sign{fill:var(--o);stroke-width:1}
.wf .wf-waiting .wf-sign{stroke-width:2.6}.wf .wf-skipped .wf-ground,.wf .wf-cancelled .wf-ground{stroke-dasharray:5 3}
.wf .wf-cancelled .wf-name{text-decoration:line-through}
.wf .wf-current .wf-ground{stroke-width:2.5}.wf .wf-halo{fill:none;stroke:var(--s);stroke-width:3;opacity:.45}
.wf .wf-full .wf-ground{fill:var(--s);stroke:var(--s)}.wf .wf-full text{fill:var(--o)}
.wf .wf-full .wf-kind{stroke:var(--o)}
.wf .wf-full .wf-disc{fill:var(--o)}.wf .wf-full .wf-sign{stroke:var(--s)}
.wf .wf-full.wf-running .wf-sign{fill:var(--s)}
.wf .wf-flag rect{fill:var(--s);stroke:var(--wf-paper);stroke-width:1.5}
.wf .wf-flag text{fill:var(--o);font-weight:700;font-size:10.5px}
.wf a:hover .wf-ground{stroke-width:2.5}.wf a:focus-visible{outline:none}.wf a:focus-visible .wf-ground{stroke-width:4}
.wf .wf-edge path{fill:none;stroke:var(--wf-way);stroke-width:1.5}.wf .wf-edge .wf-tip{fill:var(--wf-way);stroke:none}
.wf .wf-taken path{stroke:var(--wf-taken);stroke-width:2}.wf .wf-taken .wf-tip{fill:var(--wf-taken)}
.wf .wf-error path{stroke-dasharray:4 3}.wf .wf-catch rect{fill:none;stroke:var(--wf-way);stroke-dasharray:4 3}
.wf .wf-catch text{font-weight:600}.wf .wf-pill rect{fill:var(--wf-paper);stroke:var(--wf-way)}
.wf .wf-end text,.wf .wf-start text,.wf .wf-exit text,.wf .wf-on text{font-weight:600}
.wf .wf-label{font-weight:500}
"""


def style() -> str:
    """The style sheet of the picture: light; dark under a `.dark` page, and by the reader's wish where the page does
    not choose itself (the admin does, its root carries x-data) or the picture stands alone.
    """
    light, dark = _variables(LIGHT, 0), _variables(DARK, 1)
    return (
        f"{_rules('', light)}@media (prefers-color-scheme:dark){{{_rules(':root:not([x-data]) ', dark)}"
        f"{_rules('', dark, root=':root')}}}\n{_rules('.dark ', dark)}{RULES}"
    )


def _variables(states: dict[str, Colours], scheme: int) -> list[tuple[str, str]]:
    """Class and declarations; the empty class is the picture's own."""
    own = "".join(f"--wf-{name}:{both[scheme]};" for name, both in PLAIN.items())
    found = [("", own)]
    for state, of in states.items():
        found.append((f" .wf-{state}", f"--g:{of.ground};--i:{of.ink};--l:{of.line};--s:{of.strong};--o:{of.on};"))
    return found


def _rules(before: str, variables: list[tuple[str, str]], *, root: str = "") -> str:
    return "".join(f"{before}.wf{root}{name}{{{values}}}\n" for name, values in variables)
