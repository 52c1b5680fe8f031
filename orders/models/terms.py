"""Which terms does an operator publish, where do they hold, and who agreed to which version?"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Operator, Station
from orders.models.promise import Order

HEX_64 = r"^[0-9a-f]{64}$"


class Terms(models.Model):
    """One version of one document, in up to three languages; a draft until published, then never changed.

    It holds where its place says (a station, a city, a state, or everywhere) and for its service. The migration adds
    the trigger that keeps published texts as they are, and `terms_digest_fits`: the digest is that of the texts.
    """

    class Kind(models.TextChoices):
        GENERAL = "general", "General terms"
        CANCELLATION = "cancellation", "Cancellation"
        REFUND = "refund", "Refunds"
        PRIVACY = "privacy", "Privacy"
        DISPUTE = "dispute", "Dispute resolution"
        LAW = "governing-law", "Governing law"

    class Service(models.TextChoices):
        ANY = "", "Every service"
        NOW = "now", "Charging at once"
        RESERVED = "reserved", "Reservations"

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="terms")
    kind = models.CharField(max_length=13, choices=Kind)
    service = models.CharField(max_length=8, choices=Service, blank=True, default=Service.ANY)
    state = models.CharField(max_length=100, blank=True, default="", help_text="Of the Union; empty: everywhere.")
    city = models.CharField(max_length=100, blank=True, default="", help_text="Empty: everywhere.")
    station = models.ForeignKey(
        Station, null=True, blank=True, on_delete=models.PROTECT, related_name="terms", help_text="Empty: everywhere."
    )
    version = models.PositiveIntegerField(default=1)
    text_en = models.TextField("English", help_text="Plain text; an empty line begins a new paragraph.")
    text_hi = models.TextField("Hindi", blank=True, default="", help_text="Empty: the English text is shown.")
    text_kn = models.TextField("Kannada", blank=True, default="", help_text="Empty: the English text is shown.")
    required = models.BooleanField(default=True, help_text="Nobody may confirm an order without agreeing to it.")
    form_only = models.BooleanField(
        default=False, help_text="Only our form counts, even where the network lets buyer apps declare consent."
    )
    sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    valid_from = models.DateTimeField(db_default=Now(), help_text="Holds for orders agreed from then on.")
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "terms"
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "kind", "service", "state", "city", "station", "version"],
                nulls_distinct=False,
                name="terms_version",
            ),
            models.CheckConstraint(
                condition=Q(station__isnull=True) | Q(city="", state=""), name="terms_one_place",
            ),
            models.CheckConstraint(
                condition=Q(published_at__isnull=True, withdrawn_at__isnull=True) | Q(published_at__isnull=False),
                name="terms_withdrawn_were_published",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["operator", "valid_from"],
                name="terms_standing",
                condition=Q(published_at__isnull=False, withdrawn_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, version {self.version}"


class Consent(models.Model):
    """That somebody agreed to one version for one order: when, by which way, in which language; append-only.

    `evidence` holds what was submitted or declared; never an address, a device or a name.
    """

    class Channel(models.TextChoices):
        FORM = "form", "Our form"
        DECLARED = "declared", "Declared by the buyer app"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="consents")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="consents")
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField()
    channel = models.CharField(max_length=8, choices=Channel)
    bap_id = models.CharField(max_length=255)
    language = models.CharField(max_length=2, blank=True, default="", help_text="Of the form; empty where declared.")
    evidence = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "terms"], name="consent_once"),
            models.CheckConstraint(condition=Q(sha256__regex=HEX_64), name="consent_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.terms} for {self.order}"
