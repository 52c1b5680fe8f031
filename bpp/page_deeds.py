"""What may a driver do on the live page: stop, stay longer, report a problem, rate?

The link is the only authority, so each deed asks it for the right, and the form for a token that only its page carried.
Deeds reach support too, which is why they stand here and not beside the page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from django.db import OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt

from bpp.buckets import SharedRate
from core.errors import DomainError, Invalid, NotAllowed
from core.nudges import nudge_on_commit
from core.pages import FORM_POLICY, sealed
from fulfillment import phrases
from fulfillment import services as fulfillment
from fulfillment.services.links import EXTEND, RATE, REPORT, STOP, Link
from fulfillment.services.tracking import Snapshot, snapshot
from fulfillment.views import gone
from orders import services as orders
from orders.changes import Who
from orders.models import Order
from orders.views.terms import NAMES, browser_language
from support import services as support
from support.models import Rating

log = logging.getLogger(__name__)

LARGEST_BODY_BYTES: Final = 8_192
MOST_FIELDS: Final = 10
FORM: Final = "application/x-www-form-urlencoded"
ACTOR: Final = "driver"
LONGER_MIN: Final = ("15", "30", "60")
SCORES: Final = ("0", "1", "2", "3", "4", "5")
ENDED: Final = frozenset({"ending", "ended"})
# Of one link: a driver presses a few buttons, and then one every half minute.
_pressed = SharedRate("deeds", 1 / 30, 6)


class _Turned(Exception):
    """A deed that is not looked at: the HTTP status and what the page says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


# The link is the only authority: no cookie stands behind it that another site could ride on.
@csrf_exempt
def track_deed(request: HttpRequest, token: str, deed: str) -> HttpResponse:
    """POST by a form of the page (`once`, and `minutes`, `text` or `value`): 303 to the page with `?said=<code>`.

    404 for a link that opens nothing, without a difference; 403 without the right, from another site or with a token
    that no page of this link carried; 405, 413, 415, 429, 503.
    """
    now = timezone.now()
    link = fulfillment.opened_link(token, now) if deed in fulfillment.DEEDS else None
    if link is None:
        return sealed(gone(request), FORM_POLICY)
    try:
        answers = _answers(request, token)
        said = _said(request, link, deed, answers, now)
    except _Turned as err:
        return _refused(request, status=err.status, text=err.text)
    except OperationalError:
        log.exception("deed not done", extra={"deed": deed, "order": link.order_id})
        return _refused(request, status=503, text="We are busy; nothing was done. Please try again.")
    response = HttpResponse(status=303)
    language = answers.get("lang", "")
    spoken = f"&lang={language}" if language in dict(NAMES) else ""
    response["Location"] = f"{_page_of(request)}?said={said}{spoken}"
    return sealed(response, FORM_POLICY)


def _said(request: HttpRequest, link: Link, deed: str, answers: Mapping[str, str], now: datetime) -> str:
    """The code of what came of it. Raises _Turned 403 where the link or the form may not ask for it."""
    try:
        return do(link, deed, answers, now=now)
    except DomainError as err:
        log.info("deed refused", extra={"deed": deed, "code": err.code, "order": link.order_id})
        code = err.code if err.code in phrases.SAID else "refused"
        if code in {"no-right", "form-unknown"}:
            raise _Turned(403, str(phrases.SAID[code])) from err
        return code


@transaction.atomic
def do(link: Link, deed: str, answers: Mapping[str, str], *, now: datetime) -> str:
    """Do a deed of this link once for each form, and return the code of what the page says.

    Nothing is used up where it is refused. Raises NotAllowed `no-right`, `form-unknown`, `not-now`, and what the
    services refuse.
    """
    if deed in {STOP, EXTEND} and deed not in link.rights:
        raise NotAllowed("no-right", f"this link may not {deed}; its rights are: {', '.join(sorted(link.rights))}")
    used = fulfillment.take_once(link, deed, answers.get("once", ""), now)
    if used is None:
        return "done-already"
    seen = snapshot(link.order_id, now, link)
    if deed in seen.may:
        used.said = _DEEDS[deed](link, seen, answers, now)
    elif deed == STOP and seen.state in ENDED:
        used.said = "ended-already"
    else:
        raise NotAllowed("not-now", f"the session is {seen.state}; possible now: {', '.join(seen.may)}")
    used.save(update_fields=["said"])
    log.info("deed done", extra={"deed": deed, "said": used.said, "order": link.order_id})
    return used.said


def _stop(link: Link, seen: Snapshot, answers: Mapping[str, str], now: datetime) -> str:
    session = fulfillment.request_stop(link.order_id, now, reason=ACTOR, actor=ACTOR)
    return "ended-already" if session.state == "ended" else "stopping"


def _extend(link: Link, seen: Snapshot, answers: Mapping[str, str], now: datetime) -> str:
    minutes = answers.get("minutes", "")
    if minutes not in LONGER_MIN:
        raise Invalid("refused", f"{minutes[:20]!r} minutes; choose {', '.join(LONGER_MIN)}", path="minutes")
    ends_at = Order.objects.get(pk=link.order_id).ends_at
    assert ends_at is not None
    until = ends_at + timedelta(minutes=int(minutes))
    orders.change_window(link.order_id, who=Who.DRIVER, ends_at=until, now=now, actor=ACTOR)
    nudge_on_commit("process")
    return "extended"


def _report(link: Link, seen: Snapshot, answers: Mapping[str, str], now: datetime) -> str:
    text = answers.get("text", "").replace("\r\n", "\n")
    shown = f"{seen.station}, {seen.connector}; {seen.state}, {seen.energy_kwh} kWh, {seen.power_kw} kW"
    support.report_problem(link.order_id, text=text, seen=shown, now=now)
    return "reported"


def _rate(link: Link, seen: Snapshot, answers: Mapping[str, str], now: datetime) -> str:
    value = answers.get("value", "")
    if value not in SCORES:
        raise Invalid("rating-value", f"{value[:20]!r} is no score; choose {', '.join(SCORES)}", path="value")
    order = Order.objects.get(pk=link.order_id)
    given = [(order.code or order.transaction_id, Rating.Category.ORDER.value, Decimal(value))]
    support.rate(order.bap_id, given, now=now, transaction_id=order.transaction_id, source=Rating.Source.PAGE)
    return "rated"


_DEEDS: dict[str, Callable[[Link, Snapshot, Mapping[str, str], datetime], str]] = {
    STOP: _stop,
    EXTEND: _extend,
    REPORT: _report,
    RATE: _rate,
}


def _answers(request: HttpRequest, token: str) -> dict[str, str]:
    """The form's fields. Raises _Turned where it is no small form of our own page, or the link presses too often."""
    if request.method != "POST":
        raise _Turned(405, "This address only takes what the page's forms send.")
    if not _is_ours(request):
        raise _Turned(403, "This was sent from another site; nothing was done.")
    if _pressed.wait_s(token):
        raise _Turned(429, "Too often. Please wait half a minute.")
    if request.content_type != FORM:
        raise _Turned(415, "This is not a form of the page.")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > LARGEST_BODY_BYTES or len(request.body) > LARGEST_BODY_BYTES:
        raise _Turned(413, "That is too long; nothing was done.")
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as err:
        raise _Turned(400, "This form cannot be read; nothing was done.") from err


def _is_ours(request: HttpRequest) -> bool:
    """Whether the browser says the form stood on a page of ours; one that says nothing is held by the form's token.

    Under `no-referrer` browsers send `Origin: null` with our own forms too, so that only Sec-Fetch-Site tells them.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin", "null")
    return origin == "null" or urlsplit(origin).netloc == request.get_host()


def _refused(request: HttpRequest, *, status: int, text: str) -> HttpResponse:
    language = browser_language(request)
    with translation.override(language):
        shown = {"text": gettext(text), "page": f"{_page_of(request)}?lang={language}", "language": language}
        response = render(request, "fulfillment/refused.html", shown, status=status)
    if status == 405:
        response["Allow"] = "POST"
    if status in {429, 503}:
        response["Retry-After"] = "30"
    return sealed(response, FORM_POLICY)


def _page_of(request: HttpRequest) -> str:
    """The address of the page whose form this was."""
    return request.path.rpartition("/")[0]
