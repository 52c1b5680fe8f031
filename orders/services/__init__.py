"""What may other apps do to an order? The rest of this app imports the modules themselves."""

from orders.estimates import Vehicle
from orders.selectors import cancellation_terms, refund_terms
from orders.services.adjusting import correct_bill
from orders.services.announcing import announce_price_change, prices_due
from orders.services.approve import approve_order, decline_order
from orders.services.auditing import check_books
from orders.services.cancel import cancel_order, cancellation_quote
from orders.services.cashier import collect_due, forget_news, take_news
from orders.services.change import change_billing, change_window
from orders.services.charging import (
    complete_order,
    mark_ending,
    mark_failed,
    mark_paused,
    mark_resumed,
    mark_started,
    mark_starting,
)
from orders.services.clearing import collected_late, settle_with
from orders.services.collecting import asked_for, pay_path
from orders.services.confirm import confirm_order
from orders.services.consent import Declared
from orders.services.expire import deadlines_due, expire_due, prolong_due
from orders.services.invoices import notes_due
from orders.services.ledger import record
from orders.services.move import (
    change_connector,
    charger_back,
    fitting,
    lock_ways_out,
    promise_failed,
    warn_of_fault,
)
from orders.services.no_energy import energy_due
from orders.services.offer import init_order, select_offer
from orders.services.overlaying import advertised
from orders.services.refunds import approve_refund, ask_refund, decline_refund, finish_refund, retry_refund
from orders.services.returning import refunds_due, settle_due
from orders.services.startcode import is_start_code, start_code, wrong_start_code
from orders.services.wish import Plan, Said, Wish, current_terms, plan_for
from orders.terms import CANCELLATION_REASONS

__all__ = [
    "CANCELLATION_REASONS",
    "Declared",
    "Plan",
    "Said",
    "Vehicle",
    "Wish",
    "advertised",
    "announce_price_change",
    "approve_order",
    "approve_refund",
    "ask_refund",
    "asked_for",
    "cancel_order",
    "cancellation_quote",
    "cancellation_terms",
    "change_billing",
    "change_connector",
    "change_window",
    "charger_back",
    "check_books",
    "collect_due",
    "collected_late",
    "complete_order",
    "confirm_order",
    "correct_bill",
    "current_terms",
    "deadlines_due",
    "decline_order",
    "decline_refund",
    "energy_due",
    "expire_due",
    "finish_refund",
    "fitting",
    "forget_news",
    "init_order",
    "is_start_code",
    "lock_ways_out",
    "mark_ending",
    "mark_failed",
    "mark_paused",
    "mark_resumed",
    "mark_started",
    "mark_starting",
    "notes_due",
    "pay_path",
    "plan_for",
    "prices_due",
    "prolong_due",
    "promise_failed",
    "record",
    "refund_terms",
    "refunds_due",
    "retry_refund",
    "select_offer",
    "settle_due",
    "settle_with",
    "start_code",
    "take_news",
    "warn_of_fault",
    "wrong_start_code",
]
