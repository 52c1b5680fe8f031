"""Where does a customer read the terms of an order and agree to them? One page behind an unguessable link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.errors import Invalid, NotAllowed, NotFound
from core.pages import FORM_POLICY, sealed
from orders.models import Order, Terms
from orders.papers.labels import LANGUAGES
from orders.services.consent import SET_OF, SETS, Standing, accept, order_for_token, required_sets, standing

NAMES = (("en", "English"), ("hi", "हिन्दी"), ("kn", "ಕನ್ನಡ"))
TITLES = {
    Terms.Kind.GENERAL: gettext_lazy("General terms"),
    Terms.Kind.CANCELLATION: gettext_lazy("Cancellation"),
    Terms.Kind.REFUND: gettext_lazy("Refunds"),
    Terms.Kind.DISPUTE: gettext_lazy("Settling disputes"),
    Terms.Kind.LAW: gettext_lazy("Governing law"),
    Terms.Kind.PRIVACY: gettext_lazy("Privacy"),
}
BOXES = {
    "service": gettext_lazy("I have read the terms of service and agree to them"),
    "privacy": gettext_lazy("I have read the privacy notice and agree that my data is used as it says"),
}
LACKING = {
    "service": gettext_lazy("Tick this box to agree to the terms of service."),
    "privacy": gettext_lazy("Tick this box to agree to the privacy notice."),
}
CHANGED = gettext_lazy("The terms changed while this page was open. Please read them again.")


@dataclass(frozen=True, slots=True)
class Document:
    """One text as the page shows it; `language` is the one it is really written in."""

    kind: str
    title: Any
    text: str
    language: str
    row: Terms


@dataclass(frozen=True, slots=True)
class Box:
    """One set of terms that must be agreed to; `fault` says what is wrong with the answer."""

    name: str
    label: Any
    documents: tuple[Document, ...]
    ticked: bool
    fault: Any


# The link is the only authority: no cookie stands behind it that another site could ride on.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def terms_form(request: HttpRequest, token: str) -> HttpResponse:
    """The form (GET) and its answer (POST: digest, lang, one `agree-…` per ticked box); complete without scripts.

    200 with the form or with what was agreed to and when; 303 after an answer; 400 for a box not ticked, 409 for terms
    that changed meanwhile, 410 once the offer ran out, 404 for an unknown link.
    """
    language = asked_language(request)
    with translation.override(language):
        try:
            order = order_for_token(token)
            if request.method == "POST":
                return sealed(_answered(request, order, language), FORM_POLICY)
            seen = standing(order, now=timezone.now())
        except NotFound:
            return sealed(_page(request, "unknown", language, status=404), FORM_POLICY)
        return sealed(_shown(request, seen, language), FORM_POLICY)


def _answered(request: HttpRequest, order: Order, language: str) -> HttpResponse:
    ticked = {name for name in SETS if request.POST.get(f"agree-{name}")}
    now = timezone.now()
    try:
        accept(order.pk, digest=request.POST.get("digest", ""), ticked=ticked, language=language, now=now)
    except NotAllowed:
        return _page(request, "expired", language, status=410)
    except Invalid as err:
        seen = standing(order, now=now)
        if err.code == "terms-changed":
            return _shown(request, seen, language, notice=CHANGED, status=409)
        return _shown(request, seen, language, ticked=ticked, answered=True, status=400)
    response = HttpResponse(status=303)
    response["Location"] = f"{request.path}?lang={language}"
    return response


def _shown(
    request: HttpRequest,
    seen: Standing,
    language: str,
    *,
    ticked: set[str] | None = None,
    answered: bool = False,
    notice: Any = "",
    status: int = 200,
) -> HttpResponse:
    if not seen.missing:
        return _page(request, "agreed" if seen.consents else "nothing", language, seen=seen)
    if not seen.open:
        return _page(request, "expired", language, status=410)
    documents = _documents(seen, language)
    boxes = [_box(name, documents, ticked or set(), answered=answered) for name in required_sets(seen)]
    return _page(request, "asking", language, seen=seen, boxes=boxes, notice=notice, status=status)


def _box(name: str, documents: list[Document], ticked: set[str], *, answered: bool) -> Box:
    within = tuple(document for document in documents if SET_OF[document.kind] == name and document.row.required)
    return Box(name, BOXES[name], within, name in ticked, LACKING[name] if answered and name not in ticked else "")


def _page(
    request: HttpRequest,
    state: str,
    language: str,
    *,
    seen: Standing | None = None,
    boxes: list[Box] | None = None,
    notice: Any = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "state": state,
        "language": language,
        "languages": NAMES,
        "seen": seen,
        "documents": _documents(seen, language) if seen else [],
        "boxes": boxes or [],
        "notice": notice,
        "agreed_at": seen.consents[-1].at if seen and seen.consents else None,
    }
    return render(request, "orders/terms.html", context, status=status)


def _documents(seen: Standing, language: str) -> list[Document]:
    return [_document(row, language) for row in seen.terms]


def _document(row: Terms, language: str) -> Document:
    own = str(getattr(row, f"text_{language}"))
    return Document(row.kind, TITLES[Terms.Kind(row.kind)], own or row.text_en, language if own else "en", row)


def asked_language(request: HttpRequest) -> str:
    """The language asked for by `lang`, else the first of the browser's that we have, else English."""
    wanted = request.POST.get("lang") or request.GET.get("lang", "")
    return wanted if wanted in LANGUAGES else browser_language(request)


def browser_language(request: HttpRequest) -> str:
    """The first of the browser's languages that we have, else English; the body of the request is not read."""
    told = parse_accept_lang_header(request.headers.get("Accept-Language", "")[:200])
    return next((base for name, _ in told if (base := name.partition("-")[0]) in LANGUAGES), "en")
