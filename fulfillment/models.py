"""Which sessions run, what did the stations say, and what did the meters read?"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import Evse, Station
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


class WorkflowDefinition(models.Model):
    """The text of a workflow as it was when instances began to follow it; they keep to it by its hash."""

    name = models.CharField(max_length=100)
    version = models.CharField(max_length=40)
    hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the text, hex.")
    text = models.TextField()
    first_used_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class WorkflowInstance(models.Model):
    """One run of a workflow: `state` says where it stands, its tasks what it did, `next_at` when it is due."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        WAITING = "waiting", "Waiting"
        SUSPENDED = "suspended", "Suspended"
        FAULTED = "faulted", "Faulted"
        CANCELLED = "cancelled", "Cancelled"
        COMPLETED = "completed", "Completed"

    # Those that go on by themselves, and those that are over.
    LIVE = ["pending", "running", "waiting"]
    OVER = ["faulted", "cancelled", "completed"]

    uid = models.UUIDField(unique=True, editable=False)
    definition = models.ForeignKey(WorkflowDefinition, on_delete=models.PROTECT, related_name="instances")
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    trigger = models.CharField(max_length=100, help_text="Type of the event that began it.")
    input = models.JSONField()
    state = models.JSONField(null=True, blank=True, help_text="Where it stands; empty before and after.")
    output = models.JSONField(null=True, blank=True)
    fault = models.JSONField(null=True, blank=True, help_text="The error that ended it.")
    reason = models.TextField(blank=True, default="", help_text="Why it was suspended or cancelled, or why it rests.")
    station = models.ForeignKey(Station, null=True, blank=True, on_delete=models.PROTECT, related_name="workflows")
    card = models.CharField(max_length=128, blank=True, default="")
    session = models.ForeignKey(
        Session, null=True, blank=True, on_delete=models.PROTECT, related_name="workflows", help_text="Of an order."
    )
    event = models.ForeignKey(StationEvent, null=True, blank=True, on_delete=models.SET_NULL, related_name="workflows")
    holding = models.BooleanField(default=False, help_text="A worker is at it, so that no other acts at its station.")
    lease_until = models.DateTimeField(null=True, blank=True)
    token = models.BigIntegerField(default=0, help_text="Fences a worker that came back late.")
    attempts = models.IntegerField(default=0, help_text="How often in a row its progress could not be written down.")
    next_at = models.DateTimeField(null=True, blank=True, help_text="Due at; empty where nothing is to do.")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["station"], condition=Q(holding=True), name="workflow_one_at_a_station"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "running", "waiting"]) | Q(next_at__isnull=True, holding=False),
                name="workflow_due_is_live",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["faulted", "cancelled", "completed"]) | Q(ended_at__isnull=False),
                name="workflow_over_has_an_end",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at", "id"], name="workflow_due", condition=Q(next_at__isnull=False)),
            models.Index(
                fields=["station", "card", "id"],
                name="workflow_lane",
                condition=Q(status__in=["pending", "running", "waiting"]),
            ),
            models.Index(fields=["-created_at"], name="workflow_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.definition.name} {str(self.uid)[:8]}"


class TaskRun(models.Model):
    """One run of one task of an instance: an effect is put down here before it is asked for, and answered here."""

    class State(models.TextChoices):
        STARTED = "started", "Started"
        WAITING = "waiting", "Waiting"
        COMPLETED = "completed", "Completed"
        FAULTED = "faulted", "Faulted"
        RETRIED = "retried", "To be retried"
        SKIPPED = "skipped", "Skipped"
        CANCELLED = "cancelled", "Cancelled"

    instance = models.ForeignKey(WorkflowInstance, on_delete=models.CASCADE, related_name="tasks")
    pointer = models.CharField(max_length=400, help_text="Place in the definition, as a JSON pointer.")
    visit = models.CharField(max_length=200, blank=True, default="", help_text="Which round of loops and jumps.")
    attempt = models.PositiveIntegerField(default=1, help_text="Grows with retries the definition asks for.")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=9, choices=State, default=State.STARTED)
    key = models.UUIDField(null=True, blank=True, help_text="Idempotency key of its effect, the same over repeats.")
    request = models.JSONField(null=True, blank=True)
    asked = models.PositiveIntegerField(default=0, help_text="How often the effect was asked for.")
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    fault = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "pointer", "visit", "attempt"], name="task_run_once")
        ]
        indexes = [
            models.Index(fields=["id"], name="task_run_listens", condition=Q(kind="listen", state="started")),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


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


class TrackLink(models.Model):
    """An unguessable link to the live page of one order; only the token's hash is stored."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="track_links")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link to {self.order}"
