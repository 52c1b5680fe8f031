"""What does a cancellation cost, to the paisa, by state, time before the start, percent, amount and free time?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Evse
from orders.models import CancellationRule, Order, Quote, ReservationRules
from orders.selectors import current_quote
from orders.services import cancel_order, cancellation_quote, deadlines_due
from orders.terms import FREE, FeeTerm, refund_terms, term_for, terms_from
from tests.factories.orders import BAP, NOW, active_order, connector_on_sale

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TIERS = (
    FeeTerm("payment-completed", percent=Decimal(0), from_min=1440),
    FeeTerm("payment-completed", percent=Decimal(25), from_min=120, to_min=1440),
    FeeTerm("payment-completed", paise=15_000, to_min=120),
    FeeTerm("charging-started", percent=Decimal(100), eligible=False),
    FeeTerm("no-show", percent=Decimal(50)),
)
TOTAL = 23_600  # 10 kWh at ₹18.00 and ₹20.00 a session, 18 % GST: ₹236.00


@pytest.mark.parametrize(
    ("state", "before_start", "total_paise", "fee_paise"),
    [
        ("payment-completed", 2 * DAY, TOTAL, 0),
        ("payment-completed", DAY, TOTAL, 0),
        ("payment-completed", DAY - timedelta(seconds=1), TOTAL, 5_900),
        ("payment-completed", 2 * HOUR, TOTAL, 5_900),
        ("payment-completed", 2 * HOUR - timedelta(seconds=1), TOTAL, 15_000),
        ("payment-completed", timedelta(0), TOTAL, 15_000),
        ("payment-completed", -HOUR, TOTAL, 15_000),
        ("payment-completed", timedelta(0), 9_900, 9_900),  # an amount is never above what was promised
        ("charging-started", timedelta(0), TOTAL, TOTAL),
        ("no-show", -HOUR, TOTAL, 11_800),
        ("pending-approval", HOUR, TOTAL, 0),
        ("payment-completed", 3 * HOUR, 23_602, 5_900),  # 59.005 goes to the even paisa
        ("payment-completed", 3 * HOUR, 23_606, 5_902),  # 59.015 too
    ],
)
def test_fee_by_state_and_minutes(state: str, before_start: timedelta, total_paise: int, fee_paise: int) -> None:
    term = term_for(TIERS, state=state, starts_at=NOW + before_start, now=NOW)
    assert term.fee_paise(total_paise) == fee_paise


def test_charging_now_has_no_minutes_left() -> None:
    assert term_for(TIERS, state="payment-completed", starts_at=None, now=NOW).paise == 15_000


def test_nothing_fits_costs_nothing_and_no_show_falls_back_to_the_last_moment() -> None:
    assert term_for(TIERS[:1], state="payment-completed", starts_at=None, now=NOW) == FREE
    assert term_for(TIERS[:3], state="no-show", starts_at=NOW - HOUR, now=NOW).paise == 15_000


def test_refunds_are_named_once_for_each_state() -> None:
    assert [row["state"] for row in refund_terms(TIERS)] == ["payment-completed", "no-show"]
    assert terms_from([])[0].percent == 30


# -- with orders --------------------------------------------------------------------------------------------------


def with_rules(**booking: object) -> Order:
    """A confirmed order for tomorrow at an operator with three tiers and these booking rules."""
    connector = connector_on_sale()
    operator = connector.evse.station.operator
    ReservationRules.objects.create(operator=operator, **booking)
    for term in TIERS:
        CancellationRule.objects.create(
            operator=operator,
            state=term.state,
            from_min=term.from_min,
            to_min=term.to_min,
            fee_percent=term.percent,
            fee_paise=term.paise,
            refund_eligible=term.eligible,
        )
    return active_order(connector, starts_at=NOW + 2 * DAY, ends_at=NOW + 2 * DAY + HOUR)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "kept_paise"),
    [(NOW, 0), (NOW + DAY + HOUR, 5_900), (NOW + 2 * DAY - HOUR, 15_000), (NOW + 2 * DAY + HOUR / 2, 15_000)],
)
def test_cancelling_keeps_the_fee_and_refunds_the_rest(at: object, kept_paise: int) -> None:
    order = with_rules()
    soft = cancellation_quote(order, by="CONSUMER", now=at)  # type: ignore[arg-type]  # the table holds moments
    cancel_order(order_id=order.pk, by="CONSUMER", now=at, actor=BAP)  # type: ignore[arg-type]  # for the same reason
    quote = current_quote(order)
    assert (soft.total_paise, quote.total_paise, quote.lines) == (kept_paise, kept_paise, soft.lines)
    assert quote.lines[-1]["paise"] == kept_paise - TOTAL


@pytest.mark.django_db
def test_soft_cancel_changes_nothing() -> None:
    order = with_rules()
    before = (Order.objects.values().get(pk=order.pk), Quote.objects.count(), order.events.count())
    cancel_order(order_id=order.pk, by="CONSUMER", soft=True, now=NOW, actor=BAP)
    assert (Order.objects.values().get(pk=order.pk), Quote.objects.count(), order.events.count()) == before


@pytest.mark.django_db
def test_free_time_after_the_confirmation() -> None:
    connector = connector_on_sale()
    ReservationRules.objects.create(operator=connector.evse.station.operator, free_cancel_s=600)
    first, second = active_order(connector), active_order(connector_on_sale(operator=connector.evse.station.operator))
    cancel_order(order_id=first.pk, by="CONSUMER", now=NOW + timedelta(seconds=599), actor=BAP)
    cancel_order(order_id=second.pk, by="CONSUMER", now=NOW + timedelta(seconds=600), actor=BAP)
    assert (current_quote(first).total_paise, current_quote(second).total_paise) == (0, 7_080)


@pytest.mark.django_db
def test_rules_changed_after_the_promise_do_not_count() -> None:
    order = with_rules()
    CancellationRule.objects.all().delete()
    ReservationRules.objects.update(free_cancel_s=9_999_999)
    cancel_order(order_id=order.pk, by="CONSUMER", now=NOW + DAY + HOUR, actor=BAP)
    assert current_quote(order).total_paise == 5_900


@pytest.mark.django_db
def test_rules_are_tried_by_their_place() -> None:
    connector = connector_on_sale()
    operator = connector.evse.station.operator
    CancellationRule.objects.create(operator=operator, fee_percent=10, place=2)
    CancellationRule.objects.create(operator=operator, fee_percent=20, place=1)
    order = active_order(connector)
    cancel_order(order_id=order.pk, by="CONSUMER", now=NOW, actor=BAP)
    assert current_quote(order).total_paise == 4_720


@pytest.mark.django_db
def test_rules_of_a_station_count_instead_of_its_operators() -> None:
    connector = connector_on_sale()
    station = connector.evse.station
    CancellationRule.objects.create(operator=station.operator, fee_percent=10)
    CancellationRule.objects.create(operator=station.operator, station=station, fee_percent=20)
    here, elsewhere = active_order(connector), active_order(connector_on_sale(operator=station.operator))
    for order in (here, elsewhere):
        cancel_order(order_id=order.pk, by="CONSUMER", now=NOW, actor=BAP)
    assert (current_quote(here).total_paise, current_quote(elsewhere).total_paise) == (4_720, 2_360)


@pytest.mark.django_db
def test_no_show_costs_what_its_term_says_and_frees_the_connector() -> None:
    order = with_rules()
    late = NOW + 2 * DAY + HOUR
    assert deadlines_due(late - timedelta(seconds=1)) == 0
    assert deadlines_due(late) == 1
    order.refresh_from_db()
    assert (order.state, order.fulfillment, order.cancellation["by"]) == ("cancelled", "no-show", "PROVIDER")
    assert current_quote(order).total_paise == 11_800
    assert not order.reservations.exclude(state="released").exists()
    assert order.events.get(kind="cancelled").public


@pytest.mark.django_db
def test_no_show_at_a_broken_charger_is_free() -> None:
    order = with_rules()
    Evse.objects.filter(pk=order.connector.evse_id).update(status="faulted")
    deadlines_due(NOW + 3 * DAY)
    assert current_quote(order).total_paise == 0


@pytest.mark.django_db
def test_database_refuses_rules_that_contradict_themselves() -> None:
    operator = connector_on_sale().evse.station.operator
    for wrong in (
        {"fee_percent": 10, "fee_paise": 10},
        {},
        {"fee_percent": 101},
        {"fee_percent": 1, "from_min": 5, "to_min": 5},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            CancellationRule.objects.create(operator=operator, **wrong)
    for unfit in ({"shortest_s": 9, "longest_s": 8}, {"grace_s": 9, "no_show_after_s": 8}, {"answer_s": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ReservationRules.objects.create(operator=operator, **unfit)
    ReservationRules.objects.create(operator=operator)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReservationRules.objects.create(operator=operator)
