"""Which sessions of orders run, and what did their meters read?"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import Evse
from orders.models import Order


class Session(models.Model):
    """One charging session of one order at one EVSE; workflow instances drive its station."""

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
    next_at = models.DateTimeField(
        null=True, blank=True, help_text="When the station is asked how charging goes; empty where it is not."
    )
    release_owed = models.BooleanField(
        default=False, help_text="The station may still hold something for this session's card."
    )
    payment_due = models.BooleanField(
        default=False, help_text="The station's supplier refused the session's payment, or could not be asked."
    )
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When the present wish came up; deadlines count.")
    progress_at = models.DateTimeField(null=True, blank=True, help_text="When the buyer app was last told progress.")
    attempts = models.IntegerField(default=0)
    rolled_up_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its readings gave way to their rollups."
    )
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
            models.Index(
                fields=["asked_at"],
                name="session_in_hand",
                condition=Q(state__in=["starting", "ending"]) | Q(release_owed=True),
            ),
            models.Index(fields=["card"], name="session_card"),
            models.Index(fields=["remote_id"], name="session_remote", condition=~Q(remote_id="")),
            models.Index(fields=["ended_at"], name="session_unrolled", condition=Q(rolled_up_at__isnull=True)),
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
            models.UniqueConstraint(fields=["session", "at"], condition=Q(accepted=True), name="reading_once"),
            models.UniqueConstraint(fields=["session", "at", "energy_wh"], name="reading_told_once"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.energy_wh} Wh"


class ReadingRollup(models.Model):
    """What the readings of a session showed in a minute or an hour; it stays when they are deleted for their age.

    `samples` are the believed readings and `refused` the others; the figures are of the believed ones, the register,
    the current and the state of charge those of the last one, which was at `last_at`.
    """

    class Span(models.TextChoices):
        MINUTE = "minute", "Minute"
        HOUR = "hour", "Hour"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="rollups")
    span = models.CharField(max_length=6, choices=Span)
    at = models.DateTimeField(help_text="When the minute or the hour began.")
    samples = models.IntegerField()
    refused = models.IntegerField()
    last_at = models.DateTimeField(null=True, blank=True)
    energy_wh = models.BigIntegerField(null=True, blank=True)
    mean_w = models.IntegerField(null=True, blank=True)
    peak_w = models.IntegerField(null=True, blank=True)
    current_a = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    soc_percent = models.SmallIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "span", "at"], name="reading_rollup_once"),
            models.CheckConstraint(
                condition=Q(samples__gte=0, refused__gte=0)
                & (Q(samples=0) | Q(last_at__isnull=False, energy_wh__isnull=False)),
                name="reading_rollup_of_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.span} {self.at:%H:%M} {self.energy_wh} Wh"
