"""Does the station's definition do what the customer's text says, on every way through it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fulfillment import workflow
from fulfillment.services.instances import STATION_WORKFLOW, station_workflow
from fulfillment.workflow import Definition, DefinitionError
from tests.fulfillment.workflow.driving import NOW, STANDARD, answer
from tests.fulfillment.workflow.station import (
    CHARGING,
    DOWN,
    ENDED,
    FULL,
    LOST,
    NONE,
    StationRun,
    at_station,
    event,
    refusal,
)

SEED = Path(__file__).parents[2] / "fixtures" / "workflow" / f"{STATION_WORKFLOW}.seed.yaml"

BEGIN = ["find", "acquire"]
FLOW = ["> slot-acquired", "lock", "start", "> energy-flows", "led 1 on blue", "> session-started"]
END = ["end", "> charging-ended", "pay", "unlock", "> slot-freed", "led 1 flicker white 3000", "> session-ended"]
FREED = ["unlock", "> slot-freed"]
RED = ["led main flicker red 3000"]
BROKEN = ["led 1 on red", "support"]
RESERVED, LOCKED = at_station("reserved"), at_station("locked")
START, STOP, RELEASE = "start-requested", "stop-requested", "release-requested"
KNOWN = {"sessionId": "s-1", "slotNumber": 1}


@dataclass(frozen=True)
class Scene:
    """A trigger, what the station answers where it is not as usual, and the calls and events that follow."""

    kind: str
    story: list[str]
    answers: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


SCENES = {
    # The four stories of the customer's text.
    "card without a session": Scene("card-scanned", [*BEGIN, *FLOW]),
    "station full": Scene("card-scanned", [*BEGIN, "> start-failed", *RED], {"acquire": refusal(400, FULL)}),
    "same card again": Scene("card-scanned", ["find", *END], {"find": CHARGING}),
    "fault": Scene(
        "faulted", ["support", "led main on red", "> out-of-order"], data={"error": {"code": "EmergencyStop"}}
    ),
    # What an app asks for never toggles.
    "start": Scene(START, ["acquire", *FLOW], data={"again": False}),
    "start of what charges already": Scene(START, ["find", *FLOW], {"find": CHARGING}),
    "start of what was begun": Scene(START, ["find", *FLOW], {"find": RESERVED}),
    "card of what was begun": Scene("card-scanned", ["find", *FLOW], {"find": LOCKED}),
    "stop": Scene(STOP, END, data=KNOWN),
    # A start that takes its time, or does not come about.
    "slow start": Scene(
        START,
        [*BEGIN, *FLOW[:3], "ask x3", *FLOW[3:]],
        {"start": LOCKED, "ask": [LOCKED, at_station("charging", meterStartWh=None), CHARGING]},
    ),
    "start of a session that is over at once": Scene(START, [*BEGIN, *FLOW], {"start": ENDED}),
    "full, and somebody waits for it": Scene(
        START,
        ["find", "acquire x3", *FLOW],
        {
            "acquire": [
                refusal(400, FULL),
                refusal(400, FULL),
                answer({"slot": {"number": 1}, "session": {"id": "s-1"}}),
            ]
        },
        {"patient": True},
    ),
    "full for longer than anybody waits": Scene(
        START, ["find", "acquire x11", "> start-failed", *RED], {"acquire": refusal(400, FULL)}, {"patient": True}
    ),
    "card that the platform refuses": Scene("card-scanned", RED, data={"refused": "card unknown"}),
    "card that the station refuses": Scene("card-scanned", ["find", "> start-failed", *RED], {"find": refusal(403)}),
    "station that nobody reaches": Scene(START, ["find x11", "> start-failed", *RED], {"find": LOST}),
    "slot refused": Scene(START, [*BEGIN, "> start-failed", *RED], {"acquire": refusal(404)}),
    "slot of unknown outcome": Scene(
        START,
        ["find", "acquire x11", "> start-failed", "find", *FREED, "led 1 on red", "support", "find"],
        {"acquire": LOST, "find": [NONE, RESERVED, NONE]},
    ),
    "slot of unknown outcome that comes late": Scene(
        START,
        ["find", "acquire x11", "> start-failed", "find", "led main on red", "support", "find", *FREED],
        {"acquire": LOST, "find": [NONE, NONE, RESERVED]},
    ),
    "slot given in words that nobody understands": Scene(
        START,
        ["find", "acquire x11", "> start-failed", "find", *FREED, *BROKEN],
        {"acquire": answer({"slot": 5}, status=201), "find": [NONE, RESERVED]},
    ),
    "answers that are understood the second time": Scene(
        START,
        ["find x2", "acquire x3", *FLOW[:3], *FLOW],
        {
            "find": [answer([1]), NONE],
            "acquire": [answer("a slot"), answer({}), answer({"slot": {"number": 1}, "session": {"id": "s-1"}})],
            "start": [answer([1]), CHARGING],
        },
    ),
    "lock refused": Scene(
        START,
        [*BEGIN, "> slot-acquired", "lock", "> start-failed", "find", *FREED, *BROKEN],
        {"lock": refusal(409), "find": [NONE, RESERVED]},
    ),
    "start refused": Scene(
        START,
        [*BEGIN, *FLOW[:3], "> start-failed", "find", *FREED, *BROKEN],
        {"start": refusal(409), "find": [NONE, LOCKED]},
    ),
    "start tried again": Scene(
        START, [*BEGIN, *FLOW[:3], *FLOW[:3], *FLOW[:3], *FLOW[3:]], {"start": [DOWN, LOST, CHARGING]}
    ),
    "no energy within a minute": Scene(
        START,
        [*BEGIN, *FLOW[:3], "ask x119", "> start-failed", "find", *FREED, *BROKEN, "find"],
        {"start": LOCKED, "ask": LOCKED, "find": [NONE, LOCKED, NONE]},
    ),
    "energy after all, once it was given up": Scene(
        START,
        [*BEGIN, *FLOW[:3], "ask x119", "> start-failed", "find", "end", "pay", *FREED, *BROKEN, "find"],
        {"start": LOCKED, "ask": LOCKED, "find": [NONE, CHARGING, NONE]},
    ),
    # A stop that goes wrong.
    "stop without a register": Scene(STOP, ["end", "ask", *END[1:]], {"end": at_station("ended"), "ask": ENDED}, KNOWN),
    "stop of what the station does not know": Scene(
        STOP, ["end", "> session-lost", "find"], {"end": refusal(404)}, KNOWN
    ),
    "stop that nobody answers": Scene(
        STOP, ["end x42", "> session-lost", "find", *FREED], {"end": LOST, "find": at_station("paid")}, KNOWN
    ),
    "stop that is understood the second time": Scene(
        STOP,
        ["end x2", END[1], "pay x2", *END[3:]],
        {"end": [answer(7), ENDED], "pay": [answer([]), answer({})]},
        KNOWN,
    ),
    "payment declined": Scene(STOP, [*END[:3], "> payment-due", *END[3:]], {"pay": refusal(402)}, KNOWN),
    "payment nobody answers": Scene(STOP, [*END[:2], "pay x11", "> payment-due", *END[3:]], {"pay": DOWN}, KNOWN),
    "slot that stays shut": Scene(STOP, [*END[:3], "unlock x416", "> slot-stuck", *END[5:]], {"unlock": DOWN}, KNOWN),
    "stop at a charger that broke": Scene(
        STOP, [*END[:5], "led 1 on red", "> session-ended"], data=KNOWN | {"broken": True}
    ),
    "lamps that stay dark": Scene("card-scanned", [*BEGIN, *FLOW], {"led": DOWN}),
    # Giving back whatever a card holds.
    "release of nothing": Scene(RELEASE, ["find"]),
    "release once the station speaks clearly": Scene(RELEASE, ["find x2", *FREED], {"find": [answer([1]), LOCKED]}),
    "release of a reserved slot": Scene(RELEASE, ["find", *FREED], {"find": RESERVED}),
    "release of a locked slot": Scene(RELEASE, ["find", *FREED], {"find": LOCKED}),
    "release of what charges": Scene(RELEASE, ["find", "end", "pay", *FREED], {"find": CHARGING}),
    "release of what charges and cannot be ended": Scene(
        RELEASE, ["find", "end", "pay", *FREED], {"find": CHARGING, "end": refusal(409)}
    ),
    "release of what is not paid": Scene(RELEASE, ["find", "pay", *FREED], {"find": ENDED}),
    "release of what nobody pays": Scene(
        RELEASE, ["find", "pay", "> payment-due", *FREED], {"find": ENDED, "pay": refusal(402)}
    ),
    "release of what is paid": Scene(RELEASE, ["find", *FREED], {"find": at_station("paid")}),
    "release of a slot that stays shut": Scene(
        RELEASE, ["find", "unlock x416", "> slot-stuck"], {"find": LOCKED, "unlock": DOWN}
    ),
    "release at a charger that broke": Scene(
        RELEASE, ["find", *FREED, *BROKEN], {"find": LOCKED, "support": DOWN}, {"broken": True}
    ),
    "release of what may come late": Scene(RELEASE, ["find x2", *FREED], {"find": [NONE, LOCKED]}, {"lookAgain": True}),
    "fault while support is away": Scene(
        "faulted", ["support x11", "led main on red", "> out-of-order"], {"support": DOWN}
    ),
    "unknown type": Scene("rebooted", []),
}


@cache
def definition() -> Definition:
    return station_workflow()


def play(name: str) -> StationRun:
    scene = SCENES[name]
    # A start looks for what was begun before only where it is asked for again.
    data = ({"again": True} if scene.kind == START else {}) | dict(scene.data)
    return StationRun(definition(), event(scene.kind, **data), scene.answers)


@pytest.mark.parametrize("name", SCENES)
def test_calls_and_events_come_in_this_order(name: str) -> None:
    run = play(name)
    assert run.story == SCENES[name].story
    assert run.turn.status == ("faulted" if name == "unknown type" else "completed")


def test_every_task_is_entered_by_some_scene() -> None:
    entered = {step.pointer for name in SCENES for step in play(name).steps}
    assert {place.pointer for place in definition().places()} - entered == set()


def test_unknown_type_is_named_in_the_error() -> None:
    fault = play("unknown type").turn.fault
    assert fault is not None
    assert (fault.type, fault.status, fault.title) == (f"{STANDARD}validation", 400, "Unsupported Event")
    assert "charging-station.rebooted.v1' is not supported" in fault.detail


def test_events_tell_the_session_with_its_energy_and_amount() -> None:
    started = play("card without a session").said("session-started")
    assert started["stationId"] == "LOC-1"
    assert started["session"].items() >= {"id": "s-1", "card": "card-1", "slotNumber": 1, "status": "charging"}.items()
    ended = play("same card again").said("session-ended")
    assert ended["session"].items() >= {"id": "s-1", "card": "card-1", "slotNumber": 1, "energyWh": 5_000}.items()
    assert (ended["session"]["amount"], ended["session"]["currency"], ended["paymentDue"]) == ("60.00", "INR", False)
    assert play("payment declined").said("session-ended")["paymentDue"] is True


def test_fault_is_told_to_support_and_the_world_with_its_station() -> None:
    run = play("fault")
    assert run.requests[0].request["body"] == {"error": {"code": "EmergencyStop"}}
    assert run.said("out-of-order") == {"stationId": "LOC-1", "error": {"code": "EmergencyStop"}}
    only_one = StationRun(definition(), event("faulted", error={"code": "x"}, slotNumber=2), {})
    assert only_one.said("out-of-order")["slotNumber"] == 2


def test_slot_that_was_promised_is_asked_for() -> None:
    run = StationRun(definition(), event(START, slotNumber=1), {})
    assert [each.request["body"] for each in run.requests[:1]] == [{"card": "card-1", "slotNumber": 1}]
    assert play("card without a session").requests[1].request["body"] == {"card": "card-1"}


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("no energy within a minute", 60, 61 + 60),
        ("payment nobody answers", 45, 60),
        ("stop that nobody answers", 840, 900),
        ("slot that stays shut", 86_000, 86_400),
        ("release of what may come late", 60, 60),
        ("card without a session", 0, 0),
    ],
)
def test_patience_has_its_limits(name: str, least: int, most: int) -> None:
    assert timedelta(seconds=least) <= play(name).now - NOW <= timedelta(seconds=most)


def test_repeats_keep_the_id_of_the_call_and_of_what_is_told() -> None:
    run = play("start tried again")
    assert len({each.id for each in run.requests if each.pointer.endswith("/start")}) == 1
    assert len({each["id"] for each in run.events if each["type"].endswith("slot-acquired.v1")}) == 1
    asked = play("slow start").requests
    assert len({each.id for each in asked if each.pointer.endswith("/askStation")}) == 3


def test_same_answers_give_the_same_run() -> None:
    one, other = play("no energy within a minute"), play("no energy within a minute")
    assert (one.steps, one.events, one.turn.state) == (other.steps, other.events, other.turn.state)


def test_secret_of_the_supplier_is_in_no_state() -> None:
    assert "t0ken" not in repr([(step.input, step.output) for step in play("slow start").steps])
    assert "t0ken" not in repr(play("slow start").turn.state)


@pytest.mark.parametrize(("missing", "story"), [("stationId", []), ("cardId", RED)])
def test_event_without_its_station_or_card_acquires_nothing(missing: str, story: list[str]) -> None:
    run = StationRun(definition(), event("card-scanned", **{missing: None}), {})
    assert run.story == ["> start-failed", *story]


@pytest.mark.parametrize("kind", ["card-scanned", "faulted", "rebooted"])
def test_customers_own_document_refuses_every_event(kind: str) -> None:
    """The seed keeps the event's data without its type, so that no case of its switch ever fits."""
    run = StationRun(workflow.load(SEED.read_text(encoding="utf-8")), event(kind, error={"code": "x"}), {})
    assert run.turn.status == "faulted"
    assert run.turn.fault is not None
    assert "'null' is not supported" in run.turn.fault.detail
    assert (run.story, run.requests, run.events) == ([], [], [])
    assert run.names("faulted") == ["raiseUnsupportedEventError"]


def test_both_documents_are_triggered_by_what_the_station_tells() -> None:
    seed = workflow.load(SEED.read_text(encoding="utf-8"))
    for document in (seed, definition()):
        for kind in ("card-scanned", "faulted"):
            assert any(each.matches(event(kind)) for each in document.triggers)
        assert not any(each.matches(event("rebooted")) for each in document.triggers)


def test_definition_that_is_not_sound_is_refused_with_place_and_reason() -> None:
    broken = definition().text.replace("then: handleError", "then: handleEror")
    with pytest.raises(DefinitionError) as caught:
        workflow.load(broken)
    assert [(each.pointer, each.seen) for each in caught.value.faults] != []
    assert "handleEror" in str(caught.value)
