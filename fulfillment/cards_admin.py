"""What do operators see and do about cards: who may charge, what is on the accounts, what was charged by card?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import BigIntegerField, Count, F, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from catalog.columns import column
from catalog.deeds import Act, Deed, DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, TenantAdmin
from catalog.wording import NONE, kw, kwh, rupees
from fulfillment import services
from fulfillment.models import Card, CardAccount, CardEntry, WalkIn, WalkInReading

if TYPE_CHECKING:
    CardBase = forms.ModelForm[Card]
else:
    CardBase = forms.ModelForm

CARD_TONES = {Card.State.ACTIVE: "success", Card.State.BLOCKED: "warning", Card.State.LOST: "danger"}
WALK_IN_TONES = {
    WalkIn.State.STARTING: "info",
    WalkIn.State.CHARGING: "info",
    WalkIn.State.ENDING: "info",
    WalkIn.State.ENDED: "success",
    WalkIn.State.FAILED: "danger",
}
ENTRY_TONES = {
    CardEntry.Kind.TOP_UP: "success",
    CardEntry.Kind.WITHDRAWAL: "warning",
    CardEntry.Kind.CHARGE: "info",
    CardEntry.Kind.CORRECTION: "primary",
}


class AmountForm(forms.Form):
    rupees = forms.DecimalField(min_value=0, max_digits=11, decimal_places=2, help_text="How much, ₹.")
    reason = forms.CharField(max_length=300, help_text="Where it is from or goes, for instance a receipt's number.")


class CorrectionForm(forms.Form):
    rupees = forms.DecimalField(max_digits=11, decimal_places=2, help_text="Below 0 against the holder, ₹.")
    reason = forms.CharField(max_length=300, help_text="What it puts right.")


def _top_up(act: Act) -> str:
    entry = services.top_up(act.row.pk, _paise(act), reason=act.answers["reason"], actor=act.actor, now=act.now)
    return f"{rupees(entry.paise)} came in; {rupees(services.balance(act.row.pk))} are on the account."


def _withdraw(act: Act) -> str:
    entry = services.withdraw(act.row.pk, _paise(act), reason=act.answers["reason"], actor=act.actor, now=act.now)
    return f"{rupees(-entry.paise)} went back; {rupees(services.balance(act.row.pk))} are left."


def _correct(act: Act) -> str:
    entry = services.correct(act.row.pk, _paise(act), reason=act.answers["reason"], actor=act.actor, now=act.now)
    return f"Corrected by {rupees(entry.paise)}; {rupees(services.balance(act.row.pk))} are on the account."


def _paise(act: Act) -> int:
    return int(act.answers["rupees"].scaleb(2))


def _block_all(act: Act) -> str:
    return f"Cards blocked: {services.block_cards(act.row.pk)}; what charges now may still be ended with them."


def _set_state(state: str, said: str) -> Any:
    def deed(act: Act) -> str:
        services.set_card_state(act.row.pk, state)
        return said

    return deed


def _stop(act: Act) -> str:
    services.stop_by_hand(act.row.pk, now=act.now)
    return "The station was asked to end the session; the card is charged what its meter says."


ACCOUNT_DEEDS = (
    Deed("topup", "Top up", "What came in for this account?", _top_up, form=AmountForm, icon="add_card",
         fields={"paise": "rupees"}),
    Deed("withdraw", "Pay out", "What went back to the holder? A prepaid account gives no more than is on it.",
         _withdraw, form=AmountForm, icon="payments", fields={"paise": "rupees"}),
    Deed("correct", "Correct", "Put a mistake right? Entries stay as they are; this adds one.", _correct,
         form=CorrectionForm, icon="edit_note", fields={"paise": "rupees"}),
    Deed("block", "Block its cards", "Block every active card of this account? What charges now may still be ended.",
         _block_all, when=lambda account: account.cards.filter(state=Card.State.ACTIVE).exists(), destructive=True,
         icon="block"),
)  # fmt: skip
CARD_DEEDS = (
    Deed("block", "Block", "Let this card charge no more? A session that runs may still be ended with it.",
         _set_state(Card.State.BLOCKED, "The card is blocked."), when=lambda card: card.state == Card.State.ACTIVE,
         destructive=True, icon="block"),
    Deed("lost", "Lost", "Is this card lost or stolen? It charges no more.",
         _set_state(Card.State.LOST, "The card is taken as lost."), when=lambda card: card.state != Card.State.LOST,
         destructive=True, icon="report"),
    Deed("unblock", "Let it charge", "Let this card charge again?",
         _set_state(Card.State.ACTIVE, "The card may charge."), when=lambda card: card.state != Card.State.ACTIVE,
         icon="check"),
)  # fmt: skip
WALK_IN_DEEDS = (
    Deed("stop", "Stop charging", "End this session now? The card is charged for the energy delivered so far.", _stop,
         when=lambda walk_in: walk_in.state in {WalkIn.State.STARTING, WalkIn.State.CHARGING}, destructive=True,
         icon="stop_circle"),
)  # fmt: skip


class CardForm(CardBase):
    """A card; its id is kept as readers are compared by, and it charges an account of its own operator."""

    def clean_uid(self) -> str:
        return services.plain_uid(self.cleaned_data["uid"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        operator, account = cleaned.get("operator"), cleaned.get("account")
        if operator is not None and account is not None and account.operator_id != operator.pk:
            raise forms.ValidationError(
                {"account": "This account belongs to another operator; choose one of the card's."}
            )
        return cleaned


@admin.register(Card)
class CardAdmin(DeedsMixin, TenantAdmin):
    """A card; whether it may charge changes by deeds, so that it is on record who did it."""

    form = CardForm
    deeds = CARD_DEEDS
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("name", "operator", "account", "status", "created_at")
    list_filter = (("state", ChoicesDropdownFilter), ("operator", OwnRelatedFilter), ("account", OwnRelatedFilter))
    search_fields = ("uid", "label", "account__name")
    list_select_related = ("operator", "account")
    ordering = ("-created_at", "-pk")
    fields = ("operator", "account", "uid", "label", "state")
    readonly_fields = ("state",)

    def get_readonly_fields(self, request: HttpRequest, obj: Card | None = None) -> Any:
        return ("state",) if obj is None else ("operator", "uid", "state")

    @column("Card", order="label")
    def name(self, card: Card) -> str:
        return str(card)

    @column("State", order="state", tones=CARD_TONES)
    def status(self, card: Card) -> tuple[str, str]:
        return card.state, card.get_state_display()


@admin.register(CardAccount)
class CardAccountAdmin(DeedsMixin, TenantAdmin):
    """Who pays for cards; money moves by deeds, and each movement stands in the statement for good."""

    deeds = ACCOUNT_DEEDS
    area: ClassVar[Area] = Area.CHARGING
    staff_may: ClassVar[frozenset[str]] = frozenset({"add", "change"})
    list_display = ("name", "operator", "kind", "balance", "active_cards", "statement")
    list_filter = (("kind", ChoicesDropdownFilter), ("operator", OwnRelatedFilter))
    search_fields = ("name", "cards__label")
    list_select_related = ("operator",)
    ordering = ("name",)
    fields = ("operator", "name", "kind", "currency", "balance", "statement")
    readonly_fields = ("balance", "statement")

    def get_queryset(self, request: HttpRequest) -> Any:
        entries = CardEntry.objects.filter(account=OuterRef("pk")).order_by().values("account")
        on_it = Coalesce(Subquery(entries.annotate(sum=Sum("paise")).values("sum")), 0, output_field=BigIntegerField())
        active = Count("cards", filter=Q(cards__state=Card.State.ACTIVE), distinct=True)
        return super().get_queryset(request).annotate(on_it=on_it, cards_active=active)

    def get_readonly_fields(self, request: HttpRequest, obj: CardAccount | None = None) -> Any:
        return self.readonly_fields if obj is None else ("operator", "currency", *self.readonly_fields)

    @column("Balance", order="on_it")
    def balance(self, account: Any) -> str:
        return rupees(account.on_it) if account.pk else NONE

    @column("Active cards", order="cards_active")
    def active_cards(self, account: Any) -> int:
        return int(account.cards_active)

    @column("Statement")
    def statement(self, account: CardAccount) -> str:
        if not account.pk:
            return NONE
        address = reverse("admin:fulfillment_cardentry_changelist")
        return format_html('<a href="{}?account__id__exact={}">all entries</a>', address, account.pk)


@admin.register(CardEntry)
class CardEntryAdmin(LogAdmin):
    """The statements: each movement with the balance after it."""

    operator_path = "account__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("at", "account", "what", "amount", "after", "walk_in", "reason", "actor")
    list_filter = (
        ("account", OwnRelatedFilter),
        ("kind", ChoicesDropdownFilter),
        ("at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("account__name", "reason")
    list_select_related = ("account", "walk_in__card")
    ordering = ("-at", "-pk")

    def get_queryset(self, request: HttpRequest) -> Any:
        so_far = Window(Sum("paise"), partition_by=F("account"), order_by=F("id").asc())
        return super().get_queryset(request).annotate(so_far=so_far)

    @column("Entry", order="kind", tones=ENTRY_TONES)
    def what(self, entry: CardEntry) -> tuple[str, str]:
        return entry.kind, entry.get_kind_display()

    @column("Amount", order="paise")
    def amount(self, entry: CardEntry) -> str:
        return rupees(entry.paise)

    @column("Balance after it")
    def after(self, entry: Any) -> str:
        return rupees(entry.so_far)


@admin.register(WalkInReading)
class WalkInReadingAdmin(LogAdmin):
    operator_path = "walk_in__station__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("at", "walk_in", "register", "power", "accepted", "reason")
    list_filter = ("accepted",)
    search_fields = ("walk_in__card__label", "walk_in__station__name")
    list_select_related = ("walk_in__card",)
    ordering = ("-at",)

    @column("Register", order="energy_wh")
    def register(self, reading: WalkInReading) -> str:
        return kwh(reading.energy_wh)

    @column("Power", order="power_w")
    def power(self, reading: WalkInReading) -> str:
        return kw(reading.power_w)


@admin.register(WalkIn)
class WalkInAdmin(DeedsMixin, LogAdmin):
    """One charging by card without an order: its meter, and what it cost."""

    deeds = WALK_IN_DEEDS
    operator_path = "station__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("card", "station", "evse", "status", "energy", "amount", "payment_due", "created_at", "stop_reason")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        "payment_due",
        "provisional",
        ("station", OwnRelatedFilter),
    )
    search_fields = ("card__uid", "card__label", "account__name", "station__name", "evse__uid", "remote_id")
    list_select_related = ("card", "station", "evse", "account")
    ordering = ("-created_at", "-pk")
    readonly_fields = ("energy", "amount", "register_start", "register_stop", "readings")
    fieldsets = (
        (
            "Session",
            {"fields": ("card", "account", "state", "energy", "amount", "payment_due", "stop_reason", "fault")},
        ),
        ("Meter", {"fields": ("register_start", "register_stop", "power_w", "read_at", "readings", "provisional")}),
        ("Times", {"fields": ("created_at", "asked_at", "started_at", "ended_at")}),
        (
            "Station side",
            {"fields": ("station", "evse", "connector", "slot_number", "remote_id", "next_at", "attempts")},
        ),
        ("Price", {"fields": ("lines", "tariff")}),
    )

    @column("State", order="state", tones=WALK_IN_TONES)
    def status(self, walk_in: WalkIn) -> tuple[str, str]:
        return walk_in.state, walk_in.get_state_display()

    @column("Energy")
    def energy(self, walk_in: WalkIn) -> str:
        return kwh(walk_in.energy_wh)

    @column("Amount", order="amount_paise")
    def amount(self, walk_in: WalkIn) -> str:
        return rupees(walk_in.amount_paise)

    @column("Register at the start")
    def register_start(self, walk_in: WalkIn) -> str:
        return kwh(walk_in.meter_start_wh)

    @column("Register at the stop")
    def register_stop(self, walk_in: WalkIn) -> str:
        return kwh(walk_in.meter_stop_wh)

    @column("Readings")
    def readings(self, walk_in: WalkIn) -> str:
        address = reverse("admin:fulfillment_walkinreading_changelist")
        return format_html('<a href="{}?walk_in__id__exact={}">all readings</a>', address, walk_in.pk)
