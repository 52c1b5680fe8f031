"""By which rules does an operator take bookings, confirm them and let go of them, and what falls due when?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import Operator, Station
from orders.models.promise import Order


class _Scope(models.Model):
    """Rules of an operator, or of one of its stations, which then count instead."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="%(class)s_set")
    station = models.ForeignKey(
        Station,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="%(class)s_set",
        help_text="Empty: every station of the operator without rules of its own.",
    )

    class Meta:
        abstract = True


class ReservationRules(_Scope):
    """How bookings are taken and confirmed; an order keeps the rules it was initialised under."""

    class Mode(models.TextChoices):
        INSTANT = "instant", "At once"
        ADVANCE = "advance", "At once, with a reminder before the start"
        PROVISIONAL = "provisional", "After the operator's approval"

    class Outcome(models.TextChoices):
        APPROVE = "approve", "Approve"
        DECLINE = "decline", "Decline"

    class OnFailure(models.TextChoices):
        ASK = "ask", "Offer others and wait for an answer"
        CANCEL = "cancel", "Cancel at once"

    earliest_s = models.PositiveIntegerField(default=30 * 86_400, help_text="How long before its start at most, s.")
    latest_s = models.PositiveIntegerField(default=0, help_text="How long before its start at least, s; 0: at once.")
    shortest_s = models.PositiveIntegerField(default=0, help_text="The shortest booked time, s.")
    longest_s = models.PositiveIntegerField(default=86_400, help_text="The longest booked time, s.")
    buffer_s = models.PositiveIntegerField(default=0, help_text="Time kept free after each session, s.")
    grace_s = models.PositiveIntegerField(default=900, help_text="A start so late still gets its whole time, s.")
    no_show_after_s = models.PositiveIntegerField(default=3_600, help_text="After that the order is closed, s.")
    mode = models.CharField(max_length=11, choices=Mode, default=Mode.INSTANT)
    reminder_s = models.PositiveIntegerField(default=3_600, help_text="How long before the start to remind, s.")
    approval_s = models.PositiveIntegerField(default=900, help_text="How long an approval may take, s.")
    approval_outcome = models.CharField(max_length=7, choices=Outcome, default=Outcome.DECLINE)
    start_code = models.BooleanField(default=False, help_text="The driver needs a one-time code to start.")
    on_failure = models.CharField(max_length=6, choices=OnFailure, default=OnFailure.ASK)
    answer_s = models.PositiveIntegerField(default=900, help_text="How long an answer to a failure may take, s.")
    free_cancel_s = models.PositiveIntegerField(default=0, help_text="Free cancellation after confirmation, s.")
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "reservation rules"
        constraints = [
            models.UniqueConstraint(fields=["operator", "station"], name="rules_per_scope", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(longest_s__gt=0, longest_s__gte=F("shortest_s"), earliest_s__gte=F("latest_s")),
                name="rules_limits",
            ),
            models.CheckConstraint(condition=Q(no_show_after_s__gte=F("grace_s")), name="rules_grace_before_no_show"),
            models.CheckConstraint(condition=Q(approval_s__gt=0, answer_s__gt=0), name="rules_deadlines"),
        ]

    def __str__(self) -> str:
        return f"Rules of {self.station or self.operator}"


class CancellationRule(_Scope):
    """What cancelling costs in a fulfilment state, so many minutes before the start; the first that fits counts."""

    class State(models.TextChoices):
        PENDING_APPROVAL = "pending-approval", "Waiting for approval"
        PAYMENT_COMPLETED = "payment-completed", "Confirmed, before charging"
        CHARGING_STARTED = "charging-started", "Charging started"
        NO_SHOW = "no-show", "The driver did not come"

    place = models.PositiveSmallIntegerField(default=0, help_text="Rules are tried in this order.")
    state = models.CharField(max_length=20, choices=State, default=State.PAYMENT_COMPLETED)
    from_min = models.PositiveIntegerField(
        null=True, blank=True, help_text="Minutes before the start, at least; empty: down to none."
    )
    to_min = models.PositiveIntegerField(
        null=True, blank=True, help_text="Minutes before the start, less than; empty: any."
    )
    fee_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
    )
    fee_paise = models.PositiveBigIntegerField(null=True, blank=True, help_text="Tax included; at most the total.")
    reason_required = models.BooleanField(default=True)
    refund_eligible = models.BooleanField(default=True)
    refund_within_s = models.PositiveIntegerField(default=10 * 86_400)

    class Meta:
        ordering = ["place", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(fee_percent__isnull=True, fee_paise__isnull=False)
                | Q(fee_percent__isnull=False, fee_paise__isnull=True),
                name="cancellation_percent_or_amount",
            ),
            models.CheckConstraint(
                condition=Q(fee_percent__isnull=True) | Q(fee_percent__gte=0, fee_percent__lte=100),
                name="cancellation_percent",
            ),
            models.CheckConstraint(
                condition=Q(from_min__isnull=True) | Q(to_min__isnull=True) | Q(from_min__lt=F("to_min")),
                name="cancellation_minutes",
            ),
        ]

    def __str__(self) -> str:
        fee = f"{self.fee_percent} %" if self.fee_percent is not None else f"{self.fee_paise} paise"
        return f"{self.get_state_display()}: {fee}"

    def snapshot(self) -> dict[str, Any]:
        """This rule as JSON, as orders keep it."""
        return {
            "state": self.state,
            "from_min": self.from_min,
            "to_min": self.to_min,
            "percent": None if self.fee_percent is None else str(self.fee_percent),
            "paise": self.fee_paise,
            "reason_required": self.reason_required,
            "eligible": self.refund_eligible,
            "within_s": self.refund_within_s,
        }


class Deadline(models.Model):
    """A moment at which an order needs something done; at most one of each kind, done once."""

    class Kind(models.TextChoices):
        APPROVAL = "approval", "Approval by the operator"
        REMINDER = "reminder", "Reminder before the start"
        NO_SHOW = "no-show", "The driver did not come"
        ANSWER = "answer", "Answer to a failed charger"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="deadlines")
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "kind"], name="deadline_once_per_kind")]
        indexes = [models.Index(fields=["at"], name="deadline_open", condition=Q(done_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.at:%Y-%m-%d %H:%M}"
