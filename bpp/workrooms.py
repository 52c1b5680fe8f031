"""What stands together on the page of a workflow instance or of a definition?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Left
from django.utils.safestring import SafeString, mark_safe

from bpp.masking import masked
from catalog.wording import NONE, span
from fulfillment.models import TaskRun, WorkflowDefinition, WorkflowInstance
from fulfillment.services.instances import IN_WORDS, pinned
from fulfillment.workflow import Definition, DefinitionError
from fulfillment.workflow.diagram import Mark, anchor, draw, nodes_of

R = TaskRun.State
W = WorkflowInstance.Status
OPEN = frozenset({R.STARTED, R.WAITING, R.RETRIED})
# Of each step the newest runs are shown in full.
MOST_RUNS = 3
MOST_CHARS = 10_000
# What a card may have that is cut in two.
SPARE_CHARS = 200
TONES = {
    "pending": "",
    "running": "vb-wait",
    "waiting": "vb-warn",
    "retried": "vb-warn",
    "suspended": "vb-warn",
    "completed": "vb-good",
    "faulted": "vb-bad",
}
TEXT = "{}_text"
OWN = ("fault", "input", "output")
CONTENTS = {"fault": "Error", "input": "Input", "request": "Request", "output": "Output"}


class Seen(NamedTuple):
    """A run of a task without what went in and came out."""

    id: int
    pointer: str
    visit: str
    attempt: int
    name: str
    kind: str
    state: str
    asked: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of JSON as text, perhaps cut."""

    title: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a step in words, with what went in and came out."""

    which: str
    state: str
    tone: str
    asked: str
    started_at: datetime
    took: str
    contents: list[Content]


@dataclass(frozen=True, slots=True)
class Step:
    """A step that ran: its newest run first, how many there were, and whether the instance stands here."""

    anchor: str
    pointer: str
    name: str
    kind: str
    depth: int
    state: str
    tone: str
    count: int
    took: str
    current: bool
    runs: list[Run]


@dataclass(frozen=True, slots=True)
class InstanceRoom:
    """An instance's picture, its steps in the order they first ran, those it never came to, and its own contents.

    `problem` is what went wrong with its session, `trouble` why there is no picture.
    """

    trigger: str
    lasted: str
    tone: str
    reason: str
    problem: str
    card: str
    picture: SafeString
    trouble: str
    steps: list[Step]
    untouched: list[tuple[str, str]]
    contents: list[Content]

    @property
    def here(self) -> list[Step]:
        """The steps at which the instance stands."""
        return [step for step in self.steps if step.current]


@dataclass(frozen=True, slots=True)
class DefinitionRoom:
    """A definition's picture, or why it cannot be drawn."""

    picture: SafeString
    trouble: str


def instance_room(instance: WorkflowInstance, *, cards: bool, now: datetime) -> InstanceRoom:
    """Everything about one instance; without `cards` the numbers of cards are masked throughout."""
    card = instance.card
    by_pointer = _by_pointer(Seen(*row) for row in instance.tasks.order_by("id").values_list(*Seen._fields))
    here = _here(instance, by_pointer)
    contents = _contents_of_runs(by_pointer, card=None if cards else card)
    definition, trouble = _read(instance.definition)
    places = definition.places() if definition else ()
    own = WorkflowInstance.objects.filter(pk=instance.pk).annotate(**_as_text(OWN)).values(*map(TEXT.format, OWN))
    fault = instance.session.fault if instance.session else ""
    lasted = span(((instance.ended_at or now) - instance.created_at).total_seconds())
    return InstanceRoom(
        trigger=IN_WORDS.get(instance.trigger, instance.trigger),
        lasted=lasted,
        tone=_tone(instance.status),
        reason=instance.reason if cards else masked(instance.reason, card),
        problem=fault if cards else masked(fault, card),
        card=card if cards else "",
        picture=_picture(definition, _marks(instance, by_pointer, here), f"{instance}, {instance.status}"),
        trouble=trouble,
        steps=[_step(runs, contents, suspended=_suspended(instance), here=here) for runs in by_pointer.values()],
        untouched=[(anchor(place.pointer), place.name) for place in places if place.pointer not in by_pointer],
        contents=_contents(own.get(), card=None if cards else card),
    )


def definition_room(row: WorkflowDefinition) -> DefinitionRoom:
    """A definition as it is drawn for an instance that has not begun."""
    definition, trouble = _read(row)
    return DefinitionRoom(_picture(definition, {}, str(row)), trouble)


def _read(row: WorkflowDefinition) -> tuple[Definition | None, str]:
    try:
        return pinned(row), ""
    except DefinitionError as err:
        return None, f"The text of {row} cannot be read any more, so there is no picture: {err}"


def _picture(definition: Definition | None, marks: dict[str, Mark], title: str) -> SafeString:
    if definition is None:
        return SafeString("")
    return mark_safe(draw(nodes_of(definition), marks, title=title))  # noqa: S308 -- it escapes all that it is given


def _by_pointer(runs: Iterable[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for run in runs:
        found.setdefault(run.pointer, []).append(run)
    return found


def _here(instance: WorkflowInstance, by_pointer: dict[str, list[Seen]]) -> frozenset[str]:
    """Where an instance stands: the innermost tasks that are open, or the one whose fault ended it."""
    if instance.status == W.FAULTED:
        return frozenset({str((instance.fault or {}).get("instance", ""))})
    if instance.status in WorkflowInstance.OVER:
        return frozenset()
    open_ = {pointer for pointer, runs in by_pointer.items() if runs[-1].state in OPEN}
    return frozenset(each for each in open_ if not any(other.startswith(f"{each}/") for other in open_))


def _suspended(instance: WorkflowInstance) -> bool:
    return instance.status == W.SUSPENDED


def _marks(instance: WorkflowInstance, by_pointer: dict[str, list[Seen]], here: frozenset[str]) -> dict[str, Mark]:
    return {
        pointer: Mark(
            _state(runs[-1], suspended=_suspended(instance) and pointer in here),
            attempts=runs[-1].attempt,
            seconds=_seconds(runs[-1]),
            current=pointer in here,
        )
        for pointer, runs in by_pointer.items()
    }


def _state(run: Seen, *, suspended: bool) -> str:
    if suspended:
        return "suspended"
    return "running" if run.state == R.STARTED else run.state


def _seconds(run: Seen) -> float | None:
    return (run.ended_at - run.started_at).total_seconds() if run.ended_at else None


def _step(runs: Sequence[Seen], contents: dict[int, list[Content]], *, suspended: bool, here: frozenset[str]) -> Step:
    newest = runs[-1]
    current = newest.pointer in here
    state = _state(newest, suspended=suspended and current)
    return Step(
        anchor=anchor(newest.pointer),
        pointer=newest.pointer,
        name=newest.name,
        kind=newest.kind,
        depth=sum(part.isdigit() for part in newest.pointer.split("/")) - 1,
        state=state,
        tone=_tone(state),
        count=len(runs),
        took=_took(newest),
        current=current,
        runs=[_run(run, contents.get(run.id, [])) for run in reversed(runs[-MOST_RUNS:])],
    )


def _run(run: Seen, contents: list[Content]) -> Run:
    again = set(run.visit.split(".")) - {"", "1"}
    visit = f", visit {run.visit}" if again else ""
    return Run(
        which=f"attempt {run.attempt}{visit}",
        state=_state(run, suspended=False),
        tone=_tone(_state(run, suspended=False)),
        asked=f"asked for {run.asked} times" if run.asked > 1 else "asked for once" if run.asked else "",
        started_at=run.started_at,
        took=_took(run),
        contents=contents,
    )


def _took(run: Seen) -> str:
    seconds = _seconds(run)
    return NONE if seconds is None else span(seconds)


def _tone(state: str) -> str:
    return TONES.get(state, "")


def _as_text(names: Iterable[str]) -> dict[str, Any]:
    """JSON columns as indented text, cut by the database: a large answer never comes here whole."""
    most = Value(MOST_CHARS + SPARE_CHARS)
    pretty = {name: Func(F(name), function="jsonb_pretty", output_field=TextField()) for name in names}
    return {TEXT.format(name): Left(text, most) for name, text in pretty.items()}


def _contents_of_runs(by_pointer: dict[str, list[Seen]], *, card: str | None) -> dict[int, list[Content]]:
    shown = [run.id for runs in by_pointer.values() for run in runs[-MOST_RUNS:]]
    rows = TaskRun.objects.filter(pk__in=shown).annotate(**_as_text(CONTENTS))
    return {row["id"]: _contents(row, card=card) for row in rows.values("id", *map(TEXT.format, CONTENTS))}


def _contents(row: dict[str, Any], *, card: str | None) -> list[Content]:
    """What there is of the columns of a row; `card` None masks nothing."""
    found = []
    for name, title in CONTENTS.items():
        text = row.get(TEXT.format(name))
        if text is not None:
            text = text if card is None else masked(text, card)
            found.append(Content(title, text[:MOST_CHARS], len(text) > MOST_CHARS))
    return found
