"""From which state may an order, its fulfilment and its reservation move to which?

These tables are the rule; a database trigger holds the same ones, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

Moves = Mapping[str, frozenset[str]]

# A new select may reopen whatever was not confirmed, hence the ways back to draft.
ORDER_MOVES: Moves = {
    "draft": frozenset({"initiated", "expired"}),
    "initiated": frozenset({"draft", "active", "expired"}),
    "active": frozenset({"complete", "cancelled"}),
    "complete": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset({"draft", "initiated"}),
}

# A station may report an end or a fault at any moment after the start was asked for.
FULFILLMENT_MOVES: Moves = {
    "none": frozenset({"order-initiated"}),
    "order-initiated": frozenset({"none", "pending-approval", "payment-completed"}),
    "pending-approval": frozenset({"payment-completed", "charger-error", "order-cancelled"}),
    "payment-completed": frozenset(
        {"charging-starting", "charging-started", "charger-error", "order-cancelled", "no-show"}
    ),
    "charging-starting": frozenset({"charging-started", "charging-ending", "charging-ended", "charger-error"}),
    "charging-started": frozenset({"charging-paused", "charging-ending", "charging-ended", "charger-error"}),
    "charging-paused": frozenset({"charging-resumed", "charging-ending", "charging-ended", "charger-error"}),
    "charging-resumed": frozenset({"charging-paused", "charging-ending", "charging-ended", "charger-error"}),
    "charging-ending": frozenset({"charging-ended", "charger-error"}),
    "charging-ended": frozenset(),
    "charger-error": frozenset(),
    "order-cancelled": frozenset(),
    "no-show": frozenset(),
}

CHARGING: frozenset[str] = frozenset(
    {"charging-starting", "charging-started", "charging-paused", "charging-resumed", "charging-ending"}
)

# Which fulfilment fits which order state; charger-error closes an order as complete where energy was delivered.
FITS: Moves = {
    "draft": frozenset({"none"}),
    "initiated": frozenset({"order-initiated"}),
    "active": frozenset({"pending-approval", "payment-completed"}) | CHARGING,
    "complete": frozenset({"charging-ended", "charger-error"}),
    "cancelled": frozenset({"order-cancelled", "charger-error", "no-show"}),
    "expired": frozenset({"none"}),
}

# Only money that nobody has begun to send can be declined or withdrawn.
REFUND_MOVES: Moves = {
    "requested": frozenset({"approved", "declined", "withdrawn"}),
    "approved": frozenset({"sent", "done", "person", "withdrawn"}),
    "sent": frozenset({"done", "failed", "person"}),
    "failed": frozenset({"sent", "done", "person"}),
    "person": frozenset({"approved", "done"}),
    "done": frozenset(),
    "declined": frozenset(),
    "withdrawn": frozenset(),
}


def may_move(moves: Moves, before: str, after: str) -> bool:
    """Whether `before` may become `after`; staying is always allowed, an unknown state never moves."""
    return before in moves and (before == after or after in moves[before])


def allowed_text(moves: Moves, before: str) -> str:
    """The states `before` may move to, in words for an error text."""
    return ", ".join(sorted(moves.get(before, frozenset()))) or "nothing further"
