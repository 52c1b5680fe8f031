"""Where is every rupee of an order, who moved it and why, and which refund is on its way?

Amounts are signed paise: a debit is positive, a credit negative, and the postings of one journal sum to zero. Journals
and postings are never changed or deleted; a mistake is put right by a journal that reverses it. Triggers hold this.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Operator
from orders.models.promise import Order, Quote


class Account(models.TextChoices):
    """What a rupee is; assets grow by debits, debts and income by credits."""

    CASH = "cash", "Cash at the payment provider"
    AUTHORISED = "authorised", "Authorised at the payment provider"
    BANK = "bank", "Operator's bank account"
    BAP = "bap-receivable", "Owed by the buyer app"
    CUSTOMER = "customer-receivable", "Owed by the customer"
    HELD = "held", "Prepayment held for the order"
    REVENUE = "revenue", "Revenue before tax"
    FEES = "fees", "Cancellation fees before tax"
    CGST = "cgst", "CGST payable"
    SGST = "sgst", "SGST payable"
    UTGST = "utgst", "UTGST payable"
    IGST = "igst", "IGST payable"
    GOODWILL = "goodwill", "Given back as goodwill"
    REFUNDS = "refunds-due", "Refunds due to the customer"
    FINDER_FEE = "finder-fee", "Finder fees of buyer apps"
    SETTLEMENT = "settlement-payable", "Finder fees owed to buyer apps"


class Journal(models.Model):
    """One money event: why, when and by whom; its postings say what moved. `key` makes it happen once."""

    class Kind(models.TextChoices):
        CHARGE = "charge", "Charge"
        HOLD = "hold", "Hold"
        CAPTURE = "capture", "Capture"
        RELEASE = "release", "Release"
        REFUND = "refund", "Refund due"
        PAYOUT = "payout", "Refund paid"
        FEE = "fee", "Fee"
        SETTLEMENT = "settlement", "Settlement"
        ADJUSTMENT = "adjustment", "Adjustment"

    key = models.CharField(max_length=200, unique=True, help_text="The same event again has the same key.")
    kind = models.CharField(max_length=10, choices=Kind)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="journals")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="journals")
    quote = models.ForeignKey(Quote, null=True, blank=True, on_delete=models.PROTECT, related_name="journals")
    bap_id = models.CharField(max_length=255, blank=True, default="")
    provider = models.CharField(max_length=30, blank=True, default="", help_text="The payment provider's name.")
    reference = models.CharField(max_length=255, blank=True, default="", help_text="The id it has there.")
    note = models.CharField(max_length=300, blank=True, default="")
    actor = models.CharField(max_length=150)
    at = models.DateTimeField()
    reverses = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversed_by")

    class Meta:
        indexes = [
            models.Index(fields=["operator", "at"], name="journal_operator_at"),
            models.Index(fields=["bap_id", "at"], name="journal_bap_at"),
            models.Index(fields=["kind", "at"], name="journal_kind_at"),
        ]

    def __str__(self) -> str:
        return self.key


class Posting(models.Model):
    """One leg of a journal; order, operator and buyer app are repeated here so that sums need no join."""

    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="postings")
    account = models.CharField(max_length=20, choices=Account)
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="postings")
    bap_id = models.CharField(max_length=255, blank=True, default="")
    currency = models.CharField(max_length=3, default="INR")
    paise = models.BigIntegerField(help_text="Debit positive, credit negative.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(paise=0), name="posting_moves_something"),
            models.CheckConstraint(condition=Q(account__in=Account.values), name="posting_account_known"),
        ]
        indexes = [models.Index(fields=["operator", "account"], name="posting_operator_account")]

    def __str__(self) -> str:
        return f"{self.account} {self.paise}"


class Refund(models.Model):
    """Money on its way back to the customer, with the clock that customer and operator see."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for approval"
        APPROVED = "approved", "Approved"
        SENT = "sent", "Sent"
        DONE = "done", "Done"
        FAILED = "failed", "Failed, tried again"
        PERSON = "person", "Needs a person"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Reason(models.TextChoices):
        UNUSED = "unused", "Prepayment not used"
        CANCELLED = "cancelled", "Order cancelled"
        NO_ENERGY = "no-energy", "Paid, but no energy"
        UNCONFIRMED = "unconfirmed", "Paid, but not confirmed"
        OVERPAID = "overpaid", "Paid too much"
        METER = "meter", "Meter corrected"
        GOODWILL = "goodwill", "Goodwill"

    class Way(models.TextChoices):
        BAP = "BAP", "By the buyer app"
        PROVIDER = "provider", "By our payment provider"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    number = models.PositiveIntegerField()
    cause = models.CharField(max_length=100, help_text="What it is for; one refund for each cause.")
    reason = models.CharField(max_length=12, choices=Reason)
    way = models.CharField(max_length=8, choices=Way)
    provider = models.CharField(max_length=30, blank=True, default="", help_text="The payment provider's name.")
    payment_ref = models.CharField(max_length=255, blank=True, default="", help_text="The payment that is given back.")
    paise = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")
    state = models.CharField(max_length=9, choices=State)
    key = models.CharField(
        max_length=100, unique=True, help_text="refund:<order>:<number>, the provider's idempotency key."
    )
    reference = models.CharField(max_length=255, blank=True, default="", help_text="The provider's or buyer app's id.")
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True, help_text="When it is worked on next; empty: nobody's turn.")
    requested_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(help_text="By when the customer was promised the money.")
    approved_by = models.CharField(max_length=150, blank=True, default="")
    problem = models.CharField(max_length=500, blank=True, default="", help_text="What went wrong last.")

    OPEN = (State.REQUESTED, State.APPROVED, State.SENT, State.FAILED, State.PERSON)
    GIVEN_UP = (State.DECLINED, State.WITHDRAWN)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="refund_number"),
            models.UniqueConstraint(fields=["order", "cause"], name="refund_cause"),
            models.CheckConstraint(condition=Q(paise__gt=0), name="refund_amount"),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "sent", "done", "failed", "person"]) | Q(approved_at__isnull=False),
                name="refund_approved_first",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "declined", "withdrawn"], closed_at__isnull=False)
                | ~Q(state__in=["done", "declined", "withdrawn"]) & Q(closed_at__isnull=True),
                name="refund_closed",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="refund_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["state", "deadline_at"], name="refund_clock"),
        ]

    def __str__(self) -> str:
        return self.key


class MoneyRules(models.Model):
    """What an operator decides about money; where there is no row, the settings' defaults hold."""

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, related_name="money_rules")
    approve_above_paise = models.BigIntegerField(
        null=True, blank=True, help_text="Refunds above this wait for a person, in paise; empty: none do."
    )
    energy_within_s = models.PositiveIntegerField(
        null=True, blank=True, help_text="A paid order without energy this long is refunded, s; empty: the default."
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "money rules"
        verbose_name_plural = "money rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(approve_above_paise__isnull=True) | Q(approve_above_paise__gte=0), name="money_rules_limit"
            )
        ]

    def __str__(self) -> str:
        return f"Money rules of {self.operator}"


class BooksCheck(models.Model):
    """What a sweep over the books found; the newest row is how they stand."""

    at = models.DateTimeField()
    since = models.DateTimeField(null=True, blank=True, help_text="Orders with money moved since; empty: all.")
    orders = models.PositiveBigIntegerField(help_text="How many orders were looked at.")
    breaks = models.PositiveBigIntegerField(help_text="How many things do not add up.")
    findings = models.JSONField(default=list, blank=True, help_text="[{order, rule, text}], the first hundred.")

    class Meta:
        indexes = [models.Index(fields=["-at"], name="books_check_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}: {self.breaks} breaks"
