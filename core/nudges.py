"""Who wakes a worker when work may be due? A nudge is a hint: it may be lost, the sweep finds the work anyway."""

from __future__ import annotations

import logging
import threading
import time

from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.prompt import WAIT_S, prompt_redis

log = logging.getLogger(__name__)

PENDING_MS = 2000
REST_S = 1.0


class Bell:
    """One pending wake-up per queue: `ring` sends a task unless one is already on its way."""

    def __init__(self) -> None:
        self._celery: Celery | None = None
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def ring(self, queue: str) -> None:
        """Wake a worker for `queue`; never raises, and blocks no longer than a second where the broker is away."""
        if time.monotonic() < self._silent_until:
            return
        try:
            if prompt_redis().set(_pending(queue), "1", nx=True, px=PENDING_MS):
                self._sender().send_task(queue, expires=30, ignore_result=True)
        except (RedisError, OperationalError, OSError) as err:
            self._silent_until = time.monotonic() + REST_S
            log.warning("nudge lost; the sweep will find the work", extra={"queue": queue, "fault": repr(err)})

    def heard(self, queue: str) -> None:
        """Let the next nudge for `queue` through; a worker calls this before it looks for work."""
        try:
            prompt_redis().delete(_pending(queue))
        except (RedisError, OSError):
            return

    def _sender(self) -> Celery:
        """A Celery application of our own: a process that never loads the workers' one rings the right broker too."""
        with self._lock:
            if self._celery is None:
                self._celery = Celery("nudges", set_as_current=False)
                self._celery.conf.update(settings.CELERY)
                # Else kombu tries for 4 s to connect, and waits for an answer as long as a worker would.
                prompt = {"max_retries": 0, "socket_timeout": WAIT_S, "socket_connect_timeout": WAIT_S}
                self._celery.conf.broker_transport_options.update(prompt)
            return self._celery


BELL = Bell()


def nudge_on_commit(queue: str) -> None:
    """Wake a worker for `queue` once the surrounding transaction has committed."""
    transaction.on_commit(lambda: BELL.ring(queue), robust=True)


def _pending(queue: str) -> str:
    return f"vb:nudge:{queue}"
