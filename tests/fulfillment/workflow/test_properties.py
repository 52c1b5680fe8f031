"""What holds for every workflow, whatever its tasks, answers and times?"""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fulfillment import workflow
from fulfillment.workflow import Definition, Turn, UnknownEffectError
from tests.fulfillment.workflow import official
from tests.fulfillment.workflow.driving import HOST, NOW, answer

MOST_TURNS = 400
CALL = {"call": "http", "with": {"method": "get", "endpoint": "https://example.com/x"}}
ERROR = {"type": "https://example.com/x", "status": 409}

leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"set": {"n": "${ .n + 1 }"}},
        {"set": "${ $task.reference }", "export": {"as": "$context + {last: $workflow.id}"}},
        {"switch": [{"some": {"when": ".n == 1", "then": "continue"}}, {"other": {"then": "exit"}}]},
        {"raise": {"error": ERROR}},
        {"emit": {"event": {"with": {"source": "https://example.com", "type": "t", "data": "${ . }"}}}},
        {"wait": "PT5S"},
        {"wait": {"minutes": 10}},
        CALL,
        CALL | {"timeout": {"after": "PT3S"}},
        {"listen": {"to": {"one": {"with": {"type": "t"}}}}},
        {"if": ".n == 1", "set": {"skipped": False}, "then": "end"},
        {"set": "${ .n.x.y }"},
    ]
)


def _listed(tasks: list[Any]) -> list[dict[str, Any]]:
    return [{f"t{number}": task} for number, task in enumerate(tasks)]


def _grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.lists(inner, min_size=1, max_size=3).map(_listed)
    retry = {"delay": "PT1S", "backoff": {"linear": {}}, "limit": {"attempt": {"count": 2}}}
    return st.one_of(
        lists.map(lambda tasks: {"do": tasks}),
        lists.map(lambda tasks: {"do": tasks, "timeout": {"after": "PT7S"}}),
        lists.map(lambda tasks: {"for": {"in": "[1, 2]"}, "do": tasks}),
        lists.map(lambda tasks: {"try": tasks, "catch": {}}),
        lists.map(lambda tasks: {"try": tasks, "catch": {"retry": retry}}),
        lists.map(lambda tasks: {"fork": {"branches": tasks}}),
        lists.map(lambda tasks: {"fork": {"branches": tasks, "compete": True}}),
        st.tuples(lists, lists).map(lambda both: {"try": both[0], "catch": {"retry": retry, "do": both[1]}}),
    )


tasks: st.SearchStrategy[dict[str, Any]] = st.recursive(leaves, _grown, max_leaves=12)
HEAD = {"dsl": "1.0.3", "namespace": "tests", "name": "grown", "version": "1.0.0"}
definitions = st.lists(tasks, min_size=1, max_size=4).map(
    lambda found: json.dumps({"document": HEAD, "do": _listed(found)})
)
outcomes = st.sampled_from(
    [
        answer({"n": 1}),
        answer({"n": 2}, status=201),
        answer("down", status=503),
        answer({"detail": "gone"}, status=404),
        {"failure": "timeout", "text": "slow"},
    ]
)


def written(turn: Turn) -> bytes:
    """Everything a turn says, as bytes."""
    return orjson.dumps(turn, default=lambda fault: fault.as_dict())


class Story:
    """An instance driven by chance, each turn taken twice: from the state, and from what was kept of it."""

    def __init__(self, definition: Definition, data: st.DataObject) -> None:
        self.definition, self.data, self.now = definition, data, NOW
        self.turns: list[Turn] = []
        first, again = (workflow.begin(definition, {"n": 1}, instance="i", now=NOW, host=HOST) for _ in range(2))
        self._take(first, again)

    def tell(self) -> None:
        """Go on until it is over."""
        while self.turns[-1].status in {"running", "waiting"} and len(self.turns) < MOST_TURNS:
            effects = workflow.wanted(self.definition, self.turns[-1].state, host=HOST)
            assert len({effect.id for effect in effects}) == len(effects)
            if self.turns[-1].wake_at and (not effects or self.data.draw(st.booleans())):
                self._wake()
            else:
                self._answer(effects)
            assert effects or self.turns[-2].wake_at

    def _wake(self) -> None:
        self.now = max(self.now, self.turns[-1].wake_at or self.now) + timedelta(
            seconds=self.data.draw(st.integers(0, 4))
        )
        first, again = (workflow.wake(self.definition, state, now=self.now, host=HOST) for state in self._states())
        self._take(first, again)

    def _answer(self, effects: tuple[workflow.Effect, ...]) -> None:
        effect = self.data.draw(st.sampled_from(effects))
        outcome = {"events": [{"type": "t", "data": {"n": 1}}]} if effect.kind == "listen" else self.data.draw(outcomes)
        first, again = (
            workflow.resume(self.definition, state, effect.id, outcome, now=self.now, host=HOST)
            for state in self._states()
        )
        self._take(first, again)
        try:
            workflow.resume(self.definition, first.state, effect.id, outcome, now=self.now, host=HOST)
        except UnknownEffectError:
            return
        raise AssertionError(f"{effect.id} was answered twice")

    def _states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.turns[-1].state, json.loads(json.dumps(self.turns[-1].state))

    def _take(self, first: Turn, again: Turn) -> None:
        assert written(first) == written(again)
        self.turns.append(first)


@settings(max_examples=60, deadline=None)
@given(text=definitions, data=st.data())
def test_every_instance_is_told_the_same_way_and_ends(text: str, data: st.DataObject) -> None:
    official.hold(text)
    story = Story(workflow.load(text), data)
    story.tell()
    last = story.turns[-1]
    assert last.status in {"completed", "faulted"}
    assert workflow.wanted(story.definition, last.state, host=HOST) == ()
    assert last.wake_at is None

    steps = [step for turn in story.turns for step in turn.steps]
    told = Counter((step.pointer, step.visit, step.attempt, step.state) for step in steps if step.state != "retried")
    assert [key for key, times in told.items() if times > 1] == []
    ids = [event["id"] for turn in story.turns for event in turn.events]
    runs = [(step.pointer, step.visit) for step in steps if step.kind == "emit" and step.state == "completed"]
    assert len(set(ids)) == len(set(runs))


@settings(max_examples=40, deadline=None)
@given(text=definitions, data=st.data())
def test_every_faulted_instance_can_be_retried_where_it_faulted(text: str, data: st.DataObject) -> None:
    story = Story(workflow.load(text), data)
    story.tell()
    last = story.turns[-1]
    if last.status != "faulted" or last.fault is None:
        return
    faulted = next(
        step.pointer for step in last.steps if step.state == "faulted" and step.fault == last.fault.as_dict()
    )
    again = workflow.retry(story.definition, last.state, faulted, now=story.now, host=HOST)
    before = {
        (step.pointer, step.visit, step.attempt)
        for turn in story.turns
        for step in turn.steps
        if step.state == "faulted"
    }
    assert before.isdisjoint((step.pointer, step.visit, step.attempt) for step in again.steps)
