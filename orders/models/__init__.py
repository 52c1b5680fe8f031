"""Which tables does an order have? One file for each matter; everybody imports from here."""

from orders.models.money import Account, Journal, MoneyRules, Posting, Refund
from orders.models.promise import Order, OrderEvent, Payment, Quote, Reservation
from orders.models.terms import Consent, Terms

__all__ = [
    "Account",
    "Consent",
    "Journal",
    "MoneyRules",
    "Order",
    "OrderEvent",
    "Payment",
    "Posting",
    "Quote",
    "Refund",
    "Reservation",
    "Terms",
]
