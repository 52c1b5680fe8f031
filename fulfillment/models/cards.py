"""Who may charge by a card, what is on the account behind it, and what did it charge without an order?"""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import Connector, Evse, Operator, Station

UID_FORM = r"^[0-9A-Z._*~/+=]{1,64}$"
UID = RegexValidator(UID_FORM, "Write the card's id as readers report it; spaces, : and - are left out by themselves.")


class CardAccount(models.Model):
    """Who pays for one or more cards; its entries add up to its balance."""

    class Kind(models.TextChoices):
        CONTRACT = "contract", "Contract, billed later"
        PREPAID = "prepaid", "Prepaid"

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="card_accounts")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind)
    currency = models.CharField(max_length=3, default="INR")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operator", "name"], name="card_account_name")]

    def __str__(self) -> str:
        return self.name


class Card(models.Model):
    """A card that may charge at its operator's stations; `uid` is what readers report, in capitals, unseparated."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        BLOCKED = "blocked", "Blocked"
        LOST = "lost", "Lost"

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="cards")
    account = models.ForeignKey(CardAccount, on_delete=models.PROTECT, related_name="cards")
    uid = models.CharField("card id", max_length=64, validators=[UID])
    label = models.CharField(max_length=100, blank=True, default="", help_text="Whose it is, or what is printed on it.")
    state = models.CharField(max_length=7, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "uid"], name="card_uid"),
            models.CheckConstraint(condition=Q(uid__regex=UID_FORM), name="card_uid_form"),
        ]  # the migration adds the trigger that keeps card and account with one operator

    def __str__(self) -> str:
        return self.label or f"Card …{self.uid[-4:]}"


class WalkIn(models.Model):
    """One charging session of a registered card, without an order; workflow instances drive its station."""

    class State(models.TextChoices):
        STARTING = "starting", "Starting"
        CHARGING = "charging", "Charging"
        ENDING = "ending", "Ending"
        ENDED = "ended", "Ended"
        FAILED = "failed", "Failed"

    LIVE = ["starting", "charging", "ending"]

    card = models.ForeignKey(Card, on_delete=models.PROTECT, related_name="walk_ins")
    account = models.ForeignKey(CardAccount, on_delete=models.PROTECT, related_name="walk_ins")
    station = models.ForeignKey(Station, on_delete=models.PROTECT, related_name="walk_ins")
    evse = models.ForeignKey(
        Evse, null=True, blank=True, on_delete=models.PROTECT, related_name="walk_ins",
        help_text="Empty until the station gave a slot.",
    )  # fmt: skip
    connector = models.ForeignKey(
        Connector, null=True, blank=True, on_delete=models.PROTECT, related_name="walk_ins",
        help_text="Whose tariff prices it.",
    )  # fmt: skip
    state = models.CharField(max_length=8, choices=State, default=State.STARTING)
    scanned_as = models.CharField(max_length=128, help_text="The card's id as the station side knows it.")
    remote_id = models.CharField(max_length=128, blank=True, default="", help_text="The station side's session id.")
    slot_number = models.PositiveSmallIntegerField(null=True, blank=True)
    stop_reason = models.CharField(max_length=40, blank=True, default="")
    fault = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(help_text="When the present wish came up.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    meter_start_wh = models.BigIntegerField(null=True, blank=True)
    meter_wh = models.BigIntegerField(null=True, blank=True, help_text="Newest accepted register.")
    meter_stop_wh = models.BigIntegerField(null=True, blank=True)
    power_w = models.PositiveIntegerField(default=0)
    soc_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True, help_text="Time of the newest accepted reading.")
    provisional = models.BooleanField(default=False, help_text="Billed without the last register; it may come late.")
    payment_due = models.BooleanField(
        default=False, help_text="The station's supplier refused the session's payment, or could not be asked."
    )
    tariff = models.JSONField(null=True, blank=True, help_text="The terms it is priced by, as they were at its start.")
    lines = models.JSONField(default=list, blank=True)
    amount_paise = models.BigIntegerField(null=True, blank=True, help_text="What it costs, so far or in the end.")
    next_at = models.DateTimeField(null=True, blank=True, help_text="When the station is asked how it goes.")
    attempts = models.IntegerField(default=0)
    thinned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When all but a reading each minute were deleted."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["card"], condition=Q(state__in=["starting", "charging", "ending"]), name="walk_in_one_per_card"
            ),
            models.UniqueConstraint(
                fields=["evse"], condition=Q(state__in=["starting", "charging", "ending"]), name="walk_in_one_per_evse"
            ),
            models.CheckConstraint(
                condition=Q(meter_stop_wh__isnull=True) | Q(meter_stop_wh__gte=F("meter_start_wh")),
                name="walk_in_meter_forward",
            ),
            models.CheckConstraint(
                condition=~Q(state="ended")
                | Q(meter_stop_wh__isnull=False, started_at__isnull=False, ended_at__gte=F("started_at")),
                name="walk_in_ended_is_metered",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["charging", "ended"])
                | Q(evse__isnull=False, connector__isnull=False, tariff__isnull=False),
                name="walk_in_charges_at_a_price",
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | Q(ended_at__isnull=False), name="walk_in_failed_has_an_end"
            ),
            models.CheckConstraint(
                condition=Q(amount_paise__isnull=True) | Q(amount_paise__gte=0), name="walk_in_amount"
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], name="walk_in_due", condition=Q(next_at__isnull=False)),
            models.Index(fields=["asked_at"], name="walk_in_in_hand", condition=Q(state__in=["starting", "ending"])),
            models.Index(fields=["remote_id"], name="walk_in_remote", condition=~Q(remote_id="")),
            models.Index(fields=["updated_at"], name="walk_in_provisional", condition=Q(provisional=True)),
            models.Index(fields=["-created_at"], name="walk_in_newest"),
            models.Index(fields=["ended_at"], name="walk_in_unthinned", condition=Q(thinned_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.card} {self.state}"

    @property
    def energy_wh(self) -> int:
        """Energy delivered so far, Wh."""
        if self.meter_start_wh is None:
            return 0
        last = self.meter_stop_wh if self.meter_stop_wh is not None else self.meter_wh
        return (last if last is not None else self.meter_start_wh) - self.meter_start_wh


class WalkInReading(models.Model):
    """One meter value of a walk-in: the register in integer Wh; refused ones are kept with their reason."""

    walk_in = models.ForeignKey(WalkIn, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField()
    energy_wh = models.BigIntegerField()
    power_w = models.IntegerField(null=True, blank=True)
    current_a = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    accepted = models.BooleanField(default=True)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["walk_in", "at"], condition=Q(accepted=True), name="walk_in_reading_once"),
            models.UniqueConstraint(fields=["walk_in", "at", "energy_wh"], name="walk_in_reading_told_once"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.energy_wh} Wh"


class CardEntry(models.Model):
    """One movement of a card account: what came in is positive, what was charged or taken out negative, in paise.

    Entries are never changed or deleted; a mistake is put right by another entry. What we take out may not take a
    prepaid account below zero; what a meter tells may, since that energy has flowed. Triggers hold this.
    """

    class Kind(models.TextChoices):
        TOP_UP = "topup", "Top-up"
        WITHDRAWAL = "withdrawal", "Withdrawal"
        CHARGE = "charge", "Charge"
        CORRECTION = "correction", "Correction"

    account = models.ForeignKey(CardAccount, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind)
    paise = models.BigIntegerField()
    walk_in = models.ForeignKey(
        WalkIn, null=True, blank=True, on_delete=models.PROTECT, related_name="entries", help_text="Whose bill it is."
    )
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "card entries"
        constraints = [
            models.UniqueConstraint(fields=["walk_in"], condition=Q(kind="charge"), name="card_entry_charged_once"),
            models.CheckConstraint(
                condition=Q(kind="topup", paise__gt=0, walk_in__isnull=True)
                | Q(kind="withdrawal", paise__lt=0, walk_in__isnull=True)
                | Q(kind="charge", paise__lt=0, walk_in__isnull=False)
                | Q(kind="correction") & ~Q(paise=0),
                name="card_entry_direction",
            ),
        ]
        indexes = [models.Index(fields=["account", "id"], name="card_entry_account")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.paise}"
