"""How are many meter values taken in at once? One transaction judges, keeps and shows them, and changes no state.

Only sessions are locked, in order of id, and those that somebody else has locked are left for the next batch. What
changes the state of a session follows after the commit under the locks of order and session, once a session and batch.
Whatever is not a value of a session that runs now goes the way of other events. Taken again, a batch changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import OperationalError, connection, transaction
from psycopg import Cursor
from psycopg.pq import Format

from fulfillment.cloudevents import Incoming
from fulfillment.drivers.base import MeterValue
from fulfillment.drivers.supplier_json import METER_VALUES, meter_reading
from fulfillment.metering import Limits
from fulfillment.models import Session, WalkIn
from fulfillment.services.events import store_events
from fulfillment.services.keeping import LONGEST_REASON
from fulfillment.services.running import follow
from fulfillment.services.sessions import lock_session
from fulfillment.services.spending import look_at
from fulfillment.services.walk_in_readings import record_walk_in_readings
from fulfillment.telemetry import Kept, Stand
from orders.models import Order

log = logging.getLogger(__name__)

S = Session.State
JUDGED = [S.STARTING, S.CHARGING, S.PAUSED, S.ENDING]
# How long a session or a walk-in that somebody else has locked is waited for, before the others have their turn.
PATIENCE = "200ms"

_STANDS = """
SELECT s.remote_id, t.code, s.slot_number, o.quantity_kind, o.quantity,
    (SELECT max(c.max_power_w) FROM catalog_connector c WHERE c.evse_id = s.evse_id), s.started_at,
    s.id, s.order_id, s.state, s.read_at, s.meter_start_wh, s.meter_wh, s.power_w, s.next_at, o.energy_wh, o.ends_at
FROM fulfillment_session s
    JOIN catalog_evse e ON e.id = s.evse_id
    JOIN catalog_station t ON t.id = e.station_id
    JOIN orders_order o ON o.id = s.order_id
WHERE s.remote_id = ANY(%s) AND s.remote_id <> '' AND s.state = ANY(%s)
ORDER BY s.id
FOR NO KEY UPDATE OF s SKIP LOCKED
"""
_KEEP = """
INSERT INTO fulfillment_reading
    (session_id, at, energy_wh, power_w, current_a, voltage_v, soc_percent, accepted, reason)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[], %s::int[], %s::numeric[], %s::numeric[],
    %s::smallint[], %s::bool[], %s::text[])
ON CONFLICT (session_id, at, energy_wh) DO UPDATE SET accepted = true, reason = ''
WHERE EXCLUDED.accepted AND NOT fulfillment_reading.accepted
"""
_SHOW = """
UPDATE fulfillment_session s
SET meter_start_wh = g.start_wh, meter_wh = g.wh, read_at = g.at, power_w = g.power_w,
    current_a = coalesce(g.current_a, s.current_a), voltage_v = coalesce(g.voltage_v, s.voltage_v),
    soc_percent = coalesce(g.soc, s.soc_percent), next_at = g.next_at
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::int[], %s::numeric[], %s::numeric[],
    %s::smallint[], %s::timestamptz[]) AS g (id, start_wh, wh, at, power_w, current_a, voltage_v, soc, next_at)
WHERE s.id = g.id
"""

Place = tuple[str, str, int]
MOST_RECKONED = 50_000


class _Money(NamedTuple):
    """When to reckon anew what a session costs, and when its money should be used up; None where no money limits it."""

    look_at: datetime | None
    spent_at: datetime | None


# By session; only of this process, which reckons anew what it does not know.
_reckoned: dict[int, _Money] = {}


class Told(NamedTuple):
    """A meter value as it came, and what it says: of which station's session, station and slot, and the value."""

    event: Incoming
    place: Place
    value: MeterValue

    @property
    def session(self) -> str:
        """The station's name for the session."""
        return self.place[0]


@dataclass(slots=True)
class Taken:
    """What became of a batch: the places of values that wait for a lock, and how many came to what."""

    waiting: list[int] = field(default_factory=list)
    orders: set[int] = field(default_factory=set)
    changed: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, number: int) -> None:
        if number:
            self.counts[name] = self.counts.get(name, 0) + number


def told(event: Incoming) -> Told | None:
    """The event with what it says, where it is a meter value of known form that is not a session's last; else None.

    The last register may bill at once, so it takes the way that stands in the database. Raises EventFormError.
    """
    if event.type != METER_VALUES:
        return None
    session, station, slot_number, value = meter_reading(event.data, at=event.time)
    return None if value.final else Told(event, (session, station, slot_number), value)


def take_in(batch: Sequence[Told], *, now: datetime) -> Taken:
    """Take in meter values in the order they came; what is done is committed when this returns.

    Values of sessions that somebody else has locked are left over (`waiting`): the caller brings them again, before
    newer ones. Raises OperationalError where the database does not answer; bring all of them again then.
    """
    taken = Taken()
    with transaction.atomic():
        stands = _stands({each.session for each in batch})
        others = []
        for number, each in enumerate(batch):
            if (stand := stands.get(each.place)) is not None:
                stand.take(each.value, now=now)
            else:
                others.append(number)
        _keep(stands.values(), taken, now)
        walking = _sort_others(batch, others, taken)
    for walk_in_id, places in walking.items():
        _walk(walk_in_id, [batch[place] for place in places], places, taken, now)
    for order_id in taken.changed:
        _change(order_id, now)
    return taken


def _stands(names: set[str]) -> dict[Place, Stand]:
    """The sessions that run under these names and that nobody else has locked, locked, by the place they are at."""
    speed = max(1.0, settings.TIME_SCALE)
    with _cursor(binary=True) as cursor:
        rows = cursor.execute(_STANDS, [list(names), JUDGED]).fetchall()
    # Which of a station's slots a session without one may be at is for the other way to say.
    return {(row[0], row[1], row[2]): _stand(speed, *row[3:]) for row in rows if row[2] is not None}


def _stand(
    speed: float, kind: str, quantity: int, power_w: int | None, started_at: datetime | None, *rest: Any
) -> Stand:
    session_id, order_id, state, read_at, meter_start_wh, meter_wh, flowing_w, next_at, order_wh, ends_at = rest
    # What this process has not reckoned yet is reckoned with the first value.
    money = _reckoned.get(session_id, _Money(started_at, None)) if kind == Order.Quantity.MONEY else _Money(None, None)
    if kind == Order.Quantity.TIME and started_at is not None:
        over_at = started_at + timedelta(seconds=quantity)
        ends_at = over_at if ends_at is None else min(ends_at, over_at)
    return Stand(
        session_id=session_id,
        order_id=order_id,
        state=state,
        started_at=started_at,
        read_at=read_at,
        meter_start_wh=meter_start_wh,
        meter_wh=meter_wh,
        power_w=flowing_w,
        next_at=next_at,
        order_wh=order_wh,
        ends_at=ends_at,
        limits=Limits(power_w or 0, speed),
        money_look_at=money.look_at,
        spent_at=money.spent_at,
    )


def _keep(stands: Iterable[Stand], taken: Taken, now: datetime) -> None:
    """Insert what is to be kept and show the newest values, one statement each."""
    heard = list(stands)
    kept = [each for stand in heard for each in stand.kept.values()]
    moved = [stand for stand in heard if stand.newest is not None]
    again = 0
    with _cursor() as cursor:
        if kept:
            cursor.execute(_KEEP, _columns(_row(each) for each in kept))
            again = len(kept) - cursor.rowcount
        if moved:
            cursor.execute(_SHOW, _columns(_shown(stand, now) for stand in moved))
    refused = sum(1 for each in kept if each.reason)
    taken.count("believed", len(kept) - refused)
    taken.count("refused", max(0, refused - again))
    taken.count("repeated", again + sum(stand.duplicates for stand in heard))
    taken.orders = {stand.order_id for stand in moved}
    taken.changed = sorted(stand.order_id for stand in heard if stand.changes(now))


def _row(each: Kept) -> tuple[Any, ...]:
    value = each.value
    return (
        *(each.session_id, _moment(value.at), value.energy_wh, value.power_w, value.current_a, value.voltage_v),
        *(value.soc_percent, not each.reason, _quoted(each.reason[:LONGEST_REASON])),
    )


def _shown(stand: Stand, now: datetime) -> tuple[Any, ...]:
    return (
        *(stand.session_id, stand.meter_start_wh, stand.meter_wh, _moment(stand.read_at), stand.power_w),
        *(stand.current_a, stand.voltage_v, stand.soc_percent, _moment(stand.look_again(now))),
    )


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Each column as the text of a PostgreSQL array; psycopg would look at every single value. Texts come quoted."""
    return [
        "{" + ",".join(["null" if value is None else str(value) for value in column]) + "}"
        for column in zip(*rows, strict=True)
    ]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _moment(at: datetime | None) -> str | None:
    """The time as PostgreSQL reads it."""
    return None if at is None else at.isoformat()


@contextmanager
def _cursor(*, binary: bool = False) -> Iterator[Cursor[Any]]:
    """A cursor of psycopg's own within Django's transaction: Django's converts times one by one in Python."""
    with connection.wrap_database_errors, Cursor[Any](connection.connection) as cursor:
        cursor.format = Format.BINARY if binary else Format.TEXT
        yield cursor


def _sort_others(batch: Sequence[Told], others: Sequence[int], taken: Taken) -> dict[int, list[int]]:
    """Of the values that no session was found for: those of a locked one wait, those of walk-ins are given back by
    the walk-in, the rest goes the way of other events, which says why where it refuses one."""
    if not others:
        return {}
    names = {batch[place].session for place in others}
    running = Session.objects.filter(remote_id__in=names, state__in=JUDGED, slot_number__isnull=False)
    locked = set(running.values_list("remote_id", "evse__station__code", "slot_number"))
    live = WalkIn.objects.filter(remote_id__in=names, state__in=WalkIn.LIVE)
    rows = live.values_list("remote_id", "station__code", "slot_number", "pk")
    walk_ins = {(name, station, slot): walk_in_id for name, station, slot, walk_in_id in rows}
    walking: dict[int, list[int]] = {}
    odd = []
    for place in others:
        at = batch[place].place
        if at in locked:
            taken.waiting.append(place)
        elif at in walk_ins:
            walking.setdefault(walk_ins[at], []).append(place)
        else:
            odd.append(batch[place].event)
    if odd:
        store_events(odd)
        taken.count("handed_on", len(odd))
    return walking


def _walk(walk_in_id: int, values: Sequence[Told], places: Sequence[int], taken: Taken, now: datetime) -> None:
    """Take values into a walk-in; where somebody else holds it, they wait, and where they break it, they are handed on.

    Raises OperationalError for any other trouble of the database.
    """
    try:
        with transaction.atomic():
            _be_patient()
            kept = record_walk_in_readings(walk_in_id, [each.value for each in values], now=now)
    except OperationalError as err:
        if not _is_lock(err):
            raise
        taken.waiting.extend(places)
    except Exception:
        log.exception("values broke a walk-in; they go the way of other events", extra={"walk_in": walk_in_id})
        store_events([each.event for each in values])
        taken.count("handed_on", len(values))
    else:
        for name, number in kept.items():
            taken.count(name, number)


def _change(order_id: int, now: datetime) -> None:
    """Let a session follow what its meter says, under the locks of order and session.

    What goes wrong is logged: the session's own look at its station comes to the same, and so does its next value.
    """
    try:
        with transaction.atomic():
            _be_patient()
            order, session = lock_session(order_id)
            spent_at = follow(order, session, now=now)
            _remember(order, session, spent_at, now)
    except OperationalError as err:
        if not _is_lock(err):
            raise
        log.warning("a session is held by somebody else; it follows its meter later", extra={"order": order_id})
    except Exception:
        log.exception("a session could not follow its meter", extra={"order": order_id})


def _remember(order: Order, session: Session, spent_at: datetime | None, now: datetime) -> None:
    """Note when a session by money is to be reckoned anew: never where no money limits it."""
    if order.quantity_kind == Order.Quantity.MONEY and session.state in {S.CHARGING, S.PAUSED}:
        if len(_reckoned) >= MOST_RECKONED:
            _reckoned.clear()
        _reckoned[session.pk] = _Money(look_at(spent_at, now) if spent_at is not None else None, spent_at)
    else:
        _reckoned.pop(session.pk, None)


def _be_patient() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])


def _is_lock(err: OperationalError) -> bool:
    """Whether the database only says that somebody else holds the lock for too long, or that two waited in a circle."""
    return getattr(err.__cause__, "sqlstate", "") in {"55P03", "40P01"}
