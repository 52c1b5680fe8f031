"""What was asked of us and not yet decided? One message: parse, handle, reply, all in one transaction."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from bpp import dialects, handlers, outbox, strict
from bpp.messages import Caller, Note, WireFault
from bpp.models import InboxMessage
from bpp.replies import ErrorReply, Reply
from core.due import lock_next
from core.errors import DomainError

log = logging.getLogger(__name__)

State = InboxMessage.State
MOST_ATTEMPTS = 5
# What still takes effect when it is decided after its time to live: the promise of the ACK, or the wish to stop.
OUTLIVES_TTL = {"confirm", "update", "cancel", "rating"}


def process_next(*, now: datetime) -> int:
    """Decide the oldest due message and queue its reply in the same transaction; returns 1, or 0 where none is due.

    An unforeseen fault leaves the row due, later; after MOST_ATTEMPTS it is failed, told to the caller and visible.
    """
    row: InboxMessage | None = None
    try:
        with transaction.atomic():
            row = lock_next(_due())
            if row is None:
                return 0
            _decide(row, now)
    except Exception as err:
        if row is None:
            raise
        log.exception("message not decided", extra={"inbox": row.id, "action": row.action})
        _put_back(row.id, err, now)
    return 1


def reply_to(row: InboxMessage, reply: Reply, caller: Caller, *, now: datetime) -> None:
    """Queue the solicited answer of `row` and close it."""
    late = row.deadline_at <= now
    deadline = now + timedelta(seconds=settings.BECKN_STATE_DEADLINE_S) if late else row.deadline_at
    outbox.enqueue(
        reply,
        caller,
        outbox.Owed(
            action=dialects.choose(caller.context).callback_name(row.action),
            message_id=row.message_id,
            answers=row,
            order_id=row.order_id,
            operator_id=row.operator_id,
            deadline_at=deadline,
        ),
        now=now,
    )
    row.state, row.done_at, row.waits_for = State.DONE, now, ""
    row.save()


def _due() -> QuerySet[InboxMessage]:
    """Messages to decide, each after the earlier ones of its transaction; searches are answered by `bpp.storefront`."""
    earlier = InboxMessage.objects.filter(
        bap_id=OuterRef("bap_id"), transaction_id=OuterRef("transaction_id"), id__lt=OuterRef("id"), state=State.NEW
    ).exclude(action="search")
    return (
        InboxMessage.objects.filter(state=State.NEW, next_at__lte=Now())
        .exclude(action="search")
        .exclude(Exists(earlier))
        .order_by("next_at", "id")
    )


def _decide(row: InboxMessage, now: datetime) -> None:
    document = strict.load(bytes(row.raw))
    dialect = dialects.choose(document["context"])
    caller = dialect.caller(document)
    if row.deadline_at <= now and row.action not in OUTLIVES_TTL:
        row.state, row.done_at, row.reason = State.EXPIRED, now, "its time to live ran out before it was decided"
        row.save()
        return
    reply, touched, wait = _outcome(row, document, caller, now)
    if touched is not None:
        row.order_id, row.operator_id = touched.order_id, touched.operator_id
    if wait is not None:
        row.state, row.waits_for = State.WAITING, wait.for_what
        row.next_at = now + timedelta(seconds=settings.BECKN_STATION_ANSWER_WAIT_S)
        row.save()
        return
    if isinstance(reply, ErrorReply):
        row.reason = f"{reply.code}: {reply.text}"[:500]
    reply_to(row, reply, caller, now=now)


def _outcome(
    row: InboxMessage, document: dict[str, object], caller: Caller, now: datetime
) -> tuple[Reply, handlers.Touched | None, handlers.Wait | None]:
    """The reply, what it touched, and whether it waits for the station. A refusal undoes what the service wrote."""
    dialect = dialects.choose(caller.context)
    try:
        with transaction.atomic():
            request, notes = dialect.parse(row.action, document)
            _keep_notes(row, notes)
            outcome = handlers.handle(request, caller, now=now)
            _keep_notes(row, outcome.notes)
    except WireFault as err:
        return ErrorReply(err.code, err.text, err.paths), None, None
    except DomainError as err:
        log.info("refused", extra={"action": row.action, "code": err.code, "transaction_id": row.transaction_id})
        others = err.others if isinstance(err, handlers.Taken) else ()
        return ErrorReply(err.code, err.text, err.path, others), None, None
    return outcome.reply, outcome.touched, outcome.wait


def _keep_notes(row: InboxMessage, notes: tuple[Note, ...]) -> None:
    """Record the notes of parsing beside those the door took already, each once."""
    told = [note.as_dict() for note in notes]
    row.verdicts = [*row.verdicts, *(note for note in told if note not in row.verdicts)]


def _put_back(row_id: int, err: Exception, now: datetime) -> None:
    with transaction.atomic():
        row = InboxMessage.objects.select_for_update(no_key=True).get(id=row_id)
        row.attempts += 1
        row.reason = f"{type(err).__name__}: attempt {row.attempts} failed"
        row.next_at = now + timedelta(seconds=2**row.attempts)
        if row.attempts < MOST_ATTEMPTS:
            row.save()
            return
        _tell_failure(row, now)
        row.state, row.done_at = State.FAILED, now
        row.save()


def _tell_failure(row: InboxMessage, now: datetime) -> None:
    """Owe the caller an error; where the row does not even say whom to tell, it is failed all the same."""
    text = "The provider could not process this message; it has been told. Please try again later."
    try:
        with transaction.atomic():
            caller = dialects.choose({"version": "1.1.0"}).caller(strict.load(bytes(row.raw)))
            reply_to(row, ErrorReply("internal", text), caller, now=now)
    except Exception:
        log.exception("failure not told", extra={"inbox": row.id, "action": row.action})
