"""How is a station behind the EV power supplier's HTTP API driven?

Operations A1–A11 of the supplier API. Every call carries the bearer token; every call with an effect carries the
caller's Idempotency-Key. Where the outcome of a call is unknown (timeout, cut connection, 5xx) the supplier is asked
before the call is repeated: A1 after acquire, A10 after start, end and pay, A11 after lock and unlock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from core.errors import DeliveryError, DriverError
from core.http import Answer, call
from fulfillment.drivers import base
from fulfillment.drivers.base import Ack, Light
from fulfillment.drivers.supplier_json import ack_of, problem_text, read_object

log = logging.getLogger(__name__)

LIMIT_BYTES = 262_144
TEMPORARY = frozenset({408, 425, 429})
NO_SLOT = "no charging slots available"


class PowerSupplier:
    """One supplier at `url` (the base of its API, with its version), spoken to with `token`."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 4.0) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def acquire(self, station: str, card: str, *, slot_number: int | None, key: str, repeated: bool) -> Ack:
        """A2: a slot for this card, the wished one if it is free. Raises DriverError; a full station is temporary."""
        body: dict[str, Any] = {"card": card} | ({} if slot_number is None else {"slotNumber": slot_number})
        return self._sure(
            lambda: self._ack("POST", f"/stations/{_part(station)}", key=key, body=body),
            lambda: self.find(station, card),
            repeated=repeated,
        )

    def lock(self, station: str, slot_number: int, *, session_id: str, key: str, repeated: bool) -> Ack:
        """A3. Raises DriverError (permanent where another session holds the slot)."""
        return self._sure(
            lambda: self._ack("PUT", _slot_path(station, slot_number, "lock"), key=key),
            lambda: self._slot_is(station, slot_number, {"locked", "charging"}, session_id=session_id),
            repeated=repeated,
        )

    def start(self, session_id: str, *, key: str, repeated: bool) -> Ack:
        """A5. The Ack's status says whether energy flows already; a slow station says `locked`. Raises DriverError."""
        ack = self._sure(
            lambda: self._ack("PUT", f"/sessions/{_part(session_id)}/start", key=key),
            lambda: self._session_is(session_id, {base.CHARGING} | base.OVER),
            repeated=repeated,
        )
        # A repeated answer is the first one, word for word: what is true now stands in A10.
        known = ack.status == base.CHARGING and ack.meter_start_wh is not None
        return ack if known and not repeated else self.status(session_id) or ack

    def stop(self, session_id: str, *, key: str, repeated: bool) -> Ack:
        """A6: the final registers; a session that never started is refused (permanent, 409). Raises DriverError."""
        ack = self._sure(
            lambda: self._ack("PUT", f"/sessions/{_part(session_id)}/end", key=key),
            lambda: self._session_is(session_id, set(base.OVER)),
            repeated=repeated,
        )
        return ack if ack.meter_wh is not None else self.status(session_id) or ack

    def settle(self, session_id: str, *, key: str, repeated: bool) -> Ack:
        """A7: pay once; a declined payment is permanent (402). Raises DriverError."""
        return self._sure(
            lambda: self._ack("PUT", f"/sessions/{_part(session_id)}/pay", key=key),
            lambda: self._paid(session_id),
            repeated=repeated,
        )

    def unlock(self, station: str, slot_number: int, *, session_id: str, key: str, repeated: bool) -> Ack:
        """A4. Raises DriverError (permanent where the session still charges)."""
        return self._sure(
            lambda: self._ack("PUT", _slot_path(station, slot_number, "unlock"), key=key),
            lambda: (
                self._slot_is(station, slot_number, {"free"}, session_id=session_id)
                or self._session_is(session_id, {base.CLOSED})
            ),
            repeated=repeated,
        )

    def release(self, station: str, card: str, *, key: str) -> Ack | None:
        """Give back whatever the card holds: end a session that charges, pay it, open the slot. Raises DriverError."""
        held = self.find(station, card)
        if held is None:
            return None
        # The keys name the session that is found: a later one needs commands of its own.
        key = f"{key}/{held.session_id}"
        if held.status == base.CHARGING:
            held = self.stop(held.session_id, key=f"{key}/end", repeated=True)
        if held.status == base.ENDED:
            self.settle(held.session_id, key=f"{key}/pay", repeated=True)
        if held.slot_number is not None:
            self._ack("PUT", _slot_path(station, held.slot_number, "unlock"), key=f"{key}/unlock")
        return held

    def find(self, station: str, card: str) -> Ack | None:
        """A1: the session this card holds at the station, None where it holds none. Raises DriverError."""
        return self._read(f"/stations/{_part(station)}/session/{_part(card)}")

    def status(self, session_id: str) -> Ack | None:
        """A10: the supplier's record of the session, None where it knows none. Raises DriverError."""
        return self._read(f"/sessions/{_part(session_id)}")

    def signal(self, station: str, slot_number: int | None, light: Light, *, key: str) -> None:
        """A8: the slot's lamp, or the main one where the slot is None. Raises DriverError."""
        lamp = "main" if slot_number is None else str(slot_number)
        body: dict[str, Any] = {"action": light.action, "color": light.color}
        if light.duration_ms is not None:
            body["duration"] = light.duration_ms
        self._ask("POST", f"/stations/{_part(station)}/leds/{lamp}", key=key, body=body)

    def support(self, station: str, error: str, *, key: str) -> str:
        """A9: report a defect; returns the ticket's number. Raises DriverError."""
        answer = self._ask("POST", f"/stations/{_part(station)}/support", key=key, body={"error": {"message": error}})
        return str(read_object(answer.body).get("ticketId", ""))

    def _sure(self, send: Callable[[], Ack], ask: Callable[[], Ack | None], *, repeated: bool) -> Ack:
        """Send once; ask first where it may have been sent before, and afterwards where the outcome is unknown."""
        if repeated and (known := ask()) is not None:
            return known
        try:
            return send()
        except DriverError as err:
            if not err.unknown:
                raise
            try:
                known = ask()
            except DriverError as later:
                raise DriverError(f"{err}; asking afterwards: {later}", permanent=False, unknown=True) from err
            if known is None:
                raise
            return known

    def _session_is(self, session_id: str, wanted: set[str] | frozenset[str]) -> Ack | None:
        ack = self.status(session_id)
        return ack if ack is not None and ack.status in wanted else None

    def _paid(self, session_id: str) -> Ack | None:
        ack = self.status(session_id)
        return ack if ack is not None and (ack.paid or ack.status == base.PAID) else None

    def _slot_is(self, station: str, slot_number: int, wanted: set[str], *, session_id: str) -> Ack | None:
        """A11: an Ack where the slot is in one of the wanted states, else None. Raises DriverError."""
        answer = self._ask("GET", f"/stations/{_part(station)}")
        for slot in read_object(answer.body).get("slots") or []:
            if isinstance(slot, dict) and slot.get("number") == slot_number and slot.get("status") in wanted:
                return Ack(session_id=session_id, slot_number=slot_number, status=str(slot["status"]))
        return None

    def _read(self, path: str) -> Ack | None:
        try:
            return ack_of(read_object(self._ask("GET", path).body))
        except DriverError as err:
            if err.status == 404:
                return None
            raise

    def _ack(self, method: str, path: str, *, key: str, body: dict[str, Any] | None = None) -> Ack:
        answer = self._ask(method, path, key=key, body=body)
        return ack_of(read_object(answer.body)) if answer.body.strip() else Ack()

    def _ask(self, method: str, path: str, *, key: str = "", body: dict[str, Any] | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json, application/problem+json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            # The address is our own configuration, not a counterpart's word, so private ones are allowed.
            answer = call(
                method,
                self._url + path,
                json=body,
                headers=headers,
                timeout_s=self._timeout_s,
                limit_bytes=LIMIT_BYTES,
                allow_private=True,
            )
        except DeliveryError as err:
            text = f"{method} {path}: {err}"
            raise DriverError(text, permanent=err.permanent, unknown=not err.permanent) from err
        if not 200 <= answer.status < 300:
            raise _refusal(method, path, answer)
        return answer


def _refusal(method: str, path: str, answer: Answer) -> DriverError:
    text = problem_text(answer.body)
    return DriverError(
        f"{method} {path}: {answer.status} {text}",
        permanent=answer.status < 500 and answer.status not in TEMPORARY and NO_SLOT not in text.lower(),
        status=answer.status,
        unknown=answer.status >= 500,
    )


def _part(text: str) -> str:
    """One segment of a path. Raises DriverError (permanent) where it is empty: it would address something else."""
    if not text:
        raise DriverError("an id in the supplier's path is empty; the call was not made", permanent=True)
    return quote(text, safe="")


def _slot_path(station: str, slot_number: int, what: str) -> str:
    return f"/stations/{_part(station)}/slot/{slot_number}/{what}"
