"""What of the orders can programs of an operator read, and what would a session cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.scoping import TenantViewSet, refused
from catalog.tenancy import Area, reach_of
from core.errors import DomainError
from orders.filing import handed_out
from orders.models import Invoice, Order
from orders.serializers import InvoiceSerializer, OrderSerializer
from orders.services import Wish
from orders.services.preview import asked_wish, preview

if TYPE_CHECKING:
    Plain = serializers.Serializer[Any]
else:
    Plain = serializers.Serializer


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


class PreviewSerializer(Plain):
    """One amount of energy, money or minutes, or none: then the operator's default."""

    item_id = serializers.CharField(max_length=110)
    starts_at = serializers.DateTimeField(required=False, help_text="Empty: now.")
    energy_wh = serializers.IntegerField(required=False, min_value=1)
    paise = serializers.IntegerField(required=False, min_value=1)
    minutes = serializers.IntegerField(required=False, min_value=1)
    idle_minutes = serializers.IntegerField(required=False, min_value=0, max_value=1440, default=0)
    coupon = serializers.CharField(required=False, max_length=64)
    group = serializers.CharField(required=False, max_length=64)
    person = serializers.CharField(required=False, max_length=255)
    bap_id = serializers.CharField(required=False, max_length=255, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in ("energy_wh", "paise", "minutes") if name in attrs]
        if len(given) > 1:
            raise serializers.ValidationError(f"{', '.join(given)} were sent; send at most one amount.")
        return attrs

    def wish(self) -> Wish:
        """What was asked, as the wish that a buyer app would send."""
        asked = self.validated_data
        return asked_wish(asked, energy_wh=asked.get("energy_wh"), paise=asked.get("paise"))


class MaySee(BasePermission):
    """Whoever sees an operator's connectors may ask for their prices: nothing is written."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return reach_of(request.user).any


class QuotePreviewView(APIView):
    """What a session would cost, line by line, by the rule that quotes it; nothing is written."""

    permission_classes = (MaySee,)

    @extend_schema(request=PreviewSerializer, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        asked = PreviewSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        reach = reach_of(request.user)
        try:
            made = preview(
                asked.wish(), operator_ids=None if reach.everything else frozenset(reach.roles), now=timezone.now()
            )
        except DomainError as refusal:
            return refused(refusal)
        return Response(made.row())
