"""What do we keep of every message, counterpart and key?"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from bpp.packing import PackedField
from catalog.models import Operator


class InboxMessage(models.Model):
    """A request a counterpart signed and we acknowledged: stored before the ACK, processed once in effect."""

    class State(models.TextChoices):
        NEW = "new", "New"
        WAITING = "waiting", "Waiting for the station"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"

    bap_id = models.CharField(max_length=255)
    action = models.CharField(max_length=40)
    message_id = models.CharField(max_length=255)
    transaction_id = models.CharField(max_length=255)
    digest = models.BinaryField(max_length=64)
    raw = models.BinaryField()
    authorization = models.TextField()
    gateway_authorization = models.TextField(blank=True, default="")
    signer = models.JSONField(default=dict, help_text="The registry row used: subscriber, key id, type, public key.")
    verdicts = models.JSONField(default=list, help_text="Warnings: list of {path, seen, note}.")
    received_at = models.DateTimeField(db_default=Now())
    deadline_at = models.DateTimeField(help_text="The context's timestamp plus its ttl.")
    state = models.CharField(max_length=8, choices=State, default=State.NEW, db_default=State.NEW)
    reason = models.TextField(blank=True, default="", db_default="")
    attempts = models.IntegerField(default=0, db_default=0)
    next_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True, blank=True)
    order_id = models.BigIntegerField(null=True, blank=True, help_text="The order it touched.")
    waits_for = models.CharField(max_length=40, blank=True, default="", db_default="")
    operator = models.ForeignKey(Operator, null=True, blank=True, on_delete=models.PROTECT, db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bap_id", "action", "message_id"], name="inbox_once"),
            models.CheckConstraint(condition=Q(attempts__gte=0), name="inbox_attempts"),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="inbox_due", condition=Q(state__in=["new", "waiting"])),
            models.Index(fields=["bap_id", "transaction_id", "id"], name="inbox_transaction"),
            models.Index(fields=["order_id"], name="inbox_waiting", condition=Q(state="waiting")),
            models.Index(fields=["-received_at"], name="inbox_received"),
            models.Index(fields=["operator"], name="inbox_operator", condition=Q(operator__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.message_id}"


class OutboxMessage(models.Model):
    """A callback we owe: the body is frozen as the exact bytes to sign; the header is made fresh for each attempt."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENT = "sent", "Delivered"
        REFUSED = "refused", "Refused"
        DEAD = "dead", "Dead"
        COALESCED = "coalesced", "Replaced by a later one"

    bap_id = models.CharField(max_length=255)
    transaction_id = models.CharField(max_length=255)
    message_id = models.CharField(max_length=255)
    action = models.CharField(max_length=40)
    url = models.TextField(help_text="Where it goes: the registry's URL for the subscriber, and the action.")
    body = PackedField()
    answers = models.ForeignKey(
        InboxMessage, null=True, blank=True, on_delete=models.PROTECT, related_name="replies", db_index=False
    )
    part = models.IntegerField(default=0, help_text="Number of this part where one answer goes out in several.")
    order_id = models.BigIntegerField(null=True, blank=True)
    progress = models.BooleanField(default=False, help_text="May be replaced by a later one while undelivered.")
    pushed = models.BooleanField(
        default=False, db_default=False, help_text="Goes to the URL that the buyer app named for this order."
    )
    operator = models.ForeignKey(Operator, null=True, blank=True, on_delete=models.PROTECT, db_index=False)
    verdicts = models.JSONField(default=list, help_text="Faults of our own answer: list of {path, seen, note}.")
    created_at = models.DateTimeField(db_default=Now())
    next_at = models.DateTimeField(db_default=Now())
    deadline_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.PENDING, db_default=State.PENDING)
    reason = models.TextField(blank=True, default="", db_default="")
    attempts = models.IntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    token = models.BigIntegerField(default=0, db_default=0)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["answers", "part"], condition=Q(answers__isnull=False), name="outbox_one_answer"
            ),
            models.UniqueConstraint(
                fields=["order_id", "bap_id", "pushed"],
                condition=Q(progress=True, state="pending"),
                name="outbox_one_progress",
            ),
            models.CheckConstraint(condition=Q(deadline_at__gte=F("created_at")), name="outbox_deadline"),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="outbox_due", condition=Q(state="pending")),
            models.Index(
                fields=["bap_id", "transaction_id", "id"], name="outbox_mailbox", condition=Q(state="pending")
            ),
            models.Index(fields=["transaction_id", "id"], name="outbox_transaction"),
            models.Index(fields=["-created_at"], name="outbox_created"),
            models.Index(fields=["operator"], name="outbox_operator", condition=Q(operator__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.message_id}"


class DeliveryAttempt(models.Model):
    """One try to deliver a callback and what came of it."""

    message = models.ForeignKey(OutboxMessage, on_delete=models.CASCADE, related_name="tries", db_index=False)
    at = models.DateTimeField()
    wait_ms = models.IntegerField()
    status = models.IntegerField(null=True, blank=True)
    outcome = models.CharField(max_length=20)
    detail = models.TextField(blank=True, default="")
    response = models.TextField(blank=True, default="", help_text="First 2 kB of the counterpart's answer.")
    key_id = models.CharField(max_length=128, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["message", "id"], name="attempt_message")]

    def __str__(self) -> str:
        return f"{self.outcome} {self.status or ''}".strip()


class Subscriber(models.Model):
    """A registry row as last seen: whose key is this, and where do callbacks go."""

    subscriber_id = models.CharField(max_length=255)
    key_id = models.CharField(max_length=128)
    type = models.CharField(max_length=10)
    domain = models.CharField(max_length=100, blank=True, default="")
    url = models.TextField()
    signing_public_key = models.CharField(max_length=64, help_text="Base64 of 32 raw bytes.")
    encryption_public_key = models.CharField(max_length=64, blank=True, default="")
    status = models.CharField(max_length=30)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscriber_id", "key_id"], name="subscriber_key")]

    def __str__(self) -> str:
        return f"{self.subscriber_id}|{self.key_id}"


class BuyerApp(models.Model):
    """What the platform has settled with one buyer app; where there is no row, the network's settings hold."""

    bap_id = models.CharField("subscriber id", max_length=255, unique=True)
    progress_every_s = models.PositiveIntegerField(
        null=True, blank=True, help_text="Progress while charging at most this often, s; empty: as the network's."
    )
    callback_pushes = models.BooleanField(
        default=True, help_text="Progress also goes to the callback_url that the app names for an order."
    )
    note = models.TextField(blank=True, default="", help_text="Why, and with whom it was settled.")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(progress_every_s__isnull=True) | Q(progress_every_s__gte=1), name="buyer_app_progress"
            ),
        ]

    def __str__(self) -> str:
        return self.bap_id


class ProgressPush(models.Model):
    """Where a buyer app wants the progress of one order pushed to, beside its registered URL."""

    order_id = models.BigIntegerField(unique=True)
    bap_id = models.CharField(max_length=255)
    url = models.TextField()
    asked_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.url


class OwnKey(models.Model):
    """A key pair of ours kept in the database, its private halves encrypted with the master key."""

    class State(models.TextChoices):
        PENDING = "pending", "Not yet known to the registry"
        ACTIVE = "active", "Active"
        RETIRED = "retired", "Retired"

    key_id = models.CharField(max_length=128, unique=True)
    signing_public_key = models.CharField(max_length=64)
    encryption_public_key = models.CharField(max_length=64)
    signing_private_sealed = models.BinaryField()
    encryption_private_sealed = models.BinaryField()
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(valid_until__gt=F("valid_from")), name="ownkey_window")]

    def __str__(self) -> str:
        return self.key_id


class Subscription(models.Model):
    """A request of ours to a registry to be listed; on_subscribe is answered only while one is open."""

    key_id = models.CharField(max_length=128)
    registry_url = models.TextField()
    asked_at = models.DateTimeField()
    open_until = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    outcome = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"{self.key_id} at {self.registry_url}"


class Layer2(models.Model):
    """A network's layer 2 OpenAPI file installed as configuration, checked in both directions."""

    class Incoming(models.TextChoices):
        WARN = "warn", "Record as warnings"
        REFUSE = "refuse", "Refuse with a NACK"

    domain = models.CharField(max_length=100)
    version = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    document = models.JSONField()
    digest = models.CharField(max_length=128)
    incoming = models.CharField(max_length=6, choices=Incoming, default=Incoming.WARN)
    active = models.BooleanField(default=True)
    installed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "version"], condition=Q(active=True), name="layer2_one_active")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class SignInAttempt(models.Model):
    """A password tried at the admin's door, kept for the throttle until it was right or is long past."""

    username = models.CharField(max_length=150)
    address = models.CharField(max_length=45, blank=True, default="", help_text="Where it came from.")
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["username", "at"], name="attempt_username"),
            models.Index(fields=["address", "at"], name="attempt_address"),
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.at:%H:%M:%S}"
