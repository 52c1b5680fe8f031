"""What of ratings and tickets can programs of an operator read and answer?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.scoping import TenantViewSet, actor_of
from catalog.tenancy import Area
from support import services
from support.models import Rating, Ticket

if TYPE_CHECKING:
    RatingBase = serializers.ModelSerializer[Rating]
    TicketBase = serializers.ModelSerializer[Ticket]
    Plain = serializers.Serializer[Any]
else:
    RatingBase = TicketBase = serializers.ModelSerializer
    Plain = serializers.Serializer


class RatingSerializer(RatingBase):
    order = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)

    class Meta:
        model = Rating
        fields = ("id", "order", "category", "target", "value", "source", "comment", "created_at", "updated_at")


class TicketSerializer(TicketBase):
    operator = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    order = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)

    class Meta:
        model = Ticket
        fields = (
            "id", "code", "operator", "order", "bap_id", "subject", "contact_phone", "contact_email", "state", "notes",
            "opened_at", "reply_due_at", "closed_at",
        )  # fmt: skip


class AnswerSerializer(Plain):
    text = serializers.CharField(max_length=4000)


class ClosingSerializer(Plain):
    text = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")


class RatingViewSet(TenantViewSet):
    """Ratings, newest first."""

    operator_path: ClassVar[str] = "order__operator"
    area: ClassVar[Area] = Area.CUSTOMERS
    queryset = Rating.objects.select_related("order").order_by("-created_at", "-id")
    serializer_class = RatingSerializer
    narrowed_by: ClassVar[dict[str, str]] = {"category": "category", "order": "order__code", "value_below": "value__lt"}


class TicketViewSet(TenantViewSet):
    """Tickets, the most urgent first; answered and closed by POST."""

    area: ClassVar[Area] = Area.CUSTOMERS
    queryset = Ticket.objects.select_related("operator", "order").order_by("reply_due_at", "id")
    serializer_class = TicketSerializer
    narrowed_by: ClassVar[dict[str, str]] = {"state": "state", "code": "code", "order": "order__code"}

    @extend_schema(request=AnswerSerializer, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str | None = None) -> Response:
        ticket = self.get_object()
        said = AnswerSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        services.answer_ticket(ticket.pk, text=said.validated_data["text"], actor=actor_of(request), now=timezone.now())
        return self.changed(ticket)

    @extend_schema(request=ClosingSerializer, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str | None = None) -> Response:
        ticket = self.get_object()
        said = ClosingSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        services.close_ticket(ticket.pk, actor=actor_of(request), now=timezone.now(), text=said.validated_data["text"])
        return self.changed(ticket)
