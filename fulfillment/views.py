"""What does a driver see while charging? One page behind an unguessable link, its papers and its JSON.

The stream of events stands in front of Django, in `bpp.live`; where it does not, pages ask for the JSON.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.pages import sealed
from fulfillment.services.tracking import Snapshot, snapshot, tracked_order
from orders.filing import handed_out, paper_title, papers_of

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


def _papers(token: str) -> list[tuple[int, str, str]]:
    """The order's papers as (place, title, number)."""
    order_id = tracked_order(token, timezone.now())
    papers = papers_of(order_id) if order_id is not None else []
    return [(place, paper_title(paper), paper.number) for place, paper in enumerate(papers, start=1)]


def _look(token: str) -> Snapshot | None:
    now = timezone.now()
    order_id = tracked_order(token, now)
    return None if order_id is None else snapshot(order_id, now)


def _gone(request: HttpRequest) -> HttpResponse:
    """One answer for unknown, expired and revoked links, so that guessing teaches nothing."""
    return render(request, "fulfillment/gone.html", status=404)
