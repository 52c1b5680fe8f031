"""Which tables does an order have? One file for each matter; everybody imports from here."""

from orders.models.collecting import Collection, PaymentNews, PaymentReference, WebhookRefusal
from orders.models.money import Account, BooksCheck, Journal, MoneyRules, Posting, Refund
from orders.models.promise import Order, OrderEvent, Payment, Quote, Reservation
from orders.models.rules import CancellationRule, Deadline, ReservationRules
from orders.models.terms import Consent, Terms

__all__ = [
    "Account",
    "BooksCheck",
    "Collection",
    "CancellationRule",
    "Consent",
    "Deadline",
    "Journal",
    "MoneyRules",
    "Order",
    "OrderEvent",
    "Payment",
    "PaymentNews",
    "PaymentReference",
    "Posting",
    "Quote",
    "Refund",
    "Reservation",
    "Terms",
    "WebhookRefusal",
    "ReservationRules",
]
