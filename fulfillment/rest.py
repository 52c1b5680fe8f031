"""What of the sessions can programs of an operator read?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.scoping import TenantViewSet
from catalog.tenancy import Area
from fulfillment.models import Reading, Session

if TYPE_CHECKING:
    SessionBase = serializers.ModelSerializer[Session]
    ReadingBase = serializers.ModelSerializer[Reading]
else:
    SessionBase = ReadingBase = serializers.ModelSerializer

NEWEST_READINGS = 1000


class SessionSerializer(SessionBase):
    order = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    evse = serializers.SlugRelatedField[Any](slug_field="uid", read_only=True)
    energy_wh = serializers.IntegerField(read_only=True)

    class Meta:
        model = Session
        fields = (
            "id", "order", "evse", "state", "slot_number", "started_at", "ended_at", "meter_start_wh", "meter_wh",
            "meter_stop_wh", "energy_wh", "power_w", "current_a", "voltage_v", "soc_percent", "read_at", "stop_reason",
            "fault",
        )  # fmt: skip


class ReadingSerializer(ReadingBase):
    class Meta:
        model = Reading
        fields = ("at", "energy_wh", "power_w", "current_a", "voltage_v", "soc_percent", "accepted", "reason")


class SessionViewSet(TenantViewSet):
    """Charging sessions, newest first."""

    operator_path: ClassVar[str] = "order__operator"
    area: ClassVar[Area] = Area.CHARGING
    queryset = Session.objects.select_related("order", "evse").order_by("-created_at", "-id")
    serializer_class = SessionSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "state": "state", "order": "order__code", "evse": "evse__uid", "station": "evse__station__code",
        "started_after": "started_at__gte", "started_before": "started_at__lt",
    }  # fmt: skip

    @extend_schema(responses=ReadingSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def readings(self, request: Request, pk: str | None = None) -> Response:
        """The newest readings, oldest first, refused ones included with their reason."""
        rows = Reading.objects.filter(session=self.get_object()).order_by("-at")[:NEWEST_READINGS]
        return Response(ReadingSerializer(list(rows)[::-1], many=True).data)
