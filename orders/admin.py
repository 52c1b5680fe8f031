"""What did operators sell? Orders, quotes, reservations and payments to read; acting goes by services."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from catalog.columns import column
from catalog.deeds import DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter
from catalog.wording import kwh, rupees
from orders.invoices_admin import InvoiceAdmin as InvoiceAdmin
from orders.models import Order, OrderEvent, Payment, Quote, Reservation
from orders.money_admin import RefundAdmin as RefundAdmin
from orders.overlays_admin import OverlayAdmin as OverlayAdmin
from orders.payments_admin import CollectionAdmin as CollectionAdmin
from orders.rules_admin import CancellationRuleAdmin as CancellationRuleAdmin
from orders.rules_admin import DeadlineAdmin as DeadlineAdmin
from orders.rules_admin import ReservationRulesAdmin as ReservationRulesAdmin
from orders.terms_admin import ConsentAdmin as ConsentAdmin
from orders.terms_admin import TermsAdmin as TermsAdmin

STATE_TONES = {
    Order.State.DRAFT: "default",
    Order.State.INITIATED: "primary",
    Order.State.ACTIVE: "info",
    Order.State.COMPLETE: "success",
    Order.State.CANCELLED: "warning",
    Order.State.EXPIRED: "default",
}
FULFILLMENT_TONES = dict.fromkeys(Order.Fulfillment.values, "info") | {
    Order.Fulfillment.NONE: "default",
    Order.Fulfillment.CHARGING_ENDED: "success",
    Order.Fulfillment.CHARGER_ERROR: "danger",
    Order.Fulfillment.ORDER_CANCELLED: "warning",
}
RESERVATION_TONES = {
    Reservation.State.HELD: "primary",
    Reservation.State.CONFIRMED: "info",
    Reservation.State.ACTIVE: "success",
    Reservation.State.RELEASED: "default",
}
PAYMENT_TONES = {Payment.Status.NOT_PAID: "warning", Payment.Status.PAID: "success"}
QUOTE_TONES = {Quote.Kind.OFFER: "primary", Quote.Kind.BILL: "success", Quote.Kind.CANCELLATION: "warning"}


@admin.register(Order)
class OrderAdmin(DeedsMixin, LogAdmin):
    """The order room: everything about one promise on one page."""

    area: ClassVar[Area] = Area.SELLING
    list_display = ("name", "created_at", "operator", "connector", "status", "progress", "energy", "total", "bap_id")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("fulfillment", ChoicesDropdownFilter),
        ("operator", OwnRelatedFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("code", "transaction_id", "bap_id", "connector__item_id", "connector__evse__station__name")
    list_select_related = ("operator", "connector")
    ordering = ("-created_at",)
    change_form_outer_before_template = "admin/order_room.html"
    readonly_fields = ("wanted_energy",)
    fieldsets = (
        ("Order", {"fields": ("code", "operator", "connector", "state", "fulfillment", "wanted_energy")}),
        ("Window", {"fields": ("starts_at", "ends_at", "created_at", "confirmed_at", "closed_at")}),
        ("Buyer", {"fields": ("bap_id", "transaction_id", "billing", "customer", "cancellation")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        current = Quote.objects.filter(order_id=OuterRef("pk"), current=True).values("total_paise")[:1]
        rows: QuerySet[Order] = super().get_queryset(request).annotate(total_now=Subquery(current))
        return rows

    @column("Order", order="code")
    def name(self, order: Order) -> str:
        return order.code or f"{order.get_state_display()} {order.pk}"

    @column("State", order="state", tones=STATE_TONES)
    def status(self, order: Order) -> tuple[str, str]:
        return order.state, order.get_state_display()

    @column("Fulfilment", order="fulfillment", tones=FULFILLMENT_TONES)
    def progress(self, order: Order) -> tuple[str, str]:
        return order.fulfillment, order.get_fulfillment_display()

    @column("Quoted energy", order="energy_wh")
    def energy(self, order: Order) -> str:
        return kwh(order.energy_wh)

    @column("Total", order="total_now")
    def total(self, order: Any) -> str:
        return rupees(order.total_now)

    @column("Quoted energy")
    def wanted_energy(self, order: Order) -> str:
        return kwh(order.energy_wh)


@admin.register(Quote)
class QuoteAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("number", "order", "what", "total", "energy", "created_at", "valid_until", "current")
    list_filter = (("kind", ChoicesDropdownFilter), "current")
    search_fields = ("number", "order__code", "order__transaction_id")
    list_select_related = ("order",)
    ordering = ("-created_at",)
    change_form_outer_before_template = "admin/quote_lines.html"

    @column("Kind", order="kind", tones=QUOTE_TONES)
    def what(self, quote: Quote) -> tuple[str, str]:
        return quote.kind, quote.get_kind_display()

    @column("Total", order="total_paise")
    def total(self, quote: Quote) -> str:
        return rupees(quote.total_paise)

    @column("Energy", order="energy_wh")
    def energy(self, quote: Quote) -> str:
        return kwh(quote.energy_wh)


@admin.register(Reservation)
class ReservationAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("order", "connector", "status", "begins", "ends", "held_until")
    list_filter = (("state", ChoicesDropdownFilter),)
    search_fields = ("order__code", "connector__item_id", "connector__evse__station__name")
    list_select_related = ("order", "connector")
    ordering = ("-created_at",)

    @column("State", order="state", tones=RESERVATION_TONES)
    def status(self, reservation: Reservation) -> tuple[str, str]:
        return reservation.state, reservation.get_state_display()

    @column("From", order="during")
    def begins(self, reservation: Reservation) -> Any:
        return reservation.during.lower

    @column("To")
    def ends(self, reservation: Reservation) -> Any:
        return reservation.during.upper


@admin.register(Payment)
class PaymentAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("order", "amount", "paid", "collected_by", "type", "reference", "paid_at")
    list_filter = (("status", ChoicesDropdownFilter), ("collected_by", ChoicesDropdownFilter))
    search_fields = ("order__code", "reference")
    list_select_related = ("order",)
    ordering = ("-updated_at",)

    @column("Amount", order="amount_paise")
    def amount(self, payment: Payment) -> str:
        return rupees(payment.amount_paise)

    @column("Status", order="status", tones=PAYMENT_TONES)
    def paid(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()


@admin.register(OrderEvent)
class OrderEventAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.SELLING
    list_display = ("at", "order", "number", "kind", "actor", "public", "published_at")
    list_filter = ("kind", "public")
    search_fields = ("order__code", "order__transaction_id", "actor")
    list_select_related = ("order",)
    ordering = ("-at",)
