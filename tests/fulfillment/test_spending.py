"""Does a session by money end where its money is used up, whatever costs it?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.models import Session
from fulfillment.services.ingest import take_in
from orders.models import Order, Quote
from sandbox.meter import ChargingCurve
from tests.factories.fulfillment import charging_session, later, run_steps
from tests.factories.orders import connector_on_sale
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import said

pytestmark = pytest.mark.django_db

PER_HOUR = [{"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "TIME", "price": "60.00"}]}]
PARKED = [{"type": "ENERGY", "price": "18.00"}, {"type": "PARKING_TIME", "price": "360.00"}]


def fresh(session: Session) -> Session:
    return Session.objects.get(pk=session.pk)


def slow_session(elements: Any, paise: int = 20_000) -> Session:
    """A session by money at 30 kW whose vehicle will take 10 kW."""
    return charging_session(connector_on_sale(elements=elements), quantity_kind="money", quantity=paise)


def test_money_that_time_uses_up_ends_the_session_before_its_energy(supplier: FakeSupplier) -> None:
    session = slow_session(PER_HOUR)
    ended_s, reckoned = 0, 0
    for seconds in range(5, 3600, 5):
        now = later(seconds)
        taken = take_in([said(session, seconds * 10_000 // 3600, now, powerW=10_000)], now=now)
        reckoned += bool(taken.changed)
        session.refresh_from_db()
        if session.state == Session.State.ENDING:
            ended_s = seconds
            break
    # ₹ 169.49 before tax at ₹ 3 a minute for 10 kW and ₹ 1 for the time
    assert ended_s == pytest.approx(169.49 / 4 * 60, abs=6)
    assert session.stop_reason == "ordered money used up"
    assert session.energy_wh < Order.objects.get(pk=session.order_id).energy_wh
    assert reckoned < 40, "not with every value"


def test_look_is_planned_for_the_moment_at_which_the_money_is_used_up(supplier: FakeSupplier) -> None:
    session = slow_session(PER_HOUR)
    for seconds in (600, 2_530):
        take_in([said(session, seconds * 10_000 // 3600, later(seconds), powerW=10_000)], now=later(seconds))
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING
    assert session.next_at is not None
    assert (session.next_at - later(0)).total_seconds() == pytest.approx(169.49 / 4 * 60, abs=5)


def test_money_is_used_up_by_standing_in_a_pause(supplier: FakeSupplier) -> None:
    session = slow_session([{"price_components": PARKED}], paise=10_000)
    take_in([said(session, 1_000, later(360), powerW=10_000)], now=later(360))
    states = []
    # ₹ 84.75 before tax: ₹ 18 for the energy, then ₹ 6 for each minute of standing, which is 668 s
    for seconds in (400, 440, 1_000, 1_025, 1_035):
        take_in([said(session, 1_000, later(seconds), powerW=0)], now=later(seconds))
        session.refresh_from_db()
        states.append(session.state)
    assert states == ["paused", "paused", "paused", "paused", "ending"]


def test_money_for_energy_alone_is_reckoned_once(supplier: FakeSupplier) -> None:
    session = slow_session(None)
    changed = []
    for seconds in range(5, 600, 30):
        now = later(seconds)
        changed += take_in([said(session, seconds * 10_000 // 3600, now, powerW=10_000)], now=now).changed
    assert changed == [session.order_id]


def test_ended_by_money_where_time_costs_too(supplier: FakeSupplier) -> None:
    connector = connector_on_sale(elements=PER_HOUR)
    supplier.rules.add_station(connector.evse.station.code, curve=ChargingCurve(power_w=10_000))
    session = charging_session(connector, quantity_kind="money", quantity=2_000)
    due = session.next_at
    while fresh(session).state == Session.State.CHARGING and due is not None:
        supplier.move_to(max(due, supplier.at))
        run_steps(supplier.at)
        due = fresh(session).next_at
    run_steps(supplier.after(1))
    session, order = fresh(session), Order.objects.get(pk=session.order_id)
    assert (session.state, session.stop_reason) == (Session.State.ENDED, "ordered money used up")
    assert session.energy_wh < order.energy_wh
    assert Quote.objects.get(order=order, kind=Quote.Kind.BILL).total_paise == pytest.approx(2_000, abs=40)


def test_silence_of_a_station_uses_up_no_money(supplier: FakeSupplier) -> None:
    elements = [{"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "PARKING_TIME", "price": "900"}]}]
    session = charging_session(connector_on_sale(elements=elements), quantity_kind="money", quantity=15_000)
    run_steps(supplier.after(120))
    supplier.fail_next("*", n=10_000, status=503)
    for _ in range(15):
        run_steps(supplier.after(31))
    assert fresh(session).state == Session.State.CHARGING
    supplier.api.faults.clear()
    run_steps(supplier.after(300))
    assert fresh(session).stop_reason == "ordered energy reached"
