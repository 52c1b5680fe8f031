"""What would the supplier's simulator answer, asked without a network? The sandbox's rules, counted from outside.

It knows a repeated acquire by its key alone, as A2 allows: the same card may hold many slots, if we let it.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import orjson

from sandbox.stations import Session, Station
from sandbox.supplier import PROBLEMS, Supplier, SupplierError
from sandbox.supplier_api import session_json

BASE = "https://ev-power-supplier.com/api/v2"
Answer = tuple[int, Any]
Outcome = dict[str, Any]


class CountedSupplier(Supplier):
    """The sandbox's supplier; `begun` and `charged` count by session, `odd` is what must never happen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.begun: Counter[str] = Counter()
        self.charged: Counter[str] = Counter()
        self.odd: list[str] = []
        self._blind = False

    def acquire(self, station_id: str, card: str, *, wished_slot: int | None = None) -> tuple[Session, bool]:
        self._blind = True
        try:
            return super().acquire(station_id, card, wished_slot=wished_slot)
        finally:
            self._blind = False

    def pay(self, session_id: str) -> Session:
        before = self.session(session_id).paid
        session = super().pay(session_id)
        if not before:
            self.charged[session.card] += 1
        return session

    def stays(self, card: str) -> list[Session]:
        """Everything that was ever given to a card."""
        return [session for session in self.sessions.values() if session.card == card]

    def _held_by(self, station: Station, card: str) -> Session | None:
        return None if self._blind else super()._held_by(station, card)

    def _begin(self, session: Session) -> None:
        slot = self.stations[session.station_id].slots[session.slot_number]
        if slot.status != "locked" or slot.session_id != session.id:
            place = f"slot {slot.number} of {session.station_id}"
            self.odd.append(f"{session.id} charges at {place}, which is {slot.status} for {slot.session_id}")
        self.begun[session.id] += 1
        super()._begin(session)


class Desk:
    """Answers calls by their method and address, and remembers its answers by their keys."""

    def __init__(self, supplier: CountedSupplier) -> None:
        self.supplier = supplier
        self.kept: dict[str, Outcome] = {}
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            ("GET", re.compile(r"/stations/([^/]+)/session/([^/]+)"), self._held),
            ("POST", re.compile(r"/stations/([^/]+)"), self._acquire),
            ("PUT", re.compile(r"/stations/([^/]+)/slot/(\d+)/(lock|unlock)"), self._slot),
            ("PUT", re.compile(r"/sessions/([^/]+)/(start|end|pay)"), self._session),
            ("GET", re.compile(r"/sessions/([^/]+)"), self._state),
            ("POST", re.compile(r"/stations/([^/]+)/leds/([^/]+)"), self._light),
            ("POST", re.compile(r"/stations/([^/]+)/support"), self._support),
        ]

    def ask(self, request: dict[str, Any], key: str) -> Outcome:
        """Do what a call asks for, once by its key; the outcome in the engine's words."""
        method, path = str(request["method"]).upper(), str(request["uri"]).removeprefix(BASE)
        kept = self.kept.get(key) if method != "GET" else None
        if kept is not None:
            return kept
        status, content = self._do(method, path, request.get("body"))
        outcome = _outcome(status, content)
        if status < 300 and method != "GET":
            self.kept[key] = outcome
        return outcome

    def _do(self, method: str, path: str, body: Any) -> Answer:
        for wanted, pattern, deed in self._routes:
            found = pattern.fullmatch(path)
            if wanted == method and found:
                try:
                    return deed(*map(unquote, found.groups()), body=body)
                except SupplierError as err:
                    return err.status, {
                        "type": f"{PROBLEMS}/{err.kind}",
                        "title": err.kind,
                        "status": err.status,
                        "detail": err.detail,
                    }
        raise LookupError(f"nobody answers {method} {path}")

    def _held(self, station: str, card: str, *, body: Any) -> Answer:
        return 200, {"session": session_json(self.supplier, self.supplier.active_session(station, card))}

    def _acquire(self, station: str, *, body: Any) -> Answer:
        session, new = self.supplier.acquire(station, body["card"], wished_slot=body.get("slotNumber"))
        return 201 if new else 200, {"slot": {"number": session.slot_number}, "session": {"id": session.id}}

    def _slot(self, station: str, number: str, verb: str, *, body: Any) -> Answer:
        deed = self.supplier.lock if verb == "lock" else self.supplier.unlock
        deed(station, int(number))
        return 204, None

    def _session(self, session_id: str, verb: str, *, body: Any) -> Answer:
        deeds = {"start": self.supplier.start, "end": self.supplier.end, "pay": self.supplier.pay}
        return 200, {"session": session_json(self.supplier, deeds[verb](session_id))}

    def _state(self, session_id: str, *, body: Any) -> Answer:
        return 200, {"session": session_json(self.supplier, self.supplier.session(session_id))}

    def _light(self, station: str, led: str, *, body: Any) -> Answer:
        self.supplier.light(station, led, body)
        return 204, None

    def _support(self, station: str, *, body: Any) -> Answer:
        return 202, {"ticketId": self.supplier.support(station, body.get("error"))}


def _outcome(status: int, content: Any) -> Outcome:
    body = b"" if content is None else orjson.dumps(content)
    kind = "application/json" if status < 400 else "application/problem+json"
    return {"status": status, "headers": {"content-type": kind}, "body": base64.b64encode(body).decode()}
