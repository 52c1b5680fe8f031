"""Does an order follow its session, and is every other move refused?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from catalog.models import Evse, Tariff
from orders.models import Order
from orders.selectors import current_quote, settlement
from orders.services import (
    cancel_order,
    cancellation_quote,
    complete_order,
    mark_ending,
    mark_failed,
    mark_paused,
    mark_resumed,
    mark_started,
    mark_starting,
)
from tests.factories.orders import BAP, NOW, active_order, initiated_order
from tests.orders.refusals import refusal

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=20)
ENDED: dict[str, Any] = {"started_at": NOW, "ended_at": LATER, "now": LATER, "actor": "station"}
Step = Callable[..., Order]


def charging_order() -> Order:
    order = active_order()
    mark_starting(order.pk, now=NOW, actor=BAP)
    return mark_started(order.pk, now=NOW, actor="station")


def last_event(order: Order) -> tuple[str, bool]:
    event = order.events.exclude(kind__startswith="refund-").latest("number")
    return event.kind, event.public


def test_pause_and_resume_are_told_to_the_buyer_app() -> None:
    order = charging_order()
    for step, kind in ((mark_paused, "charging-paused"), (mark_resumed, "charging-resumed")) * 2:
        order = step(order.pk, now=NOW, actor="station")
        assert (order.fulfillment, last_event(order)) == (kind, (kind, True))


@pytest.mark.parametrize(("actor", "told"), [(BAP, False), ("station", True)])
def test_asking_to_start_or_stop_is_told_to_whoever_did_not_ask(actor: str, told: bool) -> None:
    order = active_order()
    mark_starting(order.pk, now=NOW, actor=actor)
    assert last_event(order) == ("charging-starting", told)
    mark_started(order.pk, now=NOW, actor="station")
    mark_ending(order.pk, now=NOW, actor=actor, data={"reason": "full"})
    assert last_event(order) == ("charging-ending", told)


@pytest.mark.parametrize("step", [mark_starting, mark_started])
def test_same_step_again_leaves_no_event(step: Step) -> None:
    order = active_order()
    first = step(order.pk, now=NOW, actor="station")
    assert step(order.pk, now=NOW, actor="station").last_event == first.last_event


def test_ending_and_completing_again_leave_no_event() -> None:
    order = charging_order()
    first = mark_ending(order.pk, now=NOW, actor=BAP)
    assert mark_ending(order.pk, now=NOW, actor=BAP).last_event == first.last_event
    done = complete_order(order.pk, energy_wh=9_000, reason="stopped", **ENDED)
    assert complete_order(order.pk, energy_wh=1, reason="stopped", **ENDED).last_event == done.last_event
    assert mark_failed(order.pk, reason="late fault", now=LATER, actor="station").state == "complete"


@pytest.mark.parametrize("step", [mark_paused, mark_resumed, mark_ending])
def test_steps_before_the_start_are_refused(step: Step) -> None:
    assert refusal(step, active_order().pk, now=NOW, actor="station") == "not-in-this-state"


@pytest.mark.parametrize("step", [mark_starting, mark_started, mark_paused, mark_ending])
def test_steps_of_an_order_that_is_not_active_are_refused(step: Step) -> None:
    assert refusal(step, initiated_order().pk, now=NOW, actor="station") == "not-in-this-state"
    assert refusal(step, 0, now=NOW, actor="station") == "order-unknown"


def test_bill_is_refused_for_a_meter_or_clock_that_runs_backwards() -> None:
    order = charging_order()
    assert refusal(complete_order, order.pk, energy_wh=-1, reason="full", **ENDED) == "update-inconsistent"
    backwards = ENDED | {"started_at": LATER, "ended_at": NOW}
    assert refusal(complete_order, order.pk, energy_wh=1, reason="full", **backwards) == "update-inconsistent"


def test_bill_of_an_order_that_never_started_is_refused() -> None:
    assert refusal(complete_order, active_order().pk, energy_wh=1, reason="full", **ENDED) == "not-in-this-state"
    assert refusal(mark_failed, initiated_order().pk, reason="dead", now=NOW, actor="x") == "not-in-this-state"


def test_bill_follows_the_tariff_of_the_offer_not_todays() -> None:
    order = charging_order()
    Tariff.objects.update(elements=[{"price_components": [{"type": "ENERGY", "price": "99.00"}]}])
    order = complete_order(order.pk, energy_wh=10_000, reason="full", **ENDED)
    assert current_quote(order).total_paise == 23_600


def test_bill_above_the_payment_names_what_is_due() -> None:
    order = complete_order(charging_order().pk, energy_wh=10_100, reason="full", **ENDED)
    money = settlement(order)
    assert (money.captured.wire, money.refunded.wire, money.due.wire) == ("236.00", "0.00", "2.12")


def test_fault_before_any_energy_refunds_everything() -> None:
    order = active_order()
    mark_starting(order.pk, now=NOW, actor=BAP)
    order = mark_failed(order.pk, reason="contactor stuck", now=NOW, actor="station")
    assert (order.state, order.fulfillment, last_event(order)) == ("cancelled", "charger-error", ("cancelled", True))
    assert order.cancellation["by"] == "PROVIDER"
    assert order.cancellation["reason_id"] == "charger-error"
    assert (current_quote(order).total_paise, settlement(order).refunded.wire) == (0, "236.00")


def test_fault_while_charging_bills_what_was_delivered() -> None:
    order = mark_failed(charging_order().pk, energy_wh=8_000, reason="lightning", **ENDED)
    assert (order.state, order.fulfillment, last_event(order)) == ("complete", "charger-error", ("completed", True))
    assert current_quote(order).total_paise == 19_352


def test_money_is_held_until_the_order_is_closed() -> None:
    assert settlement(active_order()).held.wire == "236.00"
    assert settlement(initiated_order()).paid.wire == "0.00"


def test_soft_cancel_only_says_what_it_would_cost() -> None:
    order = active_order()
    same = cancel_order(order_id=order.pk, by="CONSUMER", soft=True, now=NOW, actor=BAP)
    assert (same.state, same.last_event) == ("active", order.last_event)
    assert cancellation_quote(same, by="CONSUMER", now=NOW).total_paise == 7_080
    assert current_quote(same).total_paise == 23_600


def test_cancel_is_free_while_the_charger_is_out_of_service() -> None:
    order = active_order()
    Evse.objects.filter(pk=order.connector.evse_id).update(status=Evse.Status.FAULTED)
    cancel_order(order_id=order.pk, by="CONSUMER", now=NOW, actor=BAP)
    assert current_quote(order).total_paise == 0


def test_cancel_by_the_provider_refunds_everything_and_is_told() -> None:
    order = cancel_order(order_id=active_order().pk, by="PROVIDER", text="Road works", now=NOW, actor="desk")
    assert (current_quote(order).total_paise, last_event(order)) == (0, ("cancelled", True))
    assert (order.cancellation["reason_id"], order.cancellation["text"]) == ("9", "Road works")


def test_cancel_is_refused_while_charging_and_after_the_end() -> None:
    order = charging_order()
    cancel: dict[str, Any] = {"order_id": order.pk, "by": "CONSUMER", "now": NOW, "actor": BAP}
    assert refusal(cancel_order, **cancel) == "cancel-forbidden"
    assert refusal(cancel_order, **cancel, soft=True) == "cancel-forbidden"
    complete_order(order.pk, energy_wh=1, reason="full", **ENDED)
    assert refusal(cancel_order, **cancel) == "not-in-this-state"


def test_cancel_twice_is_refused() -> None:
    cancel: dict[str, Any] = {"order_id": active_order().pk, "by": "CONSUMER", "now": NOW, "actor": BAP}
    cancel_order(**cancel)
    assert refusal(cancel_order, **cancel) == "not-in-this-state"


def test_cancel_reason_of_another_list_is_kept_unless_ours_is_demanded(settings: Settings) -> None:
    cancel: dict[str, Any] = {"by": "CONSUMER", "reason_id": "c3", "now": NOW, "actor": BAP}
    settings.CANCELLATION_REASONS_STRICT = True
    order = active_order()
    assert refusal(cancel_order, order_id=order.pk, **cancel) == "reason-unknown"
    settings.CANCELLATION_REASONS_STRICT = False
    assert cancel_order(order_id=order.pk, **cancel).cancellation["reason_id"] == "c3"
