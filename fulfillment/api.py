"""How do stations tell us what happened? POST /events takes CloudEvents, stores them once and answers."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from fulfillment.cloudevents import EventRefusedError, read_events
from fulfillment.services import store_events
from fulfillment.services.meter_stream import INLET

BODY_LIMIT_BYTES = 262_144


class AnyAccept(BaseContentNegotiation):
    """JSON whatever the Accept header says: stations send odd ones, and an event must not be lost over it."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class EventsView(APIView):
    """CloudEvents from stations and the power supplier, with our bearer token."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AnyAccept

    @extend_schema(request=OpenApiTypes.OBJECT, responses={202: OpenApiTypes.OBJECT, 400: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        """Take events once: meter values into the stream, others by source and id into the table.

        202 (repeats too), 400 with the reason, 401, 413.
        """
        refusal = unauthorized(request.headers.get("Authorization", ""))
        if refusal:
            return Response({"error": refusal}, status=401, headers={"WWW-Authenticate": "Bearer"})
        body = _body(request)
        if body is None:
            return Response({"error": f"the body is larger than {BODY_LIMIT_BYTES} bytes"}, status=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            events = read_events(body, headers, now=timezone.now())
        except EventRefusedError as err:
            return Response({"error": str(err), "path": err.path}, status=400)
        others = INLET.put(events)
        if others:
            store_events(others)
        return Response({"accepted": len(events)}, status=202)


def unauthorized(given: str) -> str:
    """Why the caller may not tell us events; empty where it may."""
    if not settings.EVENTS_TOKEN:
        return "no events are taken: EVENTS_TOKEN is not set on this platform"
    scheme, _, token = given.partition(" ")
    known = hmac.compare_digest(token.strip().encode(), settings.EVENTS_TOKEN.encode())
    if scheme.lower() != "bearer" or not known:
        return "a bearer token is needed, and this is not it; send Authorization: Bearer EVENTS_TOKEN"
    return ""


def _body(request: Request) -> bytes | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > BODY_LIMIT_BYTES:
        return None
    body: bytes = request._request.body
    return body if len(body) <= BODY_LIMIT_BYTES else None
