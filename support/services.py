"""How do ratings, calls for help and tickets come in, and who answers until when?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from catalog.models import Operator
from core.errors import Invalid, NotAllowed, NotFound
from core.live import announce_on_commit
from orders.models import Order
from support.models import Rating, Ticket

RATING_CATEGORIES: tuple[str, ...] = tuple(str(value) for value in Rating.Category.values)
LOWEST, HIGHEST, STEP = Decimal(0), Decimal(5), Decimal("0.01")
HELP_SUBJECT = "Help asked for"
FAULT_SUBJECT = "Charger fault"
REPORT_SUBJECT = "Reported on the live page"
COMMENT_LIMIT = 2000
REPORT_LIMIT = 1000
CODE_BYTES = 5


@dataclass(frozen=True, slots=True)
class ContactView:
    """Where help is to be had; `ticket` is the ticket's code, the ids name whom the question was about."""

    phone: str
    email: str
    url: str
    ticket: str = ""
    order_id: int | None = None
    operator_id: int | None = None


@transaction.atomic
def rate(
    bap_id: str,
    ratings: Iterable[tuple[str, str, Decimal]],
    *,
    now: datetime,
    transaction_id: str = "",
    source: str = Rating.Source.APP,
) -> tuple[Order, str]:
    """Keep ratings (target, category, value 0 to 5) of the buyer app's orders; a later one of a category replaces.

    A target is an order's id, or an item, EVSE, operator or transaction of one of its orders, of `transaction_id` where
    that fits; `source` says where the values were given. Returns the first order and the token of its feedback form.
    Raises NotFound `rating-target-unknown`, Invalid `rating-value` or `rating-category`.
    """
    given = [
        (_rated_order(bap_id, target, transaction_id, number), target, *_checked(category, value, number))
        for number, (target, category, value) in enumerate(ratings)
    ]
    if not given:
        raise Invalid("rating-value", "no rating was given; send at least one", path="ratings")
    for order, target, category, value in given:
        kept = {
            "target": target[:255],
            "value": value,
            "source": source,
            "form_token_hash": _hash(feedback_token(order)),
            "updated_at": now,
        }
        Rating.objects.update_or_create(
            order=order, category=category, defaults=kept, create_defaults={**kept, "created_at": now}
        )
    return given[0][0], feedback_token(given[0][0])


def feedback_token(order: Order) -> str:
    """The unguessable token of an order's feedback form; the same each time, only its hash is stored."""
    digest = hmac.new(settings.SECRET_KEY.encode(), f"feedback:{order.pk}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


def ratings_for_token(token: str) -> list[Rating]:
    """The ratings a feedback form belongs to, oldest first. Raises NotFound `rating-target-unknown`."""
    found = list(
        Rating.objects.filter(form_token_hash=_hash(token))
        .select_related("order__operator", "order__connector__evse__station")
        .order_by("pk")
    )
    if not found:
        raise NotFound("rating-target-unknown", "this feedback form does not exist", path="token")
    return found


@transaction.atomic
def add_feedback(
    token: str, *, comment: str, now: datetime, scores: Mapping[str, Decimal] | None = None
) -> list[Rating]:
    """Keep what was written in a feedback form: the comment on the first rating, scores by category as further ratings.

    Raises NotFound `rating-target-unknown`, Invalid `rating-value` or `rating-category`.
    """
    first = ratings_for_token(token)[0]
    first.comment, first.updated_at = comment.strip()[:COMMENT_LIMIT], now
    first.save(update_fields=["comment", "updated_at"])
    if scores:
        name = first.order.code or first.target
        given = [(name, category, value) for category, value in scores.items()]
        rate(first.order.bap_id, given, now=now, source=Rating.Source.FORM)
    return ratings_for_token(token)


@transaction.atomic
def ask_support(bap_id: str, reference: str, phone: str = "", email: str = "", *, now: datetime) -> ContactView:
    """Whom to call about a reference; where it names an order of the buyer app, one ticket is opened or kept open.

    Anything unknown is answered with the platform's own contact. Raises NotFound `no-support` where there is none.
    """
    order = _named_order(bap_id, reference)
    if order is None:
        return _contact(_named_operator(reference))
    ticket = _ticket(order, HELP_SUBJECT, phone=phone, email=email, now=now)
    return _contact(order.operator, order=order, ticket=ticket)


@transaction.atomic
def open_ticket_for_fault(order_id: int, *, text: str, now: datetime) -> Ticket:
    """Open the ticket about a fault during an order, or add to the open one. Raises NotFound `order-unknown`."""
    order = Order.objects.select_related("operator").filter(pk=order_id).first()
    if order is None:
        raise NotFound("order-unknown", f"there is no order {order_id}", path="order_id")
    ticket = _ticket(order, FAULT_SUBJECT, phone="", email="", now=now)
    return _noted(ticket, text, now=now, actor="station")


@transaction.atomic
def report_problem(order_id: int, *, text: str, seen: str, now: datetime) -> Ticket:
    """Open the ticket of a driver who reports a problem on the live page, or add to the open one.

    `seen` is what the page showed, in words; `text` the driver's own, at most REPORT_LIMIT characters.
    Raises NotFound `order-unknown`, Invalid `report-text`.
    """
    said = " / ".join(line.strip() for line in text.replace("\0", "").splitlines() if line.strip())
    if not said or len(text) > REPORT_LIMIT:
        raise Invalid(
            "report-text",
            f"the report has {len(text)} characters; write what is wrong, in 1 to {REPORT_LIMIT}",
            path="text",
        )
    order = Order.objects.select_related("operator").filter(pk=order_id).first()
    if order is None:
        raise NotFound("order-unknown", f"there is no order {order_id}", path="order_id")
    ticket = _ticket(order, REPORT_SUBJECT, phone="", email="", now=now)
    return _noted(ticket, f"{said} [{seen}]", now=now, actor="driver")


@transaction.atomic
def open_station_ticket(operator_id: int, *, subject: str, text: str, now: datetime) -> Ticket:
    """Open a ticket for an operator about a station of its own, which no customer asked for."""
    ticket = Ticket.objects.create(
        code=_code(),
        operator_id=operator_id,
        subject=subject[:200],
        opened_at=now,
        reply_due_at=now + timedelta(seconds=settings.SUPPORT_REPLY_S),
    )
    return _noted(ticket, text, now=now, actor="station")


@transaction.atomic
def note_on_ticket(code: str, *, text: str, now: datetime, actor: str, over: bool = False) -> Ticket:
    """Note what happened on a ticket; `over` closes it too, unless somebody has answered it and will do so.

    Raises NotFound `ticket-unknown`.
    """
    ticket = Ticket.objects.select_for_update(no_key=True, of=("self",)).filter(code=code).first()
    if ticket is None:
        raise NotFound("ticket-unknown", f"there is no ticket {code}", path="ticket")
    if over and ticket.state == Ticket.State.OPEN:
        ticket.state, ticket.closed_at = Ticket.State.CLOSED, now
        ticket.save(update_fields=["state", "closed_at"])
    return _noted(ticket, text, now=now, actor=actor)


@transaction.atomic
def answer_ticket(ticket_id: int, *, text: str, actor: str, now: datetime) -> Ticket:
    """Note the operator's answer on an open or answered ticket. Raises NotFound, NotAllowed, Invalid."""
    ticket = _locked(ticket_id)
    if not text.strip():
        raise Invalid("ticket-text", "the answer is empty; write what was told to the customer", path="text")
    if ticket.state == Ticket.State.CLOSED:
        raise NotAllowed("not-in-this-state", f"ticket {ticket} is closed; open a new one", path="state")
    ticket.state = Ticket.State.ANSWERED
    ticket.save(update_fields=["state"])
    return _noted(ticket, text, now=now, actor=actor)


@transaction.atomic
def close_ticket(ticket_id: int, *, actor: str, now: datetime, text: str = "") -> Ticket:
    """Close a ticket; one that is closed already stays as it is. Raises NotFound `ticket-unknown`."""
    ticket = _locked(ticket_id)
    if ticket.state == Ticket.State.CLOSED:
        return ticket
    ticket.state, ticket.closed_at = Ticket.State.CLOSED, now
    ticket.save(update_fields=["state", "closed_at"])
    return _noted(ticket, text or "closed", now=now, actor=actor)


def _checked(category: str, value: Decimal, number: int) -> tuple[str, Decimal]:
    if category not in RATING_CATEGORIES:
        raise Invalid(
            "rating-category",
            f"{category!r} is not a category; allowed: {', '.join(RATING_CATEGORIES)}",
            path=f"ratings[{number}].rating_category",
        )
    fits = value.is_finite() and LOWEST <= value <= HIGHEST and value == value.quantize(STEP)
    if not fits:
        raise Invalid(
            "rating-value",
            f"{value} is not a rating; send a number from {LOWEST} to {HIGHEST} with at most two decimals",
            path=f"ratings[{number}].value",
        )
    return category, value.quantize(STEP)


def _rated_order(bap_id: str, target: str, transaction_id: str, number: int) -> Order:
    order = _named_order(bap_id, target) or _order_with(bap_id, target, transaction_id)
    if order is None or order.code is None:
        raise NotFound(
            "rating-target-unknown",
            f"{target!r} is no order of yours, nor an item, charger or provider of one; use the order's id",
            path=f"ratings[{number}].id",
        )
    return order


def _named_order(bap_id: str, reference: str) -> Order | None:
    """The buyer app's order of this id or transaction."""
    if not reference:
        return None
    return (
        Order.objects.select_related("operator")
        .filter(Q(code=reference) | Q(transaction_id=reference), bap_id=bap_id)
        .order_by("-pk")
        .first()
    )


def _order_with(bap_id: str, target: str, transaction_id: str) -> Order | None:
    """The buyer app's confirmed order with this item, EVSE or operator: this transaction's, else the newest."""
    if not target:
        return None
    fitting = Order.objects.select_related("operator").filter(
        Q(connector__item_id=target) | Q(connector__evse__uid=target) | Q(operator__code=target),
        bap_id=bap_id,
        code__isnull=False,
    )
    return fitting.filter(transaction_id=transaction_id).first() or fitting.order_by("-pk").first()


def _named_operator(reference: str) -> Operator | None:
    """The operator of an item, EVSE or station, or by its own code; all of these are public in search."""
    if not reference:
        return None
    return (
        Operator.objects.filter(
            Q(code=reference)
            | Q(stations__code=reference)
            | Q(stations__evses__uid=reference)
            | Q(stations__evses__connectors__item_id=reference),
            active=True,
        )
        .order_by("pk")
        .first()
    )


def _contact(operator: Operator | None, *, order: Order | None = None, ticket: Ticket | None = None) -> ContactView:
    """The operator's contact, or the platform's where the operator gave none."""
    contact = (operator.support_phone, operator.support_email, operator.support_url) if operator else ("", "", "")
    if not any(contact):
        contact = (settings.SUPPORT_PHONE, settings.SUPPORT_EMAIL, settings.SUPPORT_URL)
    if not any(contact):
        raise NotFound("no-support", "no support desk is set up; set SUPPORT_PHONE or SUPPORT_EMAIL", path="ref_id")
    return ContactView(
        *contact,
        ticket=ticket.code if ticket else "",
        order_id=order.pk if order else None,
        operator_id=operator.pk if operator else None,
    )


def _ticket(order: Order, subject: str, *, phone: str, email: str, now: datetime) -> Ticket:
    """The open ticket of this order and subject; newly opened where there is none, whoever asks at the same time."""
    fresh = Ticket(
        code=_code(),
        operator=order.operator,
        order=order,
        bap_id=order.bap_id,
        subject=subject,
        contact_phone=phone[:20],
        contact_email=email[:254],
        opened_at=now,
        reply_due_at=now + timedelta(seconds=settings.SUPPORT_REPLY_S),
    )
    Ticket.objects.bulk_create([fresh], ignore_conflicts=True)
    announce_on_commit([order.pk])
    return Ticket.objects.select_for_update(no_key=True, of=("self",)).get(
        order=order, subject=subject, state=Ticket.State.OPEN
    )


def _code() -> str:
    return "T-" + base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()


def _locked(ticket_id: int) -> Ticket:
    ticket = Ticket.objects.select_for_update(no_key=True, of=("self",)).filter(pk=ticket_id).first()
    if ticket is None:
        raise NotFound("ticket-unknown", f"there is no ticket {ticket_id}", path="ticket")
    return ticket


def _noted(ticket: Ticket, text: str, *, now: datetime, actor: str) -> Ticket:
    ticket.notes = f"{ticket.notes}{now:%Y-%m-%d %H:%M} UTC {actor}: {text.strip()}\n"
    ticket.save(update_fields=["notes"])
    if ticket.order_id is not None:
        announce_on_commit([ticket.order_id])
    return ticket


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
