"""Is a session billed right in the end, though its meter was read right only afterwards?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import DomainError
from fulfillment import services as fulfillment
from fulfillment.drivers.base import MeterValue
from fulfillment.models import Reading, Session
from fulfillment.services.sessions import lock_session
from orders.balances import purse
from orders.models import Order, Quote
from orders.services import check_books
from tests.factories.fulfillment import charging_session, run_steps
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
STAFF: dict[str, Any] = {"actor": "staff:x", "reason": "sealed meter read on site"}


def billed(supplier: FakeSupplier) -> Session:
    session = charging_session()
    now = supplier.after(600)
    fulfillment.request_stop(session.order_id, now)
    run_steps(now)
    session.refresh_from_db()
    return session


def current(order_id: int) -> Quote:
    return Quote.objects.get(order=order_id, current=True)


def provisional(supplier: FakeSupplier, *, told_wh: int) -> Session:
    """A session that was settled without its last register, on `told_wh` since its begin."""
    session = billed(supplier)
    first_wh = session.meter_start_wh or 0
    fulfillment.correct_meter(session.order_id, meter_stop_wh=first_wh + told_wh, now=supplier.at, **STAFF)
    Session.objects.filter(pk=session.pk).update(provisional=True, by_hand=False, read_at=supplier.at)
    session.refresh_from_db()
    return session


@pytest.mark.parametrize("more_wh", [-1_000, 700])
def test_operator_corrects_the_last_register_in_both_directions(supplier: FakeSupplier, more_wh: int) -> None:
    session = billed(supplier)
    before_wh, before = session.energy_wh, current(session.order_id)
    stop_wh = (session.meter_stop_wh or 0) + more_wh
    for _ in range(2):
        session = fulfillment.correct_meter(session.order_id, meter_stop_wh=stop_wh, now=supplier.at, **STAFF)
    bill = current(session.order_id)
    assert (session.energy_wh, bill.energy_wh) == (before_wh + more_wh, before_wh + more_wh)
    assert (bill.total_paise > before.total_paise) == (more_wh > 0)
    assert Quote.objects.filter(order=session.order_id, kind="bill").count() == 2
    assert Reading.objects.filter(session=session, energy_wh=stop_wh, accepted=True).exists()
    stand = purse(Order.objects.get(pk=session.order_id))
    assert stand.captured + stand.due == bill.total_paise
    check = check_books(now=supplier.at + HOUR, whole=True)
    assert check is not None
    assert check.findings == []


def test_register_below_the_first_one_or_before_the_bill_is_refused(supplier: FakeSupplier) -> None:
    session = charging_session()
    codes = []
    for order_id in (session.order_id, 0):
        with pytest.raises(DomainError) as caught:
            fulfillment.correct_meter(order_id, meter_stop_wh=1, now=NOW, **STAFF)
        codes.append(caught.value.code)
    done = billed_again(session, supplier)
    with pytest.raises(DomainError) as caught:
        fulfillment.correct_meter(done.order_id, meter_stop_wh=0, now=supplier.at, **STAFF)
    assert [*codes, caught.value.code] == ["not-in-this-state", "order-unknown", "update-inconsistent"]


def billed_again(session: Session, supplier: FakeSupplier) -> Session:
    now = supplier.after(600)
    fulfillment.request_stop(session.order_id, now)
    run_steps(now)
    session.refresh_from_db()
    return session


def test_station_that_is_back_tells_the_rest_and_is_billed_once(supplier: FakeSupplier) -> None:
    session = provisional(supplier, told_wh=1_000)
    told_at, first_wh = supplier.at + timedelta(minutes=30), session.meter_start_wh or 0
    for minutes, energy_wh in ((10, 2_000), (20, 3_000), (20, 3_000)):
        order, locked = lock_session(session.order_id)
        at = supplier.at + timedelta(minutes=minutes)
        fulfillment.record_reading(order, locked, MeterValue(at=at, energy_wh=first_wh + energy_wh), now=told_at)
    assert fulfillment.bill_late_due(now=told_at) == 0
    assert fulfillment.bill_late_due(now=told_at + timedelta(seconds=60)) == 1
    assert fulfillment.bill_late_due(now=told_at + HOUR) == 0
    session.refresh_from_db()
    assert (session.energy_wh, current(session.order_id).energy_wh) == (3_000, 3_000)
    told = Order.objects.get(pk=session.order_id).events.filter(kind="bill-corrected", public=True)
    assert told.latest("number").data["reason"] == "the meter told its end after the bill"


def test_one_bill_that_cannot_be_made_holds_up_no_other(supplier: FakeSupplier) -> None:
    broken, other = provisional(supplier, told_wh=1_000), provisional(supplier, told_wh=1_000)
    Quote.objects.filter(order=broken.order_id).update(tariff={})
    for session in (broken, other):
        told = (session.meter_stop_wh or 0) + 1_000
        Session.objects.filter(pk=session.pk).update(meter_wh=told, updated_at=supplier.at)
    assert fulfillment.bill_late_due(now=supplier.at + HOUR) == 1
    assert current(other.order_id).energy_wh == 2_000


def test_late_reading_that_cannot_be_is_kept_and_refused(supplier: FakeSupplier) -> None:
    session = provisional(supplier, told_wh=1_000)
    order, locked = lock_session(session.order_id)
    value = MeterValue(at=supplier.at + timedelta(seconds=1), energy_wh=(session.meter_stop_wh or 0) + 900_000)
    assert fulfillment.record_reading(order, locked, value, now=supplier.at + HOUR)
    assert fulfillment.bill_late_due(now=supplier.at + 2 * HOUR) == 0
    assert Reading.objects.filter(session=session, energy_wh=value.energy_wh, accepted=False).exists()


@pytest.mark.parametrize("more_wh", [0, 500])
@pytest.mark.parametrize("told_before", [True, False])
def test_operator_has_the_last_word_on_a_session_settled_without_its_end(
    supplier: FakeSupplier, more_wh: int, told_before: bool
) -> None:
    session = provisional(supplier, told_wh=1_000)
    stop_wh = (session.meter_stop_wh or 0) + more_wh

    def tell() -> None:
        order, locked = lock_session(session.order_id)
        value = MeterValue(at=supplier.at + timedelta(minutes=1), energy_wh=stop_wh + 2_000)
        fulfillment.record_reading(order, locked, value, now=supplier.at + HOUR)

    if told_before:
        tell()
    fulfillment.correct_meter(session.order_id, meter_stop_wh=stop_wh, now=supplier.at + HOUR, **STAFF)
    tell()
    assert fulfillment.bill_late_due(now=supplier.at + 2 * HOUR) == 0
    assert current(session.order_id).energy_wh == 1_000 + more_wh


@pytest.mark.parametrize(("days", "bills"), [(7, 1), (8, 0)])
def test_station_may_tell_the_rest_for_a_week(supplier: FakeSupplier, days: int, bills: int) -> None:
    session = provisional(supplier, told_wh=1_000)
    order, locked = lock_session(session.order_id)
    assert locked.ended_at is not None
    told_at = locked.ended_at + timedelta(days=days)
    value = MeterValue(at=supplier.at + timedelta(minutes=30), energy_wh=(session.meter_stop_wh or 0) + 2_000)
    fulfillment.record_reading(order, locked, value, now=told_at)
    assert fulfillment.bill_late_due(now=told_at + HOUR) == bills


def late(session: Session, energy_wh: int, at: datetime, *, last: bool = True, now: datetime | None = None) -> str:
    """A reading told after the bill, Wh since the session's begin; why it was refused, if it was."""
    order, locked = lock_session(session.order_id)
    value = MeterValue(at=at, energy_wh=(session.meter_start_wh or 0) + energy_wh, final=last)
    return fulfillment.record_reading(order, locked, value, now=now or at)


@pytest.mark.parametrize("energy_wh", [3_000, 5_500])
def test_last_reading_told_late_is_billed_at_once_in_both_directions(supplier: FakeSupplier, energy_wh: int) -> None:
    session = billed(supplier)  # 600 s at 30 kW
    assert (session.energy_wh, session.provisional) == (5_000, False)
    at = supplier.after(900)
    assert [late(session, energy_wh, at), late(session, energy_wh, at + HOUR)] == ["", "duplicate"]
    session.refresh_from_db()
    assert (session.energy_wh, session.provisional, current(session.order_id).energy_wh) == (
        energy_wh,
        False,
        energy_wh,
    )
    assert Quote.objects.filter(order=session.order_id, kind="bill").count() == 2
    check = check_books(now=at + HOUR, whole=True)
    assert check is not None
    assert check.findings == []


def test_more_than_was_billed_that_is_not_the_last_word_waits_for_the_rest(supplier: FakeSupplier) -> None:
    session = billed(supplier)
    at = supplier.after(900)
    assert late(session, 5_500, at, last=False) == ""
    assert fulfillment.bill_late_due(now=at) == 0
    assert late(session, 6_000, at + HOUR) == ""
    assert fulfillment.bill_late_due(now=at + 2 * HOUR) == 0
    assert current(session.order_id).energy_wh == 6_000


def test_last_word_that_confirms_a_provisional_bill_closes_it(supplier: FakeSupplier) -> None:
    session = provisional(supplier, told_wh=4_000)
    assert late(session, 4_000, supplier.after(900)) == "duplicate"
    session.refresh_from_db()
    assert session.provisional is False


@pytest.mark.parametrize(
    ("energy_wh", "seconds", "last", "reason"),
    [
        (4_999, 900, False, "the session is ended"),
        (1_999, 900, True, "decreasing"),
        (900_000, 900, True, "implausible"),
        (900_000, 900, False, "implausible"),
        (6_000, -700, True, "out of order"),
    ],
)
def test_late_word_that_cannot_be_changes_no_bill(
    supplier: FakeSupplier, energy_wh: int, seconds: int, last: bool, reason: str
) -> None:
    session = charging_session()
    order, locked = lock_session(session.order_id)
    at = supplier.after(300)
    start_wh = session.meter_start_wh or 0
    assert not fulfillment.record_reading(order, locked, MeterValue(at=at, energy_wh=start_wh + 2_000), now=at)
    done = billed_again(session, supplier)
    told = late(done, energy_wh, supplier.at + timedelta(seconds=seconds), now=supplier.at + HOUR, last=last)
    assert told.startswith(reason)
    assert Reading.objects.filter(session=done, accepted=False, reason=told).exists()
    assert Quote.objects.filter(order=done.order_id, kind="bill").count() == 1


@pytest.mark.parametrize("last", [True, False])
def test_late_word_takes_no_energy_of_the_slots_next_session(supplier: FakeSupplier, last: bool) -> None:
    first = billed(supplier)
    now = supplier.after(60)
    following = charging_session(first.order.connector, now=now)
    assert following.meter_start_wh == first.meter_stop_wh
    told = late(first, 5_500, supplier.after(600), last=last)
    assert told == f"beyond {following.meter_start_wh} Wh, with which the slot's next session began"
    assert current(first.order_id).energy_wh == 5_000
