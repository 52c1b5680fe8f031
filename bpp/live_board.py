"""What goes on at the chargers at this moment, narrowed as the operator asks, for table and map alike?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Max

from bpp.live_filter import POWERS, VIEWS, Wanted
from bpp.live_sessions import Running, priced, running_now
from bpp.live_waiting import Due, Waiting, tickets_due, waiting_now
from catalog.models import Evse
from catalog.tenancy import Reach
from fulfillment.models import Outage

MOST_ROWS = 100
MOST_BESIDE = 30
# A charger of which nothing was heard for longer than this is shown as silent although nobody charges there.
QUIET_AFTER = timedelta(days=1)
# What a station's mark shows of its chargers: the first of these that one of them is.
LOOKS: Mapping[str, str] = {"faulted": "out of order", "silent": "silent", "in-use": "in use", "free": "free"}
LOOK_TONES = {"faulted": "bad", "silent": "warn", "in-use": "wait", "free": "good"}


class Plug(NamedTuple):
    """A charger and its station as they stand in the database; `power_w` of its strongest connector."""

    pk: int
    uid: str
    label: str
    status: str
    status_at: datetime
    power_w: int | None
    station_id: int
    station: str
    code: str
    city: str
    address: str
    operator: str
    published: bool
    latitude: Decimal | None
    longitude: Decimal | None

    @property
    def name(self) -> str:
        return self.label or self.uid

    @property
    def words(self) -> str:
        """What a search looks through."""
        parts = (self.uid, self.label, self.station, self.code, self.city, self.address, self.operator)
        return " ".join(parts).casefold()


@dataclass(frozen=True, slots=True)
class Charger:
    """One charger now: how it looks on the board, since when, and what is wrong with it."""

    plug: Plug
    look: str
    words: str
    at: datetime
    error: str = ""
    ticket: str = ""
    running: Running | None = None

    @property
    def codes(self) -> frozenset[str]:
        """What the filter of states finds it by."""
        return frozenset({self.look}) | (self.running.codes if self.running else frozenset())

    @property
    def heard_at(self) -> datetime:
        """When the charger or its session was last heard."""
        return (self.running.heard_at if self.running else None) or self.plug.status_at

    @property
    def tone(self) -> str:
        return LOOK_TONES[self.look]


@dataclass(frozen=True, slots=True)
class Place:
    """A station on the map, with its chargers; it looks like the one that needs attention most."""

    pk: int
    name: str
    city: str
    operator: str
    latitude: Decimal | None
    longitude: Decimal | None
    published: bool
    chargers: list[Charger]

    @property
    def look(self) -> str:
        looks = {charger.look for charger in self.chargers}
        return next(look for look in LOOKS if look in looks)

    @property
    def tone(self) -> str:
        return LOOK_TONES[self.look]

    @property
    def counts(self) -> str:
        """`2 in use, 1 free`."""
        found = Counter(charger.look for charger in self.chargers)
        return ", ".join(f"{found[look]} {words}" for look, words in LOOKS.items() if found[look])

    @property
    def power_w(self) -> int:
        """What flows there now, W."""
        return sum(charger.running.power_w for charger in self.chargers if charger.running)


class Broken(NamedTuple):
    """What is out of order: since when, in the station's words, and the operator's ticket about it."""

    since: datetime
    error: str
    ticket: str


class Row(NamedTuple):
    """A session with where it is; `charger` is empty where its slot is not known yet."""

    running: Running
    station: str
    charger: str


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the board shows; `rows` is one page of all `sessions`, the lists beside are cut at MOST_BESIDE."""

    wanted: Wanted
    now: datetime
    sessions: int
    power_w: int
    energy_wh: int
    rows: list[Row]
    places: list[Place]
    faulted: list[Charger]
    silent: list[Charger]
    waiting: list[Waiting]
    tickets: list[Due]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return max(1, -(-self.sessions // MOST_ROWS))

    @property
    def before(self) -> str:
        """The query of the page before this one."""
        return self._page(self.wanted.page - 1) if self.wanted.page > 1 else ""

    @property
    def after(self) -> str:
        """The query of the page after this one."""
        return self._page(self.wanted.page + 1) if self.wanted.page < self.pages else ""

    def _page(self, number: int) -> str:
        return urlencode({**self.wanted.query, "page": number})


def live_board(reach: Reach, wanted: Wanted, now: datetime) -> Board:
    """The board as this user may see it; how many statements it takes does not depend on how much there is."""
    plugs = {plug.pk: plug for plug in _plugs(reach, wanted)}
    stations = {plug.station_id: plug for plug in plugs.values()}
    running = [
        each
        for each in running_now(reach, operator=wanted.operator, now=now)
        if (each.evse_id in plugs if each.evse_id else each.station_id in stations)
    ]
    chargers = _chargers(plugs.values(), running, _outages(reach), now)
    found, rows = _matching(chargers, running, plugs, stations, wanted)
    # The map shows no single session.
    shown = rows[(wanted.page - 1) * MOST_ROWS : wanted.page * MOST_ROWS] if wanted.view == VIEWS[0] else []
    costed = priced([row.running for row in shown], now)
    waiting = waiting_now(reach, wanted, list(plugs), now)
    tickets = tickets_due(reach, wanted, list(plugs), now)
    faulted = [charger for charger in found if charger.look == "faulted"]
    silent = [charger for charger in found if "silent" in charger.codes]
    return Board(
        wanted=wanted,
        now=now,
        sessions=len(rows),
        power_w=sum(row.running.power_w for row in rows),
        energy_wh=sum(row.running.energy_wh for row in rows),
        rows=[row._replace(running=each) for row, each in zip(shown, costed, strict=True)],
        places=_places(found),
        faulted=sorted(faulted, key=_newest)[:MOST_BESIDE],
        silent=sorted(silent, key=lambda charger: charger.heard_at)[:MOST_BESIDE],
        waiting=waiting[:MOST_BESIDE],
        tickets=tickets[:MOST_BESIDE],
        counts={
            "faulted": len(faulted),
            "silent": len(silent),
            "waiting": len(waiting),
            "tickets": len(tickets),
            "late": sum(due.late for due in tickets),
        },
    )


def _newest(charger: Charger) -> timedelta:
    return datetime.max.replace(tzinfo=charger.at.tzinfo) - charger.at


def _plugs(reach: Reach, wanted: Wanted) -> Iterable[Plug]:
    """The chargers in reach that the filter leaves, apart from text and state, in order of station and slot."""
    rows = reach.limit(Evse.objects.all(), "station__operator").annotate(power_w=Max("connectors__max_power_w"))
    narrowed: dict[str, Any] = {
        "station__operator": wanted.operator,
        "station": wanted.station,
        "station__city": wanted.city or None,
    }
    if wanted.power:
        narrowed["power_w__gt"], narrowed["power_w__lte"], _ = POWERS[wanted.power]
    rows = rows.filter(**{name: value for name, value in narrowed.items() if value is not None})
    columns = (
        "pk", "uid", "label", "status", "status_at", "power_w", "station_id", "station__name", "station__code",
        "station__city", "station__address", "station__operator__name", "station__published", "station__latitude",
        "station__longitude",
    )  # fmt: skip
    ordered = rows.order_by("station__name", "station_id", "slot_number")
    return (Plug(*row) for row in ordered.values_list(*columns))


def _outages(reach: Reach) -> dict[tuple[int, int | None], Broken]:
    """What is out of order, by station and charger; None instead of the charger: all of the station."""
    rows = reach.limit(Outage.objects.filter(until=None), "station__operator")
    columns = ("station_id", "evse_id", "since", "error", "ticket")
    return {(row[0], row[1]): Broken(*row[2:]) for row in rows.values_list(*columns)}


def _chargers(
    plugs: Iterable[Plug],
    running: Iterable[Running],
    outages: Mapping[tuple[int, int | None], Broken],
    now: datetime,
) -> list[Charger]:
    at_plug = {each.evse_id: each for each in running if each.evse_id}
    made = []
    for plug in plugs:
        outage = outages.get((plug.station_id, plug.pk)) or outages.get((plug.station_id, None))
        made.append(_charger(plug, at_plug.get(plug.pk), outage, now))
    return made


def _charger(plug: Plug, running: Running | None, outage: Broken | None, now: datetime) -> Charger:
    words = Evse.Status(plug.status).label
    if outage or plug.status in Evse.OUT_OF_SERVICE:
        words = words if plug.status in Evse.OUT_OF_SERVICE else "Out of order"
        since, error, ticket = outage or Broken(plug.status_at, "", "")
        return Charger(plug, "faulted", words, since, error=error, ticket=ticket, running=running)
    heard_at = max((at for at in (plug.status_at, running.heard_at if running else None) if at), default=now)
    if (running and running.silent) or (plug.published and now - heard_at > QUIET_AFTER):
        return Charger(plug, "silent", words, heard_at, running=running)
    free = running is None and plug.status == Evse.Status.AVAILABLE
    return Charger(plug, "free" if free else "in-use", words, heard_at, running=running)


def _matching(
    chargers: list[Charger],
    running: list[Running],
    plugs: Mapping[int, Plug],
    stations: Mapping[int, Plug],
    wanted: Wanted,
) -> tuple[list[Charger], list[Row]]:
    """The chargers and the sessions that text and state leave; sessions that need attention first."""
    text = wanted.text.casefold()
    found = [
        charger
        for charger in chargers
        if (not wanted.state or wanted.state in charger.codes)
        and (text in charger.plug.words or (charger.running and text in charger.running.title.casefold()))
    ]
    by_plug = {charger.plug.pk: charger for charger in chargers}
    kept = {charger.plug.pk for charger in found}
    rows = []
    for each in running:
        plug = plugs[each.evse_id] if each.evse_id else None
        place = plug or stations[each.station_id]
        # A walk-in whose slot is not known yet has no charger to be found by.
        hit = plug.pk in kept if plug else text in f"{place.words} {each.title.casefold()}"
        codes = each.codes | (by_plug[plug.pk].codes if plug else frozenset())
        if hit and (not wanted.state or wanted.state in codes):
            rows.append(Row(each, place.station, plug.name if plug else ""))
    rows.sort(key=lambda row: (not (row.running.silent or row.running.problem), row.station, row.charger))
    return found, rows


def _places(chargers: Iterable[Charger]) -> list[Place]:
    by_station: dict[int, list[Charger]] = defaultdict(list)
    for charger in chargers:
        by_station[charger.plug.station_id].append(charger)
    return [_place(found) for found in by_station.values()]


def _place(chargers: list[Charger]) -> Place:
    plug = chargers[0].plug
    return Place(
        plug.station_id, plug.station, plug.city, plug.operator, plug.latitude, plug.longitude, plug.published, chargers
    )
