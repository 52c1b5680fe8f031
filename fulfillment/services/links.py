"""Which link opens which live page, and what may whoever holds it do there, once for each form?

A link is a token derived from the order, so that the same address is given each time, but only its hash is kept: a copy
of the table opens no page. Its rights are what stood at its opening and is still allowed by settings and operator.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.crypto import constant_time_compare, salted_hmac

from core.errors import NotAllowed
from fulfillment.models import LinkDeed, LinkRules, Session, TrackLink
from orders.changes import What, Who, may_change
from orders.models import Order

STOP, EXTEND = TrackLink.Right.STOP.value, TrackLink.Right.EXTEND.value
REPORT, RATE = LinkDeed.Name.REPORT.value, LinkDeed.Name.RATE.value
DEEDS = (STOP, EXTEND, REPORT, RATE)
S = Session.State
STOPPABLE = frozenset({S.STARTING, S.CHARGING, S.PAUSED})
RATEABLE = frozenset({S.ENDED, S.FAILED})
SHORTEST_TOKEN, LONGEST_TOKEN = 22, 64
LONGEST_ONCE = 100


@dataclass(frozen=True, slots=True)
class Link:
    """An open link as it was looked up: its rights are those that hold now, `deeds_done` numbers its forms."""

    id: int
    order_id: int
    rights: frozenset[str]
    deeds_done: int


@transaction.atomic
def open_link(order_id: int, now: datetime, *, rights: bool = True) -> str:
    """The token of the order's live page, valid from now for TRACK_LINK_DAYS; the same one until it is revoked.

    It carries the rights that settings and operator allow; without `rights` it is another link, for those who only
    look.
    """
    order = _locked_order(order_id)
    revoked = TrackLink.objects.filter(order=order, revoked_at__isnull=False).count()
    kind = "" if rights else "/look"
    digest = salted_hmac("fulfillment.track", f"{order.pk}/{order.code}/{revoked}{kind}", algorithm="sha256").digest()
    token = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    rules = LinkRules.objects.filter(operator_id=order.operator_id).first() or LinkRules()
    allowed = _allowed(may_stop=rules.may_stop, may_extend=rules.may_extend) if rights else ()
    TrackLink.objects.update_or_create(
        token_hash=_hash(token),
        defaults={
            "order": order,
            "expires_at": now + timedelta(days=settings.TRACK_LINK_DAYS),
            "rights": sorted(allowed),
        },
    )
    return token


@transaction.atomic
def revoke_links(order_id: int, now: datetime) -> int:
    """Close every open link of an order; the next `open_link` gives another. Returns how many were closed."""
    return TrackLink.objects.filter(order_id=order_id, revoked_at__isnull=True).update(revoked_at=now)


def tracked_order(token: str, now: datetime) -> int | None:
    """The id of the order a token opens; None where it is unknown, expired or revoked, without a difference."""
    link = opened_link(token, now)
    return link.order_id if link else None


def tracked_orders(tokens: Collection[str], now: datetime) -> dict[str, int]:
    """The same for many tokens at once: those that open an order, each with its id."""
    hashed = {_hash(token): token for token in tokens if SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN}
    links = TrackLink.objects.filter(token_hash__in=hashed, revoked_at__isnull=True, expires_at__gt=now)
    return {hashed[found]: order_id for found, order_id in links.values_list("token_hash", "order_id")}


def opened_link(token: str, now: datetime) -> Link | None:
    """The link a token opens, with the rights that hold now; None where it is unknown, expired or revoked."""
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        return None
    found = (
        TrackLink.objects.filter(token_hash=_hash(token), revoked_at__isnull=True, expires_at__gt=now)
        .values_list(
            "pk",
            "order_id",
            "rights",
            "deeds_done",
            "order__operator__link_rules__may_stop",
            "order__operator__link_rules__may_extend",
        )
        .first()
    )
    if found is None:
        return None
    link_id, order_id, rights, deeds_done, may_stop, may_extend = found
    allowed = _allowed(may_stop=may_stop is not False, may_extend=may_extend is not False)
    return Link(link_id, order_id, frozenset(rights) & allowed, deeds_done)


def deeds_now(link: Link, order: Order, state: str) -> tuple[str, ...]:
    """What this link may do to its order while the session is at `state`, in the order of DEEDS."""
    active = {"state": order.state, "fulfillment": order.fulfillment}
    now = {
        STOP: STOP in link.rights and state in STOPPABLE and may_change(Who.DRIVER, What.STOP, **active),
        EXTEND: EXTEND in link.rights and order.ends_at is not None and may_change(Who.DRIVER, What.END, **active),
        REPORT: True,
        RATE: state in RATEABLE,
    }
    return tuple(name for name in DEEDS if now[name])


def once_token(link: Link, state: str) -> str:
    """What the forms of a page drawn now carry, `number.state.mac`; it changes with each deed and with the state."""
    return f"{link.deeds_done}.{state}.{_mac(link.id, link.deeds_done, state)}"


def take_once(link: Link, name: str, once: str, now: datetime) -> LinkDeed | None:
    """Use a form's token for this deed, in the transaction that does the deed; None where it was used before.

    Locks the order first, so that a form sent twice at the same moment waits for itself. The caller saves what the page
    `said`. Raises NotAllowed `form-unknown` for a token that no page of this link carried.
    """
    number = _number(link, once)
    _locked_order(link.order_id)
    deed, fresh = LinkDeed.objects.get_or_create(link_id=link.id, name=name, number=number, defaults={"at": now})
    if not fresh:
        return None
    TrackLink.objects.filter(pk=link.id).update(deeds_done=F("deeds_done") + 1)
    return deed


def _number(link: Link, once: str) -> int:
    parts = once.split(".") if len(once) <= LONGEST_ONCE and once.isascii() else []
    if len(parts) == 3 and parts[0].isdecimal() and parts[1] in {*S.values}:
        number = int(parts[0])
        if number <= link.deeds_done and constant_time_compare(parts[2], _mac(link.id, number, parts[1])):
            return number
    raise NotAllowed("form-unknown", "the form's `once` is not one of this link; take it from the page", path="once")


def _mac(link_id: int, number: int, state: str) -> str:
    return salted_hmac("fulfillment.track.once", f"{link_id}/{number}/{state}", algorithm="sha256").hexdigest()[:43]


def _allowed(*, may_stop: bool, may_extend: bool) -> frozenset[str]:
    """The rights that settings and operator allow."""
    stop = {STOP} if may_stop and settings.TRACK_LINK_MAY_STOP else set()
    return frozenset(stop | ({EXTEND} if may_extend else set()))


def _locked_order(order_id: int) -> Order:
    return Order.objects.select_for_update(no_key=True, of=("self",)).get(pk=order_id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
