"""Where does a customer pay us, and where do payment providers tell us their news?"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from catalog.wording import rupees
from core.errors import PaymentError
from core.pages import READ_POLICY, sealed
from core.qr import qr_svg
from orders.models import Collection
from orders.payments.base import WebhookRefused
from orders.services.cashier import take_news
from orders.views.terms import NAMES, asked_language

LARGEST_NEWS_BYTES = 131_072
S = Collection.State
SHOWN = {S.AUTHORISED: "held", S.CAPTURED: "paid", S.RELEASED: "released", S.ALARM: "alarm", S.WAITING: "waiting"}


# The link is the only authority, and the page changes nothing.
@require_safe
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """The page an order is paid on: the way to the provider, or a UPI code; complete without scripts.

    In the language asked for by `lang`, else the browser's. 404 for an unknown link.
    """
    language = asked_language(request)
    with translation.override(language):
        return _paying(request, token, {"language": language, "languages": NAMES})


def _paying(request: HttpRequest, token: str, languages: dict[str, Any]) -> HttpResponse:
    row = (
        Collection.objects.select_related("order__operator", "order__connector__evse__station")
        .filter(token=token)
        .first()
    )
    if row is None:
        return sealed(render(request, "orders/pay.html", {**languages, "state": "unknown"}, status=404), READ_POLICY)
    state = _state(row)
    shown = {
        **languages,
        "state": state,
        "row": row,
        "amount": rupees(_amount(row, state)),
        "price": rupees(row.price_paise),
        "buffer": row.amount_paise > row.price_paise,
        "link": row.link_url if urlsplit(row.link_url).scheme in {"http", "https"} else "",
        "intent": row.intent if row.intent.startswith("upi://pay?") else "",
        # Drawn by us from a checked address; it holds no text of the payer.
        "qr": mark_safe(qr_svg(row.intent)) if state == "open" and row.intent else "",  # noqa: S308
    }
    return sealed(render(request, "orders/pay.html", shown), READ_POLICY)


# A provider has no cookie: the signature over the body is its only authority.
@csrf_exempt
@require_POST
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """A provider's news: 200 once it is stored, 401 where its signature proves nothing, 404 for an unknown provider,
    413 above 128 KB."""
    try:
        if int(request.headers.get("Content-Length") or 0) > LARGEST_NEWS_BYTES:
            return _said("the body is larger than 131072 bytes", 413)
        raw = request.body
    except ValueError:
        return _said("Content-Length is no number", 400)
    if len(raw) > LARGEST_NEWS_BYTES:
        return _said("the body is larger than 131072 bytes", 413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        take_news(provider, raw, headers, now=timezone.now())
    except WebhookRefused:
        return _said("the signature does not fit", 401)
    except PaymentError:
        return _said("no such payment provider here", 404)
    return _said("stored", 200)


def _state(row: Collection) -> str:
    # Money that came for an order which is over goes back: it has paid for nothing.
    if row.state == S.EXPIRED or (row.closing and row.state != S.RELEASED):
        return "ended"
    return SHOWN.get(S(row.state)) or ("open" if row.link_url or row.intent else "preparing")


def _amount(row: Collection, state: str) -> int:
    """The money that the page is about: what came or is held, else what is asked for, paise."""
    return {"paid": row.captured_paise, "held": row.authorised_paise}.get(state, row.amount_paise)


def _said(text: str, status: int) -> JsonResponse:
    return JsonResponse({"status": text}, status=status)
