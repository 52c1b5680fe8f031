"""How do operators write, publish and end their terms, and take away the proof of a consent?"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.deeds import Act, Deed, DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, TenantAdmin
from orders.models import Consent, Terms
from orders.rules_admin import ScopedForm
from orders.services.evidence import consent_evidence
from orders.services.terms import SCOPE, next_number, next_version, publish_terms, withdraw_terms

PHASE_TONES = {"draft": "default", "coming": "info", "published": "success", "withdrawn": "warning"}
CHANNEL_TONES = {Consent.Channel.FORM: "success", Consent.Channel.DECLARED: "info"}


class TermsForm(ScopedForm):
    """A draft of terms; a place is a station, or a city, a state, or everywhere."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("station") is not None and (cleaned.get("city") or cleaned.get("state")):
            self.add_error("station", "A station says its city and state itself; leave those empty.")
        return cleaned


def _publish(act: Act) -> str:
    row = publish_terms(act.row.pk, now=act.now)
    return f"{row} is in force from {timezone.localtime(row.valid_from):%d %b %Y, %H:%M} on."


def _withdraw(act: Act) -> str:
    return f"{withdraw_terms(act.row.pk, now=act.now)} is withdrawn; nobody is asked to agree to it any more."


def _next(act: Act) -> str:
    row = next_version(act.row.pk, now=act.now)
    return f"{row} is a draft now; edit and publish it."


def _lacking(row: Terms) -> list[str]:
    named = {"Hindi": row.text_hi, "Kannada": row.text_kn}
    return [f"No {name} text: readers of {name} see the English one." for name, text in named.items() if not text]


TERMS_DEEDS = (
    Deed(
        "publish",
        "Publish",
        "Publish this text? It can never be changed afterwards, only followed by a new version or withdrawn. Customers "
        "who have not confirmed their order are asked to agree to it.",
        _publish,
        when=lambda row: row.published_at is None,
        warnings=_lacking,
        icon="gavel",
    ),
    Deed(
        "next-version",
        "New version",
        "Begin a new version with these texts? The present one holds until the new one is published.",
        _next,
        when=lambda row: row.published_at is not None,
        icon="edit_document",
    ),
    Deed(
        "withdraw",
        "Withdraw",
        "Withdraw this text? Where an earlier version was published for the same place, that one holds again.",
        _withdraw,
        when=lambda row: row.published_at is not None and row.withdrawn_at is None,
        destructive=True,
        icon="block",
    ),
)


@admin.register(Terms)
class TermsAdmin(DeedsMixin, TenantAdmin):
    """Terms of service; drafts are edited here, published ones only read."""

    form = TermsForm
    deeds = TERMS_DEEDS
    area: ClassVar[Area] = Area.OPERATOR
    list_display = ("name", "operator", "place", "service", "version", "phase", "valid_from", "required")
    list_filter = (("operator", OwnRelatedFilter), ("kind", ChoicesDropdownFilter), ("service", ChoicesDropdownFilter))
    search_fields = ("operator__name", "text_en", "station__name", "city", "state")
    list_select_related = ("operator", "station")
    ordering = ("operator", "kind", "-version")
    readonly_fields = ("version", "phase", "published_at", "withdrawn_at", "sha256")
    fieldsets = (
        ("Which", {"fields": ("operator", "kind", "service", "version", "phase")}),
        ("Where", {"fields": ("state", "city", "station")}),
        ("When", {"fields": ("valid_from", "published_at", "withdrawn_at")}),
        ("Text", {"fields": ("text_en", "text_hi", "text_kn", "sha256")}),
        ("Consent", {"fields": ("required", "form_only")}),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_changeform_initial_data(request), "valid_from": timezone.now()}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not _fixed(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not _fixed(obj)

    def save_model(self, request: HttpRequest, obj: Terms, form: Any, change: bool) -> None:
        if not change or set(SCOPE) & set(form.changed_data):
            obj.version = next_number({name: getattr(obj, name) for name in SCOPE}, but=obj.pk or 0)
        super().save_model(request, obj, form, change)

    @column("Terms", order="kind")
    def name(self, row: Terms) -> str:
        return row.get_kind_display()

    @column("Place")
    def place(self, row: Terms) -> str:
        return str(row.station or ", ".join(part for part in (row.city, row.state) if part) or "Everywhere")

    @column("Phase", tones=PHASE_TONES)
    def phase(self, row: Terms) -> str:
        if row.published_at is None:
            return "draft"
        if row.withdrawn_at is not None:
            return "withdrawn"
        return "coming" if row.valid_from > timezone.now() else "published"


@admin.register(Consent)
class ConsentAdmin(LogAdmin):
    """Who agreed to what; the proof can be taken away as a file."""

    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("at", "order", "terms", "way", "language", "bap_id", "proof")
    list_filter = (("channel", ChoicesDropdownFilter), "language")
    search_fields = ("order__code", "order__transaction_id", "sha256")
    list_select_related = ("order", "terms")
    ordering = ("-at",)
    readonly_fields = ("proof",)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.evidence_view)
        return [path("<path:object_id>/evidence/", view, name="orders_consent_evidence"), *super().get_urls()]

    def evidence_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The proof of all consents of the row's order as a JSON file; a foreign row does not exist here."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        evidence = consent_evidence(row.order, now=timezone.now())
        response = JsonResponse(evidence, json_dumps_params={"ensure_ascii": False, "indent": 2})
        response["Content-Disposition"] = f'attachment; filename="consent-{row.order.code or row.order_id}.json"'
        return response

    @column("By", order="channel", tones=CHANNEL_TONES)
    def way(self, consent: Consent) -> tuple[str, str]:
        return consent.channel, consent.get_channel_display()

    @column("Proof")
    def proof(self, consent: Consent) -> str:
        return format_html('<a href="{}">Download</a>', reverse("admin:orders_consent_evidence", args=[consent.pk]))


def _fixed(obj: Any) -> bool:
    return isinstance(obj, Terms) and obj.published_at is not None
