"""Where do customers write what their rating meant? One form behind an unguessable link."""

from __future__ import annotations

from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.errors import Invalid, NotFound
from core.pages import FORM_POLICY, sealed
from support.services import COMMENT_LIMIT, add_feedback, ratings_for_token

# What is asked for → the rating's category.
QUESTIONS = (
    ("Fulfillment", "Charging: did it start quickly and run well?"),
    ("Item", "The charger: in order, clean, well lit?"),
    ("Provider", "The station's operator over all?"),
)
SCORES = ("1", "2", "3", "4", "5")


# The link is the only authority: no cookie stands behind it that another site could ride on.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def feedback(request: HttpRequest, token: str) -> HttpResponse:
    """The form (GET) and its answer (POST: comment, and a score from 1 to 5 per question where given)."""
    try:
        ratings = ratings_for_token(token)
        if request.method == "POST":
            add_feedback(token, comment=_comment(request), scores=_scores(request), now=timezone.now())
            return sealed(render(request, "support/feedback.html", {"thanks": True}), FORM_POLICY)
    except NotFound:
        return sealed(render(request, "support/feedback.html", {"gone": True}, status=404), FORM_POLICY)
    except Invalid as err:
        return sealed(_form(request, fault=err.text, status=400, station=""), FORM_POLICY)
    given = {rating.category: f"{rating.value:f}".rstrip("0").rstrip(".") for rating in ratings}
    station = ratings[0].order.connector.evse.station.name
    return sealed(_form(request, station=station, given=given, comment=ratings[0].comment), FORM_POLICY)


def _form(
    request: HttpRequest,
    *,
    station: str,
    given: dict[str, str] | None = None,
    comment: str = "",
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    questions = [
        {"name": name, "text": text, "scores": [(score, (given or {}).get(name) == score) for score in SCORES]}
        for name, text in QUESTIONS
    ]
    context = {"questions": questions, "station": station, "comment": comment, "fault": fault, "longest": COMMENT_LIMIT}
    return render(request, "support/feedback.html", context, status=status)


def _comment(request: HttpRequest) -> str:
    # Line ends as every other text has them; NUL cannot be stored.
    return request.POST.get("comment", "").replace("\r\n", "\n").replace("\0", "")


def _scores(request: HttpRequest) -> dict[str, Decimal]:
    scores: dict[str, Decimal] = {}
    for name, _ in QUESTIONS:
        value = request.POST.get(name, "")
        if value and value not in SCORES:
            raise Invalid("rating-value", f"{name} is {value[:20]!r}; choose a score from 1 to 5", path=name)
        if value:
            scores[name] = Decimal(value)
    return scores
