"""What does a driver see while charging? One page behind an unguessable link, its JSON and its event stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.pages import sealed
from fulfillment.services.tracking import Snapshot, snapshot, tracked_order
from orders.filing import handed_out, paper_title, papers_of

LOOK_EVERY_S = 1.0
HEARTBEAT_S = 10.0
LONGEST_STREAM_S = 900.0
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


@require_safe
def track(request: HttpRequest, token: str) -> HttpResponse:
    """The live page; complete without scripts."""
    seen = _look(token)
    if seen is None:
        return sealed(_gone(request), POLICY)
    shown = {"seen": seen, "token": token, "papers": _papers(token)}
    return sealed(render(request, "fulfillment/track.html", shown), POLICY)


@require_safe
def track_paper(request: HttpRequest, token: str, place: int) -> HttpResponse:
    """The order's invoice (1) or a later note as a PDF, in the language that `lang` names."""
    order_id = tracked_order(token, timezone.now())
    papers = papers_of(order_id) if order_id is not None else []
    if not 1 <= place <= len(papers):
        return sealed(_gone(request), POLICY)
    return sealed(handed_out(papers[place - 1], request.GET.get("lang", "en")), POLICY)


@require_safe
def track_json(request: HttpRequest, token: str) -> HttpResponse:
    """The same as data."""
    seen = _look(token)
    if seen is None:
        return sealed(_gone(request), POLICY)
    return sealed(JsonResponse(seen.as_dict()), POLICY)


@require_safe
async def track_events(request: HttpRequest, token: str) -> HttpResponseBase:
    """The same as Server-Sent Events: one `snapshot` at each change, a comment every 10 s, 15 minutes at most."""
    if await _look_async(token) is None:
        return sealed(await sync_to_async(_gone)(request), POLICY)
    response = StreamingHttpResponse(_stream(token), content_type="text/event-stream")
    response["X-Accel-Buffering"] = "no"
    return sealed(response, POLICY)


async def _stream(token: str) -> AsyncIterator[str]:
    began_s = heard_s = time.monotonic()
    told = ""
    yield "retry: 3000\n\n"
    while time.monotonic() - began_s < LONGEST_STREAM_S:
        seen = await _look_async(token)
        if seen is None:
            return
        text = json.dumps(seen.as_dict(), separators=(",", ":"))
        if text != told:
            yield f"event: snapshot\ndata: {text}\n\n"
            told, heard_s = text, time.monotonic()
        elif time.monotonic() - heard_s >= HEARTBEAT_S:
            yield ": still here\n\n"
            heard_s = time.monotonic()
        if seen.lines:
            return
        await asyncio.sleep(LOOK_EVERY_S)


def _papers(token: str) -> list[tuple[int, str, str]]:
    """The order's papers as (place, title, number)."""
    order_id = tracked_order(token, timezone.now())
    papers = papers_of(order_id) if order_id is not None else []
    return [(place, paper_title(paper), paper.number) for place, paper in enumerate(papers, start=1)]


def _look(token: str) -> Snapshot | None:
    now = timezone.now()
    order_id = tracked_order(token, now)
    return None if order_id is None else snapshot(order_id, now)


def _glance(token: str) -> Snapshot | None:
    """A look that keeps no database connection: an open stream has a thread of its own, for a quarter of an hour."""
    try:
        return _look(token)
    finally:
        close_old_connections()


_look_async = sync_to_async(_glance, thread_sensitive=True)


def _gone(request: HttpRequest) -> HttpResponse:
    """One answer for unknown, expired and revoked links, so that guessing teaches nothing."""
    return render(request, "fulfillment/gone.html", status=404)
