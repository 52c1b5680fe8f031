"""Is this process alive, can it work, and how far behind is the work?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min, Q, Sum
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest
from redis import Redis
from redis.exceptions import RedisError

from bpp import keys
from bpp.models import InboxMessage, OutboxMessage, Subscriber
from catalog.models import Evse
from fulfillment.models import Notice, Session, TaskRun, WorkflowInstance
from fulfillment.services import consuming, meter_stream
from orders.models import BooksCheck, Collection, Order, PaymentNews, Refund, WebhookRefusal
from support.models import Ticket

SLOW_DATABASE_S = 0.5
LATE_S = 60
BOOKS_LATE = 6  # checks missed
# Steps are counted in the instances that began in so long a time.
STEPS_WITHIN = timedelta(minutes=15)
OK, DEGRADED, FAILED = "ok", "degraded", "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the whole: its state, and in words what was seen and what to do."""

    name: str
    state: str
    text: str


class _Head:
    reached = False


def parts(now: datetime) -> list[Part]:
    """Every part looked at once; nothing but a FAILED part makes the process unready."""
    database = _database()
    if database.state == FAILED:
        return [database, _signing_key(now), _redis()]
    return [
        database,
        _migrations(),
        _signing_key(now),
        _redis(),
        _registry(now),
        _inbox(now),
        _outbox(now),
        _books(now),
        _meters(),
    ]


def metrics(now: datetime) -> bytes:
    """Prometheus text: this process's counters, and gauges read from the database."""
    figures = CollectorRegistry()
    try:
        _queues(figures, now)
        _business(figures)
        _collecting(figures)
        _returning(figures, now)
        _workflows(figures, now)
        _streaming(figures)
        _notices(figures, now)
    except DatabaseError:
        figures = CollectorRegistry()
        Gauge("database_up", "1 where the database answered.", registry=figures).set(0)
    else:
        Gauge("database_up", "1 where the database answered.", registry=figures).set(1)
    return bytes(generate_latest(REGISTRY)) + bytes(generate_latest(figures))


def oldest_due_s(now: datetime) -> tuple[float, float]:
    """Ages of the oldest due request and of the oldest due callback, in seconds; 0 where nothing waits."""
    inbox = InboxMessage.objects.filter(state=InboxMessage.State.NEW, next_at__lte=now)
    outbox = OutboxMessage.objects.filter(state=OutboxMessage.State.PENDING, next_at__lte=now)
    ages = [rows.aggregate(oldest=Min("next_at"))["oldest"] for rows in (inbox, outbox)]
    first, second = ((now - oldest).total_seconds() if oldest else 0.0 for oldest in ages)
    return first, second


def _database() -> Part:
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as err:
        return Part("database", FAILED, f"no answer: {str(err).strip().splitlines()[0][:200]}; check DATABASE_URL")
    took_s = time.monotonic() - started
    text = f"answered in {took_s * 1000:.0f} ms"
    return Part("database", OK, text) if took_s <= SLOW_DATABASE_S else Part("database", FAILED, f"{text}: too slow")


def _migrations() -> Part:
    if not _Head.reached:
        executor = MigrationExecutor(connection)
        open_ones = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if open_ones:
            return Part("migrations", FAILED, f"{len(open_ones)} not applied; run ./vb manage migrate")
        _Head.reached = True
    return Part("migrations", OK, "at head")


def _signing_key(now: datetime) -> Part:
    try:
        return Part("signing_key", OK, f"signing with {keys.current(now=now).key_id}")
    except keys.NoKey as err:
        return Part("signing_key", FAILED, str(err))
    except DatabaseError:
        return Part("signing_key", FAILED, "cannot be read while the database is away")


def _redis() -> Part:
    try:
        client = Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)
        try:
            client.ping()
        finally:
            client.close()
    except (RedisError, OSError, ValueError) as err:
        return Part("redis", DEGRADED, f"no answer ({type(err).__name__}); work goes on, found by sweeps only")
    return Part("redis", OK, "answered")


def _registry(now: datetime) -> Part:
    if not settings.BECKN_REGISTRY_URL:
        return Part("registry", DEGRADED, "BECKN_REGISTRY_URL is not set; nobody's key can be looked up")
    newest = Subscriber.objects.order_by("-fetched_at").values_list("fetched_at", flat=True).first()
    if newest is None:
        return Part("registry", OK, "not asked yet")
    return Part("registry", OK, f"last answered {(now - newest).total_seconds():.0f} s ago")


def _inbox(now: datetime) -> Part:
    return _lag("inbox", oldest_due_s(now)[0], "is a worker for the queue `process` running?")


def _outbox(now: datetime) -> Part:
    return _lag("outbox", oldest_due_s(now)[1], "is a worker for the queue `deliver` running?")


def _books(now: datetime) -> Part:
    check = BooksCheck.objects.order_by("-at").first()
    if check is None:
        return Part("books", OK, "not checked yet")
    age_s = (now - check.at).total_seconds()
    if check.breaks:
        return Part("books", DEGRADED, f"{check.breaks} things do not add up; see admin → Books checks")
    if age_s > BOOKS_LATE * settings.BOOKS_CHECK_S:
        return Part("books", DEGRADED, f"last checked {age_s:.0f} s ago; is a worker for the queue `refund` running?")
    return Part("books", OK, f"add up, checked {age_s:.0f} s ago")


def _meters() -> Part:
    """Not ready it never is: values go the slower way through the database where the stream is not read."""
    try:
        found = meter_stream.standing()
    except (RedisError, OSError) as err:
        return Part("meters", DEGRADED, f"no stream ({type(err).__name__}); values go through the database")
    text = f"{found.waiting} values wait"
    if not found.alive:
        return Part("meters", DEGRADED, f"{text}; nobody reads the stream: is `manage.py ingest` running?")
    if found.oldest_s > LATE_S:
        return Part("meters", DEGRADED, f"{text}, the oldest for {found.oldest_s:.0f} s; see the log of `ingest`")
    if found.durable is False:
        return Part("meters", DEGRADED, f"{text}; Redis keeps no append-only file, set appendonly yes")
    return Part("meters", OK, text)


def _lag(name: str, age_s: float, hint: str) -> Part:
    text = f"oldest due message waits {age_s:.0f} s"
    return Part(name, OK, text) if age_s <= LATE_S else Part(name, DEGRADED, f"{text}; {hint}")


def _queues(figures: CollectorRegistry, now: datetime) -> None:
    inbox_s, outbox_s = oldest_due_s(now)
    newest = Subscriber.objects.order_by("-fetched_at").values_list("fetched_at", flat=True).first()
    _gauge(figures, "inbox_oldest_seconds", "Age of the oldest due request.", inbox_s)
    _gauge(figures, "outbox_oldest_seconds", "Age of the oldest due callback.", outbox_s)
    dead = OutboxMessage.objects.filter(state__in=["dead", "refused"]).count()
    _gauge(figures, "dead_letters", "Callbacks given up or refused.", dead)
    failed = InboxMessage.objects.filter(state=InboxMessage.State.FAILED).count()
    _gauge(figures, "inbox_failed", "Requests that could not be decided.", failed)
    age_s = (now - newest).total_seconds() if newest else 0
    _gauge(figures, "registry_age_seconds", "Since the registry was last heard.", age_s)


def _business(figures: CollectorRegistry) -> None:
    orders = Gauge("orders", "Orders by state.", ["state"], registry=figures)
    for state, count in Order.objects.values_list("state").annotate(n=Count("id")).order_by():
        orders.labels(state).set(count)
    evses = Gauge("evses", "EVSEs by live status.", ["state"], registry=figures)
    for state, count in Evse.objects.values_list("status").annotate(n=Count("id")).order_by():
        evses.labels(state).set(count)
    live = Session.objects.filter(state__in=Session.LIVE).aggregate(n=Count("id"), power_w=Sum("power_w"))
    _gauge(figures, "sessions_live", "Sessions not yet ended.", live["n"])
    _gauge(figures, "charging_power_watts", "Power of all running sessions.", live["power_w"] or 0)
    _gauge(figures, "tickets_open", "Tickets waiting.", Ticket.objects.filter(state=Ticket.State.OPEN).count())


def _collecting(figures: CollectorRegistry) -> None:
    odd = Collection.objects.filter(state=Collection.State.ALARM).count()
    odd += PaymentNews.objects.filter(state=PaymentNews.State.ALARM).count()
    _gauge(figures, "payment_alarms", "Payments and news of them that wait for a person.", odd)
    refused = WebhookRefusal.objects.aggregate(n=Sum("count"))["n"] or 0
    _gauge(figures, "payment_webhooks_refused", "Webhooks whose signature proved nothing, ever.", refused)


def _returning(figures: CollectorRegistry, now: datetime) -> None:
    owed = Refund.objects.filter(state__in=Refund.OPEN)
    _gauge(figures, "refunds_open", "Refunds that have not arrived.", owed.count())
    _gauge(figures, "refunds_late", "Refunds past the promised time.", owed.filter(deadline_at__lt=now).count())
    odd = owed.filter(state=Refund.State.PERSON).count()
    _gauge(figures, "refunds_for_a_person", "Refunds that wait for a person.", odd)
    newest = BooksCheck.objects.order_by("-at").values_list("breaks", flat=True).first()
    _gauge(figures, "books_breaks", "What did not add up at the last check of the books.", newest or 0)


def _streaming(figures: CollectorRegistry) -> None:
    try:
        found = meter_stream.standing()
    except (RedisError, OSError):
        return
    _gauge(figures, "meter_stream_length", "Meter values that wait to be kept.", found.waiting)
    _gauge(figures, "meter_stream_oldest_seconds", "Age of the oldest of them.", found.oldest_s)
    _gauge(figures, "meter_stream_read", "1 where a consumer reads them.", found.alive)
    values = Gauge("meter_values", "Meter values by what became of them, ever.", ["fate"], registry=figures)
    lags = Gauge("meter_values_lag", "Meter values kept within so many seconds, ever.", ["le"], registry=figures)
    kept = 0
    for name in (f"lag_{most}" for most in (*consuming.LAGS_S, "inf")):
        kept += found.counts.pop(name, 0)
        lags.labels(name.removeprefix("lag_").replace("inf", "+Inf")).set(kept)
    for fate, count in found.counts.items():
        values.labels(fate).set(count)


def _workflows(figures: CollectorRegistry, now: datetime) -> None:
    instances = Gauge("workflow_instances", "Workflow instances by status.", ["status"], registry=figures)
    counts = dict(WorkflowInstance.objects.values_list("status").annotate(n=Count("id")).order_by())
    for status in WorkflowInstance.Status.values:
        instances.labels(status).set(counts.get(status, 0))
    due = WorkflowInstance.objects.filter(status__in=WorkflowInstance.LIVE, next_at__lte=now)
    oldest = due.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now)).aggregate(oldest=Min("next_at"))["oldest"]
    age_s = (now - oldest).total_seconds() if oldest else 0.0
    _gauge(figures, "workflow_oldest_due_seconds", "Age of the oldest due instance that nobody is at.", age_s)
    text = "Steps of the instances that began within 15 minutes, by name and what became of them."
    steps = Gauge("workflow_tasks_recent", text, ["name", "outcome"], registry=figures)
    recent = TaskRun.objects.filter(instance__created_at__gte=now - STEPS_WITHIN)
    for name, state, count in recent.values_list("name", "state").annotate(n=Count("id")).order_by():
        steps.labels(name, state).set(count)


def _notices(figures: CollectorRegistry, now: datetime) -> None:
    notices = Gauge(
        "notices", "Notices to drivers by kind and what became of them.", ["kind", "state"], registry=figures
    )
    for kind, state, count in Notice.objects.values_list("kind", "state").annotate(n=Count("id")).order_by():
        notices.labels(kind, state).set(count)
    due = Notice.objects.filter(next_at__isnull=False)
    failing = Gauge(
        "notices_failing", "Notices that failed at least once and are tried again.", ["kind"], registry=figures
    )
    for kind, count in due.exclude(reason="").values_list("kind").annotate(n=Count("id")).order_by():
        failing.labels(kind).set(count)
    oldest = due.filter(next_at__lte=now).aggregate(oldest=Min("next_at"))["oldest"]
    age_s = (now - oldest).total_seconds() if oldest else 0.0
    _gauge(figures, "notices_oldest_due_seconds", "Age of the oldest due notice.", age_s)


def _gauge(figures: CollectorRegistry, name: str, text: str, value: float) -> None:
    Gauge(name, text, registry=figures).set(value)
