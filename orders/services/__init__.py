"""What may be done to an order? Every public verb of the app, in the order of a journey."""

from orders.selectors import cancellation_terms, refund_terms
from orders.services.cancel import cancel_order, cancellation_quote
from orders.services.charging import (
    complete_order,
    mark_ending,
    mark_failed,
    mark_paused,
    mark_resumed,
    mark_started,
    mark_starting,
)
from orders.services.confirm import confirm_order
from orders.services.consent import Declared
from orders.services.expire import expire_due, prolong_due
from orders.services.ledger import record
from orders.services.offer import init_order, select_offer
from orders.terms import CANCELLATION_REASONS

__all__ = [
    "CANCELLATION_REASONS",
    "Declared",
    "cancel_order",
    "cancellation_quote",
    "cancellation_terms",
    "complete_order",
    "confirm_order",
    "expire_due",
    "init_order",
    "mark_ending",
    "mark_failed",
    "mark_paused",
    "mark_resumed",
    "mark_started",
    "mark_starting",
    "prolong_due",
    "record",
    "refund_terms",
    "select_offer",
]
