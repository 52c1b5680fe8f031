"""What of the orders can programs of an operator read?"""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from catalog.scoping import TenantViewSet
from catalog.tenancy import Area
from orders.filing import handed_out
from orders.models import Invoice, Order
from orders.serializers import InvoiceSerializer, OrderSerializer


class OrderViewSet(TenantViewSet):
    """Orders with quotes, payment and events, newest first."""

    area: ClassVar[Area] = Area.SELLING
    queryset = (
        Order.objects.select_related("operator", "connector", "payment")
        .prefetch_related("quotes", "events")
        .order_by("-created_at", "-id")
    )
    serializer_class = OrderSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "code": "code", "state": "state", "fulfillment": "fulfillment", "transaction_id": "transaction_id",
        "bap_id": "bap_id", "connector": "connector__item_id", "station": "connector__evse__station__code",
        "created_after": "created_at__gte", "created_before": "created_at__lt",
    }  # fmt: skip


class InvoiceViewSet(TenantViewSet):
    """Tax invoices, credit and debit notes, newest first; each also as a PDF in English, Hindi or Kannada (`lang`)."""

    area: ClassVar[Area] = Area.SELLING
    queryset = Invoice.objects.select_related("operator", "order", "corrects").order_by("-issued_at", "-id")
    serializer_class = InvoiceSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "number": "number", "kind": "kind", "order": "order__code", "issued_after": "issued_at__gte",
        "issued_before": "issued_at__lt",
    }  # fmt: skip

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], filter_backends=())
    def pdf(self, request: Request, pk: str | None = None) -> HttpResponse:
        return handed_out(self.get_object(), request.query_params.get("lang", "en"))
