"""Which programs' doors are open to operators, and what may they do where several apps have a say?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from bpp import acts, outbox
from bpp.conversations import inbox_of, outbox_of
from bpp.models import DeliveryAttempt, InboxMessage, OutboxMessage
from catalog import api as catalog
from catalog.scoping import TenantPermission, TenantViewSet, actor_of
from catalog.tenancy import Area, reach_of
from fulfillment import rest as fulfillment
from fulfillment import services as sessions
from orders import api as orders
from orders.serializers import OrderSerializer
from orders.services import CANCELLATION_REASONS
from support import api as support

if TYPE_CHECKING:
    InboxBase = serializers.ModelSerializer[InboxMessage]
    OutboxBase = serializers.ModelSerializer[OutboxMessage]
    AttemptBase = serializers.ModelSerializer[DeliveryAttempt]
    Plain = serializers.Serializer[Any]
else:
    InboxBase = OutboxBase = AttemptBase = serializers.ModelSerializer
    Plain = serializers.Serializer


NEWEST_MESSAGES = 100
MESSAGE_FILTERS = ("transaction_id", "message_id", "bap_id", "action", "state")


class InboxSerializer(InboxBase):
    body = serializers.SerializerMethodField(help_text="The body as it travelled.")

    class Meta:
        model = InboxMessage
        fields = (
            "id", "bap_id", "action", "message_id", "transaction_id", "signer", "verdicts", "received_at",
            "deadline_at", "state", "reason", "attempts", "done_at", "body",
        )  # fmt: skip

    def get_body(self, message: InboxMessage) -> str:
        return bytes(message.raw).decode("utf-8", "replace")


class AttemptSerializer(AttemptBase):
    class Meta:
        model = DeliveryAttempt
        fields = ("at", "wait_ms", "status", "outcome", "detail", "response", "key_id")


class OutboxSerializer(OutboxBase):
    body = serializers.SerializerMethodField(help_text="The exact bytes that are signed and sent, as text.")
    tries = AttemptSerializer(many=True, read_only=True)

    class Meta:
        model = OutboxMessage
        fields = (
            "id", "bap_id", "action", "message_id", "transaction_id", "url", "answers", "verdicts", "created_at",
            "deadline_at", "state", "reason", "attempts", "next_at", "sent_at", "tries", "body",
        )  # fmt: skip

    def get_body(self, message: OutboxMessage) -> str:
        return bytes(message.body).decode("utf-8", "replace")


class CancelSerializer(Plain):
    reason = serializers.ChoiceField(choices=list(CANCELLATION_REASONS.items()), required=False)
    text = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class OrderViewSet(orders.OrderViewSet):
    """Orders with quotes, payment and events; cancelled and stopped by POST."""

    @extend_schema(request=CancelSerializer, responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str | None = None) -> Response:
        order = self.get_object()
        said = CancelSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        acts.cancel_by_provider(
            order.pk,
            reason_id=said.validated_data.get("reason", ""),
            text=said.validated_data["text"],
            now=timezone.now(),
            actor=actor_of(request),
        )
        return self.changed(order)

    @extend_schema(request=None, responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str | None = None) -> Response:
        order = self.get_object()
        sessions.request_stop(order.pk, timezone.now(), reason="operator", actor=actor_of(request))
        return self.changed(order)


class InboxViewSet(TenantViewSet):
    """Requests of buyer apps, newest first."""

    area: ClassVar[Area] = Area.NETWORK
    queryset = InboxMessage.objects.order_by("-received_at", "-id")
    serializer_class = InboxSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "transaction_id": "transaction_id", "message_id": "message_id", "bap_id": "bap_id", "action": "action",
        "state": "state", "received_after": "received_at__gte",
    }  # fmt: skip


class OutboxViewSet(TenantViewSet):
    """Our callbacks with their attempts, newest first; sent again and revived by POST."""

    area: ClassVar[Area] = Area.NETWORK
    queryset = OutboxMessage.objects.prefetch_related("tries").order_by("-created_at", "-id")
    serializer_class = OutboxSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "transaction_id": "transaction_id", "message_id": "message_id", "bap_id": "bap_id", "action": "action",
        "state": "state", "created_after": "created_at__gte",
    }  # fmt: skip

    @extend_schema(request=None, responses=OutboxSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str | None = None) -> Response:
        message = self.get_object()
        outbox.resend(message.pk, now=timezone.now(), actor=actor_of(request))
        return self.changed(message)

    @extend_schema(request=None, responses=OutboxSerializer)
    @action(detail=True, methods=["post"])
    def revive(self, request: Request, pk: str | None = None) -> Response:
        message = self.get_object()
        outbox.revive([message.pk], now=timezone.now(), actor=actor_of(request))
        return self.changed(message)


class MessagesView(APIView):
    """Messages of both directions in one list, newest first; narrowed like the explorer, a page of 100."""

    permission_classes = (TenantPermission,)
    area: ClassVar[Area] = Area.NETWORK

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        reach = reach_of(request.user)
        narrowed = {name: request.query_params[name] for name in MESSAGE_FILTERS if name in request.query_params}
        asked = inbox_of(reach).filter(**narrowed).order_by("-received_at", "-id")[:NEWEST_MESSAGES]
        answered = outbox_of(reach).filter(**narrowed).order_by("-created_at", "-id")[:NEWEST_MESSAGES]
        found = [(row.received_at, {"direction": "in", **InboxSerializer(row).data}) for row in asked]
        found += [
            (row.created_at, {"direction": "out", **OutboxSerializer(row).data})
            for row in answered.prefetch_related("tries")
        ]
        found.sort(key=lambda item: item[0], reverse=True)
        return Response({"results": [message for _, message in found[:NEWEST_MESSAGES]]})


router = DefaultRouter()
router.register("stations", catalog.StationViewSet, basename="station")
router.register("evses", catalog.EvseViewSet, basename="evse")
router.register("connectors", catalog.ConnectorViewSet, basename="connector")
router.register("tariffs", catalog.TariffViewSet, basename="tariff")
router.register("orders", OrderViewSet, basename="order")
router.register("invoices", orders.InvoiceViewSet, basename="invoice")
router.register("sessions", fulfillment.SessionViewSet, basename="session")
router.register("tickets", support.TicketViewSet, basename="ticket")
router.register("ratings", support.RatingViewSet, basename="rating")
router.register("messages/in", InboxViewSet, basename="message-in")
router.register("messages/out", OutboxViewSet, basename="message-out")
