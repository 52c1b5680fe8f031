"""Which links lead to live pages, and what may whoever holds one do there?"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Operator
from orders.models import Order


class TrackLink(models.Model):
    """An unguessable link to the live page of one order; only the token's hash is stored."""

    class Right(models.TextChoices):
        STOP = "stop", "Stop charging"
        EXTEND = "extend", "Extend the booked time"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="track_links")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    rights = ArrayField(
        models.CharField(max_length=6, choices=Right),
        default=list,
        db_default=[],
        blank=True,
        help_text="What its holder may do beside looking, reporting a problem and rating.",
    )
    deeds_done = models.PositiveIntegerField(default=0, db_default=0, help_text="How many deeds were done by it.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rights__contained_by=["stop", "extend"]), name="track_link_rights"),
        ]

    def __str__(self) -> str:
        return f"link to {self.order}"


class LinkDeed(models.Model):
    """One deed done by a link: the page it was asked on had this number, so that a form sent twice acts once."""

    class Name(models.TextChoices):
        STOP = "stop", "Stop charging"
        EXTEND = "extend", "Extend the booked time"
        REPORT = "report", "Report a problem"
        RATE = "rate", "Rate"

    link = models.ForeignKey(TrackLink, on_delete=models.CASCADE, related_name="deeds")
    name = models.CharField(max_length=6, choices=Name)
    number = models.PositiveIntegerField(help_text="How many deeds the link had done when its page was drawn.")
    at = models.DateTimeField()
    said = models.CharField(max_length=40, help_text="What the page answered.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["link", "name", "number"], name="link_deed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} by {self.link}"


class LinkRules(models.Model):
    """What an operator lets links do; where there is no row, the settings' defaults hold."""

    operator = models.OneToOneField(Operator, on_delete=models.CASCADE, related_name="link_rules")
    may_stop = models.BooleanField(default=True, help_text="Whoever holds a link may stop its session.")
    may_extend = models.BooleanField(default=True, help_text="Whoever holds a link may extend the booked time.")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "link rules"
        verbose_name_plural = "link rules"

    def __str__(self) -> str:
        return f"Link rules of {self.operator}"
