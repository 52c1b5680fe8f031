"""What passed between us and the network, and who is on it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from bpp.acts import CLOSING_EVSE_DEEDS, CLOSING_STATION_DEEDS, KEY_DEEDS, ORDER_DEEDS, OUTBOX_DEEDS
from bpp.models import BuyerApp, DeliveryAttempt, InboxMessage, Layer2, OutboxMessage, OwnKey, Subscriber, Subscription
from catalog.admin import EvseAdmin, StationAdmin
from catalog.columns import column
from catalog.deeds import DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, PlatformAdmin, PlatformLogAdmin
from orders.admin import OrderAdmin
from orders.money_admin import ORDER_DEEDS as MONEY_DEEDS

if TYPE_CHECKING:
    UserBase = DjangoUserAdmin[User]
else:
    UserBase = DjangoUserAdmin

INBOX_TONES = {
    InboxMessage.State.NEW: "primary",
    InboxMessage.State.WAITING: "info",
    InboxMessage.State.DONE: "success",
    InboxMessage.State.FAILED: "danger",
    InboxMessage.State.EXPIRED: "warning",
}
OUTBOX_TONES = {
    OutboxMessage.State.PENDING: "primary",
    OutboxMessage.State.SENT: "success",
    OutboxMessage.State.REFUSED: "danger",
    OutboxMessage.State.DEAD: "danger",
    OutboxMessage.State.COALESCED: "default",
}


class MessageAdmin(LogAdmin):
    """Messages are evidence: read here, shown in full by the explorer."""

    area: ClassVar[Area] = Area.NETWORK
    search_fields = ("message_id", "transaction_id", "bap_id")
    list_select_related = ("operator",)

    @column("Conversation")
    def conversation(self, message: Any) -> str:
        address = reverse("messages-detail", args=[message.transaction_id])
        return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">Show in explorer</a>', address)


@admin.register(InboxMessage)
class InboxMessageAdmin(MessageAdmin):
    list_display = ("received_at", "action", "bap_id", "status", "reason", "operator", "conversation")
    list_filter = (("state", ChoicesDropdownFilter), "action", ("operator", OwnRelatedFilter))
    ordering = ("-received_at",)
    exclude = ("raw", "digest", "authorization", "gateway_authorization")
    readonly_fields = ("conversation",)

    @column("State", order="state", tones=INBOX_TONES)
    def status(self, message: InboxMessage) -> tuple[str, str]:
        return message.state, message.get_state_display()


@admin.register(OutboxMessage)
class OutboxMessageAdmin(DeedsMixin, MessageAdmin):
    deeds = OUTBOX_DEEDS
    list_display = ("created_at", "action", "bap_id", "status", "attempts", "reason", "operator", "conversation")
    list_filter = (("state", ChoicesDropdownFilter), "action", ("operator", OwnRelatedFilter))
    ordering = ("-created_at",)
    exclude = ("body", "token", "lease_until")
    readonly_fields = ("conversation",)

    def page_of(self, row: Any) -> str:
        return f"{reverse('messages-detail', args=[row.transaction_id])}#out-{row.pk}"

    @column("State", order="state", tones=OUTBOX_TONES)
    def status(self, message: OutboxMessage) -> tuple[str, str]:
        return message.state, message.get_state_display()


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(LogAdmin):
    operator_path = "message__operator"
    area: ClassVar[Area] = Area.NETWORK
    list_display = ("at", "message", "status", "outcome", "wait_ms", "detail")
    list_filter = ("outcome",)
    search_fields = ("message__message_id", "message__transaction_id")
    list_select_related = ("message",)
    ordering = ("-at",)


@admin.register(Subscriber)
class SubscriberAdmin(PlatformLogAdmin):
    list_display = ("subscriber_id", "key_id", "type", "domain", "status", "valid_until", "fetched_at")
    list_filter = ("type", "status")
    search_fields = ("subscriber_id", "key_id", "url")


@admin.register(BuyerApp)
class BuyerAppAdmin(PlatformAdmin):
    """What was settled with single buyer apps; the others go by the network's settings."""

    list_display = ("bap_id", "progress_every_s", "callback_pushes", "updated_at")
    search_fields = ("bap_id", "note")
    fields = ("bap_id", "progress_every_s", "callback_pushes", "note")

    def save_model(self, request: HttpRequest, obj: BuyerApp, form: Any, change: bool) -> None:
        obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)


@admin.register(OwnKey)
class OwnKeyAdmin(DeedsMixin, PlatformLogAdmin):
    deeds = KEY_DEEDS
    list_display = ("key_id", "state", "valid_from", "valid_until", "created_at")
    exclude = ("signing_private_sealed", "encryption_private_sealed")


@admin.register(Subscription)
class SubscriptionAdmin(PlatformLogAdmin):
    list_display = ("key_id", "registry_url", "asked_at", "open_until", "answered_at", "outcome")


@admin.register(Layer2)
class Layer2Admin(PlatformAdmin):
    """Installed by `install_layer2`; here it is switched on and off, or from warning to refusing."""

    list_display = ("name", "domain", "version", "incoming", "active", "installed_at")
    readonly_fields = ("domain", "version", "name", "document", "digest", "installed_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


# Cancelling and stopping reach beyond the app of orders, so they are added from here.
OrderAdmin.deeds = (*ORDER_DEEDS, *MONEY_DEEDS)
StationAdmin.deeds = CLOSING_STATION_DEEDS
EvseAdmin.deeds = CLOSING_EVSE_DEEDS
admin.site.index_template = "admin/overview.html"
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(PlatformAdmin, UserBase):
    """Who may sign in; what a user may see follows from their operators."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(PlatformAdmin, DjangoGroupAdmin):
    """Django's groups, kept for integrations; the tenancy rules do not read them."""
