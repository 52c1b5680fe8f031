"""Is a definition read as it is written, and refused with place and reason where it is not sound?"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from fulfillment import workflow
from fulfillment.workflow import DefinitionError, Place
from tests import at_hand
from tests.fulfillment.workflow import official
from tests.fulfillment.workflow.driving import HEAD, Run, define

SEED = "seeds/001_2811a993b6635489.txt"


def faults(text: str, *, head: str = HEAD) -> list[tuple[str, str, str]]:
    """(pointer, seen, allowed) of everything that is wrong with a definition."""
    with pytest.raises(DefinitionError) as refusal:
        workflow.load(head + text)
    assert str(refusal.value).count("\n") == len(refusal.value.faults) - 1
    return [(fault.pointer, fault.seen, fault.allowed) for fault in refusal.value.faults]


def test_definition_is_pinned_by_its_text() -> None:
    text = HEAD + "do: [{a: {set: {n: 1}}}]"
    found = workflow.load(text)
    assert (found.namespace, found.name, found.version, found.text) == ("tests", "told", "1.0.0", text)
    assert found.hash == hashlib.sha256(text.encode()).hexdigest()
    assert found.document["do"] == [{"a": {"set": {"n": 1}}}]
    assert found.triggers == ()


def test_json_is_a_definition_too() -> None:
    head = '{"dsl": "1.0.0", "namespace": "n", "name": "n", "version": "1.0.0"}'
    assert workflow.load(f'{{"document": {head}, "do": [{{"a": {{"set": {{"n": 1}}}}}}]}}').name == "n"


def test_triggers_are_the_events_of_its_schedule() -> None:
    found = define(
        """
        schedule: {on: {any: [{with: {type: t.scanned}}, {with: {type: t.faulted, source: 'https://e.com'}}]}}
        do: [{a: {set: {n: 1}}}]
        """
    )
    scanned = {"type": "t.scanned", "source": "https://e.com"}
    assert [trigger.matches(scanned) for trigger in found.triggers] == [True, False]
    assert (
        define("schedule: {on: {one: {with: {type: t}}}}\ndo: [{a: {set: {n: 1}}}]").triggers[0].matches({"type": "t"})
    )


NESTED = """
do:
- choose: {switch: [{one: {when: . == 1, then: t}}, {other: {then: end}}]}
- t:
    try: [{call it: {call: http, with: {method: get, endpoint: 'https://example.com'}}}]
    catch: {do: [{mend: {set: {n: 1}}}]}
- loop: {for: {in: .}, do: [{a/b~c: {set: {n: 2}}}], then: choose}
- split: {fork: {branches: [{left: {do: [{x: {wait: PT1S}}]}}, {right: {set: {n: 1}}}]}}
"""


def test_places_are_all_tasks_in_document_order() -> None:
    places = define(NESTED).places()
    assert [(place.pointer, place.kind, place.parent, place.branch, place.index) for place in places] == [
        ("/do/0/choose", "switch", "", "do", 0),
        ("/do/1/t", "try", "", "do", 1),
        ("/do/1/t/try/0/call it", "call http", "/do/1/t", "try", 0),
        ("/do/1/t/catch/do/0/mend", "set", "/do/1/t", "catch", 0),
        ("/do/2/loop", "for", "", "do", 2),
        ("/do/2/loop/do/0/a~1b~0c", "set", "/do/2/loop", "do", 0),
        ("/do/3/split", "fork", "", "do", 3),
        ("/do/3/split/fork/branches/0/left", "do", "/do/3/split", "fork", 0),
        ("/do/3/split/fork/branches/0/left/do/0/x", "wait", "/do/3/split/fork/branches/0/left", "do", 0),
        ("/do/3/split/fork/branches/1/right", "set", "/do/3/split", "fork", 1),
    ]
    assert places[0] == Place(
        "/do/0/choose", "choose", "switch", "", 0, cases=(("one", ". == 1", "t"), ("other", "", "end"))
    )
    assert (places[4].then, places[5].name) == ("choose", "a/b~c")


def test_task_is_found_by_its_pointer() -> None:
    found = define(NESTED)
    assert found.task("/do/1/t/catch/do/0/mend") == {"set": {"n": 1}}
    assert found.siblings("/do/1/t/try/0/call it") == ("/do/1/t/try/0/call it",)
    assert found.tasks_in("/do/0/choose/do") == ()
    with pytest.raises(KeyError):
        found.task("/do/9/none")


def refused() -> list[tuple[str, ...]]:
    """(text, pointer, seen, allowed) of every definition in refused.txt."""
    blocks = Path(__file__).with_name("refused.txt").read_text("utf-8").strip().split("\n\n")[1:]
    cases = [block.split("\n!! ") for block in blocks]
    return [(text, *(part.strip() for part in verdict.split(" | "))) for text, verdict in cases]


@pytest.mark.parametrize(("text", "pointer", "seen", "allowed"), refused())
def test_fault_is_told_with_place_and_reason(text: str, pointer: str, seen: str, allowed: str) -> None:
    found = faults(text)
    assert len(found) == 1, found
    assert found[0][0] == pointer
    assert seen in found[0][1]
    assert allowed in found[0][2]


@pytest.mark.parametrize("text", ["", "5", "[]", "text", "document: 5\ndo: 5", "do: {a: {set: {n: 1}}}"])
def test_anything_else_is_refused(text: str) -> None:
    assert faults(text, head="")


def test_unknown_version_of_the_dsl_is_refused() -> None:
    head = HEAD.replace("1.0.3", "0.8.0")
    assert faults("do: [{a: {set: {n: 1}}}]", head=head) == [("/document/dsl", "0.8.0", "a version 1.0.x of the DSL")]


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        """
input: {form: .x}
do:
- a: {set: {n: 1}, then: zz}
- b: {do: [{c: {run: {shell: {command: ls}}}}, {d: {wait: soon}}]}
- a: {raise: {}}
"""
    )
    assert [pointer for pointer, _, _ in found] == [
        "/input",
        "/do/0/a/then",
        "/do/1/b/do/0/c/run",
        "/do/1/b/do/1/d/wait",
        "/do/2/a/raise",
        "/do/2/a",
    ]


def test_fault_of_a_shared_part_is_told_once() -> None:
    calls = ", ".join(f"{{c{number}: {{call: f}}}}" for number in range(3))
    text = f"use: {{functions: {{f: {{call: http, with: {{method: get, endpoint: '${{ nope }}'}}}}}}}}\ndo: [{calls}]"
    assert [pointer for pointer, _, _ in faults(text)] == ["/use/functions/f/with/endpoint"]


@pytest.mark.parametrize(
    "tasks",
    [
        "do: [{end: {set: {n: 1}}}, {continue: {set: {n: 1}}}]",
        "do: [{a: {for: {in: ., each: x, at: y}, while: $x > $y, do: [{b: {set: {n: '${ [$x, $y] }'}}}]}}]",
        "do: [{a: {try: [{b: {set: {n: 1}}}], catch: {as: e, when: $e, do: [{c: {set: {n: '${ $e }'}}}]}}}]",
        "do: [{a: {set: {n: 1}, export: {as: '$context + {a: $output, b: $input, c: $task.output}'}}}]",
        "do: [{a: {set: {n: '${ [$task, $workflow, $runtime, $authorization] }'}, metadata: {note: any}}}]",
        "timeout: {after: '${ $workflow.input }'}\ndo: [{a: {set: {n: 1}, timeout: {after: '${ .t }'}}}]",
        "use: {errors: {e: {type: 'https://e.com', status: 400, title: '${ .t }'}}}\ndo: [{a: {raise: {error: e}}}]",
        "use: {retries: {r: {delay: PT1S, when: $error}}}\ndo: [{a: {try: [{b: {wait: PT1S}}], catch: {retry: r}}}]",
    ],
)
def test_sound_definition_is_loaded(tasks: str) -> None:
    assert define(tasks).places()


def literal() -> str:
    """The station's definition as the customer wrote it."""
    return at_hand.published(SEED).read_text("utf-8").split("```yaml\n")[1].split("```")[0]


def test_literal_definition_of_the_seed_loads() -> None:
    found = workflow.load(literal())
    official.hold(literal())
    assert (found.name, found.version, len(found.places())) == ("managing-ev-charging-stations", "0.1.0", 26)
    assert [trigger.attributes["type"] for trigger in found.triggers] == [
        "com.ev-power-supplier.charging-station.card-scanned.v1",
        "com.ev-power-supplier.charging-station.faulted.v1",
    ]


@pytest.mark.parametrize("kind", ["card-scanned", "faulted"])
def test_literal_definition_of_the_seed_faults_on_every_event(kind: str) -> None:
    event = {"type": f"com.ev-power-supplier.charging-station.{kind}.v1", "data": {"stationId": "S1", "cardId": "c-1"}}
    run = Run(workflow.load(literal()), [event])
    assert run.turn.fault is not None
    assert (run.turn.fault.status, run.turn.fault.title) == (400, "Unsupported Event")
    assert "'null' is not supported" in run.turn.fault.detail
    assert run.names() == ["initialize", "handleStationEvents"]


def test_official_schema_finds_faults_where_it_is_at_hand() -> None:
    at_hand.published(official.SCHEMA)
    assert official.faults(HEAD + "do: [{a: {set: {n: 1}}}]") == []
    assert official.faults(HEAD + "do: [{a: {set: 5}}]")


def test_fault_reads_as_a_sentence() -> None:
    found: Any = faults("do: []")[0]
    assert str(workflow.DefinitionFault(*found)).startswith("/do: []; allowed: a list of tasks")
