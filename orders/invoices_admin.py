"""How do operators find their invoices and notes, and take away what buyer apps owe them?"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import TruncMonth
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.text import slugify
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from catalog.columns import column
from catalog.models import Operator
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, reach_of
from catalog.wording import rupees
from core.errors import Invalid
from orders.filing import as_file, handed_out
from orders.models import Invoice, PaperKind
from orders.numbering import INDIA
from orders.papers.labels import LANGUAGES
from orders.papers.statement import Statement, statement_pdf, statements_csv
from orders.statements import month_bounds, statements

KIND_TONES = {PaperKind.INVOICE: "success", PaperKind.CREDIT_NOTE: "warning", PaperKind.DEBIT_NOTE: "info"}
MOST_MONTHS = 60


class MonthFilter(admin.SimpleListFilter):
    """The months in which papers were issued, by the clock of India."""

    title = "month"
    parameter_name = "month"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        months = model_admin.get_queryset(request).annotate(month=TruncMonth("issued_at", tzinfo=INDIA))
        seen = months.order_by("-month").values_list("month", flat=True).distinct()[:MOST_MONTHS]
        return [(f"{month:%Y-%m}", f"{month:%B %Y}") for month in seen]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        try:
            since, until = month_bounds(str(self.value()))
        except Invalid:
            return queryset.none()
        return queryset.filter(issued_at__gte=since, issued_at__lt=until)


@admin.register(Invoice)
class InvoiceAdmin(LogAdmin):
    """Issued papers to read and take away, and settlement statements of a month."""

    area: ClassVar[Area] = Area.SELLING
    list_display = ("number", "what", "issued_at", "operator", "order", "before_tax", "tax", "total", "download")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        MonthFilter,
        ("operator", OwnRelatedFilter),
        ("issued_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("number", "order__code", "order__transaction_id")
    list_select_related = ("operator", "order")
    ordering = ("-issued_at", "-pk")
    list_before_template = "orders/settlement_link.html"
    readonly_fields = ("download", "before_tax", "tax", "total")
    fieldsets = (
        (None, {"fields": ("number", "kind", "issued_at", "operator", "order", "corrects", "download")}),
        ("Amounts", {"fields": ("lines", "taxes", "before_tax", "tax", "total", "currency")}),
        ("Parties", {"fields": ("supplier", "recipient", "place", "facts")}),
    )

    @column("Kind", order="kind", tones=KIND_TONES)
    def what(self, paper: Invoice) -> tuple[str, str]:
        return paper.kind, paper.get_kind_display()

    @column("Before tax", order="taxable_paise")
    def before_tax(self, paper: Invoice) -> str:
        return rupees(paper.taxable_paise)

    @column("Tax", order="tax_paise")
    def tax(self, paper: Invoice) -> str:
        return rupees(paper.tax_paise)

    @column("Total", order="total_paise")
    def total(self, paper: Invoice) -> str:
        return rupees(paper.total_paise)

    @column("PDF")
    def download(self, paper: Invoice) -> str:
        address = reverse("admin:orders_invoice_pdf", args=[paper.pk])
        rows = ((address, language, language) for language in LANGUAGES)
        return format_html_join(" · ", '<a class="vb-link" href="{}?lang={}">{}</a>', rows)

    def get_urls(self) -> list[Any]:
        mine = [
            path("settlement/", self.admin_site.admin_view(self.settlement), name="orders_invoice_settlement"),
            path("<int:invoice_id>/pdf/", self.admin_site.admin_view(self.pdf), name="orders_invoice_pdf"),
        ]
        return [*mine, *super().get_urls()]

    def pdf(self, request: HttpRequest, invoice_id: int) -> HttpResponse:
        """The paper as a PDF; one of another operator does not exist here."""
        paper = self.get_queryset(request).filter(pk=invoice_id).first()
        if paper is None:
            raise Http404
        return handed_out(paper, request.GET.get("lang", "en"))

    def settlement(self, request: HttpRequest) -> HttpResponse:
        """A form for operator, month and buyer app; its answer on the page, as CSV or, for one buyer app, as PDF."""
        operators = reach_of(request.user).limit(Operator.objects.order_by("name"), "pk")
        if not operators:
            raise Http404
        form = SettlementForm(request.GET or None, operators=operators, now=timezone.now())
        found: list[Statement] = []
        if form.is_valid():
            found = form.statements()
            answer = self._file(form, found)
            if answer is not None:
                return answer
        context = {
            **self.admin_site.each_context(request),
            "title": "Settlement statements",
            "opts": self.opts,
            "form": form,
            "found": [(one, one.total) for one in found],
            "asked": form.is_valid(),
            "query": request.GET.urlencode(),
        }
        return TemplateResponse(request, "orders/settlement.html", context)

    def _file(self, form: SettlementForm, found: list[Statement]) -> HttpResponse | None:
        answers = form.cleaned_data
        name = f"settlement-{slugify(answers['operator'].code)}-{answers['month']}"
        if answers["format"] == "csv":
            return as_file(statements_csv(found), f"{name}.csv", "text/csv; charset=utf-8")
        if answers["format"] == "pdf" and len(found) == 1:
            app = slugify(found[0].buyer_app.replace(".", "-"))
            return as_file(statement_pdf(found[0]), f"{name}-{app}.pdf", "application/pdf")
        return None


class SettlementForm(forms.Form):
    """Which statement is wanted; the choices are what the user may see."""

    operator = forms.ModelChoiceField(Operator.objects.none(), empty_label=None)
    month = forms.CharField(help_text="YYYY-MM, by the clock of India.")
    bap = forms.CharField(label="Buyer app", required=False, help_text="Empty: all of them.")
    format = forms.ChoiceField(
        choices=[("", "On this page"), ("csv", "CSV"), ("pdf", "PDF (one buyer app)")], required=False
    )

    def __init__(self, *args: Any, operators: QuerySet[Operator], now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["operator"].queryset = operators  # type: ignore[attr-defined]  # of a ModelChoiceField
        self.fields["month"].initial = f"{now.astimezone(INDIA):%Y-%m}"

    def clean_month(self) -> str:
        month: str = self.cleaned_data["month"]
        try:
            month_bounds(month)
        except Invalid as fault:
            raise forms.ValidationError(fault.text) from fault
        return month

    def statements(self) -> list[Statement]:
        """What was asked for."""
        since, until = month_bounds(self.cleaned_data["month"])
        return statements(self.cleaned_data["operator"], since=since, until=until, bap_id=self.cleaned_data["bap"])
