"""What has changed for those who watch: by announcement where Redis is there, by looking at the tables anyway?"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson
from django.conf import settings
from django.db import connection, connections
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.live import CHANNEL
from fulfillment.services.following import Stand, stands

log = logging.getLogger(__name__)

SILENT_S: Final = 5.0
AGAIN_S: Final = 1.0
TOLD_AGAIN_S: Final = 60.0

# What an operator's board shows, each row with the transaction that wrote it last. Of charge points, whose number has
# no bound, those that told something lately.
_ROWS = """
SELECT 'order', o.id, o.operator_id, o.id, o.xmin::text FROM orders_order o WHERE o.state = 'active'
UNION ALL
SELECT 'session', s.id, o.operator_id, o.id, s.xmin::text
FROM fulfillment_session s JOIN orders_order o ON o.id = s.order_id
WHERE s.state IN ('starting', 'charging', 'paused', 'ending')
UNION ALL
SELECT 'walk-in', w.id, t.operator_id, NULL, w.xmin::text
FROM fulfillment_walkin w JOIN catalog_station t ON t.id = w.station_id
WHERE w.state IN ('starting', 'charging', 'ending')
UNION ALL
SELECT 'ticket', k.id, k.operator_id, k.order_id, k.xmin::text FROM support_ticket k WHERE k.state = 'open'
UNION ALL
SELECT 'outage', u.id, t.operator_id, NULL, u.xmin::text
FROM fulfillment_outage u JOIN catalog_station t ON t.id = u.station_id WHERE u.until IS NULL
UNION ALL
SELECT 'station', e.id, t.operator_id, NULL, e.xmin::text
FROM catalog_evse e JOIN catalog_station t ON t.id = e.station_id WHERE e.status_at > now() - interval '1 hour'
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Whose row it is, which order it belongs to (None: none), and which transaction wrote it last."""

    operator_id: int
    order_id: int | None
    version: str


Rows = dict[tuple[str, int], Row]
"""What boards show, by kind and id."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of an operator's board that came, went or became another."""

    kind: str
    operator_id: int
    order_id: int | None


async def listen(heard: Callable[[list[int]], None]) -> None:
    """Tell `heard` the orders of each announcement, for ever; where Redis is away it is asked again each second."""
    told_s = float("-inf")
    while True:
        try:
            await _hear(heard)
        except (RedisError, OSError) as err:
            if time.monotonic() - told_s > TOLD_AGAIN_S:
                log.warning("announcements are not heard; the sweep goes on", extra={"fault": repr(err)[:300]})
                told_s = time.monotonic()
        await asyncio.sleep(AGAIN_S)


async def _hear(heard: Callable[[list[int]], None]) -> None:
    redis: Redis = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    asked = False
    try:
        async with redis.pubsub() as ear:
            await ear.subscribe(CHANNEL)
            while True:
                message = await ear.get_message(timeout=SILENT_S)
                if message is not None:
                    asked = False
                    if message["type"] == "message":
                        heard(_ids(message["data"]))
                elif asked:
                    raise OSError("Redis no longer answers")
                else:
                    await ear.ping()
                    asked = True
    finally:
        await redis.aclose()


def _ids(data: bytes) -> list[int]:
    """The ids of an announcement; whoever else may write to the channel can say nothing worse than nothing."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return []
    return [each for each in found if isinstance(each, int)] if isinstance(found, list) else []


def order_stands(order_ids: list[int]) -> dict[int, Stand]:
    """`following.stands` in a thread that keeps no connection."""
    try:
        return stands(order_ids)
    finally:
        connections.close_all()


def board_rows() -> Rows:
    """Everything boards show, in one statement, in a thread that keeps no connection."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ROWS)
            return {(kind, key): Row(operator, order, version) for kind, key, operator, order, version in cursor}
    finally:
        connections.close_all()


def changes(before: Rows, after: Rows) -> list[Change]:
    """What became of the rows between two looks; a charge point that has told nothing for long is no change."""
    came = [(key, row) for key, row in after.items() if before.get(key) != row]
    went = [(key, row) for key, row in before.items() if key not in after and key[0] != "station"]
    return [Change(kind, row.operator_id, row.order_id) for (kind, _), row in came + went]
