"""What do we owe the network? Enqueue, replace, send again, revive; `bpp.delivery` takes it there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from bpp import dialects, layer2, registry
from bpp.messages import Caller
from bpp.models import InboxMessage, OutboxMessage
from bpp.replies import Reply
from core.errors import NotAllowed, OutsideError
from core.nudges import nudge_on_commit

log = logging.getLogger(__name__)

PENDING = OutboxMessage.State.PENDING
TAKEN_S = 10
# No attempt is under way; a worker that died leaves a lease that has run out.
LANDED = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())


@dataclass(frozen=True, slots=True)
class Owed:
    """What `enqueue` needs beside the reply: `answers` where it is solicited, the rest for those who look.

    `push_url` is where it goes instead of below the app's registered URL, in a mailbox of its own.
    """

    action: str
    message_id: str
    answers: InboxMessage | None = None
    order_id: int | None = None
    operator_id: int | None = None
    progress: bool = False
    deadline_at: datetime | None = None
    push_url: str = ""


def enqueue(reply: Reply, caller: Caller, owed: Owed, *, now: datetime) -> OutboxMessage:
    """Freeze `reply` as the bytes to sign and queue it, in the transaction that decided it.

    What is told of an order unasked replaces its undelivered progress: a slow buyer app gets the latest and no backlog.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("enqueue belongs into the transaction of the decision it reports")
    dialect = dialects.choose(caller.context)
    document = dialect.build(
        owed.action,
        reply,
        context=caller.context,
        message_id=owed.message_id,
        now=now,
        bpp_id=settings.BECKN_SUBSCRIBER_ID,
        bpp_uri=settings.BECKN_SUBSCRIBER_URL,
    )
    if owed.answers is None and owed.order_id is not None:
        _replace_progress(owed, caller, now)
    deadline = owed.deadline_at or now + timedelta(seconds=settings.BECKN_STATE_DEADLINE_S)
    row = OutboxMessage.objects.create(
        bap_id=caller.bap_id,
        transaction_id=caller.transaction_id,
        message_id=owed.message_id,
        action=owed.action,
        url=owed.push_url or _url_to_try(caller, owed.action),
        body=dialect.dumps(document),
        answers=owed.answers,
        order_id=owed.order_id,
        operator_id=owed.operator_id,
        progress=owed.progress,
        pushed=bool(owed.push_url),
        verdicts=own_faults(owed.action, document),
        created_at=now,
        next_at=now,
        deadline_at=max(deadline, now),
    )
    nudge_on_commit("deliver")
    return row


def own_faults(action: str, document: dict[str, Any]) -> list[dict[str, str]]:
    """What our schemas and the network's layer 2 hold against an answer of ours: recorded and logged, never silent."""
    context = document["context"]
    notes = dialects.choose(context).check_own(action, document)
    notes += layer2.check("out", action, document, context.get("domain", ""), context.get("version", ""))
    for note in notes:
        log.warning(
            "our answer deviates from the schema",
            extra={"action": action, "message_id": context["message_id"], "path": note.path, "note": note.text},
        )
    return [note.as_dict() for note in notes]


def progress_flies(order_id: int, *, pushed: bool = False) -> bool:
    """Whether an attempt to deliver the order's progress is under way: what is newer waits for its outcome."""
    flying = OutboxMessage.objects.filter(order_id=order_id, progress=True, pushed=pushed, state=PENDING)
    return flying.exclude(LANDED).exists()


def callback_url(caller: Caller, action: str) -> str:
    """Where the callback goes: the registry's URL; the context's bap_uri only where it has the same scheme and host.

    Raises UnknownSubscriber, RegistryUnavailable.
    """
    base = registry.callback_url(caller.bap_id)
    if registry.same_place(caller.bap_uri, base):
        base = caller.bap_uri
    return _under(base, action)


def revive(message_ids: Sequence[int], *, now: datetime, actor: str) -> int:
    """Put dead or refused callbacks back into the queue with a day to go; returns how many. Progress stays dead."""
    lost = OutboxMessage.objects.filter(id__in=message_ids, state__in=["dead", "refused"], progress=False)
    with transaction.atomic():
        count = lost.update(
            state=PENDING,
            next_at=now,
            lease_until=None,
            attempts=0,
            deadline_at=now + timedelta(seconds=settings.BECKN_STATE_DEADLINE_S),
            reason=f"revived by {actor}",
        )
        nudge_on_commit("deliver")
    log.info("callbacks revived", extra={"count": count, "actor": actor})
    return count


def resend(message_id: int, *, now: datetime, actor: str) -> OutboxMessage:
    """Queue the same bytes under the same message_id once more.

    Raises NotAllowed while the first is still pending, and for progress, of which only the newest is worth telling.
    """
    with transaction.atomic():
        row = OutboxMessage.objects.select_for_update(no_key=True).get(id=message_id)
        if row.state == PENDING:
            raise NotAllowed("not-in-this-state", "This callback is still pending; it will be tried by itself.")
        if row.progress:
            raise NotAllowed("not-in-this-state", "Progress is not sent again: the newest is told by itself.")
        _requeue(row, now, f"sent again by {actor}")
    return row


def repeat_answer(inbox_id: int, *, now: datetime) -> int:
    """Send the stored answer of a request once more, because the request came again; returns how many messages.

    What the buyer app took within the last seconds is left out: the two crossed on the way, and it has its answer.
    """
    fresh = Q(state=OutboxMessage.State.SENT, sent_at__gt=now - timedelta(seconds=TAKEN_S))
    with transaction.atomic():
        rows = list(
            OutboxMessage.objects.select_for_update(no_key=True)
            .filter(answers_id=inbox_id, state__in=["sent", "refused"], deadline_at__gt=now)
            .exclude(fresh)
        )
        for row in rows:
            _requeue(row, now, "the request came again")
    return len(rows)


def _url_to_try(caller: Caller, action: str) -> str:
    """The callback's URL; the bap_uri where the registry gives none, since a decision must not fail for its answer.

    Delivery holds every URL against the registry before it sends, so that an unlisted one is refused there.
    """
    try:
        return callback_url(caller, action)
    except OutsideError as err:
        log.warning("no URL from the registry", extra={"subscriber": caller.bap_id, "fault": err.text})
        return _under(caller.bap_uri, action)


def _under(base: str, action: str) -> str:
    return f"{base.rstrip('/')}/{action}"


def _requeue(row: OutboxMessage, now: datetime, why: str) -> None:
    row.state = PENDING
    row.next_at = now
    row.attempts = 0
    row.lease_until = None
    row.deadline_at = max(row.deadline_at, now + timedelta(seconds=settings.BECKN_DEFAULT_TTL_S))
    row.reason = why
    row.save()
    nudge_on_commit("deliver")


def _replace_progress(owed: Owed, caller: Caller, now: datetime) -> None:
    """Take back the order's progress that nobody is delivering just now: of the same mailbox, or of both by a state.

    With newer progress the callbacks in front of it are tried again at once, so that an app which is back hears soon.
    """
    waiting = OutboxMessage.objects.filter(
        LANDED, bap_id=caller.bap_id, transaction_id=caller.transaction_id, state=PENDING
    )
    if owed.progress:
        waiting = waiting.filter(pushed=bool(owed.push_url))
    waiting.filter(order_id=owed.order_id, progress=True).update(
        state=OutboxMessage.State.COALESCED, lease_until=None, reason="replaced by a later one", sent_at=now
    )
    if owed.progress:
        waiting.filter(next_at__gt=now).update(next_at=now)
