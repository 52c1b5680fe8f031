"""Who tells open pages that an order has news? A word on a Redis channel: a hint, which may be lost like a nudge."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

CHANNEL = "vb:live"
WAIT_S = 0.5  # to connect, and again to be answered
REST_S = 1.0


class Crier:
    """Says which orders have news; keeps still for REST_S after it was not heard."""

    def __init__(self) -> None:
        self._redis: Redis | None = None
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def tell(self, order_ids: Collection[int]) -> None:
        """Publish the ids as a JSON list; never raises, and blocks no longer than a second where Redis is away."""
        if not order_ids or time.monotonic() < self._silent_until:
            return
        try:
            self._client().publish(CHANNEL, json.dumps(list(order_ids), separators=(",", ":")))
        except (RedisError, OSError) as err:
            self._silent_until = time.monotonic() + REST_S
            log.warning("news not announced; the sweep will find them", extra={"fault": repr(err)})

    def _client(self) -> Redis:
        with self._lock:
            if self._redis is None:
                self._redis = Redis.from_url(
                    settings.REDIS_URL,
                    socket_timeout=WAIT_S,
                    socket_connect_timeout=WAIT_S,
                    retry=Retry(NoBackoff(), 0),
                )
            return self._redis


CRIER = Crier()


def announce(order_ids: Collection[int]) -> None:
    """Tell every open page that these orders have news; a hint, so it never raises and never waits for long."""
    CRIER.tell(order_ids)


def announce_on_commit(order_ids: Collection[int]) -> None:
    """Announce the orders once the surrounding transaction has committed."""
    transaction.on_commit(lambda: announce(order_ids), robust=True)
