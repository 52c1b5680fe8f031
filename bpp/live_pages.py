"""What do operators see of their chargers now, and of how a station was used?"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from bpp import live_filter, usage
from bpp.live_board import live_board
from bpp.live_filter import wanted_from
from catalog.models import Station
from catalog.tenancy import reach_of

# The hub of the web process answers here, in front of Django; where it is not, the page asks every few seconds.
EVENTS = "/admin/live/events"


def tiles_origin(url: str) -> str:
    """Where raster tiles come from, as a content policy names it: `https://tile.example.org`; `{s}` becomes `*`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.replace('{s}', '*')}" if parts.scheme and parts.netloc else ""


@require_safe
def live_page(request: HttpRequest) -> HttpResponseBase:
    """The live board, complete without script; staff of no operator are told so."""
    origin = tiles_origin(settings.MAP_TILES_URL)
    page = csp_update({"img-src": [origin]})(_live_page) if origin else _live_page
    return page(request)


@require_safe
def live_rows(request: HttpRequest) -> HttpResponse:
    """The part of the live board that changes, for the same filter."""
    reach = reach_of(request.user)
    if not reach.any:
        return _render(request, "admin/live_rows.html", {"homeless": True})
    wanted = wanted_from(request.GET)
    board = live_board(reach, wanted, timezone.now())
    return TemplateResponse(request, "admin/live_rows.html", {"board": board, "wanted": wanted, "now": board.now})


@require_safe
def station_usage(request: HttpRequest, pk: int) -> HttpResponse:
    """How a station was used in the last four weeks. A station out of reach is not found."""
    station = _station(request, pk)
    found = usage.station_usage(station, timezone.now())
    return _render(request, "admin/live_usage.html", {"title": f"Use of {station}", "station": station, "usage": found})


@require_safe
def station_usage_csv(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    """The same figures as a CSV file: `days`, or `hours` of the week. A station out of reach is not found."""
    station = _station(request, pk)
    found = usage.station_usage(station, timezone.now())
    tables = {"days": usage.day_table, "hours": usage.hour_table}
    if part not in tables:
        raise Http404("There are days.csv and hours.csv.")
    return _csv(f"{station.code}-{part}.csv", tables[part](found))


def _live_page(request: HttpRequest) -> HttpResponse:
    reach = reach_of(request.user)
    context: dict[str, Any] = {"title": "Live", "homeless": not reach.any}
    if reach.any:
        wanted, now = wanted_from(request.GET), timezone.now()
        context |= {
            "board": live_board(reach, wanted, now),
            "wanted": wanted,
            "choices": live_filter.choices(reach),
            "events": EVENTS,
            "rows": f"{reverse('live-rows')}?{wanted.address}",
            "tiles": settings.MAP_TILES_URL,
            "credit": settings.MAP_TILES_CREDIT,
        }
    return _render(request, "admin/live.html", context)


def _csv(name: str, rows: Iterable[Iterable[Any]]) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    csv.writer(response).writerows(rows)
    return response


def _station(request: HttpRequest, pk: int) -> Station:
    station = reach_of(request.user).limit(Station.objects.filter(pk=pk), "operator").first()
    if station is None:
        raise Http404("No station of yours has this number.")
    return station


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), "now": timezone.now(), **context})
