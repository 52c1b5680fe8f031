"""What do operators see of links to live pages, and what do they let them do?"""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.deeds import Act, Deed, DeedsMixin
from catalog.tenancy import Area, LogAdmin, TenantAdmin
from fulfillment.models import LinkDeed, LinkRules, TrackLink
from fulfillment.services import revoke_links

STANDING = {"open": "success", "over": "default", "revoked": "danger"}


def _revoke(act: Act) -> str:
    count = revoke_links(act.row.order_id, act.now)
    return f"Revoked: {count} links of {act.row.order} open nothing any more. The buyer app gets another by track."


@admin.register(TrackLink)
class TrackLinkAdmin(DeedsMixin, LogAdmin):
    """Links to live pages; nobody can read a link here, since only its hash is kept."""

    deeds = (
        Deed(
            "revoke",
            "Revoke",
            "Close every link of this order? Pages that are open stop at once.",
            _revoke,
            when=lambda link: link.revoked_at is None,
            destructive=True,
            icon="link_off",
        ),
    )
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("order", "standing", "may", "deeds_done", "created_at", "expires_at", "revoked_at")
    search_fields = ("order__code", "order__transaction_id")
    list_select_related = ("order",)
    ordering = ("-created_at",)
    exclude = ("token_hash",)

    @column("Opens", tones=STANDING)
    def standing(self, link: TrackLink) -> tuple[str, str]:
        if link.revoked_at is not None:
            return "revoked", "revoked"
        return ("open", "the page") if link.expires_at > timezone.now() else ("over", "nothing, ran out")

    @column("May beside looking")
    def may(self, link: TrackLink) -> str:
        return ", ".join([*link.rights, "report", "rate"])


@admin.register(LinkDeed)
class LinkDeedAdmin(LogAdmin):
    operator_path = "link__order__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("at", "order", "name", "said")
    list_filter = (("name", ChoicesDropdownFilter),)
    search_fields = ("link__order__code",)
    list_select_related = ("link__order",)
    ordering = ("-at",)

    @column("Order", order="link__order")
    def order(self, deed: LinkDeed) -> str:
        return str(deed.link.order)


@admin.register(LinkRules)
class LinkRulesAdmin(TenantAdmin):
    """What links may do from now on; those that were opened before lose at once what is switched off."""

    area: ClassVar[Area] = Area.CHARGING
    list_display = ("operator", "may_stop", "may_extend")
    list_select_related = ("operator",)
    fields = ("operator", "may_stop", "may_extend")

    def save_model(self, request: HttpRequest, obj: LinkRules, form: object, change: bool) -> None:
        obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)
