"""How do operators write their rules of booking and cancelling, and see what falls due?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, TenantAdmin
from catalog.wording import rupees
from orders.models import CancellationRule, Deadline, ReservationRules

if TYPE_CHECKING:
    AnyForm = forms.ModelForm[Any]
else:
    AnyForm = forms.ModelForm

MODE_TONES = {
    ReservationRules.Mode.INSTANT: "success",
    ReservationRules.Mode.ADVANCE: "info",
    ReservationRules.Mode.PROVISIONAL: "warning",
}


class ScopedForm(AnyForm):
    """Rules of an operator; a station must be one of its own."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        station, operator = cleaned.get("station"), cleaned.get("operator")
        if station is not None and operator is not None and station.operator_id != operator.pk:
            self.add_error("station", f"{station} is not a station of {operator}.")
        return cleaned


@admin.register(ReservationRules)
class ReservationRulesAdmin(TenantAdmin):
    """Orders keep the rules they were initialised under, so that a change here touches no promise."""

    area: ClassVar[Area] = Area.SELLING
    form = ScopedForm
    list_display = ("where", "confirmation", "earliest_s", "longest_s", "buffer_s", "grace_s", "no_show_after_s")
    list_filter = (("operator", OwnRelatedFilter), ("mode", ChoicesDropdownFilter))
    list_select_related = ("operator", "station")
    fieldsets = (
        ("Where", {"fields": ("operator", "station")}),
        ("Booking", {"fields": ("earliest_s", "latest_s", "shortest_s", "longest_s", "buffer_s")}),
        ("Arrival", {"fields": ("grace_s", "no_show_after_s", "start_code")}),
        ("Confirmation", {"fields": ("mode", "reminder_s", "approval_s", "approval_outcome")}),
        ("A failed charger", {"fields": ("on_failure", "answer_s")}),
        ("Cancellation", {"fields": ("free_cancel_s",)}),
    )

    def save_model(self, request: Any, obj: ReservationRules, form: Any, change: bool) -> None:
        obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)

    @column("Rules of")
    def where(self, rules: ReservationRules) -> str:
        return str(rules.station or rules.operator)

    @column("Confirmation", order="mode", tones=MODE_TONES)
    def confirmation(self, rules: ReservationRules) -> tuple[str, str]:
        return rules.mode, rules.get_mode_display()


@admin.register(CancellationRule)
class CancellationRuleAdmin(TenantAdmin):
    area: ClassVar[Area] = Area.SELLING
    form = ScopedForm
    list_display = ("where", "place", "state", "minutes", "fee", "refund_eligible", "refund_within_s")
    list_filter = (("operator", OwnRelatedFilter), ("state", ChoicesDropdownFilter))
    list_select_related = ("operator", "station")

    @column("Rules of")
    def where(self, rule: CancellationRule) -> str:
        return str(rule.station or rule.operator)

    @column("Minutes before the start")
    def minutes(self, rule: CancellationRule) -> str:
        until = "any" if rule.to_min is None else f"less than {rule.to_min}"
        return until if rule.from_min is None else f"{rule.from_min} to {until}"

    @column("Fee")
    def fee(self, rule: CancellationRule) -> str:
        return rupees(rule.fee_paise) if rule.fee_paise is not None else f"{rule.fee_percent} %"


@admin.register(Deadline)
class DeadlineAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("at", "kind", "order", "done_at")
    list_filter = (("kind", ChoicesDropdownFilter),)
    search_fields = ("order__code", "order__transaction_id")
    list_select_related = ("order",)
    ordering = ("-at",)
