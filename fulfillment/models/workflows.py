"""Which runs of workflows are there, and how far has each come?"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Station
from fulfillment.models.cards import WalkIn
from fulfillment.models.events import StationEvent
from fulfillment.models.sessions import Session


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
    walk_in = models.ForeignKey(
        WalkIn, null=True, blank=True, on_delete=models.PROTECT, related_name="workflows", help_text="Of a card."
    )
    event = models.ForeignKey(StationEvent, null=True, blank=True, on_delete=models.SET_NULL, related_name="workflows")
    holding = models.BooleanField(default=False, help_text="A worker is at it, so that no other acts at its station.")
    lease_until = models.DateTimeField(null=True, blank=True)
    token = models.BigIntegerField(default=0, help_text="Fences a worker that came back late.")
    attempts = models.IntegerField(default=0, help_text="How often in a row its progress could not be written down.")
    next_at = models.DateTimeField(null=True, blank=True, help_text="Due at; empty where nothing is to do.")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    thinned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When all but its commands were deleted from its journal."
    )

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
            models.Index(
                fields=["ended_at"],
                name="workflow_unthinned",
                condition=Q(status__in=["completed", "cancelled"], thinned_at__isnull=True),
            ),
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
