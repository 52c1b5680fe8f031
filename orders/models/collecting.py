"""What did we ask a payer for through a provider, what came in, and what were we told about it?"""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orders.models.promise import Order

TOKEN_BYTES = 24


def new_token() -> str:
    """The unguessable end of a pay page's address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Collection(models.Model):
    """Money we collect for an order: asked for on a link, held or taken by the provider.

    At most one of an order waits for its payer.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Not due yet"
        ASKED = "asked", "Link to be made"
        OPEN = "open", "Waits for the payer"
        AUTHORISED = "authorised", "Held by the provider"
        CAPTURED = "captured", "Taken"
        RELEASED = "released", "Given free"
        EXPIRED = "expired", "Not paid in time"
        ALARM = "alarm", "Needs a person"

    OVER = (State.RELEASED, State.EXPIRED)
    SECURED = (State.AUTHORISED, State.CAPTURED)
    UNDECIDED = (State.WAITING, State.ASKED, State.OPEN, State.AUTHORISED, State.CAPTURED)

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="collections")
    number = models.PositiveIntegerField()
    provider = models.CharField(max_length=20)
    reference = models.CharField(max_length=35, unique=True, help_text="Our name for it at the provider.")
    token = models.CharField(max_length=64, unique=True, default=new_token)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    price_paise = models.BigIntegerField(help_text="What the order costs as quoted or billed.")
    amount_paise = models.BigIntegerField(help_text="What is asked for: the price and, where it is held, a buffer.")
    currency = models.CharField(max_length=3, default="INR")
    hold = models.BooleanField(default=False, help_text="Authorise now, capture after the bill.")
    link_ref = models.CharField(max_length=64, blank=True, default="")
    link_url = models.CharField(max_length=500, blank=True, default="")
    intent = models.CharField(max_length=500, blank=True, default="", help_text="upi:// address.")
    order_ref = models.CharField(max_length=64, blank=True, default="")
    payment_ref = models.CharField(max_length=64, blank=True, default="")
    authorised_paise = models.BigIntegerField(default=0)
    captured_paise = models.BigIntegerField(default=0)
    wanted_paise = models.BigIntegerField(
        null=True, blank=True, help_text="How much to capture, once that is decided; 0 gives the hold free."
    )
    closing = models.BooleanField(default=False, help_text="Nothing more is wanted: whatever still comes goes back.")
    done = models.BooleanField(
        default=False, help_text="Taken for a confirmed order: nothing is to be decided any more."
    )
    next_at = models.DateTimeField(null=True, blank=True, help_text="When the provider is asked next.")
    attempts = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=500, blank=True, default="")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="collection_number"),
            models.UniqueConstraint(
                fields=["provider", "link_ref"], condition=~Q(link_ref=""), name="collection_link_once"
            ),
            models.UniqueConstraint(
                fields=["provider", "payment_ref"], condition=~Q(payment_ref=""), name="collection_payment_once"
            ),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(state__in=["waiting", "asked", "open"], closing=False),
                name="collection_one_live",
            ),
            models.CheckConstraint(
                condition=Q(amount_paise__gt=0, price_paise__gte=0, authorised_paise__gte=0, captured_paise__gte=0),
                name="collection_amounts",
            ),
            models.CheckConstraint(
                condition=Q(captured_paise__lte=F("amount_paise"), authorised_paise__lte=F("amount_paise")),
                name="collection_at_most_asked",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="collection_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["provider", "order_ref"], name="collection_order_ref"),
            # The few among millions that the closing of their order may still concern, in the order they are taken.
            models.Index(
                fields=["id"],
                name="collection_undecided",
                condition=Q(
                    closing=False, done=False, state__in=["waiting", "asked", "open", "authorised", "captured"]
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class PaymentNews(models.Model):
    """A webhook as it came, its signature proven; kept whether it moved anything or not, its body for a while."""

    class State(models.TextChoices):
        NEW = "new", "To be looked into"
        DONE = "done", "Done"
        IGNORED = "ignored", "Nothing to do"
        ALARM = "alarm", "Needs a person"

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the body.")
    kind = models.CharField(max_length=60)
    raw = models.BinaryField(null=True, help_text="The body; emptied some days after, since it names the payer.")
    names = models.JSONField(
        default=dict, help_text="account, link_ref, order_ref, payment_ref, reference, refund_ref."
    )
    happened_at = models.DateTimeField(null=True, blank=True)
    collection = models.ForeignKey(Collection, null=True, blank=True, on_delete=models.PROTECT, related_name="news")
    state = models.CharField(max_length=7, choices=State, default=State.NEW)
    outcome = models.CharField(max_length=300, blank=True, default="")
    deliveries = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "payment news"
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="payment_news_event_once"),
            models.UniqueConstraint(fields=["provider", "digest"], name="payment_news_body_once"),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="payment_news_due", condition=Q(state="new")),
            models.Index(fields=["state", "-received_at"], name="payment_news_state"),
            models.Index(fields=["done_at"], name="payment_news_full", condition=Q(raw__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind} {self.event_id}"


class WebhookRefusal(models.Model):
    """How many webhooks of a day proved nothing; one row a day, so that a flood of forgeries stays small."""

    provider = models.CharField(max_length=20)
    day = models.DateField()
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "day"], name="webhook_refusal_day")]

    def __str__(self) -> str:
        return f"{self.provider} {self.day}: {self.count}"


class PaymentReference(models.Model):
    """A payer's transaction id pays for one order only; whoever collected it is the one who may name it."""

    payer = models.CharField(max_length=255, help_text="The buyer app that collected, or `BPP`.")
    reference = models.CharField(max_length=255)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payment_references")
    claimed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["payer", "reference"], name="payment_reference_once")]

    def __str__(self) -> str:
        return self.reference
