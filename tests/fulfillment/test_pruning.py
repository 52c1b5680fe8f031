"""What stays of readings that are old, and whose are kept?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fulfillment import services as fulfillment
from fulfillment.models import Reading, ReadingRollup, Session, TaskRun, WalkIn, WalkInReading, WorkflowInstance
from fulfillment.selectors import meter_points
from fulfillment.services.walk_in_bill import reprice
from orders.services import current_terms
from tests.factories.fulfillment import charging_session, waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.cards import a_card, a_station, connector_of
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=91)


def ended(**changes: Any) -> Session:
    """A session that charged for 5 minutes from NOW, with a reading each 20 s and one that is not believed."""
    session = waiting_session()
    given: dict[str, Any] = {"state": "ended", "started_at": NOW, "ended_at": NOW + timedelta(minutes=5)}
    given |= {"meter_start_wh": 1_000, "meter_wh": 1_500, "meter_stop_wh": 1_500}
    Session.objects.filter(pk=session.pk).update(**given | changes)
    readings = [
        Reading(session=session, at=NOW + timedelta(seconds=20 * n), energy_wh=1_000 + 10 * n, power_w=1_000 * (n % 3))
        for n in range(15)
    ]
    odd = Reading(session=session, at=NOW + timedelta(seconds=70), energy_wh=1, accepted=False, reason="decreasing")
    Reading.objects.bulk_create([*readings, odd])
    session.refresh_from_db()
    return session


def test_old_readings_give_way_to_minutes_and_hours_and_the_bill_still_finds_its_energy() -> None:
    session = ended()
    before = meter_points(session)
    assert fulfillment.prune_readings(LATER) == 1
    assert fulfillment.prune_readings(LATER) == 0
    session.refresh_from_db()
    assert not Reading.objects.exists()
    minutes = ReadingRollup.objects.filter(session=session, span="minute").order_by("at")
    assert [row.samples for row in minutes] == [3] * 5
    assert (minutes[1].refused, minutes[1].energy_wh, minutes[1].mean_w, minutes[1].peak_w) == (1, 1_050, 1_000, 2_000)
    hour = ReadingRollup.objects.get(session=session, span="hour")
    assert (hour.samples, hour.refused, hour.energy_wh) == (15, 1, 1_140)
    assert meter_points(session) == before[2::3]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, NOW + timedelta(days=89)),
        ({"provisional": True}, LATER),
        ({"state": "charging", "meter_stop_wh": None}, LATER),
    ],
)
def test_young_provisional_and_running_ones_keep_theirs(changes: dict[str, Any], at: datetime) -> None:
    ended(**changes)
    assert fulfillment.prune_readings(at) == 0
    assert Reading.objects.count() == 16


def walked_off(**changes: Any) -> WalkIn:
    """A walk-in that charged for 5 minutes from NOW, with a reading each 20 s and one that is not believed."""
    station = a_station()
    card, connector = a_card(station.operator), connector_of(station)
    assert connector.tariff is not None
    given: dict[str, Any] = {"state": "ended", "started_at": NOW, "ended_at": NOW + timedelta(minutes=5)}
    given |= {"meter_start_wh": 1_000, "meter_wh": 1_140, "meter_stop_wh": 1_140, "evse": connector.evse}
    given |= {"connector": connector, "tariff": current_terms(connector, at=NOW).snapshot(NOW), "asked_at": NOW}
    walk_in = WalkIn.objects.create(card=card, account=card.account, station=station, **given | changes)
    readings = [
        WalkInReading(walk_in=walk_in, at=NOW + timedelta(seconds=20 * n), energy_wh=1_000 + 10 * n) for n in range(15)
    ]
    odd = WalkInReading(walk_in=walk_in, at=NOW + timedelta(seconds=70), energy_wh=1, accepted=False, reason="odd")
    WalkInReading.objects.bulk_create([*readings, odd])
    return walk_in


def test_of_a_walk_in_the_last_reading_of_each_minute_stays_and_prices_it_alike() -> None:
    walk_in = walked_off()
    reprice(walk_in, until=walk_in.ended_at or NOW)
    paise, lines = walk_in.amount_paise, walk_in.lines
    assert fulfillment.thin_walk_ins(LATER) == 1
    assert fulfillment.thin_walk_ins(LATER) == 0
    left = WalkInReading.objects.filter(walk_in=walk_in).order_by("at")
    assert [(row.at, row.energy_wh, row.accepted) for row in left] == [
        (NOW + timedelta(seconds=60 * n + 40), 1_020 + 30 * n, True) for n in range(5)
    ]
    reprice(walk_in, until=walk_in.ended_at or NOW)
    assert paise
    assert (walk_in.amount_paise, walk_in.lines) == (paise, lines)


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, NOW + timedelta(days=89)),
        ({"provisional": True}, LATER),
        ({"state": "charging", "meter_stop_wh": None, "ended_at": None}, LATER),
    ],
)
def test_young_provisional_and_running_walk_ins_keep_theirs(changes: dict[str, Any], at: datetime) -> None:
    walked_off(**changes)
    assert fulfillment.thin_walk_ins(at) == 0
    assert WalkInReading.objects.count() == 16


def done(status: str) -> WorkflowInstance:
    """The instance that started a session, over since NOW as told."""
    rows = WorkflowInstance.objects.filter(session=charging_session())
    rows.update(status=status, ended_at=NOW, next_at=None, holding=False, lease_until=None)
    return rows.get()


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_of_an_old_journal_the_commands_stay(supplier: FakeSupplier, status: str) -> None:
    instance = done(status)
    steps = instance.tasks.count()
    calls = instance.tasks.filter(key__isnull=False).values_list("pk", "request__method")
    commands = {pk for pk, method in calls if method.lower() != "get"}
    assert 0 < len(commands) < steps
    assert fulfillment.thin_journals(LATER) == 1
    assert fulfillment.thin_journals(LATER) == 0
    assert set(instance.tasks.values_list("pk", flat=True)) == commands


@pytest.mark.parametrize(
    ("status", "at"), [("completed", NOW + timedelta(days=89)), ("faulted", LATER), ("suspended", LATER)]
)
def test_young_faulted_and_suspended_instances_keep_all_steps(
    supplier: FakeSupplier, status: str, at: datetime
) -> None:
    done(status)
    steps = TaskRun.objects.count()
    assert fulfillment.thin_journals(at) == 0
    assert TaskRun.objects.count() == steps
