"""Which step of a session follows which, when is it tried again, and when do we give up? Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

# Steps towards the flow of energy, in order; `confirm` asks until a slow station has really begun.
START_STEPS = ("acquire", "lock", "start")
CONFIRM = "confirm"
LIGHT_ON = "light-on"
WATCH = "watch"
# Steps after it.
STOP = "stop"
PAY = "pay"
UNLOCK = "unlock"
LIGHT_OFF = "light-off"
# Giving back what a session that failed or was cancelled may still hold.
UNDO = "undo"
LIGHT_ERROR = "light-error"
REPORT = "report"
IDLE = "idle"
DONE = "done"

NEXT = {
    "acquire": "lock",
    "lock": "start",
    "start": CONFIRM,
    CONFIRM: LIGHT_ON,
    LIGHT_ON: WATCH,
    WATCH: WATCH,
    STOP: PAY,
    PAY: UNLOCK,
    UNLOCK: LIGHT_OFF,
    LIGHT_OFF: DONE,
    UNDO: LIGHT_ERROR,
    LIGHT_ERROR: REPORT,
    REPORT: DONE,
}
# A lamp that stays dark stops nobody.
OPTIONAL = frozenset({LIGHT_ON, LIGHT_OFF, LIGHT_ERROR, REPORT})

# Session states → the states that may follow; the same table is walked by the tests.
MOVES: dict[str, frozenset[str]] = {
    "waiting": frozenset({"starting", "cancelled", "failed"}),
    "starting": frozenset({"charging", "failed", "cancelled"}),
    "charging": frozenset({"paused", "ending", "ended", "failed"}),
    "paused": frozenset({"charging", "ending", "ended", "failed"}),
    "ending": frozenset({"ended", "failed"}),
    "ended": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

LEASE_S = 15
START_DEADLINE_S = 60
CONFIRM_EVERY_S = 1.0
SILENT_AFTER_S = 20
PROVISIONAL_AFTER_S = 900
# How long a command whose outcome is unknown may still reach the station.
LATE_S = 60
UNDO_DEADLINE_S = 24 * 3600
PAY_DEADLINE_S = 3600
FIRST_WAIT_S = 0.5


class IllegalMoveError(ValueError):
    """A session cannot go from this state to that one."""


def move(before: str, after: str) -> str:
    """`after`, where a session may go there from `before`. Raises IllegalMoveError."""
    if after != before and after not in MOVES[before]:
        allowed = ", ".join(sorted(MOVES[before])) or "none, it is final"
        raise IllegalMoveError(f"a session that is {before} cannot become {after}; allowed: {allowed}")
    return after


def next_step(step: str, *, broken: bool) -> str:
    """The step after `step`; where the station is `broken` its lamp turns red and its owner is told."""
    after = NEXT[step]
    if after == LIGHT_OFF and broken:
        return LIGHT_ERROR
    if after == LIGHT_ERROR and not broken:
        return DONE
    return after


def wait_s(attempts: int, *, step: str) -> float:
    """Seconds until a failed step is tried again: doubling, at most 5 s while somebody waits for the start, else 30."""
    longest_s = 5.0 if step in START_STEPS or step == CONFIRM else 30.0
    return min(longest_s, float(FIRST_WAIT_S * 2 ** min(attempts, 10)))


def deadline(step: str, since: datetime) -> datetime:
    """When a step that began at `since` and keeps failing is given up."""
    if step in START_STEPS or step == CONFIRM:
        return since + timedelta(seconds=START_DEADLINE_S)
    if step == STOP:
        return since + timedelta(seconds=PROVISIONAL_AFTER_S)
    if step == PAY:
        return since + timedelta(seconds=PAY_DEADLINE_S)
    return since + timedelta(seconds=UNDO_DEADLINE_S)
