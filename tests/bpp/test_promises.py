"""What does a buyer app send and see when a confirmed order waits, changes, moves or is started by a code?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bpp.acts import close_evses
from catalog.models import Evse
from orders.models import CancellationRule, Order, ReservationRules
from orders.selectors import current_quote
from orders.services import deadlines_due, promise_failed, start_code
from tests.bpp.pipeline import Talk, content, decide, listed, order_in, tell
from tests.factories.orders import NOW, active_order, connector_on_sale

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def talk() -> Talk:
    listed()
    return Talk()


def ruled(talk: Talk, **rules: Any) -> None:
    ReservationRules.objects.create(operator=talk.connector.evse.station.operator, **rules)


def state_of(document: dict[str, Any]) -> str:
    return str(order_in(document)["fulfillments"][0]["state"]["descriptor"]["code"])


def last_told(talk: Talk) -> tuple[str, dict[str, Any]]:
    row = talk.owed()[-1]
    return row.action, content(row)


def update(talk: Talk, target: str, **order: Any) -> dict[str, Any]:
    return {"update_target": target, "order": {"id": talk.order.code, **order}}


def stops(begins: datetime, ends: datetime) -> dict[str, Any]:
    found = [
        {"type": "start", "time": {"timestamp": begins.isoformat()}},
        {"type": "end", "time": {"timestamp": ends.isoformat()}},
    ]
    return {"fulfillments": [{"stops": found}]}


def test_update_of_stops_moves_the_booking(talk: Talk) -> None:
    talk.confirmed()
    answer = talk.ask("update", update(talk, "order.fulfillments[0].stops", **stops(NOW + HOUR, NOW + 2 * HOUR)))
    assert answer["context"]["action"] == "on_update"
    assert (talk.order.starts_at, talk.order.ends_at) == (NOW + HOUR, NOW + 2 * HOUR)


def test_update_of_several_targets_is_all_or_nothing(talk: Talk) -> None:
    talk.confirmed()
    wish = update(
        talk, "order.billing,order.fulfillments[0].stops", billing={"name": "New"}, **stops(NOW - HOUR, NOW + HOUR)
    )
    assert talk.refusal("update", wish)[0] == "30013"
    assert talk.order.billing["name"] == "Test Driver"


@pytest.mark.parametrize("target", ["order.quote", "order.items[0].quantity", "order.fulfillments[0].stops", "nothing"])
def test_update_that_says_nothing_or_means_nothing_names_what_may_be_updated(talk: Talk, target: str) -> None:
    talk.confirmed()
    document = talk.ask("update", update(talk, target))
    assert document["error"]["code"] == "30012"
    assert "order.fulfillments[0].stops, order.items[0].id, order.billing" in document["error"]["message"]


def test_update_of_a_taken_time_names_free_chargers(talk: Talk) -> None:
    other = connector_on_sale(station=talk.connector.evse.station)
    talk.confirmed()
    active_order(talk.connector, starts_at=NOW + 4 * HOUR, ends_at=NOW + 5 * HOUR)
    wish = update(talk, "order.fulfillments[0].stops", **stops(NOW + 4 * HOUR, NOW + 5 * HOUR))
    error = talk.ask("update", wish)["error"]
    assert (error["code"], other.item_id in error["message"]) == ("40002", True)


def test_order_that_waits_for_approval_says_so_until_it_is_decided(talk: Talk) -> None:
    ruled(talk, mode="provisional", approval_s=300, approval_outcome="approve")
    for action in ("select", "init"):
        talk.ask(action)
    document = talk.ask("confirm")
    assert (order_in(document)["status"], state_of(document)) == ("ACTIVE", "order-pending-approval")
    deadlines_due(NOW + timedelta(seconds=300))
    assert tell(NOW) == 1
    action, told = last_told(talk)
    assert (action, state_of(told)) == ("on_status", "payment-completed")


def test_no_show_is_told_as_a_cancellation_with_its_fee(talk: Talk) -> None:
    ruled(talk, no_show_after_s=1800)
    CancellationRule.objects.create(
        operator=talk.connector.evse.station.operator, state="no-show", fee_paise=10_000, refund_within_s=86_400
    )
    talk.confirmed()
    deadlines_due(NOW + HOUR)
    tell(NOW + HOUR)
    action, told = last_told(talk)
    assert (action, state_of(told), order_in(told)["status"]) == ("on_cancel", "no-show", "CANCELLED")
    assert order_in(told)["quote"]["price"]["value"] == "100.00"
    assert order_in(told)["cancellation_terms"][0]["cancellation_fee"] == {
        "amount": {"value": "100.00", "currency": "INR"}
    }


def test_fees_before_a_booked_start_carry_their_time(talk: Talk) -> None:
    operator = talk.connector.evse.station.operator
    CancellationRule.objects.create(operator=operator, fee_percent=0, from_min=1440)
    CancellationRule.objects.create(operator=operator, fee_percent=30, to_min=1440)
    begins = NOW + timedelta(days=3)
    init = talk.message("init")
    init["order"]["fulfillments"][0] |= stops(begins, begins + HOUR)["fulfillments"][0]
    free, dear = order_in(talk.ask("init", init))["cancellation_terms"]
    assert free["cancel_by"]["duration"] == "P1D"
    assert datetime.fromisoformat(free["cancel_by"]["timestamp"]) == begins - timedelta(days=1)
    assert "cancel_by" not in dear


def test_failed_charger_is_told_with_others_and_the_time_to_answer(talk: Talk) -> None:
    other = connector_on_sale(station=talk.connector.evse.station)
    order = talk.confirmed()
    Evse.objects.filter(pk=talk.connector.evse_id).update(status="faulted")
    promise_failed(order.pk, reason="no power", now=NOW)
    tell()
    action, told = last_told(talk)
    items = order_in(told)["items"]
    assert (action, [item["id"] for item in items[1:]], items[1]["recommended"]) == ("on_update", [other.item_id], True)
    groups = order_in(told)["fulfillments"][0]["tags"]
    assert "answer-by" in {row["descriptor"]["code"] for group in groups for row in group["list"]}
    answer = talk.ask("update", update(talk, "order.items[0].id", items=[{"id": other.item_id}]))
    assert order_in(answer)["items"][0]["id"] == other.item_id


@pytest.mark.parametrize("place", ["order", "fulfillment"])
def test_preference_lets_the_order_be_moved(talk: Talk, place: str) -> None:
    init = talk.message("init")
    entry = {"descriptor": {"code": "Auto_Redirect"}, "value": "YES"}
    tags = [{"descriptor": {"code": "charging-preferences"}, "list": [entry]}]
    (init["order"] if place == "order" else init["order"]["fulfillments"][0])["tags"] = tags
    talk.ask("init", init)
    assert talk.order.may_redirect


def test_wrong_start_codes_are_counted_although_they_are_refused(talk: Talk) -> None:
    ruled(talk, start_code=True)
    order = talk.confirmed()
    start = update(talk, "order.fulfillments[0].state")
    start["order"]["fulfillments"] = [
        {
            "state": {"descriptor": {"code": "start-charging"}},
            "stops": [{"type": "start", "authorization": {"type": "OTP", "token": "000"}}],
        }
    ]
    assert talk.refusal("update", start) == (
        "50002",
        "$.message.order.fulfillments[0].stops[0].authorization.token",
    )
    assert talk.order.code_tries == 1
    shown = order_in(talk.ask("status", {"order_id": order.code}))["fulfillments"][0]["stops"][0]
    assert shown["authorization"] == {"type": "OTP", "token": start_code(order), "status": "VALID"}


def test_start_code_may_stand_in_a_tag(talk: Talk) -> None:
    ruled(talk, start_code=True)
    order = talk.confirmed()
    start = talk.command("start-charging")
    entry = {"descriptor": {"code": "start-code"}, "value": start_code(order)}
    start["order"]["tags"] = [{"descriptor": {"code": "other"}, "list": [entry]}]
    row = talk.put("update", start)
    decide()
    row.refresh_from_db()
    assert (row.state, talk.order.fulfillment) == ("waiting", "charging-starting")


def test_closing_a_charger_cancels_what_was_promised_there(talk: Talk) -> None:
    order = talk.confirmed()
    later = active_order(talk.connector, starts_at=NOW + 5 * HOUR, ends_at=NOW + 6 * HOUR)
    closed = close_evses([talk.connector.evse], text="Road works", now=timezone.now(), actor="staff:desk")
    assert (closed.cancelled, closed.left) == (2, 0)
    assert set(Order.objects.filter(pk__in=[order.pk, later.pk]).values_list("state", flat=True)) == {"cancelled"}
    assert current_quote(order).total_paise == 0
    assert Evse.objects.get(pk=talk.connector.evse_id).status == "unavailable"
