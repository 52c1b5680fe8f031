"""What did the stations say, and what is owed to the event sink?"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Station

RECOVERED = "com.ev-power-supplier.charging-station.recovered.v1"


class StationEvent(models.Model):
    """A CloudEvent a station or the supplier sent, stored once by source and id, with what became of it."""

    class State(models.TextChoices):
        NEW = "new", "New"
        DONE = "done", "Done"
        IGNORED = "ignored", "Ignored"
        REFUSED = "refused", "Refused"

    source = models.CharField(max_length=255)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    time = models.DateTimeField()
    data = models.JSONField()
    station = models.ForeignKey(Station, null=True, blank=True, on_delete=models.SET_NULL)
    received_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=7, choices=State, default=State.NEW)
    reason = models.TextField(blank=True, default="")
    attempts = models.IntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "event_id"], name="station_event_once")]
        indexes = [
            models.Index(fields=["next_at"], name="station_event_due", condition=Q(state="new")),
            models.Index(fields=["station", "time"], name="station_event_at"),
            models.Index(fields=["station", "time"], name="station_event_recovery", condition=Q(type=RECOVERED)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventOut(models.Model):
    """A CloudEvent of ours that is owed to the event sink; its id is the same however often it is made."""

    event_id = models.UUIDField(unique=True)
    source = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    subject = models.CharField(max_length=128, blank=True, default="")
    at = models.DateTimeField()
    data = models.JSONField(null=True)
    next_at = models.DateTimeField(null=True, blank=True, db_default=Now(), help_text="Due at; empty once settled.")
    attempts = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, default="", help_text="Why the newest try failed.")

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="event_out_due", condition=Q(next_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
