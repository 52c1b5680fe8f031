"""What do the feature files of the conformance kit say, and how is each of their steps taken?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fulfillment import workflow
from fulfillment.workflow import Effect, yaml12
from tests.fulfillment.workflow.driving import Outcome, Run

_SCENARIO = re.compile(r"^\s*Scenario:\s*(.+?)\s*$", re.MULTILINE)
_STEP = re.compile(r'^\s*(?:Given|When|Then|And)\s+(?:given\s+)?(.+?)\s*$(?:\n\s*"""yaml\n(.*?)\n\s*""")?', re.M | re.S)
_WORD = re.compile(r"'([^']*)'")


@dataclass(frozen=True)
class Scenario:
    """A scenario: its steps in order, each a sentence and the YAML under it."""

    file: str
    title: str
    steps: tuple[tuple[str, str], ...]


def scenarios(folder: Path) -> Iterator[Scenario]:
    """All scenarios of the feature files in a folder."""
    for path in sorted(folder.glob("*.feature")):
        titles_and_bodies = _SCENARIO.split(path.read_text("utf-8"))[1:]
        for title, body in zip(titles_and_bodies[::2], titles_and_bodies[1::2], strict=True):
            steps = tuple((found[1], _flush(found[2] or "")) for found in _STEP.finditer(_no_remarks(body)))
            yield Scenario(path.stem, title, steps)


def play(scenario: Scenario, performer: Callable[[Effect], Outcome]) -> None:
    """Take every step of a scenario; a step nobody knows is a KeyError."""
    told: dict[str, Any] = {"performer": performer}
    for sentence, text in scenario.steps:
        act = next((act for pattern, act in STEPS.items() if re.fullmatch(pattern, sentence)), None)
        if act is None:
            raise KeyError(sentence)
        act(told, sentence, text)


def _execute(told: dict[str, Any], sentence: str, text: str) -> None:
    told["run"] = Run(workflow.load(told["definition"]), told.get("input"))
    told["run"].perform(told["performer"])


def _ended(told: dict[str, Any], sentence: str, text: str) -> None:
    turn = told["run"].turn
    wanted = "faulted" if "fault" in sentence else "completed"
    assert turn.status == wanted, turn.fault
    if text and wanted == "faulted":
        assert turn.fault.as_dict() == yaml12.read(text)
    elif text:
        assert turn.output == yaml12.read(text)


def _properties(told: dict[str, Any], sentence: str, text: str) -> None:
    for path in _WORD.findall(sentence):
        assert _at(told["run"].turn.output, path) is not None


def _property(told: dict[str, Any], sentence: str, text: str) -> None:
    value = _at(told["run"].turn.output, _WORD.findall(sentence)[0])
    if text:
        assert value == yaml12.read(text)
    else:
        assert len(value) == int(sentence.split()[-2])


def _ran(told: dict[str, Any], sentence: str, text: str) -> None:
    names, (name, order, *other) = told["run"].names(), sentence.replace("should run ", "").split()
    if order in {"first", "last"}:
        assert names[0 if order == "first" else -1] == name
    else:
        before, after = (name, other[0]) if order == "before" else (other[0], name)
        assert names.index(before) < names.index(after)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[name]
    return value


def _no_remarks(body: str) -> str:
    return re.sub(r"^\s*#.*\n", "", body, flags=re.MULTILINE)


def _flush(text: str) -> str:
    """A block without the margin that its first line has."""
    margin = len(text) - len(text.lstrip(" "))
    return "\n".join(line[margin:] for line in text.split("\n"))


STEPS: dict[str, Callable[[dict[str, Any], str, str], None]] = {
    "a workflow with definition:": lambda told, _, text: told.update(definition=text),
    "the workflow input is:": lambda told, _, text: told.update(input=yaml12.read(text)),
    "the workflow is executed": _execute,
    r"the workflow should (complete|complete with output:|fault|fault with error:)": _ended,
    "the workflow output should have properties .*": _properties,
    r"the workflow output should have an? '.*' property (with value:|containing \d+ items?)": _property,
    r"\w+ should run (first|last|before \w+|after \w+)": _ran,
}
