"""What did we promise, to whom, at which price, and what became of it?"""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from catalog.models import Connector, Operator


class Order(models.Model):
    """One customer journey of one buyer app: a draft from select, a promise from confirm."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        INITIATED = "initiated", "Initiated"
        ACTIVE = "active", "Active"
        COMPLETE = "complete", "Complete"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    BILLED = (State.COMPLETE, State.CANCELLED)
    CONFIRMED = (State.ACTIVE, *BILLED)
    ENDED = (*BILLED, State.EXPIRED)

    class Fulfillment(models.TextChoices):
        """How far the promise is made true; the values are neutral, the dialect spells them for the wire."""

        NONE = "none", "Not started"
        ORDER_INITIATED = "order-initiated", "Order initiated"
        PENDING_APPROVAL = "pending-approval", "Waiting for approval"
        PAYMENT_COMPLETED = "payment-completed", "Payment completed"
        CHARGING_STARTING = "charging-starting", "Charging is starting"
        CHARGING_STARTED = "charging-started", "Charging started"
        CHARGING_PAUSED = "charging-paused", "Charging paused"
        CHARGING_RESUMED = "charging-resumed", "Charging resumed"
        CHARGING_ENDING = "charging-ending", "Charging is ending"
        CHARGING_ENDED = "charging-ended", "Charging ended"
        CHARGER_ERROR = "charger-error", "Charger fault"
        ORDER_CANCELLED = "order-cancelled", "Order cancelled"
        NO_SHOW = "no-show", "The driver did not come"

    class Quantity(models.TextChoices):
        ENERGY = "energy", "Energy (Wh)"
        MONEY = "money", "Money (paise)"
        TIME = "time", "Time (seconds)"

    bap_id = models.CharField(max_length=255)
    transaction_id = models.CharField(max_length=255)
    code = models.CharField(max_length=32, unique=True, null=True, blank=True, help_text="Order id, given at confirm.")
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="orders")
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="orders")
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT)
    fulfillment = models.CharField(max_length=20, choices=Fulfillment, default=Fulfillment.NONE)
    quantity_kind = models.CharField(max_length=6, choices=Quantity, default=Quantity.ENERGY)
    quantity = models.PositiveBigIntegerField(help_text="Wh, paise or seconds, by quantity_kind.")
    energy_wh = models.PositiveBigIntegerField(help_text="The energy the quote is for.")
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Wanted window; empty for charging now.")
    ends_at = models.DateTimeField(null=True, blank=True)
    asked = models.JSONField(
        default=dict, blank=True, help_text="What else the wish names: {offers, groups, person, vehicle, power_w}."
    )
    billing = models.JSONField(default=dict, blank=True)
    customer = models.JSONField(default=dict, blank=True)
    context = models.JSONField(default=dict, help_text="What unsolicited callbacks copy from the request.")
    cancellation = models.JSONField(default=dict, blank=True)
    rules = models.JSONField(default=dict, blank=True, help_text="The operator's rules as they were promised.")
    may_redirect = models.BooleanField(default=False, help_text="May be moved to another connector without asking.")
    code_tries = models.PositiveSmallIntegerField(default=0, help_text="Wrong start codes so far.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    last_event = models.PositiveIntegerField(default=0, help_text="Number of the newest event.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bap_id", "transaction_id"], name="order_per_transaction"),
            models.CheckConstraint(
                condition=~Q(state__in=["active", "complete"]) | Q(code__isnull=False, confirmed_at__isnull=False),
                name="order_active_has_code",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity"),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__gt=F("starts_at")), name="order_window"
            ),
        ]
        indexes = [
            models.Index(fields=["operator", "-created_at"], name="order_operator_created"),
            models.Index(fields=["state", "updated_at"], name="order_state_updated"),
        ]

    def __str__(self) -> str:
        return self.code or f"{self.get_state_display()} {self.transaction_id}"


class Quote(models.Model):
    """A price that adds up, offered with a ttl or billed after the session: rounded lines and their sum."""

    class Kind(models.TextChoices):
        OFFER = "offer", "Offer"
        BILL = "bill", "Bill"
        CANCELLATION = "cancellation", "Cancellation"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="quotes")
    number = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.OFFER)
    currency = models.CharField(max_length=3, default="INR")
    lines = models.JSONField(help_text="[{code, paise, note, energy_wh?}] in order; codes as `orders.pricing`.")
    total_paise = models.BigIntegerField()
    energy_wh = models.PositiveBigIntegerField()
    tariff = models.JSONField(default=dict, help_text="The tariff as it was when this was computed.")
    created_at = models.DateTimeField(db_default=Now())
    valid_until = models.DateTimeField(null=True, blank=True)
    current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(current=True), name="quote_one_current"),
        ]  # the migration adds quote_total_is_sum: the total equals its lines

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Reservation(models.Model):
    """A connector promised to one order for a time; no two live ones may overlap on an EVSE."""

    class State(models.TextChoices):
        HELD = "held", "Held until the quote runs out"
        CONFIRMED = "confirmed", "Confirmed"
        ACTIVE = "active", "In use"
        RELEASED = "released", "Released"

    LIVE = (State.HELD, State.CONFIRMED, State.ACTIVE)

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="reservations")
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="reservations")
    evse_id = models.BigIntegerField(help_text="The EVSE serves one vehicle at a time, whichever connector.")
    during = DateTimeRangeField(help_text="The customer's own time.")
    buffer_s = models.PositiveIntegerField(default=0, help_text="Kept free afterwards, s.")
    blocked = DateTimeRangeField(editable=False, help_text="`during` and the buffer; the database fills it in.")
    state = models.CharField(max_length=9, choices=State, default=State.HELD)
    held_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=~Q(state="released"), name="reservation_one_live_per_order"
            ),
            # int8range instead of a plain equality, so that the btree_gist extension is not needed
            ExclusionConstraint(
                name="reservation_no_overlap",
                expressions=[
                    (Func(F("evse_id"), F("evse_id"), Value("[]"), function="int8range"), RangeOperators.OVERLAPS),
                    ("blocked", RangeOperators.OVERLAPS),
                ],
                condition=Q(state__in=["held", "confirmed", "active"]),
            ),
            models.CheckConstraint(
                condition=Q(during__isempty=False)
                & Q(during__startswith__isnull=False)
                & Q(during__endswith__isnull=False),
                name="reservation_bounded",
            ),
        ]
        indexes = [
            models.Index(fields=["held_until"], name="reservation_held", condition=Q(state="held")),
        ]

    def __str__(self) -> str:
        return f"{self.connector} {self.state}"


class Payment(models.Model):
    """What is to be paid for an order, by whom it is collected and whether it was."""

    class CollectedBy(models.TextChoices):
        BAP = "BAP", "Buyer app"
        BPP = "BPP", "Us"

    class Type(models.TextChoices):
        PRE_ORDER = "PRE-ORDER", "Before the session"
        ON_FULFILLMENT = "ON-FULFILLMENT", "At the station"
        POST_FULFILLMENT = "POST-FULFILLMENT", "After the session"

    class Status(models.TextChoices):
        NOT_PAID = "NOT-PAID", "Not paid"
        PAID = "PAID", "Paid"

    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="payment")
    collected_by = models.CharField(max_length=3, choices=CollectedBy, default=CollectedBy.BAP)
    type = models.CharField(max_length=20, choices=Type, default=Type.PRE_ORDER)
    status = models.CharField(max_length=10, choices=Status, default=Status.NOT_PAID)
    amount_paise = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")
    reference = models.CharField(max_length=255, blank=True, default="", help_text="The payer's transaction id.")
    finder_fee_type = models.CharField(
        max_length=7, blank=True, default="", choices=[("percent", "Percent"), ("amount", "Amount")]
    )
    finder_fee = models.DecimalField(
        max_digits=9,
        decimal_places=2,
        default=Decimal(0),
        help_text="What the buyer app keeps, in percent of the total or in rupees.",
    )
    paid_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_paise__gte=0), name="payment_amount"),
            models.CheckConstraint(
                condition=Q(finder_fee_type="", finder_fee=0)
                | Q(finder_fee_type="percent", finder_fee__gt=0, finder_fee__lte=100)
                | Q(finder_fee_type="amount", finder_fee__gt=0),
                name="payment_finder_fee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.amount_paise}"


class OrderEvent(models.Model):
    """A fact about an order, append-only; numbers have no gaps; publish turns the unpublished ones into callbacks."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    from_state = models.CharField(max_length=9, blank=True, default="")
    to_state = models.CharField(max_length=9, blank=True, default="")
    from_fulfillment = models.CharField(max_length=20, blank=True, default="")
    to_fulfillment = models.CharField(max_length=20, blank=True, default="")
    at = models.DateTimeField()
    data = models.JSONField(default=dict, blank=True)
    actor = models.CharField(max_length=150, blank=True, default="", help_text="Who caused it: a buyer app, a user, …")
    public = models.BooleanField(default=False, help_text="The buyer app is told by a callback.")
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "number"], name="event_number")]
        indexes = [
            models.Index(fields=["id"], name="event_unpublished", condition=Q(public=True, published_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"
