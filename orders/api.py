"""What of the orders can programs of an operator read?"""

from __future__ import annotations

from typing import ClassVar

from catalog.scoping import TenantViewSet
from catalog.tenancy import Area
from orders.models import Order
from orders.serializers import OrderSerializer


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
