"""What may people do to orders, callbacks and keys, where more than one app has a say?"""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.db import transaction

from bpp import keys, outbox
from bpp.models import OutboxMessage, OwnKey
from catalog.deeds import Act, Deed
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


def _cancel(act: Act) -> str:
    order = cancel_by_provider(
        act.row.pk, reason_id=act.answers["reason"], text=act.answers["text"], now=act.now, actor=act.actor
    )
    return f"{order} is cancelled, refunded in full; the buyer app is being told."


def _stop(act: Act) -> str:
    fulfillment.request_stop(act.row.pk, act.now, reason="operator", actor=act.actor)
    return f"The station was asked to end the session of {act.row}; the bill follows from its meter."


def _resend(act: Act) -> str:
    message = outbox.resend(act.row.pk, now=act.now, actor=act.actor)
    return f"{message.action} is queued again: the same bytes, the same message id, a fresh signature."


def _revive(act: Act) -> str:
    if not outbox.revive([act.row.pk], now=act.now, actor=act.actor):
        raise NotAllowed("not-in-this-state", "This callback is neither dead nor refused any more.")
    return f"{act.row.action} is queued again with a day to get through."


def _retire(act: Act) -> str:
    keys.retire(act.row.key_id)
    return f"{act.row.key_id} never signs again."


_RUNNING = (
    Order.Fulfillment.CHARGING_STARTING,
    Order.Fulfillment.CHARGING_STARTED,
    Order.Fulfillment.CHARGING_PAUSED,
    Order.Fulfillment.CHARGING_RESUMED,
)
ORDER_DEEDS = (
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
)
OUTBOX_DEEDS = (
    Deed(
        "resend",
        "Send again",
        "Send the same bytes under the same message id once more? A buyer app that has it already ignores it.",
        _resend,
        when=lambda message: message.state in (OutboxMessage.State.SENT, OutboxMessage.State.COALESCED),
        icon="send",
    ),
    Deed(
        "revive",
        "Revive",
        "Put this callback back into the queue with a day to get through?",
        _revive,
        when=lambda message: message.state in (OutboxMessage.State.DEAD, OutboxMessage.State.REFUSED),
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
