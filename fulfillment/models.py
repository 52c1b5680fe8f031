"""Which sessions run, what did the stations say, and what did the meters read?"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import Evse, Station
from orders.models import Order


class Session(models.Model):
    """One charging session of one order at one EVSE, driven step by step; `next_at` says when it is due."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the start"
        STARTING = "starting", "Starting"
        CHARGING = "charging", "Charging"
        PAUSED = "paused", "Paused"
        ENDING = "ending", "Ending"
        ENDED = "ended", "Ended"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    LIVE = ["waiting", "starting", "charging", "paused", "ending"]

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="session")
    evse = models.ForeignKey(Evse, on_delete=models.PROTECT, related_name="sessions")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    step = models.CharField(max_length=20, default="idle", help_text="The next command to the station.")
    card = models.CharField(max_length=64, help_text="One-time virtual card of this order.")
    remote_id = models.CharField(max_length=128, blank=True, default="", help_text="The station side's session id.")
    slot_number = models.PositiveSmallIntegerField(null=True, blank=True)
    stop_reason = models.CharField(max_length=40, blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    meter_start_wh = models.BigIntegerField(null=True, blank=True)
    meter_wh = models.BigIntegerField(null=True, blank=True, help_text="Newest accepted register.")
    meter_stop_wh = models.BigIntegerField(null=True, blank=True)
    power_w = models.PositiveIntegerField(default=0)
    current_a = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    voltage_v = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    soc_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True, help_text="Time of the newest accepted reading.")
    provisional = models.BooleanField(default=False, help_text="Billed without the last register; it may come late.")
    by_hand = models.BooleanField(
        default=False, help_text="An operator put the meter right: what the station tells afterwards changes no bill."
    )
    standing_at = models.DateTimeField(
        null=True, blank=True, help_text="When the station said that the vehicle stands there, done with charging."
    )
    left_at = models.DateTimeField(null=True, blank=True, help_text="When the station said after that: free.")
    fault = models.TextField(blank=True, default="")
    next_at = models.DateTimeField(null=True, blank=True, help_text="Due at; empty where nothing is to do.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When the present wish came up; deadlines count.")
    progress_at = models.DateTimeField(null=True, blank=True, help_text="When the buyer app was last told progress.")
    attempts = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    token = models.BigIntegerField(default=0, help_text="Fences a worker that came back late.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["evse"],
                condition=Q(state__in=["starting", "charging", "paused", "ending"]),
                name="session_one_active_per_evse",
            ),
            models.CheckConstraint(
                condition=Q(meter_stop_wh__isnull=True) | Q(meter_stop_wh__gte=F("meter_start_wh")),
                name="session_meter_forward",
            ),
            models.CheckConstraint(
                condition=~Q(state="ended") | Q(meter_stop_wh__isnull=False, ended_at__isnull=False),
                name="session_ended_is_metered",
            ),
            models.CheckConstraint(
                condition=Q(left_at__isnull=True) | Q(standing_at__isnull=False, left_at__gte=F("ended_at")),
                name="session_stood_then_left",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="session_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["updated_at"], name="session_provisional", condition=Q(provisional=True)),
            models.Index(
                fields=["evse"], name="session_standing", condition=Q(standing_at__isnull=False, left_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order} {self.state}"

    @property
    def energy_wh(self) -> int:
        """Energy delivered so far, Wh."""
        if self.meter_start_wh is None:
            return 0
        last = self.meter_stop_wh if self.meter_stop_wh is not None else self.meter_wh
        return (last if last is not None else self.meter_start_wh) - self.meter_start_wh


class Command(models.Model):
    """An intent towards a station, kept before it is sent; its key is the same however often it is repeated."""

    class State(models.TextChoices):
        INTENT = "intent", "Intended"
        CONFIRMED = "confirmed", "Confirmed"
        REFUSED = "refused", "Refused"
        UNKNOWN = "unknown", "Outcome unknown"

    key = models.CharField(max_length=64, unique=True)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="commands")
    name = models.CharField(max_length=20)
    state = models.CharField(max_length=9, choices=State, default=State.INTENT)
    request = models.JSONField(default=dict)
    response = models.JSONField(default=dict)
    attempts = models.IntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    answered_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


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
        indexes = [models.Index(fields=["next_at"], name="station_event_due", condition=Q(state="new"))]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class Reading(models.Model):
    """One meter value: the register in integer Wh; refused ones are kept with their reason and left out of the bill."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField()
    energy_wh = models.BigIntegerField()
    power_w = models.IntegerField(null=True, blank=True)
    current_a = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    voltage_v = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    soc_percent = models.SmallIntegerField(null=True, blank=True)
    accepted = models.BooleanField(default=True)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "at"], condition=Q(accepted=True), name="reading_once")
        ]
        indexes = [models.Index(fields=["session", "at"], name="reading_at")]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.energy_wh} Wh"


class EventOut(models.Model):
    """A CloudEvent of ours that is owed to the event sink; its id is the same however often it is made."""

    event_id = models.UUIDField(unique=True)
    type = models.CharField(max_length=100)
    subject = models.CharField(max_length=128)
    at = models.DateTimeField()
    data = models.JSONField()
    next_at = models.DateTimeField(null=True, blank=True, db_default=Now(), help_text="Due at; empty once settled.")
    attempts = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, default="", help_text="Why the newest try failed.")

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="event_out_due", condition=Q(next_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class TrackLink(models.Model):
    """An unguessable link to the live page of one order; only the token's hash is stored."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="track_links")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link to {self.order}"
