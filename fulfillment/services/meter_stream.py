"""How do meter values wait in Redis between the door that acknowledged them and the consumer that keeps them?

One stream per database, read by a consumer group: what a consumer took stays pending until its transaction committed,
and a dead consumer's share is taken over. Entries are removed once they are done, so that the length is the backlog;
nothing is ever trimmed by age or length, because it was acknowledged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connections
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.retry import Retry

from fulfillment.cloudevents import Incoming
from fulfillment.drivers.supplier_json import EventFormError
from fulfillment.services.ingest import told

log = logging.getLogger(__name__)

GROUP = "ingest"
BODY = b"e"
# A consumer that was not heard for so long is taken for dead: what comes goes the way of other events.
ALIVE_S = 10
# Longer than any batch takes: what nobody finished by then is taken over.
CLAIM_AFTER_S = 20.0
LOOK_S = 1.0
# To connect, and again to be answered; a consumer waits for new values, and longer.
WAIT_S = 0.5
READ_S = 5.0
REST_S = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the stream, by the id the stream gave it; none where it was removed after it was taken."""

    id: bytes
    event: Incoming | None

    @property
    def at_s(self) -> float:
        """When it came into the stream, seconds since 1970 by the clock of Redis."""
        return int(self.id.split(b"-")[0]) / 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """What /readyz and /metrics tell of the stream: its backlog, the age of the oldest value, who reads it, since when
    not heard, and how many values came to what since the counts began."""

    waiting: int
    oldest_s: float
    alive: bool
    counts: dict[str, int]
    durable: bool | None


def connect(*, timeout_s: float) -> Redis:
    """A client that says at once when Redis is away, instead of trying again: whoever asks has another way."""
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout_s, socket_connect_timeout=WAIT_S, retry=Retry(NoBackoff(), 0)
    )


def stream_name() -> str:
    """The stream's key; each database has its own, so that two platforms on one Redis do not mix."""
    return f"vb:meter:{connections['default'].settings_dict['NAME']}"


class Inlet:
    """Where events go into the stream: made once a process, safe between threads."""

    def __init__(self) -> None:
        self._redis: Redis | None = None
        self._looked_at = 0.0
        self._open = False
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def put(self, events: Sequence[Incoming]) -> list[Incoming]:
        """Put the meter values among these events into the stream; returns the events that must go another way.

        Those are the ones that are no meter values of known form, and all of them where Redis is away, nobody reads the
        stream, or it is too long. Blocks no longer than a second. A value that is returned may be in the stream, too.
        """
        bodies = {place: body for place, event in enumerate(events) if (body := encoded(event)) is not None}
        if not bodies or not self.is_open():
            return list(events)
        try:
            key, pipe = stream_name(), self._client().pipeline(transaction=False)
            for body in bodies.values():
                pipe.xadd(key, {BODY: body})
            pipe.execute()
        except (RedisError, OSError) as err:
            self.rest(err)
            return list(events)
        return [event for place, event in enumerate(events) if place not in bodies]

    @property
    def known(self) -> bool | None:
        """What `is_open` says without looking; None where it would have to look."""
        now = time.monotonic()
        if now < self._silent_until:
            return False
        return self._open if now < self._looked_at + LOOK_S else None

    def is_open(self) -> bool:
        """Whether somebody reads the stream and it has room; looked at once a second, for a second at most."""
        if self.known is None:
            try:
                pipe = self._client().pipeline(transaction=False)
                pipe.exists(f"{stream_name()}:alive")
                pipe.xlen(stream_name())
                alive, length = pipe.execute()
            except (RedisError, OSError) as err:
                self.rest(err)
                return False
            self._open = bool(alive) and length < settings.METER_STREAM_MOST
            self._looked_at = time.monotonic()
        return bool(self.known)

    def rest(self, err: Exception) -> None:
        """Leave Redis alone for a second after a failure."""
        self._silent_until = time.monotonic() + REST_S
        log.warning("the meter stream is away; values go the way of other events", extra={"fault": repr(err)})

    def _client(self) -> Redis:
        with self._lock:
            if self._redis is None:
                self._redis = connect(timeout_s=WAIT_S)
            return self._redis


INLET = Inlet()


class Outlet:
    """Where one consumer reads the stream, under a name of its own; two of the same name may do work twice."""

    def __init__(self, name: str, *, claim_after_s: float = CLAIM_AFTER_S) -> None:
        self.name = name
        self._idle_ms = int(claim_after_s * 1000)
        self.key = stream_name()
        self._redis = connect(timeout_s=READ_S)
        self._told_at = 0.0

    def open(self) -> None:
        """Make the group where there is none. Raises RedisError."""
        try:
            self._redis.xgroup_create(self.key, GROUP, id="0", mkstream=True)
        except ResponseError as err:
            if "BUSYGROUP" not in str(err):
                raise

    def tell_alive(self) -> None:
        """Say that somebody reads, so that the door goes on filling the stream. Raises RedisError.

        A Redis that is full does not take even this word; the more it is needed that values are taken out of it.
        """
        if time.monotonic() >= self._told_at + LOOK_S:
            with suppress(OutOfMemoryError):
                self._redis.set(f"{self.key}:alive", self.name, ex=ALIVE_S)
            self._told_at = time.monotonic()

    def tell_gone(self) -> None:
        """Say that nobody reads any more. Raises RedisError."""
        self._redis.delete(f"{self.key}:alive")

    def length(self) -> int:
        """How many values wait or are in hand. Raises RedisError."""
        return int(self._redis.xlen(self.key))

    def read(self, most: int, *, block_ms: int | None = None) -> list[Entry]:
        """New values, oldest first; waits for some where `block_ms` is given. Raises RedisError."""
        found = self._redis.xreadgroup(GROUP, self.name, {self.key: ">"}, count=most, block=block_ms)
        return self._entries(found)

    def own(self, most: int, *, after: bytes = b"0") -> list[Entry]:
        """Values that this consumer took and did not finish. Raises RedisError."""
        return self._entries(self._redis.xreadgroup(GROUP, self.name, {self.key: after}, count=most))

    def claim(self, most: int) -> list[Entry]:
        """Take over values that another consumer took long ago and did not finish. Raises RedisError."""
        found = self._redis.xautoclaim(self.key, GROUP, self.name, min_idle_time=self._idle_ms, count=most)
        return _read(found[1])

    def done(self, ids: Sequence[bytes], counts: dict[str, int]) -> None:
        """These values are kept for good: forget them, and add up what became of them. Raises RedisError.

        Where the counts are not taken, as by a Redis that is full, the values are forgotten without them.
        """
        try:
            self._forget(ids, counts)
        except ResponseError as err:
            log.warning("what became of meter values is not counted", extra={"fault": repr(err)[:200]})
            self._forget(ids, {})

    def _forget(self, ids: Sequence[bytes], counts: dict[str, int]) -> None:
        pipe = self._redis.pipeline(transaction=True)
        if ids:
            pipe.xack(self.key, GROUP, *ids)
            pipe.xdel(self.key, *ids)
        for name, number in counts.items():
            pipe.hincrby(f"{self.key}:counts", name, number)
        pipe.execute()

    def close(self) -> None:
        self._redis.close()

    def _entries(self, found: Any) -> list[Entry]:
        return _read(found[0][1]) if found else []


def standing() -> Standing:
    """How the stream stands. Raises RedisError or OSError where Redis does not answer."""
    client = connect(timeout_s=WAIT_S)
    key = stream_name()
    try:
        pipe = client.pipeline(transaction=False)
        pipe.xlen(key)
        pipe.xrange(key, count=1)
        pipe.exists(f"{key}:alive")
        pipe.hgetall(f"{key}:counts")
        length, oldest, alive, counts = pipe.execute()
        return Standing(
            waiting=length,
            oldest_s=max(0.0, time.time() - Entry(oldest[0][0], None).at_s) if oldest else 0.0,
            alive=bool(alive),
            counts={name.decode(): int(number) for name, number in counts.items()},
            durable=_durable(client),
        )
    finally:
        client.close()


def encoded(event: Incoming) -> bytes | None:
    """The event as it stands in the stream; None where it is no meter value of known form or a session's last one."""
    try:
        if told(event) is None:
            return None
        return orjson.dumps([event.source, event.event_id, event.type, event.time, event.data])
    except (EventFormError, TypeError, OverflowError):
        return None


def _read(rows: Iterable[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Entry]:
    return [Entry(id_, _decoded(fields[BODY]) if fields else None) for id_, fields in rows]


def _decoded(body: bytes) -> Incoming:
    source, event_id, type_, at, data = orjson.loads(body)
    return Incoming(source, event_id, type_, datetime.fromisoformat(at), data)


def _durable(client: Redis) -> bool | None:
    """Whether Redis keeps an append-only file; None where it does not say."""
    try:
        return bool(client.info("persistence").get("aof_enabled"))
    except ResponseError:
        return None
