"""What did customers say, and which grievances are open?"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Operator
from orders.models import Order


class Rating(models.Model):
    """One value per order and category; a later one replaces an earlier one."""

    class Category(models.TextChoices):
        ITEM = "Item", "Item"
        ORDER = "Order", "Order"
        FULFILLMENT = "Fulfillment", "Fulfillment"
        PROVIDER = "Provider", "Provider"
        AGENT = "Agent", "Agent"
        SUPPORT = "Support", "Support"

    class Source(models.TextChoices):
        APP = "app", "Buyer app"
        FORM = "form", "Feedback form"
        PAGE = "page", "Live page"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="ratings")
    category = models.CharField(max_length=12, choices=Category)
    target = models.CharField(max_length=255, help_text="The id that was rated.")
    value = models.DecimalField(max_digits=3, decimal_places=2)
    comment = models.TextField(blank=True, default="")
    source = models.CharField(
        max_length=4, choices=Source, default=Source.APP, db_default=Source.APP, help_text="Where the value was given."
    )
    form_token_hash = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "category"], name="rating_once"),
            models.CheckConstraint(condition=Q(value__gte=0, value__lte=5), name="rating_value"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.value}"


class Ticket(models.Model):
    """A request for help about an order, or about a station."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered"
        CLOSED = "closed", "Closed"

    code = models.CharField(max_length=20, unique=True)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="tickets")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets")
    bap_id = models.CharField(max_length=255, blank=True, default="")
    subject = models.CharField(max_length=200)
    contact_phone = models.CharField(max_length=20, blank=True, default="")
    contact_email = models.CharField(max_length=254, blank=True, default="")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    notes = models.TextField(blank=True, default="")
    opened_at = models.DateTimeField(db_default=Now())
    reply_due_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "subject"], condition=Q(state="open"), name="ticket_one_open_per_subject"
            )
        ]
        indexes = [models.Index(fields=["operator", "state", "reply_due_at"], name="ticket_board")]

    def __str__(self) -> str:
        return self.code
