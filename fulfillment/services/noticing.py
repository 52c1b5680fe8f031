"""Of which facts is a driver owed a notice? Each is noted once, by its place among its kind, however often it is seen.

What sessions bring about is noted in the same transaction; what orders bring about (refunds, papers) by a sweep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.conf import settings
from django.db.models import Q

from core.nudges import nudge_on_commit
from fulfillment.models import Notice, NoticeSettings
from fulfillment.notices import WAYS
from orders.models import Invoice, Order, OrderEvent, PaperKind

QUEUE = "notice"
K = Notice.Kind
F = Order.Fulfillment
DONE, FAILED, FAULT, SILENT, NOTE = "done", "failed", "fault", "silent", "note"
OF_EVENT: Mapping[str, Notice.Kind] = {
    F.CHARGING_STARTED: K.STARTED,
    F.CHARGING_PAUSED: K.INTERRUPTED,
    F.CHARGING_RESUMED: K.RESUMED,
    "completed": K.DONE,
    "cancelled": K.DONE,
    "refund-approved": K.REFUND,
    "refund-sent": K.REFUND,
    "refund-done": K.REFUND,
}
# A pause shorter than this is nobody's concern.
PATIENCE = timedelta(seconds=60)
# What is older was not told in time, and is not told any more.
OLDEST = timedelta(days=1)
# Longer than any transaction may take between the moment it calls now and its commit.
SLACK = timedelta(minutes=2)
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to tell about an order: `place` tells it from others of its kind."""

    kind: Notice.Kind
    place: int
    at: datetime
    cause: str = ""


class _Looked:
    """Until when this process has looked; the first look of a process goes back as far as anything is told."""

    until: datetime | None = None


def told_of(operator_id: int) -> NoticeSettings:
    """What an operator decided about notices; where it decided nothing, the defaults, not saved."""
    found = NoticeSettings.objects.filter(operator_id=operator_id).first()
    if found is not None:
        return found
    quiet_from, quiet_until = map(time.fromisoformat, settings.NOTICES_QUIET_HOURS.split("-"))
    return NoticeSettings(
        operator_id=operator_id,
        active=settings.NOTICES_DEFAULT_ON,
        quiet_from=quiet_from,
        quiet_until=quiet_until,
    )


def anybody() -> bool:
    """Whether any operator tells its drivers anything."""
    return settings.NOTICES_DEFAULT_ON or NoticeSettings.objects.filter(active=True).exists()


def telling(path: str = "operator") -> Q:
    """The rows of operators that tell their drivers; `path` leads from a row to its operator."""
    if settings.NOTICES_DEFAULT_ON:
        return ~Q(**{f"{path}__in": NoticeSettings.objects.filter(active=False).values("operator")})
    return Q(**{f"{path}__in": NoticeSettings.objects.filter(active=True).values("operator")})


def hear(order: Order, *, now: datetime) -> None:
    """Note what the events of an order that were written at `now` ask to be told."""
    told = told_of(order.operator_id)
    if told.active:
        note(order, told, _facts([order.pk], since=now)[order.pk], now=now)


def note(order: Order, told: NoticeSettings, facts: Iterable[Fact], *, now: datetime) -> int:
    """Note facts about an order by each way that its operator switched on; returns how many notices are new."""
    return _keep(list(_notices(order, told, facts, now)))


def catch_up(now: datetime) -> int:
    """Note what happened to orders since the last look; returns how many notices are new."""
    since = now - OLDEST if _Looked.until is None else min(_Looked.until, now) - SLACK
    count = 0
    if anybody():
        changed = Order.objects.filter(telling(), state__in=[*Order.CONFIRMED, Order.State.EXPIRED])
        ids = list(changed.filter(updated_at__gte=since).values_list("pk", flat=True))
        for start in range(0, len(ids), CHUNK):
            count += _catch_up(ids[start : start + CHUNK], now)
    _Looked.until = now
    return count


def _catch_up(ids: Sequence[int], now: datetime) -> int:
    facts = _facts(ids, since=now - OLDEST)
    orders = Order.objects.filter(pk__in=facts).order_by("pk")
    rules: dict[int, NoticeSettings] = {}
    wanted: list[Notice] = []
    for order in orders:
        if order.operator_id not in rules:
            rules[order.operator_id] = told_of(order.operator_id)
        wanted += _notices(order, rules[order.operator_id], facts[order.pk], now)
    return _keep(wanted)


def _notices(order: Order, told: NoticeSettings, facts: Iterable[Fact], now: datetime) -> Iterator[Notice]:
    ways = [name for name, way in WAYS.items() if way.address(order, told)]
    for fact in facts:
        if told.active_since is not None and fact.at < told.active_since:
            continue
        paused = fact.kind == K.INTERRUPTED and fact.cause != SILENT
        due = max(now, fact.at + PATIENCE) if paused else now
        for way in ways:
            if f"{way}:{fact.kind}" in told.switches:
                yield Notice(
                    order=order, kind=fact.kind, place=fact.place, way=way, cause=fact.cause, at=fact.at, next_at=due
                )


def _keep(wanted: list[Notice]) -> int:
    """Save those that are new: what another transaction notes at the same moment is noted once all the same."""
    known = set(
        Notice.objects.filter(order__in={row.order_id for row in wanted}).values_list(
            "order_id", "kind", "place", "way"
        )
    )
    new = [row for row in wanted if (row.order_id, row.kind, row.place, row.way) not in known]
    if new:
        Notice.objects.bulk_create(new, ignore_conflicts=True)
        nudge_on_commit(QUEUE)
    return len(new)


def _facts(ids: Sequence[int], *, since: datetime) -> dict[int, list[Fact]]:
    """What the events and papers of these orders since then tell, by the order's id, in order."""
    found: dict[int, list[Fact]] = defaultdict(list)
    events = OrderEvent.objects.filter(order__in=ids, at__gte=since, kind__in=OF_EVENT)
    for event in events.order_by("order_id", "number"):
        fact = _of_event(event)
        if fact is not None:
            found[event.order_id].append(fact)
    places: dict[int, int] = defaultdict(int)
    papers = Invoice.objects.filter(order__in=ids).order_by("order_id", "pk")
    for order_id, kind, issued_at in papers.values_list("order_id", "kind", "issued_at"):
        places[order_id] += 1
        if issued_at >= since:
            cause = "" if kind == PaperKind.INVOICE else NOTE
            found[order_id].append(Fact(K.RECEIPT, places[order_id], issued_at, cause))
    return found


def _of_event(event: OrderEvent) -> Fact | None:
    kind = OF_EVENT[event.kind]
    if kind == K.REFUND:
        over = event.kind == "refund-done"
        # One place for the news that it comes and one for the news that it is there.
        return Fact(kind, 2 * int(event.data["refund"]) + over, event.at, DONE if over else "")
    cause = ""
    if event.kind == "cancelled":
        if event.to_fulfillment != F.CHARGER_ERROR:
            return None
        cause = FAILED
    elif event.kind == "completed" and event.to_fulfillment == F.CHARGER_ERROR:
        cause = FAULT
    elif event.kind == "completed" and event.data.get("reason") == "station silent":
        cause = SILENT
    return Fact(kind, event.number, event.at, cause)
