"""What do operators see of money that we collect: what was asked for, what came, and what needs a person?"""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from catalog.columns import column
from catalog.deeds import Act, Deed, DeedsMixin
from catalog.tenancy import Area, LogAdmin, PlatformLogAdmin
from catalog.wording import rupees
from orders.models import Collection, PaymentNews, PaymentReference, WebhookRefusal
from orders.payments import can_be_asked
from orders.services.cashier import book_what_came
from orders.services.receiving import UNPAID, confirm_by_hand, look_again, put_aside

S, N = Collection.State, PaymentNews.State
COLLECTION_TONES = {
    S.WAITING: "default",
    S.ASKED: "primary",
    S.OPEN: "primary",
    S.AUTHORISED: "info",
    S.CAPTURED: "success",
    S.RELEASED: "default",
    S.EXPIRED: "default",
    S.ALARM: "danger",
}
NEWS_TONES = {N.NEW: "primary", N.DONE: "success", N.IGNORED: "default", N.ALARM: "danger"}


class ReferenceForm(forms.Form):
    reference = forms.CharField(max_length=64, help_text="The transaction id on the bank statement.")


class ReasonForm(forms.Form):
    text = forms.CharField(max_length=300, help_text="Why it is not booked, and what became of the money.")


def _confirm(act: Act) -> str:
    row = confirm_by_hand(act.row.pk, reference=act.answers["reference"], actor=act.actor, now=act.now)
    return f"{rupees(row.captured_paise)} arrived with {row.payment_ref}."


def _look(act: Act) -> str:
    look_again(act.row.pk, now=act.now)
    return "The provider is being asked."


def _book(act: Act) -> str:
    book_what_came(act.row.pk, actor=act.actor, now=act.now)
    return "It is in the books; what the order has no use for goes back by itself."


def _put_aside(act: Act) -> str:
    put_aside(act.row.pk, text=act.answers["text"], actor=act.actor, now=act.now)
    return "It is closed; nothing was booked."


COLLECTION_DEEDS = (
    Deed(
        "arrived",
        "Confirm the transfer",
        "Did this money arrive on the account? The order counts as paid.",
        _confirm,
        when=lambda row: not can_be_asked(row.provider) and row.state in UNPAID,
        form=ReferenceForm,
        icon="account_balance",
        fields={"order.payments[0].params.transaction_id": "reference"},
    ),
    Deed(
        "look",
        "Ask the provider",
        "Ask how the payment stands, now?",
        _look,
        when=lambda row: can_be_asked(row.provider) and row.link_ref != "",
        icon="sync",
    ),
    Deed(
        "book",
        "Book what came",
        "Take what the provider took into the books, although it is not what was asked for? It secures no order.",
        _book,
        when=lambda row: row.state == S.ALARM and can_be_asked(row.provider) and row.link_ref != "",
        icon="account_balance",
    ),
    Deed(
        "aside",
        "Put aside",
        "Close this without booking what came?",
        _put_aside,
        when=lambda row: row.state == S.ALARM,
        form=ReasonForm,
        destructive=True,
        icon="inventory_2",
    ),
)


@admin.register(Collection)
class CollectionAdmin(DeedsMixin, LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    deeds = COLLECTION_DEEDS
    list_display = ("reference", "order", "status", "asked", "held", "taken", "provider", "created_at", "problem")
    list_filter = (("state", ChoicesDropdownFilter), "provider", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("reference", "payment_ref", "link_ref", "order_ref", "order__code", "order__transaction_id")
    list_select_related = ("order",)
    ordering = ("-created_at",)
    # Whoever knows the token sees the page; nobody needs it here.
    exclude = ("token",)

    @column("State", order="state", tones=COLLECTION_TONES)
    def status(self, row: Collection) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @column("Asked", order="amount_paise")
    def asked(self, row: Collection) -> str:
        return rupees(row.amount_paise)

    @column("Held", order="authorised_paise")
    def held(self, row: Collection) -> str:
        return rupees(row.authorised_paise)

    @column("Taken", order="captured_paise")
    def taken(self, row: Collection) -> str:
        return rupees(row.captured_paise)


@admin.register(PaymentReference)
class PaymentReferenceAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("reference", "payer", "order", "claimed_at")
    search_fields = ("reference", "order__code")
    list_select_related = ("order",)
    ordering = ("-claimed_at",)


@admin.register(PaymentNews)
class PaymentNewsAdmin(PlatformLogAdmin):
    list_display = ("received_at", "provider", "kind", "status", "outcome", "deliveries", "attempts", "collection")
    list_filter = (("state", ChoicesDropdownFilter), "provider", "kind")
    search_fields = ("event_id", "digest", "collection__reference")
    list_select_related = ("collection",)
    ordering = ("-received_at",)

    @column("State", order="state", tones=NEWS_TONES)
    def status(self, row: PaymentNews) -> tuple[str, str]:
        return row.state, row.get_state_display()


@admin.register(WebhookRefusal)
class WebhookRefusalAdmin(PlatformLogAdmin):
    list_display = ("day", "provider", "count", "last_at")
    ordering = ("-day",)
