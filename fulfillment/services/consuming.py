"""How does a consumer get meter values from the stream into the tables: in what portions, and what after a failure?"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone
from redis.exceptions import RedisError, ResponseError

from core.live import announce
from fulfillment.drivers.supplier_json import EventFormError
from fulfillment.services.events import store_events
from fulfillment.services.ingest import Told, take_in, told
from fulfillment.services.meter_stream import Entry, Outlet, standing
from fulfillment.telemetry import spare

log = logging.getLogger(__name__)

# Values that share a transaction. So many come together only where a backlog waits; the more values of a session there
# are among them, the less often is it locked and shown.
MOST = 2_000
# Under pressure so many are looked at together, to shed what says little.
MOST_SHED = 5_000
MOST_HELD = 4_000
# Values are gathered for so long, so that they share a transaction.
GATHER_S = 0.2
CLAIM_EVERY_S = 5.0
BLOCK_MS = 1_000
REST_S = 0.5
# A door that was told that nobody reads any more may fill the stream for a moment longer.
LEAVE_S = 1.5
LAGS_S = (0.25, 0.5, 1, 2, 5, 15)

Pair = tuple[Entry, Told]


class Consumer:
    """One reader of the stream: `step` takes one portion, `run` goes on until it is told to stop."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._held: list[Pair] = []
        self._afresh = True
        self._claimed_at = 0.0

    def run(self, stopping: threading.Event) -> None:
        """Take portions until `stopping` is set; then say so, and take what is still there."""
        while not stopping.is_set():
            began = time.monotonic()
            took = self._try(block_ms=BLOCK_MS)
            if took < MOST:
                stopping.wait(max(0.0, began + GATHER_S - time.monotonic()))
        self._leave()

    def step(self, *, block_ms: int | None = None, alive: bool = True) -> int:
        """Take one portion; returns how many values are done. What waits for a lock is kept for the next step.

        Raises RedisError, OperationalError or InterfaceError: the values then stay pending in the stream, and after
        `afresh` they come again.
        """
        if alive:
            self._outlet.tell_alive()
        batch, self._held = self._held + self._gather(block_ms), []
        if len(batch) >= MOST and self._outlet.length() > settings.METER_STREAM_LONG:
            batch = self._shed(batch)
        done = 0
        while batch:
            portion, batch = batch[:MOST], batch[MOST:]
            portion, later = _apart(portion, self._held)
            finished, waiting = self._take(portion)
            done += finished
            self._held += waiting + later
        return done

    def afresh(self) -> None:
        """Forget what is in hand: it is pending in the stream and is read again from there."""
        self._held, self._afresh = [], True

    def _try(self, *, block_ms: int | None) -> int:
        try:
            return self.step(block_ms=0 if self._held else block_ms)
        except (OperationalError, InterfaceError) as err:
            log.error("meter values wait for the database", extra={"fault": str(err)[:200]})
            close_old_connections()
        except RedisError as err:
            log.error("meter values wait for Redis", extra={"fault": repr(err)[:200]})
        self.afresh()
        time.sleep(REST_S)
        return 0

    def _leave(self) -> None:
        began = time.monotonic()
        try:
            self._outlet.tell_gone()
            while time.monotonic() < began + LEAVE_S or self._outlet.length():
                if not self.step(alive=False):
                    time.sleep(GATHER_S)
                if time.monotonic() > began + 10 * LEAVE_S:
                    return
        except (RedisError, OperationalError, InterfaceError) as err:
            log.warning("what is left in the stream waits for the next consumer", extra={"fault": repr(err)[:200]})

    def _gather(self, block_ms: int | None) -> list[Pair]:
        """Our own unfinished values after a start, a dead consumer's share from time to time, and new ones."""
        room = MOST_HELD - len(self._held)
        if room <= 0:
            return []
        try:
            entries = self._read(min(room, MOST), block_ms)
        except ResponseError as err:
            if "NOGROUP" not in str(err):
                raise
            self.afresh()  # Redis has lost the stream, and with it whatever it still held
            entries = self._read(MOST, None)
        return self._pairs(entries)

    def _read(self, most: int, block_ms: int | None) -> list[Entry]:
        if self._afresh:
            self._outlet.open()
            after, found = b"0", []
            while portion := self._outlet.own(MOST, after=after):
                found += portion
                after = portion[-1].id
            self._afresh = False
            if found:
                return found
        if time.monotonic() >= self._claimed_at + CLAIM_EVERY_S:
            self._claimed_at = time.monotonic()
            if found := self._outlet.claim(most):
                log.warning("another consumer's share is taken over", extra={"values": len(found)})
                self._outlet.done([], {"taken_over": len(found)})
                return found
        return self._outlet.read(most, block_ms=block_ms or None)

    def _pairs(self, entries: Sequence[Entry]) -> list[Pair]:
        """The entries with what they say; those that say nothing any more are forgotten, odd ones handed on."""
        pairs: list[Pair] = []
        gone: list[bytes] = []
        for entry in entries:
            try:
                said = told(entry.event) if entry.event is not None else None
            except EventFormError:
                said = None
            if said is not None:
                pairs.append((entry, said))
                continue
            if entry.event is not None:
                store_events([entry.event])
            gone.append(entry.id)
        if gone:
            self._outlet.done(gone, {"handed_on": len(gone)})
        return pairs

    def _shed(self, batch: list[Pair]) -> list[Pair]:
        """Read on and let go of what says least, so that the newest values come through."""
        while len(batch) < MOST_SHED and (more := self._outlet.read(MOST_SHED - len(batch))):
            batch = batch + self._pairs(more)
        shed = spare([(said.session, said.value) for _, said in batch])
        if shed:
            log.warning("meter values are shed: the stream is too long", extra={"shed": len(shed)})
            self._outlet.done([batch[place][0].id for place in shed], {"shed": len(shed)})
        return [pair for place, pair in enumerate(batch) if place not in shed]

    def _take(self, portion: list[Pair]) -> tuple[int, list[Pair]]:
        """Take in a portion and acknowledge it; how many are done, and those that wait for a lock."""
        if not portion:
            return 0, []
        try:
            taken = take_in([said for _, said in portion], now=timezone.now())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("a batch of meter values broke; they go the way of other events one by one")
            store_events([said.event for _, said in portion])
            self._outlet.done([entry.id for entry, _ in portion], {"handed_on": len(portion)})
            return len(portion), []
        waiting = set(taken.waiting)
        done = [entry for place, (entry, _) in enumerate(portion) if place not in waiting]
        self._outlet.done([entry.id for entry in done], taken.counts | _lags(done))
        announce(taken.orders.union(taken.changed))
        return len(done), [pair for place, pair in enumerate(portion) if place in waiting]


def ingest_left(*, most: int = 10) -> int:
    """Take in what lies in a stream that nobody reads any more; returns how many. For a sweep."""
    try:
        stands = standing()
        if stands.alive or not stands.waiting:
            return 0
        outlet = Outlet("sweep")
        try:
            consumer, done = Consumer(outlet), 0
            for _ in range(most):
                took = consumer.step(alive=False)
                done += took
                if not took:
                    break
            return done
        finally:
            outlet.close()
    except (RedisError, OSError):
        return 0


def _apart(pairs: list[Pair], held: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """What may be taken in now, and what waits behind older values of the same session."""
    names = {said.session for _, said in held}
    if not names:
        return pairs, []
    return (
        [pair for pair in pairs if pair[1].session not in names],
        [pair for pair in pairs if pair[1].session in names],
    )


def _lags(done: Sequence[Entry]) -> dict[str, int]:
    """How many values came to be kept within which time of coming in; for a histogram, each bucket by itself."""
    now_s = time.time()
    found: dict[str, int] = {}
    for entry in done:
        bucket = next((f"lag_{most}" for most in LAGS_S if now_s - entry.at_s <= most), "lag_inf")
        found[bucket] = found.get(bucket, 0) + 1
    return found
