"""What does a driver see while charging? One page behind an unguessable link, its papers and its JSON.

The stream of events stands in front of Django, in `bpp.live`; where it does not, pages ask for the JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.utils import timezone, translation

from core.pages import sealed
from fulfillment.live_page import page_of
from fulfillment.services.framing import frame_of
from fulfillment.services.links import opened_link, tracked_order
from fulfillment.services.tracking import Snapshot, snapshot
from orders.filing import handed_out, paper_title, papers_of
from orders.views.terms import NAMES, asked_language

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def _read_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """405, sealed like every answer of the page, for anything but GET and HEAD."""

    @wraps(view)
    def asked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return sealed(HttpResponseNotAllowed(["GET", "HEAD"]), POLICY)
        return view(request, *args, **kwargs)

    return asked


@_read_only
def track(request: HttpRequest, token: str) -> HttpResponse:
    """The live page, complete without scripts, in the language asked for by `lang`, else the browser's.

    `said` is the code of what came of a deed; `still` leaves out the reload of a page without scripts.
    """
    language, now = asked_language(request), timezone.now()
    link = opened_link(token, now)
    if link is None:
        return sealed(gone(request), POLICY)
    seen, frame = snapshot(link.order_id, now, link), frame_of(link.order_id)
    with translation.override(language):
        shown = page_of(seen, frame, language=language, now=now, said=request.GET.get("said", "")) | {
            "token": token,
            "language": language,
            "languages": NAMES,
            "papers": _papers(link.order_id, language),
            "still": "still" in request.GET,
        }
        return sealed(render(request, "fulfillment/track.html", shown), POLICY)


@_read_only
def track_paper(request: HttpRequest, token: str, place: int) -> HttpResponse:
    """The order's invoice (1) or a later note as a PDF, in the language that `lang` names."""
    order_id = tracked_order(token, timezone.now())
    papers = papers_of(order_id) if order_id is not None else []
    if not 1 <= place <= len(papers):
        return sealed(gone(request), POLICY)
    return sealed(handed_out(papers[place - 1], request.GET.get("lang", "en")), POLICY)


@_read_only
def track_json(request: HttpRequest, token: str) -> HttpResponse:
    """The same as data."""
    seen = _look(token)
    if seen is None:
        return sealed(gone(request), POLICY)
    return sealed(JsonResponse(seen.as_dict()), POLICY)


def _papers(order_id: int, language: str) -> list[tuple[int, str, str]]:
    """The order's papers as (place, title, number)."""
    papers = papers_of(order_id)
    return [(place, paper_title(paper, language), paper.number) for place, paper in enumerate(papers, start=1)]


def _look(token: str) -> Snapshot | None:
    now = timezone.now()
    link = opened_link(token, now)
    return None if link is None else snapshot(link.order_id, now, link)


def gone(request: HttpRequest) -> HttpResponse:
    """One answer for unknown, expired and revoked links, so that guessing teaches nothing."""
    language = asked_language(request)
    with translation.override(language):
        return render(request, "fulfillment/gone.html", {"language": language}, status=404)
