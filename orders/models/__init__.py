"""Which tables does an order have? One file for each matter; everybody imports from here."""

from orders.models.promise import Order, OrderEvent, Payment, Quote, Reservation

__all__ = ["Order", "OrderEvent", "Payment", "Quote", "Reservation"]
