"""Who tells open pages that an order has news? A word on a Redis channel: a hint, which may be lost like a nudge."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection

from django.db import transaction
from redis.exceptions import RedisError

from core.prompt import prompt_redis

log = logging.getLogger(__name__)

CHANNEL = "vb:live"
REST_S = 1.0


class Crier:
    """Says which orders have news; keeps still for REST_S after it was not heard."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def tell(self, order_ids: Collection[int]) -> None:
        """Publish the ids as a JSON list; never raises, and blocks no longer than a second where Redis is away."""
        if not order_ids or time.monotonic() < self._silent_until:
            return
        try:
            prompt_redis().publish(CHANNEL, json.dumps(list(order_ids), separators=(",", ":")))
        except (RedisError, OSError) as err:
            self._silent_until = time.monotonic() + REST_S
            log.warning("news not announced; the sweep will find them", extra={"fault": repr(err)})


CRIER = Crier()


def announce(order_ids: Collection[int]) -> None:
    """Tell every open page that these orders have news; a hint, so it never raises and never waits for long."""
    CRIER.tell(order_ids)


def announce_on_commit(order_ids: Collection[int]) -> None:
    """Announce the orders once the surrounding transaction has committed."""
    transaction.on_commit(lambda: announce(order_ids), robust=True)
