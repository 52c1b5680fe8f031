"""Which tables does an order have? One file for each matter; everybody imports from here."""

from orders.models.collecting import Collection, PaymentNews, PaymentReference, WebhookRefusal
from orders.models.invoices import Invoice, InvoiceSeries, PaperKind
from orders.models.money import Account, BooksCheck, Journal, MoneyRules, Posting, Refund
from orders.models.overlays import CouponUse, Member, Overlay, QuoteRules
from orders.models.promise import Order, OrderEvent, Payment, Quote, Reservation
from orders.models.rules import CancellationRule, Deadline, ReservationRules
from orders.models.terms import Consent, Terms

__all__ = [
    "Account",
    "BooksCheck",
    "CancellationRule",
    "Collection",
    "Consent",
    "CouponUse",
    "Deadline",
    "Invoice",
    "InvoiceSeries",
    "Journal",
    "Member",
    "MoneyRules",
    "Order",
    "OrderEvent",
    "Overlay",
    "PaperKind",
    "Payment",
    "PaymentNews",
    "PaymentReference",
    "Posting",
    "Quote",
    "QuoteRules",
    "Refund",
    "Reservation",
    "ReservationRules",
    "Terms",
    "WebhookRefusal",
]
