"""Which notices are owed to drivers, what did each operator decide about them, and who wants none?"""

from __future__ import annotations

from datetime import time

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Operator
from orders.models import Order


class Notice(models.Model):
    """One fact to be told one way about one order: told once, however often it is noticed.

    What it says is written when it goes out, from the order as it is then; the address stays with the order.
    """

    class Kind(models.TextChoices):
        STARTED = "started", "Charging started"
        EIGHTY = "eighty", "80 % reached"
        INTERRUPTED = "interrupted", "Charging interrupted"
        RESUMED = "resumed", "Charging goes on"
        IDLE_SOON = "idle-soon", "Standing will cost"
        DONE = "done", "Charging ended"
        RECEIPT = "receipt", "Receipt"
        REFUND = "refund", "Refund"

    class State(models.TextChoices):
        DUE = "due", "Due"
        SENT = "sent", "Sent"
        DROPPED = "dropped", "Not wanted any more"
        DEAD = "dead", "Given up"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=11, choices=Kind)
    place = models.BigIntegerField(help_text="Which of its kind: the event's, paper's or refund's number, or a second.")
    way = models.CharField(max_length=20, help_text="E-mail, webhook, …")
    cause = models.CharField(
        max_length=20, blank=True, default="", help_text="What it is about, where a kind has more."
    )
    at = models.DateTimeField(help_text="When it came true.")
    state = models.CharField(max_length=7, choices=State, default=State.DUE)
    next_at = models.DateTimeField(null=True, blank=True, help_text="Due at; empty once settled.")
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    sent_to = models.CharField(max_length=255, blank=True, default="", help_text="To whom, masked.")
    reason = models.CharField(max_length=500, blank=True, default="", help_text="Why it failed or was not sent.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "kind", "place", "way"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(state="due", next_at__isnull=False) | ~Q(state="due") & Q(next_at__isnull=True),
                name="notice_due_has_time",
            ),
            models.CheckConstraint(condition=~Q(state="sent") | Q(sent_at__isnull=False), name="notice_sent_has_time"),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="notice_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["at"], name="notice_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.order}"


def all_switches() -> list[str]:
    """Every kind, both ways."""
    return [f"{way}:{kind}" for way in ("email", "webhook") for kind in Notice.Kind.values]


def waiting_kinds() -> list[str]:
    """What nobody is to be woken for."""
    return [Notice.Kind.STARTED, Notice.Kind.EIGHTY, Notice.Kind.RECEIPT, Notice.Kind.REFUND]


def linked_ways() -> list[str]:
    """Where the link of the live page goes: to the address that was given with the order."""
    return ["email"]


class NoticeSettings(models.Model):
    """What an operator decides about notices; where there is no row, the setting NOTICES_DEFAULT_ON says all."""

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        HINDI = "hi", "हिन्दी"
        KANNADA = "kn", "ಕನ್ನಡ"

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, related_name="notice_settings")
    active = models.BooleanField(default=False, help_text="Off: drivers of this operator are told nothing.")
    active_since = models.DateTimeField(null=True, blank=True, editable=False, help_text="Nothing older is told.")
    switches = ArrayField(models.CharField(max_length=40), default=all_switches, blank=True)
    language = models.CharField(
        max_length=2, choices=Language, default=Language.ENGLISH, help_text="Where the order names none."
    )
    quiet_from = models.TimeField(default=time(22), help_text="By the station's clock.")
    quiet_until = models.TimeField(default=time(7), help_text="The same time as above: there are no quiet hours.")
    quiet_kinds = ArrayField(
        models.CharField(max_length=11), default=waiting_kinds, blank=True, help_text="These wait until the morning."
    )
    links = ArrayField(
        models.CharField(max_length=20),
        default=linked_ways,
        blank=True,
        help_text="Where the link of the live page is given: whoever has it sees the session.",
    )
    webhook_url = models.URLField(max_length=500, blank=True, default="", help_text="https; empty: no webhook.")
    webhook_number = models.PositiveIntegerField(default=1, editable=False, help_text="Of the webhook's secret.")
    webhook_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "notice settings"
        verbose_name_plural = "notice settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_kinds__contained_by=Notice.Kind.values), name="notice_settings_quiet_kinds"
            ),
            models.CheckConstraint(condition=Q(language__in=["en", "hi", "kn"]), name="notice_settings_language"),
        ]

    def __str__(self) -> str:
        return f"Notice settings of {self.operator}"


class NoticeOptOut(models.Model):
    """An address that wants no notices of an operator; only its keyed hash is kept."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="notice_opt_outs")
    address_hash = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operator", "address_hash"], name="notice_opt_out_once")]

    def __str__(self) -> str:
        return f"no notices of {self.operator}"
