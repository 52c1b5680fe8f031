"""What does each action mean? One call into the services, one neutral reply; no wire words, no JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from bpp import buyer_apps, replies, showing
from bpp import messages as m
from core.errors import DomainError, Invalid, NotAllowed, NotFound, Unavailable
from fulfillment import services as fulfillment
from orders import selectors as order_selectors
from orders import services as orders
from orders.changes import Who
from orders.models import Order
from support import services as support

CODE_PATH = "order.fulfillments[0].stops[0].authorization.token"
CHANGEABLE = {
    "state": "order.fulfillments[0].state",
    "stops": "order.fulfillments[0].stops",
    "items": "order.items[0].id",
    "billing": "order.billing",
}


@dataclass(frozen=True, slots=True)
class Touched:
    """Which order and operator a message was about, for those who look at it later."""

    order_id: int | None
    operator_id: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """The reply follows when the station has answered, or when the wait is over; `for_what` is `start` or `stop`."""

    for_what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request; `notes` are kept beside the message."""

    reply: replies.Reply
    touched: Touched | None = None
    wait: Wait | None = None
    notes: tuple[m.Note, ...] = ()


def handle(request: m.Request, caller: m.Caller, *, now: datetime) -> Outcome:
    """Do what `request` asks. Raises DomainError where it is refused; a busy connector's names free ones."""
    try:
        return HANDLERS[type(request)](request, caller, now)
    except Unavailable as err:
        if err.code != "connector-busy":
            raise
        raise Taken(err, showing.instead(*_wanted(request, caller), now=now)) from err


class Taken(Unavailable):
    """The connector is taken or down; `others` could be ordered instead, the nearest first."""

    def __init__(self, refusal: Unavailable, others: tuple[replies.Plug, ...]) -> None:
        names = ", ".join(f"{plug.item_id} at {plug.charger.place.name}" for plug in others)
        text = f"{refusal.text} Free instead: {names}." if names else refusal.text
        super().__init__(refusal.code, text, path=refusal.path)
        self.others = others


def _wanted(request: m.Request, caller: m.Caller) -> tuple[str, m.Window | None, int]:
    """Which connector a request is about, for which time, and for how much energy (Wh; 0 where it is not known)."""
    wish = request if isinstance(request, m.Select) else getattr(request, "wish", None)
    if wish is not None and wish.items:
        quantity = wish.items[0].quantity
        energy_wh = quantity.amount if quantity and quantity.kind == Order.Quantity.ENERGY else 0
        return wish.items[0].item_id, wish.window, energy_wh
    try:
        order = order_selectors.order_by_transaction(caller.bap_id, caller.transaction_id)
    except NotFound:
        return "", None, 0
    window = m.Window(order.starts_at, order.ends_at) if order.starts_at else None
    return order.connector.item_id, window, order.energy_wh


def _select(request: m.Select, caller: m.Caller, now: datetime) -> Outcome:
    return _shown(orders.select_offer(**_wish(request), **_who(caller), now=now), now)


def _init(request: m.Init, caller: m.Caller, now: datetime) -> Outcome:
    order = orders.init_order(
        **_wish(request.wish),
        **_who(caller),
        billing=_contact(request.billing),
        customer=_contact(request.customer),
        collected_by=request.payment.collected_by,
        payment_type=request.payment.type,
        finder_fee=(request.payment.finder_fee_type, request.payment.finder_fee),
        may_redirect=request.may_redirect,
        now=now,
    )
    return replace(_shown(order, now), notes=buyer_apps.want_pushes(order, request.callback_url, now=now))


def _confirm(request: m.Confirm, caller: m.Caller, now: datetime) -> Outcome:
    try:
        order = _confirmed(request, caller, now)
    except NotAllowed as err:
        if err.code != "consent-missing":
            raise
        asked = order_selectors.order_by_transaction(caller.bap_id, caller.transaction_id)
        raise NotAllowed(err.code, f"{err.text}: {showing.terms_url(asked)}", path=err.path) from err
    fulfillment.nudge_advance()
    return _shown(order, now)


def _confirmed(request: m.Confirm, caller: m.Caller, now: datetime) -> Order:
    proof = request.payment
    return orders.confirm_order(
        **_who(caller),
        collected_by=proof.collected_by,
        payment_type=proof.type,
        payment_status=proof.status,
        amount=proof.amount,
        currency=proof.currency,
        reference=proof.reference,
        quoted=request.quoted,
        billing=_contact(request.billing),
        customer=_contact(request.customer),
        **_wished(request.wish),
        declared=[
            orders.Declared(told.terms, told.version, told.sha256, told.accepted_at, told.path)
            for told in request.consents
        ],
        now=now,
    )


def _status(request: m.Status, caller: m.Caller, now: datetime) -> Outcome:
    return _shown(order_selectors.order_for(caller.bap_id, request.order), now)


def _track(request: m.Track, caller: m.Caller, now: datetime) -> Outcome:
    order = order_selectors.order_for(caller.bap_id, request.order)
    url = showing.track_url(fulfillment.open_link(order.id, now=now))
    active = order.state == Order.State.ACTIVE and order.fulfillment in showing.RUNNING
    notes = buyer_apps.want_pushes(order, request.callback_url, now=now)
    return Outcome(replies.TrackReply(order.code or "", url, active), _touched(order), notes=notes)


def _cancel(request: m.Cancel, caller: m.Caller, now: datetime) -> Outcome:
    order = order_selectors.order_for(caller.bap_id, request.order)
    cancelled = orders.cancel_order(
        order_id=order.id,
        by="CONSUMER",
        reason_id=request.reason,
        text=request.text,
        soft=request.soft,
        now=now,
        actor=caller.bap_id,
    )
    if request.soft:
        asked = orders.cancellation_quote(cancelled, by="CONSUMER", now=now)
        return Outcome(replies.OrderReply(showing.order_view(cancelled, now=now, quote=asked)), _touched(cancelled))
    fulfillment.cancel_waiting(order.id, now=now)
    return _shown(cancelled, now)


def _update(request: m.Update, caller: m.Caller, now: datetime) -> Outcome:
    order = _updated_order(request, caller)
    if request.command == "start":
        wrong = orders.wrong_start_code(order.id, request.code, now=now, actor=caller.bap_id)
        if wrong:  # answered, not raised: a refusal would undo the count of tries
            return Outcome(replies.ErrorReply("start-code", f"Not started: {wrong}.", CODE_PATH), _touched(order))
        fulfillment.request_start(order.id, now=now)
    elif request.command == "stop":
        fulfillment.request_stop(order.id, now=now, reason="buyer app")
    else:
        _change(order, request, caller, now)
        order.refresh_from_db()
        return _shown(order, now)
    order.refresh_from_db()
    shown = _shown(order, now)
    return Outcome(shown.reply, shown.touched, None if _settled(order, request.command) else Wait(request.command))


def _change(order: Order, request: m.Update, caller: m.Caller, now: datetime) -> None:
    """Do what each target asks, all or nothing; a target outside CHANGEABLE is refused with those inside."""
    wanted = {_changeable(target, request) for target in request.targets}
    if not wanted or "" in wanted:
        raise Invalid(
            "update-target-unknown",
            f"{', '.join(request.targets) or 'nothing'} cannot be updated, or is not said; update one of "
            f"{', '.join(CHANGEABLE.values())}.",
            path="update_target",
        )
    asked: dict[str, Any] = {"who": Who.BUYER, "now": now, "actor": caller.bap_id}
    if "items" in wanted:
        orders.change_connector(order.id, item_id=request.item, **asked)
        fulfillment.follow_order(order.id)
    if "stops" in wanted:
        orders.change_window(order.id, starts_at=request.starts_at, ends_at=request.ends_at, **asked)
    if "billing" in wanted:
        orders.change_billing(order.id, billing=_contact(request.billing), **asked)


def _changeable(target: str, request: m.Update) -> str:
    """Which of CHANGEABLE a target means; empty where it is none, or the message says nothing of it."""
    parts = set(target.split("."))
    said = {
        "stops": bool(request.starts_at or request.ends_at),
        "items": bool(request.item),
        "billing": bool(_contact(request.billing)),
    }
    if "state" in parts or "quantity" in parts:
        return ""
    if "stops" in parts or "time" in parts or parts == {"order", "fulfillments"}:
        return "stops" if said["stops"] else ""
    return next((name for name in ("items", "billing") if name in parts and said[name]), "")


def _updated_order(request: m.Update, caller: m.Caller) -> Order:
    if request.order:
        return order_selectors.order_for(caller.bap_id, request.order)
    try:
        order = order_selectors.order_by_transaction(caller.bap_id, caller.transaction_id)
        if order.code:
            return order
    except DomainError:
        if not request.evse:
            raise
    return order_selectors.live_order_for_evse(caller.bap_id, request.evse)


def _settled(order: Order, command: str) -> bool:
    """Whether the station has already done what `command` asks, so that the reply need not wait."""
    if order.state != Order.State.ACTIVE:
        return True
    return command == "start" and order.fulfillment in showing.STARTED


def _rate(request: m.Rate, caller: m.Caller, now: datetime) -> Outcome:
    given = [(rating.target, rating.category, rating.value) for rating in request.ratings]
    order, token = support.rate(caller.bap_id, given, now=now, transaction_id=caller.transaction_id)
    return Outcome(replies.RateReply(f"{showing.public_base()}/feedback/{token}"), _touched(order))


def _support(request: m.Support, caller: m.Caller, now: datetime) -> Outcome:
    contact = support.ask_support(caller.bap_id, request.reference, request.phone, request.email, now=now)
    reply = replies.SupportReply(request.reference, contact.phone, contact.email, contact.url or showing.public_base())
    return Outcome(reply, Touched(contact.order_id, contact.operator_id))


def _reasons(request: m.AskReasons, caller: m.Caller, now: datetime) -> Outcome:
    return Outcome(
        replies.ReasonsReply(tuple(replies.Reason(key, text) for key, text in orders.CANCELLATION_REASONS.items()))
    )


def _categories(request: m.AskCategories, caller: m.Caller, now: datetime) -> Outcome:
    return Outcome(replies.CategoriesReply(support.RATING_CATEGORIES))


HANDLERS: dict[type, Callable[[Any, m.Caller, datetime], Outcome]] = {
    m.Select: _select,
    m.Init: _init,
    m.Confirm: _confirm,
    m.Status: _status,
    m.Track: _track,
    m.Cancel: _cancel,
    m.Update: _update,
    m.Rate: _rate,
    m.Support: _support,
    m.AskReasons: _reasons,
    m.AskCategories: _categories,
}


def _who(caller: m.Caller) -> dict[str, Any]:
    return {"bap_id": caller.bap_id, "transaction_id": caller.transaction_id, "context": caller.context}


def _wish(wish: m.Select) -> dict[str, Any]:
    if len(wish.items) != 1:
        raise Invalid(
            "item-unknown",
            f"{len(wish.items)} items were sent; an order is for exactly one connector. Send one order per connector.",
            path="order.items",
        )
    item = wish.items[0]
    if item.add_ons:
        raise Invalid(
            "add-on-unknown",
            f"Add-on {item.add_ons[0]!r} is not offered for {item.item_id!r}; order it without add-ons.",
            path="order.items[0].add_ons[0].id",
        )
    return {
        "operator_code": wish.operator,
        "item_id": item.item_id,
        "quantity_kind": item.quantity.kind if item.quantity else "",
        "quantity": item.quantity.amount if item.quantity else None,
        "evse_uid": wish.evse,
        "starts_at": wish.window.starts_at if wish.window else None,
        "ends_at": wish.window.ends_at if wish.window else None,
        "said": orders.Said(
            offers=wish.said.offers,
            groups=wish.said.groups,
            person=wish.said.person,
            vehicle=orders.Vehicle(**asdict(wish.said.vehicle)),
            until_full=wish.said.until_full,
        ),
    }


def _wished(wish: m.Select) -> dict[str, Any]:
    """What a confirm says it is about; compared with the offer, never used instead of it."""
    if not wish.items:
        return {}
    item = wish.items[0]
    quantity = {"quantity_kind": item.quantity.kind, "quantity": item.quantity.amount} if item.quantity else {}
    return {"item_id": item.item_id, **quantity}


def _contact(contact: m.Contact) -> dict[str, str]:
    return {
        name: value
        for name in ("name", "phone", "email", "address", "tax_id")
        if (value := str(getattr(contact, name)))
    }


def _shown(order: Order, now: datetime) -> Outcome:
    return Outcome(replies.OrderReply(showing.order_view(order, now=now)), _touched(order))


def _touched(order: Order) -> Touched:
    return Touched(order.id, order.operator_id)
