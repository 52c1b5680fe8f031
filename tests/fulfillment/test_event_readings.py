"""What does a meter reading that a station tells us do, and which one is not believed?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import Reading, Session, StationEvent, WorkflowInstance
from fulfillment.services.instances import RELEASE
from orders.models import Order
from tests.factories.fulfillment import charging_session, run_steps
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import TYPES, event, meter, process

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]


def test_reading_moves_the_session_on(supplier: FakeSupplier) -> None:
    session = charging_session()
    start_wh = session.meter_start_wh or 0
    now = supplier.after(60)
    row = process(event("meter-values", meter(session, start_wh + 400, now, soc=55, voltageV=400.5)), now)
    session.refresh_from_db()
    assert (row.state, session.energy_wh, session.soc_percent, session.power_w) == ("done", 400, 55, 30_000)


def test_last_reading_of_a_session_that_was_billed_bills_it_anew(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(600))
    run_steps(supplier.at)
    now = supplier.after(600)
    told = meter(session, (session.meter_start_wh or 0) + 3_000, now, context="Transaction.End")
    row = process(event("meter-values", told), now)
    session.refresh_from_db()
    assert (row.state, session.energy_wh) == ("done", 3_000)


def test_reading_that_reaches_the_ordered_energy_ends_the_session(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=500)
    now = supplier.after(60)
    process(event("meter-values", meter(session, (session.meter_start_wh or 0) + 500, now)), now)
    run_steps(now)
    session.refresh_from_db()
    assert session.state == Session.State.ENDED


@pytest.mark.parametrize(
    ("gain_wh", "seconds", "changes", "word"),
    [
        (-1, 30, {}, "decreasing"),
        (5_000, 30, {}, "implausible"),
        (100, 300, {}, "in the future"),
        (100, -30, {}, "out of order"),
        (100, 30, {"slotNumber": 2}, "no slot 2"),
        (100, 30, {"sessionId": "ses-foreign"}, "no session of ours"),
    ],
)
def test_reading_that_cannot_be_is_kept_and_not_believed(
    supplier: FakeSupplier, gain_wh: int, seconds: int, changes: dict[str, Any], word: str
) -> None:
    session = charging_session()
    now = supplier.after(60)
    start_wh = session.meter_start_wh or 0
    at = NOW + timedelta(seconds=seconds)
    row = process(event("meter-values", meter(session, start_wh + gain_wh, at, **changes)), now)
    session.refresh_from_db()
    assert row.state == "refused"
    assert word in row.reason
    assert session.energy_wh == 0
    assert not Reading.objects.filter(session=session, accepted=True).exists()


def test_same_reading_twice_is_recorded_once(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(60)
    body = meter(session, (session.meter_start_wh or 0) + 400, now)
    process(event("meter-values", body, id_="a"), now)
    process(event("meter-values", body, id_="b"), now)
    assert Reading.objects.filter(session=session).count() == 1


def test_vehicle_that_takes_nothing_pauses_the_session_until_it_does(supplier: FakeSupplier) -> None:
    session = charging_session()
    start_wh = session.meter_start_wh or 0
    for number, (gain_wh, power_w) in enumerate([(100, 0), (100, 0), (150, 9_000)]):
        now = supplier.after(15)
        body = meter(session, start_wh + gain_wh, now, powerW=power_w)
        process(event("meter-values", body, id_=f"m-{number}"), now)
        session.refresh_from_db()
        assert session.state == (Session.State.PAUSED if number == 1 else Session.State.CHARGING)
    assert Order.objects.get(pk=session.order_id).fulfillment == Order.Fulfillment.CHARGING_RESUMED


def test_energy_that_flows_after_we_gave_up_is_stopped(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(30)
    Session.objects.filter(pk=session.pk).update(state="failed", next_at=None)
    process(event("meter-values", meter(session, (session.meter_start_wh or 0) + 100, now)), now)
    run_steps(now)
    assert supplier.session.status == "closed"


def given_up(session: Session, *, ended_ago: timedelta, now: datetime) -> None:
    """Its start was never answered: we do not know how the station calls it."""
    Session.objects.filter(pk=session.pk).update(
        state="failed", next_at=None, remote_id="", ended_at=now - ended_ago, updated_at=now - ended_ago
    )
    WorkflowInstance.objects.filter(session=session).update(
        status="completed", ended_at=now, next_at=None, holding=False, lease_until=None
    )


def test_start_that_was_never_answered_and_begins_late_is_stopped(supplier: FakeSupplier) -> None:
    session = charging_session()
    now = supplier.after(600)
    given_up(session, ended_ago=timedelta(minutes=5), now=now)
    for number in range(2):
        told = meter(session, (session.meter_start_wh or 0) + 100 + number, now)
        row = process(event("meter-values", told, id_=f"m-{number}"), now)
        assert row.state == "refused"
        run_steps(now)
    assert supplier.session.status == "closed"
    assert WorkflowInstance.objects.filter(session=session, trigger=RELEASE).count() == 1


@pytest.mark.parametrize("ended_ago", [timedelta(minutes=1), timedelta(minutes=61)])
def test_unknown_energy_is_looked_into_neither_at_once_again_nor_for_ever(
    supplier: FakeSupplier, ended_ago: timedelta
) -> None:
    session = charging_session()
    now = supplier.after(7200)
    given_up(session, ended_ago=ended_ago, now=now)
    process(event("meter-values", meter(session, (session.meter_start_wh or 0) + 100, now)), now)
    assert not WorkflowInstance.objects.filter(session=session, trigger=RELEASE).exists()


histories = st.lists(st.tuples(st.integers(-60, 90), st.integers(-500, 3000)), min_size=1, max_size=8)


@hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_energy_of_a_session_never_decreases(supplier: FakeSupplier, history: list[tuple[int, int]]) -> None:
    session = charging_session(quantity=40_000, now=supplier.at)
    start_wh, highest, now = session.meter_start_wh or 0, 0, supplier.after(60)
    for number, (seconds, gain_wh) in enumerate(history):
        at = now + timedelta(seconds=seconds)
        data = meter(session, max(0, start_wh + gain_wh), at)
        said = Incoming("s", f"{session.card}-{number}", f"{TYPES}meter-values.v1", at, data)
        fulfillment.store_events([said])
        StationEvent.objects.filter(state="new").update(next_at=now)
        fulfillment.process_events_due(now)
        session.refresh_from_db()
        assert session.energy_wh >= highest
        highest = session.energy_wh
    events = StationEvent.objects.filter(event_id__startswith=session.card)
    refused = Reading.objects.filter(session=session, accepted=False)
    assert refused.count() == events.filter(state="refused").count()
    fulfillment.request_stop(session.order_id, now)
    run_steps(now)
