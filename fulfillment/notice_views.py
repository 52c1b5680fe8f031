"""Where does a driver switch an operator's notices off? One page behind a link that proves itself."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.errors import NotFound
from core.pages import FORM_POLICY, sealed
from fulfillment.notices.words import say
from fulfillment.services.unsubscribing import standing_of, switch
from orders.views.terms import NAMES, asked_language


# The link is the only authority: no cookie stands behind it that another site could ride on.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def switch_page(request: HttpRequest, token: str) -> HttpResponse:
    """The page (GET), and its answer (POST: `on` switches on again, anything else off); complete without scripts.

    A mail program's one-click request is such a POST, too. 404 for a link that is not ours.
    Source: RFC 8058.
    """
    language = asked_language(request)
    try:
        if request.method == "POST":
            switch(token, off="on" not in request.POST, now=timezone.now())
        operator, off = standing_of(token)
    except NotFound:
        shown = {"language": language, "languages": NAMES, "gone": True, **_words(language, "")}
        return sealed(render(request, "fulfillment/notices_off.html", shown, status=404), FORM_POLICY)
    shown = {"language": language, "languages": NAMES, "off": off, **_words(language, operator.name)}
    return sealed(render(request, "fulfillment/notices_off.html", shown), FORM_POLICY)


def _words(language: str, operator: str) -> dict[str, str]:
    keys = ("title", "on", "off", "switch-off", "switch-on", "gone", "skip", "language")
    return {f"say_{key.replace('-', '_')}": say(f"page-{key}", language, operator=operator) for key in keys}
