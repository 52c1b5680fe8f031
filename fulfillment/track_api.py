"""What does an app read that draws the live page itself?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pages import sealed
from fulfillment.api import AnyAccept
from fulfillment.services.tracking import WORDS
from fulfillment.views import POLICY, track_json

if TYPE_CHECKING:
    Plain = serializers.Serializer[Any]
else:
    Plain = serializers.Serializer


class ReceiptLineSerializer(Plain):
    text = serializers.CharField(help_text="What the line is for.")
    amount = serializers.CharField(help_text="Rupees with two decimals, as text; negative where it is taken off.")


class NoticeSerializer(Plain):
    code = serializers.CharField(
        help_text="silent, stale, vehicle-paused, station-paused, grid, fluctuating, idle-soon, idle-now, charger-error"
    )
    since = serializers.CharField(help_text="Since when, ISO 8601; may be empty.")
    until = serializers.CharField(help_text="When what is announced begins, ISO 8601; else empty.")


class SnapshotSerializer(Plain):
    """The live page at one moment; it names nobody."""

    state = serializers.ChoiceField(choices=sorted(WORDS), help_text="Where the session stands.")
    words = serializers.CharField(help_text="The same as a sentence in English.")
    live = serializers.BooleanField(help_text="Whether energy flows, stands still for a while, or is being ended.")
    station = serializers.CharField(help_text="The station's name.")
    address = serializers.CharField(help_text="Its street and city; may be empty.")
    connector = serializers.CharField(help_text="Charger, power in kW and AC or DC.")
    tariff = serializers.CharField(help_text="The price before tax in words; may be empty.")
    energy_wh = serializers.IntegerField(help_text="Energy delivered so far, Wh.")
    energy_kwh = serializers.CharField(help_text="Energy delivered so far, kWh with two decimals, as text.")
    target_wh = serializers.IntegerField(help_text="Energy ordered, Wh.")
    target_kwh = serializers.CharField(help_text="Energy ordered, kWh with two decimals, as text.")
    percent = serializers.IntegerField(help_text="Share of the ordered energy delivered, 0 to 100 %.")
    power_w = serializers.IntegerField(help_text="Power now, W; 0 where it is not live.")
    power_kw = serializers.CharField(help_text="Power now, kW with one decimal, as text.")
    peak_w = serializers.IntegerField(help_text="Highest power of the curve, W; 0 without one.")
    peak_kw = serializers.CharField(help_text="Highest power of the curve, kW with one decimal, as text.")
    soc_percent = serializers.IntegerField(allow_null=True, help_text="State of charge, %; null where it is not sent.")
    cost = serializers.CharField(help_text="Cost so far with tax, then the bill: rupees, two decimals, as text.")
    minutes = serializers.IntegerField(help_text="Whole minutes since the start, until the end.")
    minutes_left = serializers.IntegerField(
        allow_null=True, help_text="Minutes until the ordered energy is there, at the present power; null: not known."
    )
    age_s = serializers.IntegerField(
        allow_null=True, help_text="Seconds since the newest meter value; null where it is not live."
    )
    stale = serializers.BooleanField(help_text="Whether that is longer ago than 15 s.")
    problem = serializers.CharField(help_text="What is wrong, as a sentence; empty where nothing is.")
    lines = ReceiptLineSerializer(many=True, help_text="The bill's lines; empty until it is over.")
    total = serializers.CharField(help_text="The bill's total: rupees, two decimals, as text; empty until it is over.")
    curve = serializers.CharField(help_text="Power over time: points `x,y` of a line in a box of 60 × 20, or empty.")
    promise = serializers.ListField(
        child=serializers.CharField(), help_text="The confirmation in lines, until charging starts."
    )
    start_code = serializers.CharField(help_text="The code to start with, where one is needed; else empty.")
    start_qr = serializers.CharField(help_text="The same with the order's id as a QR code, an SVG; else empty.")
    seq = serializers.IntegerField(help_text="Grows with all that is told: ms since 1970 of the newest news.")
    at = serializers.CharField(help_text="When the newest meter value was taken, ISO 8601; empty without one.")
    ends_at = serializers.CharField(help_text="When the session will end, ISO 8601; empty where nobody can say.")
    ends_by = serializers.ChoiceField(
        choices=["energy", "money", "time", "full", ""], help_text="What will end it; empty where nobody can say."
    )
    soc_target = serializers.IntegerField(allow_null=True, help_text="State of charge that was asked for, %, or null.")
    notices = NoticeSerializer(many=True, help_text="What the driver ought to know now.")
    series = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=3, max_length=3),
        help_text="The line: [s since the start, W, Wh delivered], at most 240.",
    )
    gaps = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="Where the station told nothing: [from, until], s since the start.",
    )
    refund = serializers.CharField(help_text="The open refund: rupees, two decimals, as text; empty without one.")
    refund_by = serializers.CharField(help_text="By when it was promised, ISO 8601; empty without a promise.")
    may = serializers.ListField(
        child=serializers.ChoiceField(choices=["stop", "extend", "report", "rate"]),
        help_text="What this link may do now, by POST to /track/{token}/{deed}.",
    )
    once = serializers.CharField(help_text="What each such form carries, so that one sent twice acts once.")


class TrackJsonView(APIView):
    """The live page as data; the link is the only authority."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AnyAccept
    http_method_names = ["get", "head"]

    @extend_schema(
        parameters=[OpenApiParameter("token", OpenApiTypes.STR, "path", description="From the URL of on_track.")],
        responses={
            200: SnapshotSerializer,
            404: OpenApiResponse(description="Unknown, expired or revoked, without a difference; a page in HTML."),
        },
    )
    def get(self, request: Request, token: str) -> HttpResponseBase:
        """What the live page of a link shows now. Ask every 5 s at most; /track/{token}/events tells each change."""
        return track_json(request._request, token)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Sealed like every answer of the page, refusals too."""
        return sealed(super().finalize_response(request, response, *args, **kwargs), POLICY)
