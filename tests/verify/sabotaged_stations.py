"""Which promise about stations is broken on purpose? Nothing of this is part of the product."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from fulfillment import api
from fulfillment.models import WorkflowInstance
from fulfillment.services import journal, workflows
from fulfillment.workflow import Effect
from tests.verify.sabotage import _replace


def apply(switch: str) -> None:
    """Break the promise that `switch` names. Raises ValueError naming the switches there are."""
    if switch not in SWITCHES:
        raise ValueError(f"SABOTAGE is {switch!r}; allowed are {', '.join(sorted(SWITCHES))}")
    SWITCHES[switch]()


def key_per_attempt() -> None:
    """Every call has a key of its own, so that a repeated command is another one."""

    def key_of(instance: WorkflowInstance, effect: Effect) -> uuid.UUID:
        return uuid.uuid4()

    _replace(journal, "key_of", key_of)


def no_takeover() -> None:
    """Nobody follows a worker that died."""
    _replace(workflows, "LEASE_S", 10**6)


def any_token() -> None:
    """Whoever finds the door may tell of stations."""

    def unauthorized(given: str) -> str:
        return ""

    _replace(api, "unauthorized", unauthorized)


SWITCHES: dict[str, Callable[[], Any]] = {deed.__name__: deed for deed in (key_per_attempt, no_takeover, any_token)}
