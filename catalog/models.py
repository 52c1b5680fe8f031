"""What is offered, by whom, where, and on which terms?"""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Left, Now

from catalog.gstin import FORM as GSTIN_FORM
from catalog.gstin import STATES, gstin_fault

CODE = RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._*-]{0,63}$", "Use letters, digits and . _ * - only.")
SAC = RegexValidator(r"^99[0-9]{4}$", "A service accounting code has six digits and begins with 99.")
# Always two signs: with one, credit notes of V would bear the numbers of invoices of VC.
PREFIX_FORM = r"^[A-Z0-9]{2}$"
PREFIX = RegexValidator(PREFIX_FORM, "Use two capital letters or digits.")


class Operator(models.Model):
    """A charge point operator: a tenant of the platform, a provider on the wire."""

    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=200)
    summary = models.CharField(max_length=300, blank=True, default="")
    support_phone = models.CharField(max_length=20, blank=True, default="")
    support_email = models.EmailField(blank=True, default="")
    support_url = models.URLField(blank=True, default="")
    logo_url = models.URLField(blank=True, default="")
    gstin = models.CharField("GSTIN", max_length=15, blank=True, default="")
    legal_name = models.CharField(max_length=200, blank=True, default="", help_text="As registered for GST.")
    address = models.CharField(
        "registered address", max_length=400, blank=True, default="", help_text="As registered for GST."
    )
    state_code = models.CharField(
        "state of registration", max_length=2, blank=True, default="", choices=list(STATES.items())
    )
    sac = models.CharField(
        "SAC", max_length=8, default="998714", validators=[SAC], help_text="Service accounting code of charging."
    )
    invoice_prefix = models.CharField(
        max_length=2,
        default="VB",
        validators=[PREFIX],
        help_text="Begins every invoice number; another one for each operator of the same GSTIN.",
    )
    gst_rates = models.JSONField(
        default=list,
        blank=True,
        help_text='Where it changes with time: [{"percent": "18", "sac": "998714", "from": "2026-04-01"}]; '
        "empty: the rate of each tariff.",
    )
    active = models.BooleanField(default=True)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(gstin="") | Q(gstin__regex=GSTIN_FORM), name="operator_gstin"),
            models.CheckConstraint(
                condition=Q(gstin="") | Q(state_code=Left("gstin", 2)), name="operator_state_of_gstin"
            ),
            models.UniqueConstraint(
                fields=["gstin", "invoice_prefix"], condition=~Q(gstin=""), name="operator_invoice_prefix",
                violation_error_message="Another operator of this GSTIN numbers its invoices with this prefix.",
            ),
            models.CheckConstraint(condition=Q(invoice_prefix__regex=PREFIX_FORM), name="operator_prefix_form"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a GSTIN that cannot be one, or that is of another state."""
        fault = gstin_fault(self.gstin) if self.gstin else ""
        if fault:
            raise ValidationError(fault)
        if self.gstin and self.state_code != self.gstin[:2]:
            state = STATES[self.gstin[:2]]
            raise ValidationError(
                f"The GSTIN was given in {state}: choose that state of registration, or check the GSTIN."
            )


class OperatorStaff(models.Model):
    """Which user acts for which operator."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        OPERATIONS = "operations", "Operations"
        SUPPORT = "support", "Support"
        READER = "reader", "Read only"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="operator_roles")
    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="staff")
    role = models.CharField(max_length=12, choices=Role, default=Role.OPERATIONS)

    class Meta:
        verbose_name_plural = "operator staff"
        constraints = [models.UniqueConstraint(fields=["user", "operator"], name="staff_once")]

    def __str__(self) -> str:
        return f"{self.user} at {self.operator}"


class Tariff(models.Model):
    """A price: OCPI 2.2.1 tariff elements; a connector without one is not sold."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="tariffs")
    code = models.CharField(max_length=64, validators=[CODE])
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3, default="INR")
    elements = models.JSONField(help_text="OCPI 2.2.1 tariff elements, prices before tax.")
    gst_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=Decimal("18.00"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
    )
    min_price = models.JSONField(
        null=True, blank=True, help_text='The least a session costs: {"excl_vat": "50.00", "incl_vat": "59.00"}.'
    )
    max_price = models.JSONField(null=True, blank=True, help_text="The most a session costs, in the same form.")
    green = models.BooleanField(default=False, help_text="Sold in the category green-tariff.")
    description = models.TextField(blank=True, default="", help_text="The price in plain words for drivers.")
    version = models.PositiveIntegerField(default=1, editable=False, help_text="The version whose prices these are.")
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operator", "code"], name="tariff_code")]

    def __str__(self) -> str:
        return self.name


class TariffVersion(models.Model):
    """The prices of a tariff, once and for all; the database adds one whenever a tariff's prices change.

    A planned version takes the tariff over at `valid_from`; until then it may be withdrawn.
    """

    tariff = models.ForeignKey(Tariff, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    valid_from = models.DateTimeField(null=True, blank=True, help_text="Empty: from the beginning.")
    currency = models.CharField(max_length=3)
    elements = models.JSONField()
    gst_percent = models.DecimalField(max_digits=5, decimal_places=2)
    min_price = models.JSONField(null=True, blank=True)
    max_price = models.JSONField(null=True, blank=True)
    planned = models.BooleanField(default=False, help_text="Not yet in force.")
    used_at = models.DateTimeField(null=True, blank=True, help_text="When it was first quoted.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["tariff", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["tariff", "number"], name="version_number"),
            models.UniqueConstraint(
                fields=["tariff", "valid_from"], condition=Q(planned=True), name="version_planned_once"
            ),
            models.CheckConstraint(
                condition=Q(planned=False) | Q(valid_from__isnull=False), name="version_planned_has_time"
            ),
        ]  # the migration adds the triggers that write versions and keep them as they are

    def __str__(self) -> str:
        return f"{self.tariff} v{self.number}"


class Station(models.Model):
    """A place with chargers (OCPI Location); `code` is its stationId towards the power supplier."""

    class Driver(models.TextChoices):
        POWER_SUPPLIER = "power_supplier", "Power supplier API (HTTP)"

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="stations")
    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=300, blank=True, default="")
    city = models.CharField(max_length=100, blank=True, default="")
    city_code = models.CharField(max_length=20, blank=True, default="std:080")
    state = models.CharField(max_length=100, blank=True, default="")
    postal_code = models.CharField(max_length=10, blank=True, default="")
    country = models.CharField(max_length=3, default="IND")
    latitude = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    longitude = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    time_zone = models.CharField(max_length=50, default="Asia/Kolkata")
    opening_times = models.JSONField(default=dict, blank=True, help_text="OCPI Hours; {} or twentyfourseven: always.")
    directions = models.CharField(max_length=300, blank=True, default="")
    amenities = models.JSONField(default=list, blank=True)
    driver = models.CharField(max_length=20, choices=Driver, default=Driver.POWER_SUPPLIER)
    published = models.BooleanField(default=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(published=False) | Q(latitude__isnull=False, longitude__isnull=False),
                name="station_published_has_place",
            ),
            models.CheckConstraint(
                condition=Q(latitude__isnull=True) | Q(latitude__gte=-90, latitude__lte=90), name="station_latitude"
            ),
            models.CheckConstraint(
                condition=Q(longitude__isnull=True) | Q(longitude__gte=-180, longitude__lte=180),
                name="station_longitude",
            ),
        ]
        indexes = [models.Index(fields=["updated_at"], name="station_updated")]

    def __str__(self) -> str:
        return self.name


class Evse(models.Model):
    """A charge point that serves one vehicle at a time; `slot_number` is its slot towards the power supplier."""

    class Status(models.TextChoices):
        AVAILABLE = "available", "Available"
        PREPARING = "preparing", "Preparing"
        CHARGING = "charging", "Charging"
        FINISHING = "finishing", "Finishing"
        RESERVED = "reserved", "Reserved"
        UNAVAILABLE = "unavailable", "Unavailable"
        FAULTED = "faulted", "Faulted"

    OUT_OF_SERVICE = (Status.FAULTED, Status.UNAVAILABLE)

    station = models.ForeignKey(Station, on_delete=models.CASCADE, related_name="evses")
    uid = models.CharField(max_length=64, unique=True, validators=[CODE], help_text="EVSE id, e.g. IN*VBZ*E0001")
    slot_number = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    label = models.CharField(max_length=100, blank=True, default="")
    manufacturer = models.CharField(max_length=100, blank=True, default="")
    status = models.CharField(max_length=12, choices=Status, default=Status.AVAILABLE)
    status_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["station", "slot_number"], name="evse_slot"),
            models.CheckConstraint(condition=Q(slot_number__gte=1), name="evse_slot_from_one"),
        ]
        indexes = [models.Index(fields=["updated_at"], name="evse_updated")]

    def __str__(self) -> str:
        return self.label or self.uid


class Connector(models.Model):
    """A plug of an EVSE: the item that is sold; its item id is the EVSE id and the connector id joined by `*`."""

    class Current(models.TextChoices):
        AC = "AC", "AC"
        DC = "DC", "DC"

    class Vehicle(models.TextChoices):
        ANY = "any", "Any"
        TWO_WHEELER = "2w", "Two-wheeler"
        THREE_WHEELER = "3w", "Three-wheeler"
        FOUR_WHEELER = "4w", "Four-wheeler"
        BUS = "bus", "Bus or truck"

    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, related_name="connectors")
    number = models.CharField(max_length=36, validators=[CODE], help_text="OCPI connector id")
    item_id = models.CharField(max_length=110, unique=True)
    standard = models.CharField(max_length=40, help_text="Connector type by its OCPP name, e.g. IEC_62196_T2_COMBO")
    current = models.CharField(max_length=2, choices=Current)
    max_power_w = models.PositiveIntegerField()
    max_voltage_v = models.PositiveIntegerField(default=0)
    max_current_a = models.PositiveIntegerField(default=0)
    vehicle = models.CharField(max_length=4, choices=Vehicle, default=Vehicle.ANY)
    tariff = models.ForeignKey(Tariff, null=True, blank=True, on_delete=models.PROTECT, related_name="connectors")
    active = models.BooleanField(default=True)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["evse", "number"], name="connector_number"),
            models.CheckConstraint(condition=Q(max_power_w__gt=0), name="connector_power"),
        ]
        indexes = [models.Index(fields=["updated_at"], name="connector_updated")]

    def __str__(self) -> str:
        return self.item_id


class EvseStatusChange(models.Model):
    """One change of an EVSE's live status, kept for availability figures."""

    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, related_name="changes")
    status = models.CharField(max_length=12, choices=Evse.Status)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["evse", "-at"], name="status_change_at")]

    def __str__(self) -> str:
        return f"{self.evse} {self.status}"
