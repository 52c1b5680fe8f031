"""How do operators keep memberships, bulk discounts, coupons and surges, and how they quote?"""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, TenantAdmin, TenantInline
from orders.models import CouponUse, Member, Overlay, QuoteRules


class MemberInline(TenantInline):
    model = Member
    operator_path = "overlay__operator"
    area: ClassVar[Area] = Area.SELLING
    fields = ("person",)


@admin.register(Overlay)
class OverlayAdmin(TenantAdmin):
    """What an operator adds to or takes off its tariffs; promises already made keep what they were made with."""

    area: ClassVar[Area] = Area.SELLING
    inlines = (MemberInline,)
    ordering = ("operator", "code")
    list_display = ("code", "name", "operator", "kind", "worth", "valid_from", "valid_until", "active", "advertised")
    list_filter = (("operator", OwnRelatedFilter), ("kind", ChoicesDropdownFilter), "active")
    search_fields = ("code", "name", "group_code")
    list_select_related = ("operator",)

    @column("Change")
    def worth(self, overlay: Overlay) -> str:
        unit = {Overlay.Change.PERCENT.value: " %", Overlay.Change.PER_KWH.value: " ₹/kWh"}.get(overlay.change, " ₹")
        return f"{overlay.value:+.2f}{unit}"


@admin.register(CouponUse)
class CouponUseAdmin(LogAdmin):
    operator_path = "overlay__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("overlay", "number", "order", "at", "returned_at")
    list_filter = (("overlay", OwnRelatedFilter),)
    search_fields = ("overlay__code", "order__code")
    list_select_related = ("overlay", "order")
    ordering = ("-at",)


@admin.register(QuoteRules)
class QuoteRulesAdmin(TenantAdmin):
    area: ClassVar[Area] = Area.SELLING
    list_display = ("operator", "without_amount", "assumed_wh", "price_change")
    list_filter = (("operator", OwnRelatedFilter),)
    list_select_related = ("operator",)
    ordering = ("operator",)
