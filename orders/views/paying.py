"""Where does a customer pay us, and where do payment providers tell us their news?"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from catalog.wording import rupees
from core.errors import PaymentError
from core.pages import READ_POLICY, sealed
from orders.models import Collection
from orders.payments.base import WebhookRefused
from orders.payments.upi import qr_svg
from orders.services.cashier import take_news

LARGEST_NEWS_BYTES = 131_072
S = Collection.State
PAID = (S.AUTHORISED, S.CAPTURED)
ENDED = (S.EXPIRED, S.FAILED, S.RELEASED)


# The link is the only authority, and the page changes nothing.
@require_safe
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """The page an order is paid on: the way to the provider, or a UPI code; complete without scripts.

    404 for an unknown link.
    """
    row = (
        Collection.objects.select_related("order__operator", "order__connector__evse__station")
        .filter(token=token)
        .first()
    )
    if row is None:
        return sealed(render(request, "orders/pay.html", {"state": "unknown"}, status=404), READ_POLICY)
    state = _state(row)
    shown = {
        "state": state,
        "row": row,
        "amount": rupees(row.amount_paise),
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
    if row.closing or row.state in ENDED:
        return "ended"
    if row.state in PAID:
        return "paid"
    if row.state == S.ALARM:
        return "alarm"
    if row.state == S.WAITING:
        return "waiting"
    return "open" if row.link_url or row.intent else "preparing"


def _said(text: str, status: int) -> JsonResponse:
    return JsonResponse({"status": text}, status=status)
