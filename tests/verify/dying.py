"""Where does a worker kill itself with SIGKILL, once for each session, as a plan says? Nothing of this is the product.

    a  the intent of a call is committed, the call is not made        c  the answer is read, its result not committed
    b  the station has done it, its answer is on the wire             d  the result is committed, nothing else is done
    e  an event is posted, that it was is not committed

The directory DYING holds `plan.json`, {card: {point, task, whole}}: at which task of the session, and whether the
whole worker dies or only the process of its pool. A file named by the card says that it has happened.
"""

from __future__ import annotations

import json
import os
import select
import signal
import uuid
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from urllib3.connection import HTTPConnection

from core.nudges import Bell
from fulfillment.drivers.event_sink import post_event
from fulfillment.models import WorkflowInstance
from fulfillment.services import emitting, journal, lifecycle, workflows
from fulfillment.services.workflows import Asked, Claim, Told

POINTS = "abcde"
# A dead worker's work is taken up by another this soon, instead of after a quarter of a minute.
LEASE_S = 3


class Fate:
    """What this process is at, and whether it is to die there."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._plan: dict[str, dict[str, Any]] = json.loads((place / "plan.json").read_text())
        self.card = ""
        self.asking = ""
        self.settling = ""

    def meet(self, point: str, task: str) -> None:
        """Die here, if the plan says so and it has not happened yet."""
        plan = self._plan.get(self.card)
        if plan is None or not task or (plan["point"], plan["task"]) != (point, task):
            return
        try:
            os.close(os.open(self._place / self.card, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
        if plan["whole"]:
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def apply(place: Path) -> None:
    """Let this process die where the plan in `place` says so."""
    fate = Fate(place)
    _replace(workflows, "LEASE_S", LEASE_S)
    _replace(emitting, "LEASE_S", LEASE_S)
    _watch_turns(fate)
    _watch_lines(fate)
    _watch_nudges(fate)


def fresh_keys() -> None:
    """SABOTAGE: a call that is made again has another key than before."""
    _replace(journal, "key_of", lambda *_: uuid.uuid4())


def _watch_turns(fate: Fate) -> None:
    drive, answer, settle, tell = workflows.drive, workflows.answer, workflows.settle, lifecycle.tell

    def watched_drive(claim: Claim, now: datetime | None = None) -> None:
        fate.card = WorkflowInstance.objects.values_list("card", flat=True).get(pk=claim.pk)
        fate.settling = ""
        drive(claim, now)

    def watched_answer(asked: Asked) -> Told:
        task = _task(asked)
        fate.meet("a", task)
        fate.asking = task
        try:
            return answer(asked)
        finally:
            fate.asking = ""

    def watched_settle(claim: Claim, told: Told | None, **more: Any) -> Asked | None:
        fate.settling = _task(told) if told else ""
        asked = settle(claim, told, **more)
        fate.meet("d", fate.settling)
        fate.settling = ""
        return asked

    def watched_tell(*turn: Any, **more: Any) -> None:
        tell(*turn, **more)
        fate.meet("c", fate.settling)

    _replace(workflows, "drive", watched_drive)
    _replace(workflows, "answer", watched_answer)
    _replace(workflows, "settle", watched_settle)
    _replace(lifecycle, "tell", watched_tell)


def _watch_lines(fate: Fate) -> None:
    """What comes over the wire to whoever asks a station, and what goes to the event sink."""
    getresponse = HTTPConnection.getresponse

    def watched_getresponse(line: HTTPConnection) -> Any:
        if fate.asking and line.sock is not None:
            select.select([line.sock], [], [], 30)
            fate.meet("b", fate.asking)
        return getresponse(line)

    def watched_post_event(url: str, token: str, event: dict[str, Any], **more: Any) -> None:
        post_event(url, token, event, **more)
        fate.card = event["subject"]
        fate.meet("e", event["type"].split(".")[-2])

    _replace(HTTPConnection, "getresponse", watched_getresponse)
    _replace(emitting, "post_event", watched_post_event)


def _watch_nudges(fate: Fate) -> None:
    """Nudges are sent right after the commit: whoever is to die after it does so before them."""
    ring = Bell.ring

    def watched_ring(bell: Bell, queue: str) -> None:
        fate.meet("d", fate.settling)
        ring(bell, queue)

    _replace(Bell, "ring", watched_ring)


def _task(of: Asked | Told) -> str:
    return of.effect.pointer.rsplit("/", 1)[-1]


def _replace(where: ModuleType | type, name: str, value: object) -> None:
    """A name that is no longer there would make the deaths harmless unnoticed."""
    if not hasattr(where, name):
        raise AttributeError(f"{where.__name__} has no {name} any more; the deaths must follow the product")
    setattr(where, name, value)
