"""What is out of order, since when, and who was told?"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from catalog.models import Evse, Station
from fulfillment.models.events import StationEvent


class Outage(models.Model):
    """A station, or one charge point of it, out of order: from the fault that told so to the recovery."""

    station = models.ForeignKey(Station, on_delete=models.CASCADE, related_name="outages")
    evse = models.ForeignKey(
        Evse, null=True, blank=True, on_delete=models.CASCADE, related_name="outages", help_text="Empty: all of it."
    )
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True, help_text="Empty while it lasts.")
    error = models.TextField(blank=True, default="", help_text="What is broken, in the station's words.")
    orders = models.JSONField(default=dict, help_text="What became of the orders it met, by their codes.")
    event = models.ForeignKey(StationEvent, null=True, blank=True, on_delete=models.SET_NULL, related_name="outages")
    ticket = models.CharField(max_length=20, blank=True, default="", help_text="The operator's ticket about it.")
    untold = models.BooleanField(default=True, help_text="The ticket does not say yet how it stands.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["evse"], condition=Q(until__isnull=True, evse__isnull=False), name="outage_one_open_per_evse"
            ),
            models.UniqueConstraint(
                fields=["station"], condition=Q(until__isnull=True, evse__isnull=True), name="outage_one_open_of_all"
            ),
            models.UniqueConstraint(fields=["ticket"], condition=~Q(ticket=""), name="outage_ticket_once"),
            models.CheckConstraint(condition=Q(until__isnull=True) | Q(until__gte=F("since")), name="outage_forward"),
        ]
        indexes = [
            models.Index(fields=["id"], name="outage_untold", condition=Q(untold=True)),
            models.Index(fields=["station"], name="outage_open", condition=Q(until__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.evse or self.station} since {self.since:%Y-%m-%d %H:%M}"
