"""Which times may be booked, what is kept free between them, and what falls due after a confirmation?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from catalog.models import Connector, Evse, Station
from core.errors import DomainError
from orders.booking import Rules, rules_from
from orders.changes import Who
from orders.models import Deadline, Order, Reservation, ReservationRules
from orders.selectors import busy_intervals, current_quote
from orders.services import (
    approve_order,
    change_connector,
    change_window,
    charger_back,
    deadlines_due,
    decline_order,
    fitting,
    mark_starting,
    promise_failed,
    start_code,
    warn_of_fault,
    wrong_start_code,
)
from tests.factories.orders import BAP, NOW, active_order, connector_on_sale, draft_order, initiated_order

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def ruled(**rules: Any) -> Connector:
    """A connector whose operator has these rules."""
    connector = connector_on_sale()
    ReservationRules.objects.create(operator=connector.evse.station.operator, **rules)
    return connector


def code_of(caught: pytest.ExceptionInfo[DomainError]) -> str:
    return caught.value.code


@pytest.mark.parametrize(
    ("begins", "lasts", "taken"),
    [
        (2 * HOUR, HOUR, True),
        (2 * HOUR - timedelta(seconds=1), HOUR, False),
        (48 * HOUR, HOUR, True),
        (48 * HOUR + timedelta(seconds=1), HOUR, False),
        (5 * HOUR, 30 * MINUTE, True),
        (5 * HOUR, 29 * MINUTE, False),
        (5 * HOUR, 3 * HOUR, True),
        (5 * HOUR, 3 * HOUR + MINUTE, False),
    ],
)
def test_limits_hold_at_the_edge(begins: timedelta, lasts: timedelta, taken: bool) -> None:
    rules = {"earliest_s": 48 * 3600, "latest_s": 7200, "shortest_s": 1800, "longest_s": 3 * 3600}
    connector = ruled(**rules)
    wish = {"starts_at": NOW + begins, "ends_at": NOW + begins + lasts}
    if taken:
        assert initiated_order(connector, **wish).state == "initiated"
        return
    for ask in (draft_order, initiated_order):
        with pytest.raises(DomainError) as caught:
            ask(connector, **wish)
        assert code_of(caught) == "booking-limit"


def test_charging_now_is_not_a_booking() -> None:
    assert active_order(ruled(latest_s=7200)).state == "active"
    assert Rules().snapshot() == rules_from({"unknown": 1}).snapshot()


def test_new_rules_are_those_that_stand_where_nobody_wrote_any() -> None:
    assert rules_from(vars(ReservationRules())) == Rules()


def test_times_outside_the_opening_hours_are_refused() -> None:
    connector = connector_on_sale()
    hours = [{"weekday": day, "period_begin": "08:00", "period_end": "20:00"} for day in range(1, 8)]
    Station.objects.update(opening_times={"twentyfourseven": False, "regular_hours": hours})
    assert draft_order(connector).state == "draft"  # NOW is 10:00 in Kolkata
    for wish in ({"starts_at": NOW + 9 * HOUR, "ends_at": NOW + 11 * HOUR}, {"now": NOW + 12 * HOUR}):
        with pytest.raises(DomainError) as caught:
            draft_order(connector, **wish)
        assert code_of(caught) == "station-closed"


def test_buffer_after_a_session_is_nobodys() -> None:
    connector = ruled(buffer_s=600)
    active_order(connector, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR)
    for begins in (NOW + 3 * HOUR, NOW + HOUR + timedelta(seconds=1)):
        with pytest.raises(DomainError) as caught:
            active_order(connector, starts_at=begins, ends_at=begins + HOUR)
        assert code_of(caught) == "connector-busy"
    active_order(connector, starts_at=NOW + 3 * HOUR + 10 * MINUTE, ends_at=NOW + 4 * HOUR)
    active_order(connector, starts_at=NOW + HOUR - 10 * MINUTE, ends_at=NOW + 2 * HOUR - 10 * MINUTE)
    assert busy_intervals(NOW)[connector.evse_id][0][1] == NOW + 2 * HOUR


def test_database_keeps_the_buffer_free_whoever_writes() -> None:
    first = active_order(ruled(buffer_s=600), starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    other = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    with (
        pytest.raises(IntegrityError, match="reservation_no_overlap"),
        transaction.atomic(),
        connection.cursor() as sql,
    ):
        sql.execute(
            "UPDATE orders_reservation SET evse_id = %s, blocked = NULL, during = tstzrange(%s, %s)"
            " WHERE order_id = %s",
            [first.connector.evse_id, NOW + 2 * HOUR + 9 * MINUTE, NOW + 3 * HOUR, other.pk],
        )


def test_driver_within_the_grace_gets_the_whole_time() -> None:
    order = active_order(ruled(grace_s=900), starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    mark_starting(order.pk, now=NOW + HOUR + 10 * MINUTE, actor=BAP)
    order.refresh_from_db()
    assert order.ends_at == NOW + 2 * HOUR + 10 * MINUTE
    assert Reservation.objects.get(order=order).during.upper == order.ends_at


def test_driver_after_the_grace_or_before_another_keeps_the_end() -> None:
    connector = ruled(grace_s=900)
    late = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    mark_starting(late.pk, now=NOW + HOUR + 16 * MINUTE, actor=BAP)
    squeezed = active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    active_order(connector, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR)
    mark_starting(squeezed.pk, now=NOW + HOUR + 5 * MINUTE, actor=BAP)
    for order in (late, squeezed):
        order.refresh_from_db()
        assert order.ends_at == NOW + 2 * HOUR


# -- approval and reminder ----------------------------------------------------------------------------------------


def pending(**rules: Any) -> Order:
    return active_order(ruled(mode="provisional", approval_s=300, **rules))


def test_approved_order_is_ready_and_its_driver_expected_from_then_on() -> None:
    order = pending(no_show_after_s=1800)
    assert (order.state, order.fulfillment) == ("active", "pending-approval")
    approve_order(order.pk, now=NOW + 4 * MINUTE, actor="desk")
    order.refresh_from_db()
    assert (order.fulfillment, order.events.get(kind="approved").public) == ("payment-completed", True)
    assert Deadline.objects.get(order=order, done_at=None).at == NOW + 34 * MINUTE


def test_declined_order_is_refunded_in_full() -> None:
    order = pending()
    decline_order(order.pk, text="Works on the grid", now=NOW, actor="desk")
    order.refresh_from_db()
    assert (order.state, order.cancellation["text"], current_quote(order).total_paise) == (
        "cancelled",
        "Works on the grid",
        0,
    )
    assert not Deadline.objects.filter(order=order, done_at=None).exists()


@pytest.mark.parametrize(("outcome", "becomes"), [("approve", "payment-completed"), ("decline", "order-cancelled")])
def test_approval_that_does_not_come_is_decided_by_the_rules(outcome: str, becomes: str) -> None:
    order = pending(approval_outcome=outcome)
    assert deadlines_due(NOW + timedelta(seconds=299)) == 0
    assert deadlines_due(NOW + timedelta(seconds=300)) == 1
    assert deadlines_due(NOW + timedelta(seconds=300)) == 0
    order.refresh_from_db()
    assert order.fulfillment == becomes


def test_approval_is_due_before_a_booked_start() -> None:
    order = active_order(ruled(mode="provisional", approval_s=7200), starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    assert Deadline.objects.get(order=order).at == NOW + HOUR


def test_order_that_waits_for_approval_cannot_start() -> None:
    with pytest.raises(DomainError) as caught:
        mark_starting(pending().pk, now=NOW, actor=BAP)
    assert code_of(caught) == "not-in-this-state"


def test_driver_is_reminded_once_before_a_booked_start() -> None:
    order = active_order(ruled(mode="advance"), starts_at=NOW + 3 * HOUR, ends_at=NOW + 4 * HOUR)
    change_window(order.pk, who=Who.BUYER, starts_at=NOW + 4 * HOUR, now=NOW, actor=BAP)
    assert deadlines_due(NOW + 3 * HOUR - MINUTE) == 0
    assert (deadlines_due(NOW + 3 * HOUR), deadlines_due(NOW + 3 * HOUR)) == (1, 0)
    assert order.events.get(kind="reminder").public
    soon = active_order(ruled(mode="advance"), starts_at=NOW + HOUR / 2, ends_at=NOW + HOUR)
    assert not Deadline.objects.filter(order=soon, kind="reminder").exists()


# -- a charger that fails -----------------------------------------------------------------------------------------


def with_another(order: Order, **changes: Any) -> Connector:
    """Another connector at the order's station."""
    other = connector_on_sale(station=order.connector.evse.station)
    Connector.objects.filter(pk=other.pk).update(**changes)
    return other


def failed(order: Order) -> str:
    Evse.objects.filter(pk=order.connector.evse_id).update(status="faulted")
    return promise_failed(order.pk, reason="no power", now=NOW)


def test_order_moves_by_itself_only_where_its_customer_allowed_it() -> None:
    order = active_order(may_redirect=True)
    other = with_another(order)
    assert failed(order) == "moved"
    order.refresh_from_db()
    assert (order.connector_id, current_quote(order).total_paise) == (other.pk, 23_600)
    assert Reservation.objects.exclude(state="released").get(order=order).evse_id == other.evse_id
    assert order.events.get(kind="moved").public


def test_customer_is_asked_and_nothing_charged_where_no_answer_comes() -> None:
    order = active_order()
    with_another(order)
    assert (failed(order), failed(order)) == ("asked", "asked")
    asked = order.events.get(kind="charger-out")
    assert (asked.public, len(asked.data["items"])) == (True, 1)
    assert deadlines_due(NOW + timedelta(seconds=900)) == 1
    order.refresh_from_db()
    assert (order.state, order.cancellation["reason_id"], current_quote(order).total_paise) == (
        "cancelled",
        "not-answered",
        0,
    )


def test_answer_moves_the_order_at_the_promised_price() -> None:
    order = active_order()
    other = with_another(order, tariff=connector_on_sale(power_w=7_000).tariff)
    failed(order)
    change_connector(order.pk, who=Who.BUYER, item_id=other.item_id, now=NOW, actor=BAP)
    assert deadlines_due(NOW + timedelta(seconds=900)) == 0
    order.refresh_from_db()
    assert (order.state, order.connector_id, current_quote(order).total_paise) == ("active", other.pk, 23_600)


def test_charger_that_recovered_in_time_keeps_its_order() -> None:
    order = active_order()
    with_another(order)
    failed(order)
    Evse.objects.update(status="available")
    deadlines_due(NOW + timedelta(seconds=900))
    order.refresh_from_db()
    assert order.state == "active"


def test_customer_is_warned_once_until_the_charger_is_back() -> None:
    order = active_order()
    assert not charger_back(order.pk, now=NOW), "nobody was told that it was gone"
    assert [warn_of_fault(order.pk, reason="no power", now=NOW) for _ in range(2)] == [True, False]
    assert [charger_back(order.pk, now=NOW) for _ in range(2)] == [True, False]
    assert warn_of_fault(order.pk, reason="no power", now=NOW)
    told = order.events.filter(kind__startswith="charger-", public=True).order_by("number")
    assert list(told.values_list("kind", flat=True)) == ["charger-warning", "charger-back", "charger-warning"]
    order.refresh_from_db()
    assert (order.state, order.fulfillment) == ("active", "payment-completed")


def test_customer_who_moved_away_hears_no_more_of_the_old_charger() -> None:
    order = active_order()
    other = with_another(order)
    warn_of_fault(order.pk, reason="no power", now=NOW)
    change_connector(order.pk, who=Who.BUYER, item_id=other.item_id, now=NOW, actor=BAP)
    assert not charger_back(order.pk, now=NOW)


def test_customer_who_was_asked_need_not_answer_once_the_charger_is_back() -> None:
    order = active_order()
    with_another(order)
    failed(order)
    assert not warn_of_fault(order.pk, reason="no power", now=NOW), "more was said already"
    assert charger_back(order.pk, now=NOW)
    assert deadlines_due(NOW + timedelta(seconds=900)) == 0


def test_nobody_is_warned_who_charges() -> None:
    order = active_order()
    mark_starting(order.pk, now=NOW, actor=BAP)
    assert not warn_of_fault(order.pk, reason="no power", now=NOW)
    assert not charger_back(order.pk, now=NOW)


@pytest.mark.parametrize(
    "change", [{"standard": "CHADEMO"}, {"vehicle": "bus"}, {"active": False}, {"max_power_w": 1000}]
)
def test_only_what_fits_is_offered_instead(change: dict[str, Any]) -> None:
    order = active_order()
    with_another(order, **change)
    assert fitting(order, now=NOW) == []
    assert failed(order) == "none"


def test_operator_may_wish_to_cancel_at_once() -> None:
    order = active_order(ruled(on_failure="cancel"), may_redirect=True)
    with_another(order)
    assert failed(order) == "none"


# -- the start code -----------------------------------------------------------------------------------------------


def test_start_code_is_asked_for_only_where_the_rules_say_so() -> None:
    plain, guarded = active_order(), active_order(ruled(start_code=True))
    assert (start_code(plain), wrong_start_code(plain.pk, "", now=NOW, actor=BAP)) == ("", "")
    assert len(start_code(guarded)) == 6
    assert "needs the start code" in wrong_start_code(guarded.pk, "", now=NOW, actor=BAP)
    assert wrong_start_code(guarded.pk, f" {start_code(guarded)} ", now=NOW, actor=BAP) == ""


def test_start_code_is_taken_once() -> None:
    order = active_order(ruled(start_code=True))
    mark_starting(order.pk, now=NOW, actor=BAP)
    order.refresh_from_db()
    assert start_code(order) == ""


def test_five_wrong_codes_are_the_last() -> None:
    order = active_order(ruled(start_code=True))
    right = start_code(order)
    wrong = f"{(int(right) + 1) % 10**6:06}"
    told = [wrong_start_code(order.pk, wrong, now=NOW, actor=BAP) for _ in range(5)]
    assert [text[-12:] for text in told] == [f"{left} more tries" for left in (4, 3, 2, 1, 0)]
    assert "5 wrong codes" in wrong_start_code(order.pk, right, now=NOW, actor=BAP)
    order.refresh_from_db()
    assert (order.code_tries, order.events.filter(kind="wrong-code").count()) == (5, 5)
