"""Is every fact noted once, for those who want to be told, and nothing else?"""

from __future__ import annotations

import threading
from datetime import time, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from fulfillment import services as fulfillment
from fulfillment.drivers.base import Ack
from fulfillment.models import Notice, Session
from fulfillment.services import running
from fulfillment.services.deriving import standing_costs_from
from fulfillment.services.noticing import Fact, _Looked, catch_up, hear, note, told_of
from fulfillment.services.sessions import lock_session
from fulfillment.services.tracking import snapshot
from orders.models import Order
from orders.selectors import offer_quote
from orders.services import ask_refund, cancel_order, finish_refund
from tests.factories.fulfillment import charging_session, later, run_steps, starting_session, waiting_session
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.notified import look, noted, read, switch_on, the_one
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db
PARKING = [{"price_components": [{"type": "ENERGY", "price": "18"}, {"type": "PARKING_TIME", "price": "60"}]}]
GRACE = [
    {"price_components": [{"type": "ENERGY", "price": "18"}, {"type": "PARKING_TIME", "price": "60", "grace": 900}]}
]


def telling_connector(elements: Any = None, **changes: Any) -> Any:
    connector = connector_on_sale(elements=elements)
    switch_on(connector.evse.station.operator, **changes)
    return connector


def charging(elements: Any = None, *, billing: Any = None, **changes: Any) -> tuple[Order, Session]:
    """A session that charges, of an operator that tells."""
    session = charging_session(telling_connector(elements, **changes))
    if billing is not None:
        Order.objects.filter(pk=session.order_id).update(billing=billing)
    return Order.objects.get(pk=session.order_id), session


def end(session: Session, *, energy_wh: int = 8_000, now: Any = NOW) -> None:
    """The station ends the session on its last register."""
    order, session = lock_session(session.order_id)
    session.meter_wh = (session.meter_start_wh or 0) + energy_wh
    running.finish(order, session, None, now=now)


def test_start_is_noted_with_the_start(supplier: FakeSupplier) -> None:
    order, _ = charging()
    assert noted(order) == ["started"]
    assert look() == 0


def test_start_that_is_rolled_back_is_noted_by_nobody(supplier: FakeSupplier) -> None:
    session = starting_session(telling_connector())
    order, session = lock_session(session.order_id)
    with transaction.atomic():
        running.begin(order, session, Ack(meter_wh=0), now=NOW)
        assert noted(order) == ["started"]
        transaction.set_rollback(True)
    assert noted(order) == []


def test_end_is_noted_with_its_receipt(supplier: FakeSupplier) -> None:
    order, session = charging()
    end(session)
    assert noted(order) == ["started", "done", "refund", "receipt"]
    assert (the_one(order, "receipt").place, the_one(order, "refund").place) == (1, 2)


def test_failed_start_is_noted_as_an_end_without_a_receipt(supplier: FakeSupplier) -> None:
    session = starting_session(telling_connector())
    order, session = lock_session(session.order_id)
    running.fail(order, session, now=NOW, reason="broken")
    assert (noted(order)[0], the_one(order, "done").cause) == ("done", "failed")
    assert "receipt" not in noted(order)


@pytest.mark.parametrize("by", ["nobody", "default", "off", "email", "kind"])
def test_nothing_is_noted_for_who_is_not_told(supplier: FakeSupplier, settings: Settings, by: str) -> None:
    connector = connector_on_sale()
    operator = connector.evse.station.operator
    settings.NOTICES_DEFAULT_ON = by not in {"nobody", "kind"}
    if by == "off":
        switch_on(operator, active=False)
    if by == "kind":
        switch_on(operator, switches=["email:receipt", "webhook:started"])
    billing = {"name": "Test Driver"} if by == "email" else {"name": "Test Driver", "email": "driver@example.org"}
    session = starting_session(connector)
    Order.objects.filter(pk=session.order_id).update(billing=billing)
    run_steps(NOW)
    look()
    assert Notice.objects.filter(order=session.order_id).exists() is (by == "default")


def test_webhook_is_told_beside_the_mail_where_there_is_one(supplier: FakeSupplier) -> None:
    order, _ = charging(webhook_url="https://hooks.example.org/x")
    assert (noted(order), noted(order, way="webhook")) == (["started"], ["started"])


def test_pause_is_noted_and_due_only_after_a_while(supplier: FakeSupplier) -> None:
    order, session = charging()
    for number, seconds in enumerate((10, 20)):
        Session.objects.filter(pk=session.pk).update(state="charging")
        read(session, 500, later(seconds), power_w=0)
        order, session = lock_session(session.order_id)
        if number:
            running.follow(order, session, now=later(seconds))
    pause = the_one(order, "interrupted")
    assert pause.next_at == later(80)
    read(session, 900, later(30))
    order, session = lock_session(session.order_id)
    running.follow(order, session, now=later(30))
    assert noted(order) == ["started", "interrupted", "resumed"]


def test_refund_is_noted_when_it_goes_out_and_when_it_is_there(supplier: FakeSupplier) -> None:
    order, session = charging()
    end(session, energy_wh=1_000)
    look()
    refund = order.refunds.get()
    assert [row.place for row in Notice.objects.filter(order=order, kind="refund")] == [2]
    finish_refund(refund.pk, reference="r-1", now=later(60), actor="test")
    look(later(61))
    look(later(62))
    assert sorted(Notice.objects.filter(order=order, kind="refund").values_list("place", "cause")) == [
        (2, ""), (3, "done"),
    ]  # fmt: skip


def test_cancellation_by_the_driver_is_only_a_refund(supplier: FakeSupplier) -> None:
    order = waiting_session(telling_connector()).order
    cancel_order(order_id=order.pk, by="CONSUMER", reason_id="5", text="", now=NOW, actor="test")
    look()
    assert set(noted(order)) <= {"refund", "receipt"}


def test_goodwill_gets_its_notice_and_its_paper(supplier: FakeSupplier) -> None:
    order, session = charging()
    end(session)
    before = Notice.objects.filter(order=order, kind="refund").count()
    ask_refund(order.pk, 1_000, cause="sorry", now=later(100), actor="test")
    look(later(101))
    assert Notice.objects.filter(order=order, kind="refund").count() == before + 1


def test_nothing_older_than_the_switch_is_told(supplier: FakeSupplier) -> None:
    order, session = charging(active=False)
    end(session)
    switch_on(order.operator, active_since=later(10))
    assert look(later(20)) == 0
    assert noted(order) == []


def test_look_goes_back_to_the_one_before(supplier: FakeSupplier) -> None:
    order, session = charging(active=False)
    end(session)
    switch_on(order.operator)
    _Looked.until = later(3600)
    catch_up(later(3600))
    assert noted(order) == []
    look(later(3600))
    assert "done" in noted(order)


def test_eighty_is_noted_once(supplier: FakeSupplier) -> None:
    order, session = charging()
    read(session, 7_999, later(900))
    look(later(900))
    assert "eighty" not in noted(order)
    for seconds in (960, 970):
        read(session, 8_000, later(seconds))
        look(later(seconds))
    assert noted(order).count("eighty") == 1


@pytest.mark.parametrize(("levels", "told"), [((70, 80), True), ((85, 90), False), ((60, 70), False)])
def test_eighty_counts_the_battery_where_it_came_from_below(
    supplier: FakeSupplier, levels: tuple[int, int], *, told: bool
) -> None:
    order, session = charging()
    for seconds, soc in zip((10, 20), levels, strict=True):
        read(session, seconds * 8, later(seconds), soc=soc)
    look(later(20))
    assert ("eighty" in noted(order)) is told


def test_silence_is_noted_and_told_over_only_where_it_was_told(supplier: FakeSupplier) -> None:
    order, session = charging()
    read(session, 100, later(10))
    look(later(70))
    assert "interrupted" not in noted(order)
    look(later(71))
    silence = the_one(order, "interrupted")
    assert (silence.cause, silence.place) == ("silent", int(later(10).timestamp()))
    read(session, 200, later(80))
    look(later(81))
    assert "resumed" not in noted(order)
    Notice.objects.filter(pk=silence.pk).update(state="sent", next_at=None, sent_at=later(75))
    look(later(82))
    look(later(83))
    assert noted(order).count("resumed") == 1
    read(session, 300, later(90))
    look(later(200))
    assert noted(order).count("interrupted") == 2


def test_station_that_is_not_believed_is_not_silent(supplier: FakeSupplier) -> None:
    order, session = charging()
    read(session, 100, later(10))
    session.readings.create(at=later(90), energy_wh=1, accepted=False, reason="decreasing")
    look(later(100))
    assert "interrupted" not in noted(order)


def test_default_has_the_quiet_hours_of_the_platform(supplier: FakeSupplier, settings: Settings) -> None:
    settings.NOTICES_QUIET_HOURS = "21:15-06:45"
    told = told_of(connector_on_sale().evse.station.operator_id)
    assert (told.active, told.quiet_from, told.quiet_until) == (False, time(21, 15), time(6, 45))


@pytest.mark.parametrize(
    ("elements", "left_wh", "told"),
    [(PARKING, 4_600, True), (PARKING, 4_900, False), (GRACE, 100, False), (None, 100, False)],
)
def test_standing_is_warned_of_ten_minutes_before_it_costs(
    supplier: FakeSupplier, elements: Any, left_wh: int, *, told: bool
) -> None:
    order, session = charging(elements)
    # 10 kWh less what is left in 600 s: the bill counts standing from a minute on, back to its begin.
    read(session, order.energy_wh - left_wh, later(600), power_w=30_000)
    look(later(600))
    assert ("idle-soon" in noted(order)) is told


def test_vehicle_that_takes_less_and_less_is_warned_when_its_page_says_so(supplier: FakeSupplier) -> None:
    order, session = charging(PARKING)
    at, energy_wh = NOW, 0.0
    while energy_wh < 8_000:
        power_w = 30_000 * min(1.0, 1 - 0.7 * (energy_wh - 4_000) / 6_000)
        at, energy_wh = at + timedelta(seconds=5), energy_wh + power_w * 5 / 3600
        read(session, int(energy_wh), at, power_w=int(power_w))
    assert (order.energy_wh - energy_wh) * 3600 / power_w < 600, "near the end, did it go on so"
    assert [remark for remark in snapshot(order.pk, at).notices if remark.code == "idle-soon"] == []
    look(at)
    assert "idle-soon" not in noted(order)
    while "idle-soon" not in noted(order):
        assert (at - NOW).total_seconds() < 3_600
        power_w = 30_000 * max(0.3, 1 - 0.7 * (energy_wh - 4_000) / 6_000)
        at, energy_wh = at + timedelta(seconds=30), energy_wh + power_w * 30 / 3600
        read(session, int(energy_wh), at, power_w=int(power_w))
        look(at)
    assert "idle-soon" in [remark.code for remark in snapshot(order.pk, at).notices]


def test_standing_in_a_pause_is_told_as_the_interruption_it_is(supplier: FakeSupplier) -> None:
    order, session = charging(PARKING)
    for seconds, energy_wh in ((300, 2_500), (600, 2_500)):
        read(session, energy_wh, later(seconds), power_w=0)
    look(later(620))
    assert "idle-now" in [remark.code for remark in snapshot(order.pk, later(620)).notices]
    assert "idle-soon" not in noted(order)


def test_stay_that_is_not_near_yet_still_names_its_moment(supplier: FakeSupplier) -> None:
    order, session = charging(GRACE)
    read(session, 5_000, later(600), power_w=30_000)
    offer = offer_quote(order)
    costs_at = standing_costs_from(order, session, offer, now=later(600))
    assert costs_at is not None
    # 600 s more for the rest, 900 s of grace.
    assert (costs_at - later(2_100)).total_seconds() == pytest.approx(0, abs=2)
    assert standing_costs_from(order, None, offer, now=NOW) is None


def test_standing_after_the_end_is_warned_of_before_its_grace_is_over(supplier: FakeSupplier) -> None:
    order, session = charging(GRACE)
    end(session, now=later(100))
    look(later(500))
    assert "idle-soon" not in noted(order)
    Session.objects.filter(pk=session.pk).update(standing_at=later(110))
    look(later(401))
    assert "idle-soon" not in noted(order), "nobody is billed for standing after a provisional end"
    Session.objects.filter(pk=session.pk).update(provisional=False)
    look(later(400))
    assert "idle-soon" not in noted(order)
    look(later(401))
    assert "idle-soon" in noted(order)


def test_database_holds_each_notice_once(supplier: FakeSupplier) -> None:
    order, _ = charging()
    row = the_one(order, "started")
    with pytest.raises(IntegrityError, match="notice_once"), transaction.atomic():
        Notice.objects.create(order=order, kind="started", place=row.place, way="email", at=NOW, next_at=NOW)
    with pytest.raises(IntegrityError, match="notice_due_has_time"), transaction.atomic():
        Notice.objects.filter(pk=row.pk).update(next_at=None)


def test_looking_costs_the_same_however_many_orders_changed(
    supplier: FakeSupplier, django_assert_max_num_queries: Any
) -> None:
    connector = telling_connector()
    charging_session(connector)
    for _ in range(4):
        charging_session(connector_on_sale(station=connector.evse.station), now=NOW)
    Notice.objects.all().delete()
    with django_assert_max_num_queries(13):
        look(later(1))
    assert Notice.objects.count() == 5


def test_hearing_costs_one_statement_where_nobody_is_told(
    supplier: FakeSupplier, django_assert_num_queries: Any
) -> None:
    order = charging_session(connector_on_sale()).order
    with django_assert_num_queries(1):
        hear(order, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_who_note_the_same_at_once_note_it_once(supplier: FakeSupplier) -> None:
    order, _ = charging()
    told = order.operator.notice_settings
    begun = threading.Barrier(2)

    def one() -> None:
        try:
            begun.wait(5)
            note(order, told, [Fact(Notice.Kind.EIGHTY, 0, NOW)], now=NOW)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert noted(order).count("eighty") == 1


def test_settled_notices_are_forgotten_after_their_time(supplier: FakeSupplier, settings: Settings) -> None:
    settings.NOTICES_KEPT_DAYS = 10
    order, session = charging()
    end(session)
    Notice.objects.filter(order=order, kind="started").update(state="sent", next_at=None, sent_at=NOW)
    assert fulfillment.forget_notices(NOW + timedelta(days=9)) == 0
    assert fulfillment.forget_notices(NOW + timedelta(days=11)) == 1
    assert noted(order) == ["done", "refund", "receipt"]
