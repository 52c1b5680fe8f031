"""What may people do to orders, callbacks and keys, where more than one app has a say?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bpp import keys, outbox, showing
from bpp.models import OutboxMessage, OwnKey
from catalog import services as catalog
from catalog.acts import EVSE_DEEDS, STATION_DEEDS
from catalog.deeds import Act, Deed
from catalog.models import Evse
from core.errors import NotAllowed
from core.nudges import nudge_on_commit
from fulfillment import services as fulfillment
from orders import services as orders
from orders.models import Order


class CancelForm(forms.Form):
    reason = forms.ChoiceField(choices=list(orders.CANCELLATION_REASONS.items()))
    text = forms.CharField(max_length=300, required=False, help_text="In your own words, for the buyer app.")


@transaction.atomic
def cancel_by_provider(order_id: int, *, reason_id: str, text: str, now: datetime, actor: str) -> Order:
    """Cancel an order from our side, refund it in full, let its station go, and tell the buyer app.

    Raises NotAllowed `cancel-forbidden` once charging has begun, `not-in-this-state` where it is closed.
    """
    order = orders.cancel_order(order_id=order_id, by="PROVIDER", reason_id=reason_id, text=text, now=now, actor=actor)
    fulfillment.cancel_waiting(order_id, now)
    nudge_on_commit("process")
    return order


class ClosingForm(forms.Form):
    text = forms.CharField(max_length=300, help_text="Why, in your own words, for the buyer apps.")


class DecliningForm(forms.Form):
    text = forms.CharField(max_length=300, required=False, help_text="Why, in your own words, for the buyer app.")


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing a place did: orders cancelled, and those left because they charge or were closed meanwhile."""

    cancelled: int
    left: int


def close_evses(evses: Sequence[Evse], *, text: str, now: datetime, actor: str) -> Closed:
    """Take charge points out of service and cancel every order promised there with a full refund; tell the buyer apps.

    First the status, so that nobody orders meanwhile, then each order in a transaction of its own.
    """
    for evse in evses:
        catalog.set_evse_status(evse, Evse.Status.UNAVAILABLE, now)
    cancelled = left = 0
    for order_id in list(promised_at(evses).values_list("pk", flat=True)):
        try:
            cancel_by_provider(order_id, reason_id="2", text=text, now=now, actor=actor)
            cancelled += 1
        except NotAllowed:
            left += 1
    return Closed(cancelled, left)


def promised_at(evses: Iterable[Evse]) -> QuerySet[Order]:
    """The confirmed orders of these charge points that are not closed."""
    return Order.objects.filter(connector__evse__in=[evse.pk for evse in evses], state=Order.State.ACTIVE).order_by(
        "pk"
    )


def _approve(act: Act) -> str:
    order = orders.approve_order(act.row.pk, now=act.now, actor=act.actor)
    nudge_on_commit("process")
    return f"{order} is approved; the buyer app is being told."


def _decline(act: Act) -> str:
    order = orders.decline_order(act.row.pk, text=act.answers["text"], now=act.now, actor=act.actor)
    fulfillment.cancel_waiting(act.row.pk, act.now)
    nudge_on_commit("process")
    return f"{order} is declined and refunded in full; the buyer app is being told."


def _start(act: Act) -> str:
    fulfillment.request_start(act.row.pk, act.now, actor=act.actor)
    return f"The station was asked to start {act.row}."


def _close_station(act: Act) -> str:
    catalog.unpublish(act.row.pk)
    return _close(list(act.row.evses.order_by("pk")), act)


def _close_evse(act: Act) -> str:
    return _close([act.row], act)


def _close(evses: list[Evse], act: Act) -> str:
    closed = close_evses(evses, text=act.answers["text"], now=act.now, actor=act.actor)
    nudge_on_commit("process")
    rest = f" {closed.left} are charging and go on; stop them on their own pages." if closed.left else ""
    return f"{act.row} is closed; {closed.cancelled} orders were cancelled with a full refund.{rest}"


def _affected(evses: Iterable[Evse]) -> list[str]:
    """What closing would cancel, for the question."""
    found = list(promised_at(evses).select_related("connector")[: MOST_SHOWN + 1])
    names = [
        f"{order} at {order.connector}, {order.get_fulfillment_display().lower()}"
        + (f", booked for {timezone.localtime(order.starts_at):%d %b %H:%M}" if order.starts_at else "")
        for order in found[:MOST_SHOWN]
    ]
    return [*names, "and more"] if len(found) > MOST_SHOWN else names


def _cancel(act: Act) -> str:
    order = cancel_by_provider(
        act.row.pk, reason_id=act.answers["reason"], text=act.answers["text"], now=act.now, actor=act.actor
    )
    return f"{order} is cancelled, refunded in full; the buyer app is being told."


def _stop(act: Act) -> str:
    fulfillment.request_stop(act.row.pk, act.now, reason="operator", actor=act.actor)
    return f"The station was asked to end the session of {act.row}; the bill follows from its meter."


def _open_link(act: Act) -> str:
    token = fulfillment.open_link(act.row.pk, act.now, rights=False)
    return f"Whoever holds this link sees the live page and can neither stop nor extend: {showing.track_url(token)}"


def _revoke_links(act: Act) -> str:
    count = fulfillment.revoke_links(act.row.pk, act.now)
    return f"Revoked: {count} links of {act.row} open nothing any more. The buyer app gets another by track."


def _resend(act: Act) -> str:
    message = outbox.resend(act.row.pk, now=act.now, actor=act.actor)
    return f"{message.action} is queued again: the same bytes, the same message id, a fresh signature."


def _revive(act: Act) -> str:
    if not outbox.revive([act.row.pk], now=act.now, actor=act.actor):
        raise NotAllowed("not-in-this-state", "This callback is neither dead nor refused any more, or mere progress.")
    return f"{act.row.action} is queued again with a day to get through."


def _retire(act: Act) -> str:
    keys.retire(act.row.key_id)
    return f"{act.row.key_id} never signs again."


MOST_SHOWN = 20
_RUNNING = (
    Order.Fulfillment.CHARGING_STARTING,
    Order.Fulfillment.CHARGING_STARTED,
    Order.Fulfillment.CHARGING_PAUSED,
    Order.Fulfillment.CHARGING_RESUMED,
)
CLOSING_STATION_DEEDS = (
    *STATION_DEEDS,
    Deed(
        "close",
        "Close station",
        "Take this station off sale and out of service? The orders named here are cancelled and refunded in full.",
        _close_station,
        form=ClosingForm,
        destructive=True,
        icon="block",
        warnings=lambda station: _affected(station.evses.all()),
    ),
)
CLOSING_EVSE_DEEDS = (
    *EVSE_DEEDS,
    Deed(
        "close",
        "Close charger",
        "Take this charger out of service? The orders named here are cancelled and refunded in full.",
        _close_evse,
        form=ClosingForm,
        destructive=True,
        icon="block",
        warnings=lambda evse: _affected([evse]),
    ),
)
ORDER_DEEDS = (
    Deed(
        "approve",
        "Approve",
        "Approve this order? The buyer app is told that it is confirmed.",
        _approve,
        when=lambda order: order.fulfillment == Order.Fulfillment.PENDING_APPROVAL,
        icon="check_circle",
    ),
    Deed(
        "decline",
        "Decline",
        "Decline this order? The driver is refunded in full and the buyer app told. This is final.",
        _decline,
        when=lambda order: order.fulfillment == Order.Fulfillment.PENDING_APPROVAL,
        form=DecliningForm,
        destructive=True,
        icon="do_not_disturb_on",
    ),
    Deed(
        "start",
        "Start charging",
        "Start the session for the driver, without the start code?",
        _start,
        when=lambda order: order.fulfillment == Order.Fulfillment.PAYMENT_COMPLETED,
        icon="play_circle",
    ),
    Deed(
        "stop",
        "Stop charging",
        "End the session now? The driver pays for the energy delivered so far, and the buyer app is told.",
        _stop,
        when=lambda order: order.state == Order.State.ACTIVE and order.fulfillment in _RUNNING,
        destructive=True,
        icon="stop_circle",
    ),
    Deed(
        "cancel",
        "Cancel order",
        "Cancel this order from our side? The driver is refunded in full and the buyer app told. This is final.",
        _cancel,
        when=lambda order: order.state == Order.State.ACTIVE and order.fulfillment not in _RUNNING,
        form=CancelForm,
        destructive=True,
        icon="cancel",
    ),
    Deed(
        "open-link",
        "Link to look",
        "Open a link to this order's live page that can neither stop nor extend? It is shown once.",
        _open_link,
        when=lambda order: order.code is not None,
        icon="link",
    ),
    Deed(
        "revoke-links",
        "Revoke links",
        "Close every link to this order's live page? Pages that are open stop at once.",
        _revoke_links,
        when=lambda order: order.track_links.filter(revoked_at=None).exists(),
        destructive=True,
        icon="link_off",
    ),
)
OUTBOX_DEEDS = (
    Deed(
        "resend",
        "Send again",
        "Send the same bytes under the same message id once more? A buyer app that has it already ignores it.",
        _resend,
        when=lambda message: (
            message.state in (OutboxMessage.State.SENT, OutboxMessage.State.COALESCED) and not message.progress
        ),
        icon="send",
    ),
    Deed(
        "revive",
        "Revive",
        "Put this callback back into the queue with a day to get through?",
        _revive,
        when=lambda message: (
            message.state in (OutboxMessage.State.DEAD, OutboxMessage.State.REFUSED) and not message.progress
        ),
        icon="restart_alt",
    ),
)
KEY_DEEDS = (
    Deed(
        "retire",
        "Retire key",
        "Never sign with this key again? Make sure another active key is known to the registry. It cannot be undone.",
        _retire,
        when=lambda key: key.state != OwnKey.State.RETIRED,
        destructive=True,
        icon="key_off",
    ),
)
