"""Which hands do the due work? Each task empties one queue and carries no arguments: the rows say what is to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from bpp import buyer_apps, delivery, inbox, outages, publish, showing
from bpp.celery import app
from catalog import versions
from core.due import one_of
from core.nudges import BELL
from fulfillment import services as fulfillment
from orders import services as orders

log = logging.getLogger(__name__)

LONGEST_S = 20.0


def task(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a function the task `name`; Celery's own decorator carries no types."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        app.task(name=name)(function)
        return function

    return register


def nudge(queue: str) -> None:
    """Wake a worker for `queue`; see `core.nudges`."""
    BELL.ring(queue)


@task("process")
def process_due() -> None:
    """Decide what the inbox holds and publish what followed."""
    _drain("process", _process, hands=settings.HANDS_PER_QUEUE)


@task("deliver")
def deliver_due() -> None:
    """Deliver what the outbox holds."""
    _drain("deliver", delivery.deliver, hands=settings.HANDS_PER_QUEUE)


@task("advance")
def advance_due() -> None:
    """Drive the stations of sessions that are due."""
    _drain("advance", _advance, hands=settings.HANDS_PER_QUEUE)


@task("expire")
def expire_due() -> None:
    """Release quotes and holds that ran out."""
    _each(
        lambda: _drain("expire", lambda: orders.expire_due(timezone.now(), limit=100), hands=1),
        lambda: _telling(orders.deadlines_due(timezone.now(), limit=100)),
        lambda: fulfillment.close_sessions_due(timezone.now(), limit=100),
        lambda: fulfillment.outages_over_due(timezone.now(), limit=20),
        lambda: fulfillment.stranded_due(timezone.now(), limit=20),
        fulfillment.ingest_left,
        lambda: fulfillment.prune_readings(timezone.now(), limit=20),
        lambda: fulfillment.thin_walk_ins(timezone.now(), limit=20),
        lambda: fulfillment.thin_journals(timezone.now(), limit=20),
        lambda: buyer_apps.forget_pushes(timezone.now()),
        lambda: outages.tell_outages(now=timezone.now(), limit=20),
        lambda: orders.prolong_due(timezone.now(), limit=100),
        lambda: versions.promote_due(timezone.now(), limit=100),
        lambda: _telling(orders.prices_due(timezone.now(), limit=100)),
    )


@task("refund")
def refund_due() -> None:
    """Give back what orders have no use for, and see that the books add up."""
    _each(lambda: _drain("refund", _refund, hands=1), _check_books)


def _check_books() -> None:
    now = timezone.now()
    if orders.check_books(now=now, every=timedelta(seconds=settings.BOOKS_CHECK_S)) is not None:
        orders.settle_due(now=now, limit=50, whole=True)


def _refund() -> int:
    now = timezone.now()
    return _each(
        lambda: orders.energy_due(now=now, limit=50),
        lambda: orders.settle_due(now=now, limit=50),
        lambda: orders.refunds_due(now=now, limit=20),
        lambda: orders.notes_due(now=now, limit=20),
    )


@task("collect")
def collect_due() -> None:
    """Ask payment providers about what is due, look into their webhooks and forget what those say of payers."""
    base = showing.public_base()
    _drain("collect", lambda: orders.collect_due(now=timezone.now(), limit=20, base_url=base), hands=1)
    orders.forget_news(now=timezone.now())


@task("notice")
def notice_due() -> None:
    """Note what drivers are to be told, and tell them."""
    base = showing.public_base()
    _each(
        lambda: fulfillment.note_notices_due(timezone.now()),
        lambda: fulfillment.spot_notices_due(timezone.now()),
        lambda: fulfillment.forget_notices(timezone.now()),
        lambda: _drain("notice", lambda: _send_notices(base), hands=settings.HANDS_PER_QUEUE),
    )


def _send_notices(base_url: str) -> int:
    return fulfillment.send_notices_due(timezone.now(), limit=20, base_url=base_url)


def _process() -> int:
    return inbox.process_next(now=timezone.now()) + publish.publish_next(now=timezone.now())


def _advance() -> int:
    now = timezone.now()
    return _each(
        lambda: fulfillment.open_sessions_due(now=now, limit=50),
        lambda: fulfillment.process_events_due(now=now, limit=100),
        lambda: fulfillment.adopt_due(now, limit=50),
        lambda: fulfillment.advance_due(now, limit=16),
        lambda: publish.publish_progress(now=now),
        lambda: fulfillment.bill_late_due(now=now),
        lambda: fulfillment.bill_late_walk_ins_due(now),
        lambda: fulfillment.emit_due(now=now, limit=20),
    )


def _telling(count: int) -> None:
    """Wake who tells buyer apps, where anything happened."""
    if count:
        BELL.ring("process")


def _each(*sweeps: Callable[[], int | None]) -> int:
    """Run every sweep and return how much all of them did.

    A fault in one is logged, leaves its rows due and does not keep the others from their work.
    """
    done = 0
    for sweep in sweeps:
        try:
            done += sweep() or 0
        except Exception:
            log.exception("a sweep failed; it runs again")
    return done


def _drain(queue: str, step: Callable[[], int], *, hands: int) -> None:
    """Repeat `step` until it finds nothing; give way after LONGEST_S so that no queue starves another."""
    BELL.heard(queue)
    until = time.monotonic() + LONGEST_S
    with one_of(queue, hands) as mine:
        while mine and step():
            if time.monotonic() > until:
                BELL.ring(queue)
                return
