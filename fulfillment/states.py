"""Which state of a session follows which, and when is a silent station asked? Pure."""

from __future__ import annotations

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

SILENT_AFTER_S = 20
PROVISIONAL_AFTER_S = 900
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class IllegalMoveError(ValueError):
    """A session cannot go from this state to that one."""


def move(before: str, after: str) -> str:
    """`after`, where a session may go there from `before`. Raises IllegalMoveError."""
    if after != before and after not in MOVES[before]:
        allowed = ", ".join(sorted(MOVES[before])) or "none, it is final"
        raise IllegalMoveError(f"a session that is {before} cannot become {after}; allowed: {allowed}")
    return after


def wait_s(attempts: int) -> float:
    """Seconds until a station that could not be asked is asked again: doubling, at most LONGEST_WAIT_S."""
    return min(LONGEST_WAIT_S, float(FIRST_WAIT_S * 2 ** min(attempts, 10)))
