"""What is the next thing to ask of a station for a session that is due, and what follows from its answer?

Three parts, so that a crash between any two heals itself: claim (one transaction: lease, fencing token, intent), ask
the station (outside any transaction), settle (one transaction: answer, next step, order; only with the claim's token).
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from core.due import lock_next
from core.errors import DriverError
from fulfillment import states
from fulfillment.drivers import Options, driver_for
from fulfillment.drivers.base import Ack
from fulfillment.models import Command, Session
from fulfillment.services import following
from fulfillment.services.asking import Claim, ask
from fulfillment.services.running import abandon
from fulfillment.services.sessions import lock_session
from orders.models import Order

log = logging.getLogger(__name__)

KEYS = uuid.UUID("2d1f0f0a-6a37-5c0e-8f53-7b9f6f5f1f2e")
RUNNING = (Session.State.STARTING, Session.State.CHARGING, Session.State.PAUSED, Session.State.ENDING)
REST_S = 30
# Steps that only read, so that there is nothing to repeat by accident.
READS = frozenset({states.CONFIRM, states.WATCH})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking: an Ack (None where the station knows nothing of it), or the failure."""

    ack: Ack | None = None
    error: DriverError | None = None


def advance_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Do the next step of sessions that are due, one call each; returns how many. `now` replaces the clock."""
    for done in range(limit):
        claim = claim_next(now or timezone.now())
        if claim is None:
            return done
        answer = perform(claim)
        try:
            settle(claim, answer, now=now or timezone.now())
        except OperationalError:
            raise
        except Exception:
            log.exception("an answer could not be settled", extra={"session": claim.session_id, "step": claim.step})
            _postpone(claim, now or timezone.now())
    return limit


@transaction.atomic
def claim_next(now: datetime) -> Claim | None:
    """Take the session due longest under a lease, with the intent on record; None where none is due."""
    session = lock_next(
        Session.objects.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now), next_at__lte=now)
        .select_related("evse__station")
        .order_by("next_at", "pk")
    )
    if session is None:
        return None
    session.token += 1
    session.lease_until = now + timedelta(seconds=states.LEASE_S)
    session.save(update_fields=["token", "lease_until"])
    key = str(uuid.uuid5(KEYS, f"{session.card}/{session.step}"))
    repeated = session.step not in READS and _intend(session, key)
    return Claim(
        session_id=session.pk,
        order_id=session.order_id,
        token=session.token,
        state=session.state,
        step=session.step,
        station=session.evse.station.code,
        driver=session.evse.station.driver,
        wished_slot=session.evse.slot_number,
        slot_number=session.slot_number,
        card=session.card,
        remote_id=session.remote_id,
        fault=session.fault,
        key=key,
        repeated=repeated,
    )


def perform(claim: Claim) -> Answer:
    """Ask the station; never inside a transaction, whose locks a slow station would hold."""
    options = Options(settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN)
    try:
        return Answer(ack=ask(claim, driver_for(claim, options)))
    except DriverError as err:
        extra = {"session": claim.session_id, "step": claim.step, "fault": err.text}
        log.warning("a station did not do what it was asked", extra=extra)
        return Answer(error=err)


@transaction.atomic
def settle(claim: Claim, answer: Answer, *, now: datetime) -> bool:
    """Write down what came of a claim and what is next; False where another worker has taken over."""
    order, session = lock_session(claim.order_id)
    if session.token != claim.token:
        log.warning("a late answer was left aside", extra={"session": claim.session_id, "step": claim.step})
        return False
    _note(claim, answer, now)
    session.lease_until = None
    following.take_facts(session, answer.ack)
    if order.state != Order.State.ACTIVE and session.state in RUNNING:
        abandon(session, now=now)
        return True
    if (session.state, session.step) != (claim.state, claim.step):
        # Somebody wished otherwise while the station was asked: the new step is due already.
        session.save()
        return True
    if answer.error is not None:
        following.failed(order, session, answer.error, now=now)
    else:
        following.succeeded(order, session, answer.ack, now=now)
    return True


def _postpone(claim: Claim, now: datetime) -> None:
    """Let a session that broke us rest, so that it does not keep the others waiting."""
    Session.objects.filter(pk=claim.session_id, token=claim.token).update(
        lease_until=None, next_at=now + timedelta(seconds=REST_S)
    )


def _intend(session: Session, key: str) -> bool:
    """Put the intent of a step on record; True where it may have been carried out before."""
    request = {"station": session.evse.station.code, "slot": session.slot_number, "session": session.remote_id}
    command, made = Command.objects.get_or_create(
        key=key, defaults={"session": session, "name": session.step, "request": request}
    )
    command.attempts += 1
    command.state = Command.State.INTENT
    command.save(update_fields=["attempts", "state"])
    return not made


def _note(claim: Claim, answer: Answer, now: datetime) -> None:
    state, response = Command.State.CONFIRMED, {}
    if answer.error is not None:
        state = Command.State.UNKNOWN if answer.error.unknown else Command.State.REFUSED
        response = {"error": answer.error.text[:1000], "status": answer.error.status}
    elif answer.ack is not None:
        response = {"session": answer.ack.session_id, "slot": answer.ack.slot_number, "status": answer.ack.status}
    Command.objects.filter(key=claim.key).update(state=state, response=response, answered_at=now)
