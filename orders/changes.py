"""Who may change what of an order, and in which state of its fulfilment?

The table is the rule: services ask it before they act, and its refusals name what is allowed instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from core.errors import NotAllowed


class Who(StrEnum):
    """Who asks for a change."""

    BUYER = "buyer"
    OPERATOR = "operator"
    DRIVER = "driver"
    SYSTEM = "system"


class What(StrEnum):
    """What a change is about."""

    WINDOW = "window"
    END = "end"
    CONNECTOR = "connector"
    BILLING = "billing"
    START = "start"
    STOP = "stop"
    CANCEL = "cancel"
    APPROVE = "approve"
    DECLINE = "decline"
    REMIND = "remind"
    CLOSE = "close"


PENDING = frozenset({"pending-approval"})
READY = frozenset({"payment-completed"})
BEFORE = PENDING | READY
FLOWING = frozenset({"charging-started", "charging-paused", "charging-resumed"})
RUNNING = FLOWING | {"charging-starting", "charging-ending"}
OPEN = BEFORE | RUNNING

# Only what stands here is allowed. The driver acts by a link that carries the right to, on the live page.
CHANGES: Mapping[What, Mapping[Who, frozenset[str]]] = {
    What.WINDOW: {Who.BUYER: BEFORE, Who.OPERATOR: BEFORE},
    What.END: {Who.BUYER: BEFORE | FLOWING, Who.OPERATOR: BEFORE | FLOWING, Who.DRIVER: FLOWING},
    What.CONNECTOR: {Who.BUYER: BEFORE, Who.OPERATOR: BEFORE, Who.SYSTEM: BEFORE},
    What.BILLING: {Who.BUYER: OPEN},
    What.START: {Who.BUYER: READY | {"charging-starting"} | FLOWING, Who.OPERATOR: READY},
    What.STOP: {Who.BUYER: RUNNING, Who.OPERATOR: RUNNING, Who.DRIVER: RUNNING, Who.SYSTEM: RUNNING},
    What.CANCEL: {Who.BUYER: BEFORE, Who.OPERATOR: BEFORE, Who.SYSTEM: BEFORE},
    What.APPROVE: {Who.OPERATOR: PENDING, Who.SYSTEM: PENDING},
    What.DECLINE: {Who.OPERATOR: PENDING, Who.SYSTEM: PENDING},
    What.REMIND: {Who.SYSTEM: BEFORE},
    What.CLOSE: {Who.SYSTEM: READY},
}


def may_change(who: Who, what: What, *, state: str, fulfillment: str) -> bool:
    """Whether `who` may change `what` of an order in this state; nothing of a closed order or of an offer."""
    return state == "active" and fulfillment in CHANGES[what].get(who, frozenset())


def allowed(who: Who, *, state: str, fulfillment: str) -> tuple[What, ...]:
    """What `who` may change of an order in this state."""
    return tuple(what for what in What if may_change(who, what, state=state, fulfillment=fulfillment))


def check(who: Who, what: What, *, state: str, fulfillment: str) -> None:
    """Raise NotAllowed where the table forbids it: `update-forbidden`, for a closed order `not-in-this-state`."""
    if may_change(who, what, state=state, fulfillment=fulfillment):
        return
    names = ", ".join(allowed(who, state=state, fulfillment=fulfillment)) or "nothing"
    raise NotAllowed(
        "update-forbidden" if state == "active" else "not-in-this-state",
        f"the order is {state} at {fulfillment}; the {who} cannot change its {what} then, but: {names}",
        path="order.status" if state != "active" else "order.fulfillments[0].state",
    )
