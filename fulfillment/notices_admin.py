"""What do operators see and decide about the notices to their drivers?"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog.columns import column
from catalog.deeds import Act, Deed, DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, TenantAdmin
from core.egress import AddressRefused, Egress
from fulfillment import services
from fulfillment.models import Notice, NoticeSettings
from fulfillment.notices import WAYS
from fulfillment.services.writing import webhook_secret

if TYPE_CHECKING:
    SettingsBase = forms.ModelForm[NoticeSettings]
else:
    SettingsBase = forms.ModelForm

STATE_TONES = {
    Notice.State.DUE: "primary",
    Notice.State.SENT: "success",
    Notice.State.DROPPED: "default",
    Notice.State.DEAD: "danger",
}


def _revive(act: Act) -> str:
    notice = services.revive_notice(act.row.pk, now=act.now)
    return f"{notice} is tried again."


def _renew(act: Act) -> str:
    services.renew_webhook_secret(act.row.pk, now=act.now)
    return "The webhook has a new secret; for a day messages are signed with the old one, too."


NOTICE_DEEDS = (
    Deed("revive", "Try again", "Send this notice once more?", _revive,
         when=lambda notice: notice.state == Notice.State.DEAD, icon="replay"),
)  # fmt: skip
SETTINGS_DEEDS = (
    Deed("renew", "New secret", "Give the webhook a new secret? The old one counts for one more day.", _renew,
         when=lambda told: bool(told.webhook_url), icon="key"),
)  # fmt: skip


class Choices(forms.MultipleChoiceField):
    """Several of these, as boxes to tick."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self, choices: Any, help_text: str) -> None:
        super().__init__(choices=choices, help_text=help_text, required=False)


def _switches() -> list[tuple[str, str]]:
    kinds = Notice.Kind.choices
    return [(f"{name}:{kind}", f"{way.title}: {words}") for name, way in WAYS.items() for kind, words in kinds]


class NoticeSettingsForm(SettingsBase):
    switches = Choices(_switches, "What is told, and how.")
    quiet_kinds = Choices(Notice.Kind.choices, "These wait until the quiet hours are over.")
    links = Choices(
        [(name, way.title) for name, way in WAYS.items()],
        "Where the link of the live page is given: whoever has it sees the session.",
    )

    def clean_webhook_url(self) -> str:
        url = str(self.cleaned_data["webhook_url"])
        try:
            if url:
                Egress(allow_private=settings.NOTICES_ALLOW_PRIVATE).check_url(url)
        except AddressRefused as err:
            raise forms.ValidationError(err.text) from err
        return url


@admin.register(NoticeSettings)
class NoticeSettingsAdmin(DeedsMixin, TenantAdmin):
    """One row for each operator; without one the platform's default holds."""

    form = NoticeSettingsForm
    deeds = SETTINGS_DEEDS
    area: ClassVar[Area] = Area.OPERATOR
    list_display = ("operator", "active", "language", "quiet_from", "quiet_until", "webhook_host")
    list_select_related = ("operator",)
    ordering = ("operator",)
    fieldsets = (
        ("Notices", {"fields": ("operator", "active", "switches", "language", "links")}),
        ("Quiet hours", {"fields": ("quiet_from", "quiet_until", "quiet_kinds")}),
        ("Webhook", {"fields": ("webhook_url",)}),
    )
    readonly_fields = ("webhook_secret",)

    def get_fieldsets(self, request: HttpRequest, obj: NoticeSettings | None = None) -> Any:
        """The secret is shown to those who may change it."""
        if obj is None or not self.may_act(request, obj):
            return self.fieldsets
        return (*self.fieldsets[:-1], ("Webhook", {"fields": ("webhook_url", "webhook_secret")}))

    def save_model(self, request: HttpRequest, obj: NoticeSettings, form: Any, change: bool) -> None:
        obj.updated_at = timezone.now()
        if obj.active and (not change or "active" in form.changed_data):
            # What happened while nobody was to be told is not told afterwards.
            obj.active_since = obj.updated_at
        super().save_model(request, obj, form, change)

    @column("Webhook")
    def webhook_host(self, told: NoticeSettings) -> str:
        return WAYS["webhook"].shown(told.webhook_url) or "–"

    @column("Secret of the webhook")
    def webhook_secret(self, told: NoticeSettings) -> str:
        return f"whsec_{base64.b64encode(webhook_secret(told, told.webhook_number)).decode()}"


@admin.register(Notice)
class NoticeAdmin(DeedsMixin, LogAdmin):
    """What drivers were told, when and how; addresses are masked, the words are not kept."""

    deeds = NOTICE_DEEDS
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.CUSTOMERS
    list_display = ("at", "kind", "order", "by", "status", "to", "attempts", "next_at", "reason")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("order__operator", OwnRelatedFilter),
    )
    search_fields = ("order__code",)
    list_select_related = ("order",)
    ordering = ("-at", "-pk")

    @column("By", order="way")
    def by(self, notice: Notice) -> str:
        way = WAYS.get(notice.way)
        return way.title if way else notice.way

    @column("State", order="state", tones=STATE_TONES)
    def status(self, notice: Notice) -> tuple[str, str]:
        return notice.state, notice.get_state_display()

    @column("To")
    def to(self, notice: Notice) -> str:
        return notice.sent_to or "–"
