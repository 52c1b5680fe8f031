"""What of the catalogue can programs of an operator read and set?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import services
from catalog.models import Connector, Evse, Station, Tariff
from catalog.scoping import TenantViewSet

if TYPE_CHECKING:
    StationBase = serializers.ModelSerializer[Station]
    EvseBase = serializers.ModelSerializer[Evse]
    ConnectorBase = serializers.ModelSerializer[Connector]
    TariffBase = serializers.ModelSerializer[Tariff]
    Plain = serializers.Serializer[Any]
else:
    StationBase = EvseBase = ConnectorBase = TariffBase = serializers.ModelSerializer
    Plain = serializers.Serializer


class StationSerializer(StationBase):
    operator = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    missing = serializers.SerializerMethodField(help_text="What is missing before it can be published, in sentences.")

    class Meta:
        model = Station
        fields = (
            "id", "code", "name", "operator", "address", "city", "state", "postal_code", "country", "latitude",
            "longitude", "time_zone", "opening_times", "directions", "amenities", "driver", "published", "missing",
            "updated_at",
        )  # fmt: skip

    def get_missing(self, station: Station) -> list[str]:
        return [] if station.published else services.publish_faults(station)


class EvseSerializer(EvseBase):
    station = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)

    class Meta:
        model = Evse
        fields = ("id", "uid", "station", "slot_number", "label", "manufacturer", "status", "status_at", "updated_at")


class EvseStatusSerializer(Plain):
    status = serializers.ChoiceField(choices=Evse.Status.choices)


class ConnectorSerializer(ConnectorBase):
    evse = serializers.SlugRelatedField[Any](slug_field="uid", read_only=True)
    tariff = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)

    class Meta:
        model = Connector
        fields = (
            "id", "item_id", "evse", "number", "standard", "current", "max_power_w", "max_voltage_v", "max_current_a",
            "vehicle", "tariff", "active", "updated_at",
        )  # fmt: skip


class TariffSerializer(TariffBase):
    operator = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)

    class Meta:
        model = Tariff
        fields = ("id", "code", "name", "operator", "currency", "elements", "gst_percent", "green", "description")


class StationViewSet(TenantViewSet):
    """Stations; publishing says what is missing."""

    queryset = Station.objects.select_related("operator").order_by("name", "id")
    serializer_class = StationSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "operator": "operator__code", "city": "city__iexact", "published": "published", "name": "name__icontains",
    }  # fmt: skip

    @extend_schema(request=None, responses=StationSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str | None = None) -> Response:
        station = self.get_object()
        services.publish(station.pk)
        return self.changed(station)

    @extend_schema(request=None, responses=StationSerializer)
    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str | None = None) -> Response:
        station = self.get_object()
        services.unpublish(station.pk)
        return self.changed(station)


class EvseViewSet(TenantViewSet):
    """EVSEs with their live status; PATCH sets the status."""

    operator_path: ClassVar[str] = "station__operator"
    queryset = Evse.objects.select_related("station").order_by("uid")
    serializer_class = EvseSerializer
    narrowed_by: ClassVar[dict[str, str]] = {"station": "station__code", "status": "status", "uid": "uid"}

    @extend_schema(request=EvseStatusSerializer, responses=EvseSerializer)
    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        evse = self.get_object()
        wanted = EvseStatusSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        services.set_evse_status(evse, wanted.validated_data["status"], timezone.now())
        return self.changed(evse)


class ConnectorViewSet(TenantViewSet):
    """Connectors: the items that are sold."""

    operator_path: ClassVar[str] = "evse__station__operator"
    queryset = Connector.objects.select_related("evse", "tariff").order_by("item_id")
    serializer_class = ConnectorSerializer
    narrowed_by: ClassVar[dict[str, str]] = {
        "evse": "evse__uid", "station": "evse__station__code", "standard": "standard", "current": "current",
        "active": "active",
    }  # fmt: skip


class TariffViewSet(TenantViewSet):
    """Tariffs as OCPI elements, prices before tax."""

    queryset = Tariff.objects.select_related("operator").order_by("code", "id")
    serializer_class = TariffSerializer
    narrowed_by: ClassVar[dict[str, str]] = {"operator": "operator__code", "code": "code", "green": "green"}
