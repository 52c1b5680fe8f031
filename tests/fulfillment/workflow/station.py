"""What does a run of the station's definition come to, where a table says what the station answers? No Django."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from fulfillment.workflow import Definition, Effect, Host
from tests.fulfillment.workflow.driving import Outcome, Run, answer

HOST = Host(secrets={"evPowerSupplier": "t0ken"})
PUBLIC, OURS = "com.ev-power-supplier.charging-station.", "com.voltbazaar.charging."
FULL = "No charging slots available"
MOST_TURNS = 2_000

_BASE = r"https://ev-power-supplier\.com/api/v2"
ROUTES: tuple[tuple[str, str], ...] = (
    ("find", rf"GET {_BASE}/stations/LOC-1/session/card-1"),
    ("acquire", rf"POST {_BASE}/stations/LOC-1"),
    ("lock", rf"PUT {_BASE}/stations/LOC-1/slot/1/lock"),
    ("unlock", rf"PUT {_BASE}/stations/LOC-1/slot/1/unlock"),
    ("start", rf"PUT {_BASE}/sessions/s-1/start"),
    ("end", rf"PUT {_BASE}/sessions/s-1/end"),
    ("pay", rf"PUT {_BASE}/sessions/s-1/pay"),
    ("ask", rf"GET {_BASE}/sessions/s-1"),
    ("led", rf"POST {_BASE}/stations/LOC-1/leds/(1|main)"),
    ("support", rf"POST {_BASE}/stations/LOC-1/support"),
)


def at_station(status: str, **more: Any) -> Outcome:
    """The supplier's record of the session, as its own API tells it."""
    record = {"id": "s-1", "card": "card-1", "slotNumber": 1, "status": status, "meterStartWh": 1_000}
    return answer({"session": record | more})


def refusal(status: int, detail: str = "refused") -> Outcome:
    """An RFC 9457 answer."""
    return answer(
        {"status": status, "detail": detail}, status=status, headers={"Content-Type": "application/problem+json"}
    )


NONE = refusal(404, "no active session")
DOWN = refusal(503, "out for lunch")
LOST: Outcome = {"failure": "connection", "text": "the line was cut"}
CHARGING = at_station("charging", meterWh=1_000)
ENDED = at_station("ended", meterWh=6_000, energyWh=5_000)
SOUND: Mapping[str, Outcome] = {
    "find": NONE,
    "acquire": answer({"slot": {"number": 1}, "session": {"id": "s-1"}}, status=201),
    "lock": answer(status=204),
    "unlock": answer(status=204),
    "start": CHARGING,
    "ask": CHARGING,
    "end": ENDED,
    "pay": answer({"session": {"status": "paid", "paid": True}, "amount": "60.00", "currency": "INR"}),
    "led": answer(status=204),
    "support": answer({"ticketId": "T-1"}, status=202),
}


def event(kind: str, **data: Any) -> dict[str, Any]:
    """A trigger: of the station (`card-scanned`), or a wish of ours (`start-requested`)."""
    type_ = f"{OURS if kind.endswith('requested') else PUBLIC}{kind}.v1"
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/stations/LOC-1",
        "type": type_,
        "data": {"stationId": "LOC-1", "cardId": "card-1"} | data,
    }


class StationRun(Run):
    """The definition under way at one station; `told` is what it called, emitted and waited for, in order.

    Each route answers what its list holds, the last one for ever.
    """

    def __init__(self, definition: Definition, trigger: dict[str, Any], answers: Mapping[str, Any]) -> None:
        self.order: list[str] = []
        self.requests: list[Effect] = []
        self.left = {name: list(found) if isinstance(found, list) else [found] for name, found in answers.items()}
        super().__init__(definition, [trigger], host=HOST)
        self._note()
        for _ in range(MOST_TURNS):
            if not self._goes_on():
                break
            self._note()

    @property
    def story(self) -> list[str]:
        """`acquire`, `led 1 on blue`, `> session-started`, what came several times in a row as `lock x11`."""
        runs = ((name, len(list(same))) for name, same in groupby(self.order))
        return [name if count == 1 else f"{name} x{count}" for name, count in runs]

    def said(self, kind: str) -> dict[str, Any]:
        """The data of the last event of a kind."""
        data: dict[str, Any] = next(e["data"] for e in reversed(self.events) if e["type"].endswith(f".{kind}.v1"))
        return data

    def _goes_on(self) -> bool:
        if effects := self.wanted():
            self._call(effects[0])
        elif self.turn.wake_at is not None:
            self.after(seconds=(self.turn.wake_at - self.now).total_seconds())
        else:
            return False
        return True

    def _call(self, effect: Effect) -> None:
        called = f"{effect.request['method']} {effect.request['uri']}"
        name = next((name for name, pattern in ROUTES if re.fullmatch(pattern, called)), None)
        assert name is not None, f"no such route at the station: {called}"
        assert effect.authentication == {"scheme": "bearer", "token": "t0ken"}
        self.requests.append(effect)
        self.order.append(_light(effect) if name == "led" else name)
        outcomes = self.left.get(name) or [SOUND[name]]
        self.answer(outcomes.pop(0) if len(outcomes) > 1 else outcomes[0], effect.id)

    def _note(self) -> None:
        self.order += [f"> {each['type'].rsplit('.', 2)[-2]}" for each in self.turn.events]


def _light(effect: Effect) -> str:
    """An order to a light, in words."""
    body = effect.request["body"]
    words = [effect.request["uri"].rsplit("/", 1)[-1], body["action"], body["color"], str(body.get("duration", ""))]
    return f"led {' '.join(words)}".strip()
