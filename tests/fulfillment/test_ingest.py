"""Are many meter values taken in as one by one, once each, by whoever reads the stream and whatever happens to it?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import Reading, Session, StationEvent, WalkInReading
from fulfillment.services import consuming, ingest, meter_stream
from fulfillment.services.consuming import Consumer
from fulfillment.services.ingest import Taken, take_in, told
from fulfillment.services.meter_stream import INLET, Inlet, Outlet, stream_name
from orders.models import Order
from tests.factories.fulfillment import charging_session, run_steps
from tests.fulfillment.cards import a_card, a_station, charging_walk_in
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import TYPES, event, meter, post, said

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]


@pytest.fixture
def stream(settings: Settings) -> Iterator[Redis]:
    """An empty stream that somebody reads."""
    client = Redis.from_url(settings.REDIS_URL)
    names = [stream_name() + part for part in ("", ":alive", ":counts")]
    client.delete(*names)
    client.set(names[1], "test", ex=60)
    INLET._looked_at = INLET._silent_until = 0.0
    yield client
    client.delete(*names)
    INLET._looked_at = 0.0
    client.close()


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    outlet = Outlet("one")
    yield Consumer(outlet)
    outlet.close()


def posted(session: Session, gain_wh: int, at: datetime, *, id_: str, **changes: Any) -> int:
    return post(
        event("meter-values", meter(session, (session.meter_start_wh or 0) + gain_wh, at, **changes), id_=id_)
    ).status_code


def test_batch_moves_the_session_and_keeps_every_value(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    batch = [said(session, 30 * n, now + timedelta(seconds=n - 10), soc=50 + n) for n in range(5)]
    taken = take_in(batch, now=now)
    session.refresh_from_db()
    assert (session.energy_wh, session.soc_percent, session.power_w) == (120, 54, 30_000)
    assert session.read_at == now - timedelta(seconds=6)
    assert Reading.objects.filter(session=session, accepted=True).count() == 5
    assert (taken.counts, taken.orders, taken.waiting) == ({"believed": 5}, {session.order_id}, [])


def test_batch_taken_again_changes_nothing(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    noise = [(90, -1), (30, -9), (60, -5), (60, -5), (5, -2), (120, 0)]
    batch = [said(session, gain_wh, now + timedelta(seconds=s)) for gain_wh, s in noise]
    take_in(batch, now=now)
    before = list(Reading.objects.order_by("at", "pk").values_list("at", "energy_wh", "accepted", "reason"))
    take_in(batch, now=now)
    assert list(Reading.objects.order_by("at", "pk").values_list("at", "energy_wh", "accepted", "reason")) == before
    assert [row[2] for row in before] == [False, False, False, True, True]
    session.refresh_from_db()
    assert session.energy_wh == 120


def test_batch_is_judged_as_one_by_one(supplier: FakeSupplier) -> None:
    history = [(-1, 30), (30, 30), (5_000, 31), (60, 35), (20, 40), (100, 300), (90, 45)]
    stories = []
    for together in (True, False):
        session = charging_session(now=supplier.at)
        now = supplier.after(60)
        batch = [said(session, gain_wh, now + timedelta(seconds=s - 60)) for gain_wh, s in history]
        if together:
            take_in(batch, now=now)
        else:
            fulfillment.store_events([each.event for each in batch])
            StationEvent.objects.filter(state="new").update(next_at=now)
            fulfillment.process_events_due(now)
        session.refresh_from_db()
        rows = Reading.objects.filter(session=session).order_by("pk").values_list("accepted", "reason")
        stories.append((session.energy_wh, [(accepted, reason.split(":")[0]) for accepted, reason in rows]))
    assert stories[0] == stories[1]


@pytest.mark.parametrize("text", ["", "null", 'a "b"', "c\\d", "{e,f}", "NULL", " g ", "ಬ"])
def test_text_comes_through_a_column_as_it_is(text: str) -> None:
    column = ingest._columns([(ingest._quoted(text),), (None,)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", column)
        assert cursor.fetchone() == ([text, None],)


def test_value_that_reaches_the_ordered_energy_ends_the_session(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=500)
    now = supplier.after(60)
    taken = take_in([said(session, 500, now)], now=now)
    session.refresh_from_db()
    assert (session.state, taken.changed) == (Session.State.ENDING, [session.order_id])


def test_vehicle_that_takes_nothing_pauses_the_session_until_it_does(supplier: FakeSupplier) -> None:
    session = charging_session()
    states = []
    for gain_wh, power_w in [(100, 0), (100, 0), (150, 9_000)]:
        now = supplier.after(15)
        take_in([said(session, gain_wh, now, powerW=power_w)], now=now)
        session.refresh_from_db()
        states.append(session.state)
    assert states == ["charging", "paused", "charging"]
    assert Order.objects.get(pk=session.order_id).fulfillment == Order.Fulfillment.CHARGING_RESUMED


@pytest.mark.parametrize("changes", [{"sessionId": "ses-foreign"}, {"slotNumber": 2}, {"stationId": "elsewhere"}])
def test_value_that_is_of_no_session_goes_the_way_of_other_events(
    supplier: FakeSupplier, changes: dict[str, Any]
) -> None:
    session = charging_session()
    now = supplier.after(60)
    taken = take_in([said(session, 100, now, **changes)], now=now)
    assert taken.counts == {"handed_on": 1}
    StationEvent.objects.update(next_at=now)
    fulfillment.process_events_due(now)
    assert StationEvent.objects.get().state == "refused"


def test_value_after_the_bill_is_taken_as_a_late_one(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(600))
    run_steps(supplier.at)
    session.refresh_from_db()
    now = supplier.after(600)
    more_wh = session.energy_wh + 100
    take_in([said(session, more_wh, now)], now=now)
    StationEvent.objects.update(next_at=now)
    fulfillment.process_events_due(now)
    session.refresh_from_db()
    assert (session.state, session.meter_wh) == (Session.State.ENDED, (session.meter_start_wh or 0) + more_wh)


def test_walk_in_takes_its_values_once_and_is_priced_by_them(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    now = supplier.after(60)
    first_wh = walk_in.meter_start_wh or 0
    place = {"stationId": station.code, "slotNumber": walk_in.slot_number, "sessionId": walk_in.remote_id}
    batch = []
    for gain_wh, seconds in [(100, -30), (90, -20), (300, -10), (100, -30), (50, -40)]:
        at = now + timedelta(seconds=seconds)
        data = place | {"timestamp": at.isoformat(), "energyWh": first_wh + gain_wh, "powerW": 20_000}
        made = told(Incoming("s", f"{gain_wh}-{seconds}", f"{TYPES}meter-values.v1", at, data))
        assert made is not None
        batch.append(made)
    counts = [take_in(batch, now=now).counts for _ in range(2)]
    walk_in.refresh_from_db()
    assert (walk_in.energy_wh, walk_in.power_w, counts[0]) == (
        300,
        20_000,
        {"believed": 2, "repeated": 1, "refused": 2},
    )
    assert counts[1] == {"repeated": 5}
    assert WalkInReading.objects.filter(walk_in=walk_in).count() == 4
    assert (walk_in.amount_paise or 0) > 2_000


def test_last_register_and_what_is_no_meter_value_do_not_go_into_the_stream(
    supplier: FakeSupplier, stream: Redis
) -> None:
    session = charging_session()
    posted(session, 100, supplier.at, id_="last", context="Transaction.End")
    post(event("recovered", {"stationId": "LOC-1"}, id_="other"))
    post(event("meter-values", {"stationId": "LOC-1"}, id_="odd"))
    assert set(StationEvent.objects.values_list("event_id", flat=True)) == {"last", "other", "odd"}
    assert stream.xlen(stream_name()) == 0


def test_value_waits_in_the_stream_until_it_is_kept(
    supplier: FakeSupplier, stream: Redis, consumer: Consumer, settings: Settings
) -> None:
    session = charging_session()
    now = timezone.now()
    Session.objects.filter(pk=session.pk).update(started_at=now - timedelta(minutes=1))
    assert [posted(session, 100 + n, now + timedelta(seconds=n), id_=f"m-{n}") for n in range(3)] == [202] * 3
    assert (stream.xlen(stream_name()), StationEvent.objects.count()) == (3, 0)
    assert consumer.step() == 3
    session.refresh_from_db()
    assert (session.energy_wh, stream.xlen(stream_name())) == (102, 0)
    assert meter_stream.standing().counts["believed"] == 3


@pytest.mark.parametrize("trouble", ["nobody reads", "full", "away"])
def test_nothing_is_refused_where_the_stream_cannot_be_used(
    supplier: FakeSupplier, stream: Redis, settings: Settings, trouble: str
) -> None:
    if trouble == "nobody reads":
        stream.delete(f"{stream_name()}:alive")
    elif trouble == "full":
        settings.METER_STREAM_MOST = 0
    inlet = Inlet()
    if trouble == "away":
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    session = charging_session()
    value = said(session, 100, supplier.at).event
    assert inlet.put([value]) == [value]


def test_dead_consumers_share_is_taken_over(supplier: FakeSupplier, stream: Redis, consumer: Consumer) -> None:
    session = charging_session()
    now = timezone.now()
    Session.objects.filter(pk=session.pk).update(started_at=now - timedelta(minutes=1))
    dead = Outlet("dead")
    dead.open()
    posted(session, 100, now, id_="m-1")
    assert len(dead.read(10)) == 1
    dead.close()
    assert consumer.step() == 0
    heir = Outlet("two", claim_after_s=0)
    assert Consumer(heir).step() == 1
    heir.close()
    assert Reading.objects.filter(session=session).count() == 1


def test_consumer_that_died_between_commit_and_acknowledgement_begins_with_its_own(
    supplier: FakeSupplier, stream: Redis, consumer: Consumer
) -> None:
    session = charging_session()
    now = timezone.now()
    Session.objects.filter(pk=session.pk).update(started_at=now - timedelta(minutes=1))
    before = Outlet("one")
    before.open()
    for n in range(3):
        posted(session, 100 + n, now + timedelta(seconds=n), id_=f"m-{n}")
    entries = before.read(10)
    before.close()
    take_in([each for entry in entries if entry.event and (each := told(entry.event))], now=now)
    assert consumer.step() == 3
    rows = Reading.objects.filter(session=session)
    assert (rows.count(), rows.filter(accepted=True).count(), stream.xlen(stream_name())) == (3, 3, 0)


def test_batch_that_breaks_goes_the_way_of_other_events(
    supplier: FakeSupplier, stream: Redis, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Taken:
        raise ValueError("broken")

    session = charging_session()
    posted(session, 100, supplier.at, id_="m-1")
    monkeypatch.setattr(consuming, "take_in", broken)
    assert consumer.step() == 1
    assert StationEvent.objects.get().event_id == "m-1"


def test_under_pressure_the_least_telling_are_shed_and_counted(
    supplier: FakeSupplier, stream: Redis, consumer: Consumer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "MOST", 10)
    settings.METER_STREAM_LONG = 20
    session = charging_session()
    now = timezone.now()
    Session.objects.filter(pk=session.pk).update(started_at=now - timedelta(minutes=5))
    batch = [
        event(
            "meter-values",
            meter(session, (session.meter_start_wh or 0) + n, now + timedelta(seconds=n - 60)),
            id_=f"m-{n}",
        )
        for n in range(40)
    ]
    post(batch, kind="application/cloudevents-batch+json")
    while consumer.step():
        pass
    session.refresh_from_db()
    counts = meter_stream.standing().counts
    assert (session.energy_wh, counts["believed"] + counts["shed"]) == (39, 40)
    assert Reading.objects.filter(session=session).count() == counts["believed"] == 2


def test_value_is_done_with_also_where_it_cannot_be_counted(
    supplier: FakeSupplier, stream: Redis, consumer: Consumer
) -> None:
    session = charging_session()
    stream.set(f"{stream_name()}:counts", "no table")
    posted(session, 100, timezone.now(), id_="m-1")
    assert consumer.step() == 1
    assert stream.xlen(stream_name()) == 0


def test_lost_stream_is_made_again(supplier: FakeSupplier, stream: Redis, consumer: Consumer) -> None:
    session = charging_session()
    consumer.step()
    stream.delete(stream_name())
    now = timezone.now()
    Session.objects.filter(pk=session.pk).update(started_at=now - timedelta(minutes=1))
    posted(session, 100, now, id_="m-1")
    assert consumer.step() == 1


def test_stream_that_nobody_reads_any_more_is_emptied_by_the_sweep(supplier: FakeSupplier, stream: Redis) -> None:
    session = charging_session()
    posted(session, 100, timezone.now(), id_="m-1")
    assert fulfillment.ingest_left() == 0
    stream.delete(f"{stream_name()}:alive")
    assert fulfillment.ingest_left() == 1
    assert stream.xlen(stream_name()) == 0


@pytest.mark.django_db(transaction=True)
def test_locked_session_waits_and_holds_up_nobody(supplier: FakeSupplier) -> None:
    one, other = (charging_session(now=supplier.at) for _ in range(2))
    now = supplier.after(60)
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                list(Session.objects.select_for_update().filter(pk=one.pk))
                locked.set()
                free.wait(20)
        finally:
            connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(20)
    batch = [said(one, 100, now), said(other, 100, now)]
    taken = take_in(batch, now=now)
    free.set()
    holder.join()
    assert taken.waiting == [0]
    assert take_in([batch[0]], now=now).waiting == []
    assert set(Session.objects.filter(pk__in=[one.pk, other.pk]).values_list("power_w", flat=True)) == {30_000}


def test_session_held_by_somebody_follows_its_meter_later(
    supplier: FakeSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(order_id: int) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'held' USING ERRCODE = '55P03'; END $$")

    session = charging_session(quantity=500)
    now = supplier.after(60)
    with monkeypatch.context() as changed:
        changed.setattr(ingest, "lock_session", held)
        take_in([said(session, 500, now)], now=now)
    session.refresh_from_db()
    assert (session.state, session.energy_wh) == ("charging", 500)
    take_in([said(session, 500, now)], now=now)
    session.refresh_from_db()
    assert session.state == "ending"


def test_trouble_of_the_database_is_not_swallowed(supplier: FakeSupplier, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(order_id: int) -> Any:
        raise OperationalError("the connection is closed")

    session = charging_session(quantity=500)
    monkeypatch.setattr(ingest, "lock_session", away)
    with pytest.raises(OperationalError):
        take_in([said(session, 500, supplier.after(60))], now=supplier.at)
