"""What do operators see of the books: journals, balances with each buyer app, refunds on their way, and the checks?"""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from catalog.columns import column
from catalog.deeds import Act, Deed, DeedsMixin
from catalog.models import Operator
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, PlatformLogAdmin, TenantAdmin, TenantInline, reach_of
from catalog.wording import rupees, span
from orders.balances import balances, purse
from orders.models import Account, BooksCheck, Journal, MoneyRules, Order, Posting, Refund
from orders.services.clearing import collected_late
from orders.services.refunds import approve_refund, ask_refund, decline_refund, finish_refund, retry_refund

S = Refund.State
REFUND_TONES = {
    S.REQUESTED: "warning",
    S.APPROVED: "primary",
    S.SENT: "info",
    S.DONE: "success",
    S.FAILED: "warning",
    S.PERSON: "danger",
    S.DECLINED: "default",
    S.WITHDRAWN: "default",
}


class ReasonForm(forms.Form):
    text = forms.CharField(max_length=300, help_text="Why; the customer may read it.")


class ReferenceForm(forms.Form):
    reference = forms.CharField(max_length=255, help_text="The bank's or the buyer app's id of the payment.")


class GoodwillForm(forms.Form):
    rupees = forms.DecimalField(min_value=0, max_digits=9, decimal_places=2, help_text="How much goes back, ₹.")
    cause = forms.CharField(max_length=90, help_text="What for, for instance a ticket; one refund for each.")


def _approve(act: Act) -> str:
    return f"Approved; it is {approve_refund(act.row.pk, now=act.now, actor=act.actor).get_state_display().lower()}."


def _decline(act: Act) -> str:
    decline_refund(act.row.pk, text=act.answers["text"], now=act.now, actor=act.actor)
    return "Declined; nothing is refunded."


def _retry(act: Act) -> str:
    retry_refund(act.row.pk, now=act.now, actor=act.actor)
    return "It is being sent again."


def _finish(act: Act) -> str:
    refund = finish_refund(act.row.pk, reference=act.answers["reference"], now=act.now, actor=act.actor)
    return f"{rupees(refund.paise)} are with the customer."


def _goodwill(act: Act) -> str:
    paise = int(act.answers["rupees"].scaleb(2))
    refund = ask_refund(act.row.pk, paise, cause=act.answers["cause"], now=act.now, actor=act.actor)
    return f"{rupees(refund.paise)} go back: {refund.get_state_display().lower()}."


def _collected(act: Act) -> str:
    payment = collected_late(act.row.pk, reference=act.answers["reference"], now=act.now, actor=act.actor)
    return f"{payment.order} is paid."


REFUND_DEEDS = (
    Deed(
        "approve",
        "Approve",
        "Send this money back to the customer?",
        _approve,
        when=lambda row: row.state == S.REQUESTED,
        icon="check",
    ),
    Deed(
        "decline",
        "Decline",
        "Keep this money? Only goodwill can be declined.",
        _decline,
        when=lambda row: row.state == S.REQUESTED and row.reason == Refund.Reason.GOODWILL,
        form=ReasonForm,
        destructive=True,
        icon="block",
        fields={"refund.text": "text"},
    ),
    Deed(
        "retry",
        "Try again",
        "Ask the provider for this refund once more? It can never be paid twice.",
        _retry,
        when=lambda row: row.state == S.PERSON,
        icon="sync",
    ),
    Deed(
        "done",
        "It arrived",
        "Does the customer have this money?",
        _finish,
        when=lambda row: row.state in {S.PERSON, S.SENT} and (row.state == S.PERSON or row.way == Refund.Way.BAP),
        form=ReferenceForm,
        icon="account_balance",
    ),
)
ORDER_DEEDS = (
    Deed(
        "collected",
        "The buyer app collected it",
        "Did the buyer app collect what this order still owes? It becomes its debt to you.",
        _collected,
        when=lambda row: row.state in Order.BILLED and purse(row).due > 0,
        form=ReferenceForm,
        icon="payments",
    ),
    Deed(
        "goodwill",
        "Refund as goodwill",
        "Give part of what was charged back? The tax on it stays due.",
        _goodwill,
        when=lambda row: row.state in Order.BILLED,
        form=GoodwillForm,
        icon="volunteer_activism",
        fields={"refund.paise": "rupees"},
    ),
)


@admin.register(Refund)
class RefundAdmin(DeedsMixin, LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    deeds = REFUND_DEEDS
    list_display = ("key", "order", "amount", "status", "reason", "way", "age", "next_at", "deadline_at", "problem")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("way", ChoicesDropdownFilter),
        ("requested_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("key", "cause", "reference", "payment_ref", "order__code", "order__transaction_id")
    list_select_related = ("order",)
    ordering = ("-requested_at",)

    @column("Amount", order="paise")
    def amount(self, refund: Refund) -> str:
        return rupees(refund.paise)

    @column("State", order="state", tones=REFUND_TONES)
    def status(self, refund: Refund) -> tuple[str, str]:
        return refund.state, refund.get_state_display()

    @column("Age", order="requested_at")
    def age(self, refund: Refund) -> str:
        return span(((refund.closed_at or timezone.now()) - refund.requested_at).total_seconds())


class PostingInline(TenantInline):
    model = Posting
    area: ClassVar[Area] = Area.SELLING
    staff_may: ClassVar[frozenset[str]] = frozenset()
    fields = ("account", "amount", "currency")
    readonly_fields = ("account", "amount", "currency")
    show_change_link = False

    @column("Amount")
    def amount(self, posting: Posting) -> str:
        return rupees(posting.paise)


@admin.register(Journal)
class JournalAdmin(LogAdmin):
    """The books, to be read; `balances` sums them up by buyer app."""

    area: ClassVar[Area] = Area.SELLING
    list_display = ("at", "what", "order", "bap_id", "moved", "reference", "actor", "note")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("operator", OwnRelatedFilter),
        ("at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("key", "reference", "bap_id", "order__code", "order__transaction_id")
    list_select_related = ("order",)
    ordering = ("-at", "-pk")
    inlines = (PostingInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("postings")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.balances_view)
        return [path("balances/", view, name="orders_journal_balances"), *super().get_urls()]

    def balances_view(self, request: HttpRequest) -> HttpResponse:
        """What stands on each account with each buyer app, of the operators one may see."""
        operators = {operator.pk: operator for operator in reach_of(request.user).limit(Operator.objects.all(), "pk")}
        names = dict(Account.choices)
        rows = [
            (operators[row.operator_id], row.bap_id or "–", names[row.account], row.paise)
            for row in balances(operators=operators)
        ]
        context = {**self.admin_site.each_context(request), "title": "Balances", "opts": self.opts, "rows": rows}
        return TemplateResponse(request, "admin/balances.html", context)

    @column("Event", order="kind")
    def what(self, journal: Journal) -> str:
        return journal.get_kind_display()

    @column("Moved")
    def moved(self, journal: Journal) -> str:
        return rupees(sum(leg.paise for leg in journal.postings.all() if leg.paise > 0))


@admin.register(MoneyRules)
class MoneyRulesAdmin(TenantAdmin):
    area: ClassVar[Area] = Area.SELLING
    list_display = ("operator", "limit", "energy_within_s")
    list_select_related = ("operator",)
    fields = ("operator", "approve_above_paise", "energy_within_s")

    @column("Refunds above wait for approval", order="approve_above_paise")
    def limit(self, rules: MoneyRules) -> str:
        return rupees(rules.approve_above_paise)


@admin.register(BooksCheck)
class BooksCheckAdmin(PlatformLogAdmin):
    list_display = ("at", "orders", "breaks", "since")
    ordering = ("-at",)
