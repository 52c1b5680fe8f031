"""Which definitions do the tests of the diagram draw? A station's, about as long as the real one, and small ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment.workflow.diagram import Node, nodes_of

Task = dict[str, Any]
Tasks = list[Task]


@dataclass(frozen=True)
class At:
    pointer: str
    name: str
    parent: str
    index: int
    then: str
    cases: tuple[tuple[str, str, str], ...]
    branch: str
    task: Mapping[str, Any]


class Document:
    """A definition as its mapping; tells its tasks as a loaded one does."""

    def __init__(self, do: Tasks) -> None:
        self._at = list(_walk(do, "/do", "", "do"))

    def places(self) -> list[At]:
        return self._at

    def task(self, pointer: str) -> Mapping[str, Any]:
        return next(at.task for at in self._at if at.pointer == pointer)


def _walk(tasks: Tasks, path: str, parent: str, branch: str) -> Iterator[At]:
    for index, item in enumerate(tasks):
        ((name, task),) = item.items()
        pointer = f"{path}/{index}/{name}"
        cases = tuple(
            (case, way.get("when", ""), way.get("then", ""))
            for each in task.get("switch", [])
            for case, way in each.items()
        )
        yield At(pointer, name, parent, index, task.get("then", ""), cases, branch, task)
        yield from _walk(task.get("try", []), f"{pointer}/try", pointer, "try")
        yield from _walk(task.get("catch", {}).get("do", []), f"{pointer}/catch/do", pointer, "catch")
        yield from _walk(task.get("do", []), f"{pointer}/do", pointer, "do")
        yield from _walk(task.get("fork", {}).get("branches", []), f"{pointer}/fork/branches", pointer, "branches")


def nodes(do: Tasks) -> tuple[Node, ...]:
    return nodes_of(Document(do))


def call(method: str, path: str, then: str = "") -> Task:
    ways = {"then": then} if then else {}
    return {
        "call": "http",
        "with": {"method": method, "endpoint": f"https://ev-power-supplier.com/api/v2{path}"},
        **ways,
    }


def emit(what: str) -> Task:
    source = "https://ev-power-supplier.com"
    return {
        "emit": {"event": {"with": {"source": source, "type": f"com.ev-power-supplier.charging-station.{what}.v1"}}}
    }


LED = "/stations/{stationId}/leds/"
SLOT = "/stations/{stationId}/slot/{slotNumber}/"
FAILED = {"errors": {"with": {"type": "https://serverlessworkflow.io/spec/1.0.0/errors/communication"}}}

START: Tasks = [
    {"describeSession": {"set": {"session": "${ $context.session }"}}},
    {"lockSlot": call("put", f"{SLOT}lock")},
    {"start": call("put", "/sessions/{sessionId}/start")},
    {"showCharging": call("post", f"{LED}{{slotNumber}}")},
    {"notifyStarted": emit("session-started")},
]
GIVE_BACK: Tasks = [
    {"unlockSlot": call("put", f"{SLOT}unlock")},
    {"releaseSlot": call("delete", f"{SLOT}reservation")},
    {"showFailure": call("post", f"{LED}main")},
    {"giveUp": {"raise": {"error": {"status": 502, "title": "Session Not Started"}}}},
]
PAY: Tasks = [
    {
        "tryPayment": {
            "try": [{"processPayment": call("put", "/sessions/{sessionId}/pay")}],
            "catch": {
                "errors": {"with": {"status": 402}},
                "retry": "payment",
                "do": [{"markDue": {"set": {"due": True}}}, {"showDue": call("post", f"{LED}{{slotNumber}}")}],
            },
        }
    },
    {"unlockSlot": call("put", f"{SLOT}unlock")},
    {"showThanks": call("post", f"{LED}{{slotNumber}}")},
    {"notifyEnded": emit("session-ended")},
]
STATION: Tasks = [
    {"initialize": {"set": {"event": "${ $workflow.input[0] }", "stationId": "", "cardId": "", "intent": ""}}},
    {
        "handleStationEvents": {
            "switch": [
                {"cardScanned": {"when": '.event.type == "card-scanned"', "then": "tryGetActiveSession"}},
                {"stationFaulted": {"when": '.event.type == "faulted"', "then": "handleError"}},
            ],
            "then": "raiseUnsupportedEventError",
        }
    },
    {
        "tryGetActiveSession": {
            "try": [
                {"getSessionForCard": call("get", "/stations/{stationId}/session/{cardId}")},
                {"setSessionInfo": {"set": {"session": "${ .session }"}}},
            ],
            "catch": {
                "errors": {"with": {"status": 404}},
                "when": '.type == "no-session"',
                "do": [{"noSession": {"set": {"session": None}}}],
            },
        }
    },
    {
        "handleActiveSession": {
            "switch": [
                {"stopWanted": {"when": '.session != null and .intent != "start"', "then": "endSession"}},
                {"nothingToStop": {"when": '.session == null and .intent == "stop"', "then": "end"}},
                {"alreadyCharging": {"when": ".session != null", "then": "showBusy"}},
                {"startWanted": {"then": "tryAcquireSlot"}},
            ]
        }
    },
    {
        "tryAcquireSlot": {
            "try": [{"acquireSlot": call("post", "/stations/{stationId}")}],
            "catch": {
                "errors": {"with": {"status": 400}},
                "when": '$error.detail == "No charging slots available"',
                "do": [{"noSlotsAvailable": call("post", f"{LED}main", "end")}],
            },
        }
    },
    {"startSession": {"try": START, "catch": FAILED | {"do": GIVE_BACK}, "then": "end"}},
    {
        "endSession": {
            "do": [{"end": call("put", "/sessions/{sessionId}/end")}, *PAY],
            "then": "end",
        }
    },
    {"showBusy": call("post", f"{LED}main", "end")},
    {
        "handleError": {
            "do": [
                {"contactSupport": call("post", "/stations/{stationId}/support")},
                {"showOutOfOrder": call("post", f"{LED}main")},
                {"notifyOutOfOrder": emit("out-of-order")},
            ],
            "then": "end",
        }
    },
    {"raiseUnsupportedEventError": {"raise": {"error": {"status": 400, "title": "Unsupported Event"}}}},
]
# Every kind of task, jumps forwards, backwards, onto itself and out of a list.
MIXED: Tasks = [
    {"first": {"set": {"n": 0}}},
    {
        "again": {
            "switch": [{"enough": {"when": ".n > 3", "then": "share"}}, {"more": {"when": ".n < 2"}}],
            "then": "again",
        }
    },
    {"pause": {"wait": {"minutes": 5, "seconds": 1}}},
    {"hear": {"listen": {"to": {"any": [{"with": {"type": "card.v1"}}, {"with": {"type": "fault.v1"}}]}}}},
    {"look": {"call": "openapi", "with": {"operationId": "findPets"}, "then": "again"}},
    {
        "share": {
            "fork": {
                "compete": True,
                "branches": [
                    {"one": {"do": [{"ask": call("get", "/one")}, {"weigh": {"switch": [{"ok": {"then": "exit"}}]}}]}},
                    {"two": {"wait": "PT5S"}},
                    {"three": emit("third")},
                ],
            }
        }
    },
    {
        "each": {
            "for": {"each": "slot", "in": ".slots"},
            "do": [
                {"check": {"switch": [{"free": {"when": ".free", "then": "take"}}, {"busy": {"when": ".busy"}}]}},
                {"skip": {"set": {"seen": True}, "then": "exit"}},
                {"take": {"set": {"taken": True}}},
            ],
        }
    },
    {"guard": {"try": [{"risky": call("get", "/risky")}], "catch": {"errors": {"with": {"status": 503}}}}},
    {"choose": {"switch": [{"left": {"when": ".left", "then": "west"}}, {"right": {"then": "east"}}]}},
    {"west": {"set": {"at": "west"}, "then": "meet"}},
    {"east": {"set": {"at": "east"}}},
    {"meet": {"do": [{"greet": emit("hello")}]}},
    {"stop": {"raise": {"error": "named"}}},
]
