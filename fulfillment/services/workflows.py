"""How does a workflow instance go on, whatever is killed in between?

Each turn is one transaction: the answer to the last effect, what followed from it, and the intent of the next effect.
Between two transactions the effect is asked for, under a lease and with a key that stays the same over repeats; a
worker that lost its lease changes nothing any more. Waits are due rows. Nothing depends on a message being kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from core.due import lock_next
from core.nudges import nudge_on_commit
from fulfillment.drivers.workflow_http import Line, perform
from fulfillment.models import Session, WalkIn, WorkflowInstance
from fulfillment.services import bridge, card_bridge, journal, lifecycle
from fulfillment.services.instances import let_go, pinned
from fulfillment.services.running import abandon
from fulfillment.services.sessions import lock_session
from fulfillment.workflow import Definition, Effect, Host, Turn, begin, resume, wake, wanted
from orders.models import Order

log = logging.getLogger(__name__)

W = WorkflowInstance.Status
AT_STATION = frozenset({Session.State.STARTING, Session.State.CHARGING, Session.State.PAUSED, Session.State.ENDING})
# Longer than any call may take, so that a lease ends only when its worker has died.
LEASE_S = 15
REST_S = 30
MOST_BREAKS = 10
MOST_RIVALS = 8
# One instance gives way to the others after so many effects.
MOST_EFFECTS = 40
GOING = frozenset({"running", "waiting"})
# What a turn changes of an instance.
KEPT = [
    "state",
    "status",
    "attempts",
    "reason",
    "output",
    "fault",
    "ended_at",
    "token",
    "holding",
    "lease_until",
    "next_at",
]


@dataclass(frozen=True, slots=True)
class Claim:
    """An instance that one worker holds under a lease."""

    pk: int
    token: int
    order_id: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """An effect to ask for now, with its idempotency key."""

    effect: Effect
    key: str


@dataclass(frozen=True, slots=True)
class Told:
    """An effect and what came of it."""

    effect: Effect
    outcome: dict[str, Any]


def host() -> Host:
    """What the engine may know of this platform."""
    # A token that is not set is refused by the supplier, in words; the engine takes no empty ones.
    return Host(secrets={"evPowerSupplier": settings.EV_POWER_SUPPLIER_TOKEN or "unset"})


def run_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Take up to `limit` instances that are due as far as they go; returns how many. `now` replaces the clock."""
    for done in range(limit):
        claim = claim_next(now or timezone.now())
        if claim is None:
            return done
        try:
            drive(claim, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as err:
            log.exception("an instance could not go on", extra={"instance": claim.pk})
            rest(claim, err, now or timezone.now())
    return limit


def claim_next(now: datetime) -> Claim | None:
    """Take the instance due longest under a lease; None where none is due.

    One of those at a station at a time, and those of one card in the order they came.
    """
    for _ in range(MOST_RIVALS):
        try:
            return _claim(now)
        except IntegrityError as err:
            if "workflow_one_at_a_station" not in str(err):
                raise
            # Another worker took one of the same station in the same moment; there may be others due.
    return None


@transaction.atomic
def _claim(now: datetime) -> Claim | None:
    live = WorkflowInstance.objects.filter(status__in=WorkflowInstance.LIVE)
    earlier = live.filter(station=OuterRef("station"), card=OuterRef("card"), pk__lt=OuterRef("pk")).exclude(card="")
    beside = WorkflowInstance.objects.filter(station=OuterRef("station"), holding=True, lease_until__gte=now).exclude(
        pk=OuterRef("pk")
    )
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    due = live.filter(free, ~Exists(earlier), ~Exists(beside), next_at__lte=now).select_related("session")
    instance = lock_next(due.order_by("next_at", "pk").only("token", "station", "session__order"))
    if instance is None:
        return None
    # Whoever held the station before has died: its lease is over.
    WorkflowInstance.objects.filter(station=instance.station_id, holding=True, lease_until__lt=now).exclude(
        pk=instance.pk
    ).update(holding=False)
    instance.token += 1
    instance.holding = True
    instance.lease_until = now + timedelta(seconds=LEASE_S)
    instance.save(update_fields=["token", "holding", "lease_until"])
    return Claim(instance.pk, instance.token, instance.session.order_id if instance.session else None)


def drive(claim: Claim, now: datetime | None = None) -> None:
    """Take a claimed instance from effect to effect until it waits, ends, gives way or is taken away."""
    told: Told | None = None
    for number in range(MOST_EFFECTS):
        asked = settle(claim, told, now=now or timezone.now(), last=number == MOST_EFFECTS - 1)
        if asked is None:
            return
        told = answer(asked)


def answer(asked: Asked) -> Told:
    """Ask for an effect; never inside a transaction, whose locks a slow peer would hold."""
    line = Line(settings.EV_POWER_SUPPLIER_URL)
    return Told(asked.effect, perform(asked.effect, key=asked.key, line=line))


@transaction.atomic
def settle(claim: Claim, told: Told | None, *, now: datetime, last: bool = False) -> Asked | None:
    """Write down an answer and what follows from it; returns the effect to ask for next, None where there is none now.

    Order, session and instance are locked in this order, or card account, walk-in and instance; with a token that is
    not the claim's nothing is changed.
    `last` lets go of the instance although it could go on.
    """
    session = lock_session(claim.order_id).session if claim.order_id is not None else None
    walk_in = card_bridge.lock_walk_in_of(claim.pk) if session is None else None
    instance = _held(claim)
    if instance.token != claim.token:
        log.warning("a late answer was left aside", extra={"instance": claim.pk})
        return None
    if session is not None and closed_meanwhile(session):
        abandon(session, now=now)
        return None
    definition = pinned(instance.definition)
    begun = instance.state is None
    turn = _turn(definition, instance, told, now)
    calls = write_down(instance, session or walk_in, turn, begun=begun, now=now, last=last)
    if last or not calls or instance.status == W.CANCELLED:
        return None
    return Asked(calls[0], str(journal.key_of(instance, calls[0])))


def closed_meanwhile(session: Session) -> bool:
    """Whether a session is still at its station although its order is closed."""
    return session.order.state != Order.State.ACTIVE and session.state in AT_STATION


def write_down(
    instance: WorkflowInstance, of: Session | WalkIn | None, turn: Turn, *, begun: bool, now: datetime, last: bool
) -> list[Effect]:
    """Write down a turn of a locked instance, and tell its order or walk-in, the sink and the workers.

    Returns the calls it wants next.

    `last` leaves the calls to whoever takes the instance next.
    """
    effects = wanted(pinned(instance.definition), turn.state, host=host()) if turn.status in GOING else ()
    calls = [effect for effect in effects if effect.kind != "listen"]
    journal.write(instance, turn.steps, effects, asking=None if last else next(iter(calls), None))
    _keep(instance, turn, calls=bool(calls), now=now, last=last)
    lifecycle.tell(instance, turn, begun=begun, now=now)
    if isinstance(of, Session):
        bridge.hear(instance, of, turn.events, now=now)
        if instance.status in WorkflowInstance.OVER:
            bridge.over(instance, of, now=now)
    elif isinstance(of, WalkIn):
        card_bridge.hear(instance, of, turn.events, now=now)
    else:
        bridge.pass_on(instance, turn.events, now=now)
    return calls


def rest(claim: Claim, err: Exception, now: datetime) -> None:
    """Let an instance that broke us rest; after MOST_BREAKS in a row it waits for an operator."""
    with transaction.atomic():
        instance = WorkflowInstance.objects.select_for_update(no_key=True).get(pk=claim.pk)
        if instance.token != claim.token:
            return
        instance.attempts += 1
        instance.reason = f"{type(err).__name__}: {err}"[:1000]
        let_go(instance)
        if instance.attempts >= MOST_BREAKS:
            instance.status = W.SUSPENDED
            lifecycle.tell_status(instance, "suspended", now=now)
        else:
            instance.next_at = now + timedelta(seconds=REST_S)
        instance.save()


def _held(claim: Claim) -> WorkflowInstance:
    """The instance, locked, with its definition's name; the text is loaded once a process."""
    held = WorkflowInstance.objects.select_for_update(no_key=True, of=("self",)).select_related("definition")
    return held.defer("definition__text", "input").get(pk=claim.pk)


def _turn(definition: Definition, instance: WorkflowInstance, told: Told | None, now: datetime) -> Turn:
    if instance.state is None:
        return begin(definition, instance.input, instance=str(instance.uid), now=now, host=host())
    if told is None:
        return wake(definition, instance.state, now=now, host=host())
    return resume(definition, instance.state, told.effect.id, told.outcome, now=now, host=host())


def _keep(instance: WorkflowInstance, turn: Turn, *, calls: bool, now: datetime, last: bool) -> None:
    """Put down where the instance stands now, and when it is due again."""
    instance.state, instance.attempts, instance.reason = turn.state, 0, ""
    if turn.status not in GOING:
        instance.status = W.COMPLETED if turn.status == "completed" else W.FAULTED
        instance.output, instance.ended_at = turn.output, now
        instance.fault = turn.fault.as_dict() if turn.fault else None
        instance.state = turn.state if turn.fault else None
        let_go(instance)
    elif calls and not last:
        instance.status, instance.lease_until = W.RUNNING, now + timedelta(seconds=LEASE_S)
    else:
        instance.status = W.RUNNING if calls else W.WAITING
        let_go(instance)
        instance.next_at = now if calls else turn.wake_at
        if calls:
            nudge_on_commit("advance")
    instance.save(update_fields=KEPT)
