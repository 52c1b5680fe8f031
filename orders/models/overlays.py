"""What does an operator add to or take off its tariffs: for whom, when, how often, and who has used it?"""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from catalog.models import CODE, Operator, Station
from orders.models.promise import Order


class Overlay(models.Model):
    """A change of the tariff's price with its conditions, all of which must hold.

    Of each kind one applies, the one that is best for the customer; of surges the highest. What applied is kept with
    the quote, so an overlay may be changed at any time without touching a promise.
    """

    class Kind(models.TextChoices):
        SURGE = "surge", "Surge"
        GROUP = "group", "Membership or customer group"
        BULK = "bulk", "Bulk discount"
        COUPON = "coupon", "Coupon"

    class Change(models.TextChoices):
        PERCENT = "percent", "Percent"
        PER_KWH = "per_kwh", "Per kWh"
        FLAT = "flat", "Per session"

    class Scope(models.TextChoices):
        ALL = "all", "The whole session"
        ENERGY = "energy", "The energy only"

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="overlays")
    kind = models.CharField(max_length=6, choices=Kind)
    code = models.CharField(max_length=64, validators=[CODE], help_text="A coupon's code as customers type it.")
    name = models.CharField(max_length=100, help_text="As it stands on the quote.")
    change = models.CharField(max_length=7, choices=Change, default=Change.PERCENT)
    value = models.DecimalField(max_digits=9, decimal_places=2, help_text="Before tax; below 0 it is a discount.")
    scope = models.CharField(max_length=6, choices=Scope, default=Scope.ALL)
    cap_paise = models.PositiveBigIntegerField(null=True, blank=True, help_text="The most it comes to; empty: no cap.")
    active = models.BooleanField(default=True)
    advertised = models.BooleanField(default=False, help_text="A coupon that everybody sees in the search results.")
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True, help_text="The first moment it holds no more.")
    announced_at = models.DateTimeField(
        null=True, blank=True, help_text="A surge: since when customers are told of it."
    )
    from_time = models.TimeField(null=True, blank=True, help_text="Daily, in the station's time zone.")
    to_time = models.TimeField(null=True, blank=True)
    station = models.ForeignKey(Station, null=True, blank=True, on_delete=models.CASCADE, related_name="overlays")
    bap_id = models.CharField("buyer app", max_length=255, blank=True, default="", help_text="Empty: any.")
    group_code = models.CharField(max_length=64, blank=True, default="", help_text="Sent by the buyer app.")
    nth = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(2)], help_text="Bulk: from which session on."
    )
    within_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(366)]
    )
    min_energy_wh = models.PositiveBigIntegerField(default=0, help_text="The least energy quoted, Wh.")
    min_paise = models.PositiveBigIntegerField(default=0, help_text="The least price before tax and discounts, paise.")
    max_uses = models.PositiveIntegerField(null=True, blank=True, help_text="The first so many orders.")
    per_customer = models.PositiveIntegerField(null=True, blank=True, help_text="So many orders of one customer.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "operator",
                Upper("code"),
                name="overlay_code",
                violation_error_message="This operator has that code already; capitals make no difference.",
            ),
            models.CheckConstraint(
                condition=Q(kind="surge", value__gt=0) | (~Q(kind="surge") & Q(value__lt=0)),
                name="overlay_sign",
                violation_error_message="A surge is above 0, every other overlay below.",
            ),
            models.CheckConstraint(
                condition=~Q(change="percent") | Q(value__gte=-100, value__lte=1000), name="overlay_percent"
            ),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
                name="overlay_window",
                violation_error_message="The window must end after it begins.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="surge")
                | Q(announced_at__isnull=False, valid_from__gte=F("announced_at"), valid_until__isnull=False),
                name="overlay_surge_announced",
                violation_error_message="A surge needs a window and is announced before it begins.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="bulk") | Q(nth__gte=2, within_days__gte=1),
                name="overlay_bulk",
                violation_error_message="A bulk discount needs nth (2 or more) and within_days.",
            ),
            models.CheckConstraint(
                condition=Q(from_time__isnull=True, to_time__isnull=True)
                | Q(from_time__isnull=False, to_time__isnull=False),
                name="overlay_times",
                violation_error_message="Give both daily times or neither.",
            ),
            models.CheckConstraint(
                condition=Q(kind="coupon") | Q(max_uses__isnull=True, per_customer__isnull=True),
                name="overlay_only_coupons_count",
                violation_error_message="Only coupons count their uses.",
            ),
            models.CheckConstraint(
                condition=Q(advertised=False) | Q(kind="coupon", group_code="", bap_id=""),
                name="overlay_advertised_is_for_all",
                violation_error_message="Only a coupon for all, of no group and no one buyer app, can be advertised.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def clean(self) -> None:
        """Refuse a station of another operator."""
        if self.station is not None and self.station.operator_id != self.operator_id:
            raise ValidationError({"station": "This station belongs to another operator; choose one of yours."})


class Member(models.Model):
    """A customer who has an overlay's price without sending a group code: a person's id at a buyer app."""

    overlay = models.ForeignKey(Overlay, on_delete=models.CASCADE, related_name="members")
    person = models.CharField(max_length=255, help_text="The customer's id as the buyer app sends it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["overlay", "person"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.person} in {self.overlay.code}"


class CouponUse(models.Model):
    """One order's use of a coupon; `number` counts the coupon's standing uses, `customer_number` the customer's.

    The numbers are unique among what was not given back, and a trigger holds them against the coupon's limits.
    """

    overlay = models.ForeignKey(Overlay, on_delete=models.PROTECT, related_name="uses")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="coupon_uses")
    number = models.PositiveIntegerField()
    customer = models.CharField(max_length=300)
    customer_number = models.PositiveIntegerField()
    at = models.DateTimeField()
    returned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["overlay", "order"], condition=Q(returned_at__isnull=True), name="coupon_once_per_order"
            ),
            models.UniqueConstraint(
                fields=["overlay", "number"], condition=Q(returned_at__isnull=True), name="coupon_number"
            ),
            models.UniqueConstraint(
                fields=["overlay", "customer", "customer_number"],
                condition=Q(returned_at__isnull=True),
                name="coupon_customer_number",
            ),
        ]  # the migration adds coupon_limits: numbers within the coupon's limits

    def __str__(self) -> str:
        return f"{self.overlay.code} use {self.number}"


class QuoteRules(models.Model):
    """How an operator quotes what is left open, and whether a promised price may change."""

    class Open(models.TextChoices):
        ASSUME = "assume", "Assume an amount and say so"
        REFUSE = "refuse", "Ask for an amount"

    class Change(models.TextChoices):
        NEVER = "never", "The quoted price is guaranteed"
        ANNOUNCED = "announced", "A change is announced before it applies"

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, related_name="quote_rules")
    without_amount = models.CharField(max_length=6, choices=Open, default=Open.ASSUME)
    assumed_wh = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="The amount assumed; empty: the platform's."
    )
    loss_percent_ac = models.DecimalField(max_digits=4, decimal_places=1, default=Decimal("10.0"))
    loss_percent_dc = models.DecimalField(max_digits=4, decimal_places=1, default=Decimal("5.0"))
    price_change = models.CharField(max_length=9, choices=Change, default=Change.NEVER)
    notice_s = models.PositiveIntegerField(default=3_600, help_text="How long before it applies a change is told, s.")

    class Meta:
        verbose_name_plural = "quote rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(assumed_wh__isnull=True) | Q(assumed_wh__gt=0), name="quote_rules_assumed"
            ),
            models.CheckConstraint(
                condition=Q(loss_percent_ac__gte=0, loss_percent_dc__gte=0), name="quote_rules_losses"
            ),
        ]

    def __str__(self) -> str:
        return f"Quotes of {self.operator}"
