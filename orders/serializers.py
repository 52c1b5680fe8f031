"""What does an order look like to programs of an operator?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from orders.models import Invoice, Order, OrderEvent, Payment, Quote

if TYPE_CHECKING:
    OrderBase = serializers.ModelSerializer[Order]
    QuoteBase = serializers.ModelSerializer[Quote]
    PaymentBase = serializers.ModelSerializer[Payment]
    EventBase = serializers.ModelSerializer[OrderEvent]
    InvoiceBase = serializers.ModelSerializer[Invoice]
else:
    OrderBase = QuoteBase = PaymentBase = EventBase = InvoiceBase = serializers.ModelSerializer


class QuoteSerializer(QuoteBase):
    class Meta:
        model = Quote
        fields = (
            "number",
            "kind",
            "currency",
            "lines",
            "total_paise",
            "energy_wh",
            "created_at",
            "valid_until",
            "current",
        )


class PaymentSerializer(PaymentBase):
    class Meta:
        model = Payment
        fields = ("collected_by", "type", "status", "amount_paise", "currency", "reference", "paid_at")


class OrderEventSerializer(EventBase):
    class Meta:
        model = OrderEvent
        fields = (
            "number",
            "kind",
            "from_state",
            "to_state",
            "from_fulfillment",
            "to_fulfillment",
            "at",
            "actor",
            "public",
        )


class OrderSerializer(OrderBase):
    operator = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    connector = serializers.SlugRelatedField[Any](slug_field="item_id", read_only=True)
    quotes = QuoteSerializer(many=True, read_only=True)
    payment = PaymentSerializer(read_only=True)
    events = OrderEventSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = (
            "id", "code", "bap_id", "transaction_id", "operator", "connector", "state", "fulfillment",
            "quantity_kind", "quantity", "energy_wh", "starts_at", "ends_at", "billing", "customer", "cancellation",
            "created_at", "confirmed_at", "closed_at", "quotes", "payment", "events",
        )  # fmt: skip


class InvoiceSerializer(InvoiceBase):
    operator = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    order = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    corrects = serializers.SlugRelatedField[Any](slug_field="number", read_only=True)

    class Meta:
        model = Invoice
        fields = (
            "id", "number", "kind", "operator", "order", "corrects", "issued_at", "supplier", "recipient", "place",
            "facts", "lines", "taxes", "currency", "taxable_paise", "tax_paise", "total_paise",
        )  # fmt: skip
