"""Is each action answered with what it asked for, or with the code of its refusal?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bpp import handlers, replies, showing
from bpp import messages as m
from bpp.dialects import v1
from bpp.models import InboxMessage
from catalog.models import Evse, Operator
from fulfillment import services as fulfillment
from orders.models import Order
from tests.bpp.pipeline import PAID, Talk, decide, order_in, state_in, tell
from tests.factories.orders import NOW, active_order, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db


# -- quotes -----------------------------------------------------------------------------------------------------------


def test_select_answers_with_a_quote_and_no_order_id(talk: Talk) -> None:
    document = talk.ask("select")
    assert document["context"]["action"] == "on_select"
    assert order_in(document)["quote"]["price"] == {"currency": "INR", "value": PAID}
    assert "id" not in order_in(document)


def test_init_shows_payment_and_terms(talk: Talk) -> None:
    order = order_in(talk.ask("init"))
    assert order["payments"][0]["params"]["amount"] == PAID
    assert order["cancellation_terms"]
    assert order["billing"]["name"] == "Test Driver"


def test_select_without_quantity_offers_the_default(talk: Talk) -> None:
    wish = talk.wish(items=[{"id": talk.connector.item_id}])
    assert order_in(talk.ask("select", {"order": wish}))["quote"]["price"]["value"]


def test_select_with_window_is_answered_with_it(talk: Talk) -> None:
    stops = [
        {"type": "start", "time": {"timestamp": "2026-02-01T06:00:00Z"}},
        {"type": "end", "time": {"timestamp": "2026-02-01T07:00:00Z"}},
    ]
    wish = talk.wish(fulfillments=[{"id": talk.connector.evse.uid, "type": "CHARGING", "stops": stops}])
    shown = order_in(talk.ask("select", {"order": wish}))["fulfillments"][0]["stops"]
    assert [stop["time"]["timestamp"] for stop in shown] == ["2026-02-01T06:00:00.000Z", "2026-02-01T07:00:00.000Z"]


def test_select_of_two_items_is_refused(talk: Talk) -> None:
    items = talk.wish()["items"] * 2
    assert talk.refusal("select", {"order": talk.wish(items=items)}) == ("30004", "$.message.order.items")


def test_select_with_an_add_on_is_refused(talk: Talk) -> None:
    [item] = talk.wish()["items"]
    wish = talk.wish(items=[item | {"add_ons": [{"id": "wash"}]}])
    assert talk.refusal("select", {"order": wish}) == ("30007", "$.message.order.items[0].add_ons[0].id")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"provider": {"id": "nobody"}}, "30001"),
        ({"items": [{"id": "no-such-item"}]}, "30004"),
        ({"fulfillments": [{"id": "no-such-evse", "type": "CHARGING"}]}, "30008"),
    ],
)
def test_select_of_what_we_do_not_have_is_refused(talk: Talk, changes: dict[str, Any], code: str) -> None:
    assert talk.refusal("select", {"order": talk.wish(**changes)})[0] == code


def test_select_of_a_taken_charger_names_free_ones(talk: Talk) -> None:
    station = talk.connector.evse.station
    other = connector_on_sale(station=station)
    Talk(talk.connector).ask("init")
    document = talk.ask("select")
    assert document["error"]["code"] == "40002"
    assert f"Free instead: {other.item_id} at {station.name}." in document["error"]["message"]
    (item,) = document["message"]["order"]["items"]
    assert (item["id"], item["related"], item["recommended"]) == (other.item_id, True, True)
    assert "quote" not in document["message"]["order"]
    assert v1.check_own("on_select", document) == ()


def test_select_of_a_taken_charger_without_neighbours_says_only_that(talk: Talk) -> None:
    Talk(talk.connector).ask("init")
    assert "Free instead" not in talk.ask("select")["error"]["message"]


def test_select_of_too_much_is_refused_as_itself(talk: Talk) -> None:
    [item] = talk.wish()["items"]
    much = item | {"quantity": {"selected": {"measure": {"value": "100000", "unit": "kWh"}}}}
    assert talk.refusal("select", {"order": talk.wish(items=[much])})[0] == "40002"


def test_init_with_an_unknown_kind_of_payment_is_refused(talk: Talk) -> None:
    payment = {"collected_by": "BPP", "type": "POST-FULFILLMENT"}
    assert talk.refusal("init", {"order": talk.wish(payments=[payment])})[0] == "40004"


def test_refusal_undoes_what_the_service_wrote(talk: Talk) -> None:
    Talk(talk.connector).ask("init")
    talk.refusal("init")
    assert not Order.objects.filter(transaction_id=talk.transaction_id).exists()


# -- confirm ----------------------------------------------------------------------------------------------------------


def test_confirm_gives_the_order_its_id(talk: Talk) -> None:
    order = talk.confirmed()
    assert order.state == Order.State.ACTIVE
    document = talk.ask("status")
    assert (order_in(document)["id"], state_in(document)) == (order.code, "payment-completed")


def test_confirm_again_is_the_same_order(talk: Talk) -> None:
    code = talk.confirmed().code
    assert order_in(talk.ask("confirm"))["id"] == code


def test_confirm_without_quote_is_refused(talk: Talk) -> None:
    assert talk.refusal("confirm")[0] == "40003"


def test_confirm_of_another_quantity_is_refused(talk: Talk) -> None:
    talk.ask("init")
    [item] = talk.wish()["items"]
    more = item | {"quantity": {"selected": {"measure": {"value": "12", "unit": "kWh"}}}}
    assert talk.refusal("confirm", {"order": talk.wish(items=[more])}) == ("40003", "$.message.order.items[0]")


def test_confirm_that_names_no_quantity_confirms_the_offer(talk: Talk) -> None:
    talk.ask("init")
    wish = talk.wish(items=[{"id": talk.connector.item_id}])
    assert order_in(talk.ask("confirm", {"order": wish}))["id"] == talk.order.code


def test_confirm_that_names_no_item_confirms_the_offer(talk: Talk) -> None:
    talk.ask("init")
    proof = m.PaymentProof("BAP", "PRE-ORDER", "PAID", Decimal(PAID), "INR", "txn-1")
    request = m.Confirm(m.Select("", ()), m.Contact(), m.Contact(), proof)
    outcome = handlers.handle(request, showing.caller_of(talk.order, "m-1"), now=NOW)
    assert isinstance(outcome.reply, replies.OrderReply)
    assert outcome.reply.order.code == talk.order.code


def test_confirm_after_the_quote_ran_out_is_refused(talk: Talk) -> None:
    talk.ask("init")
    assert talk.refusal("confirm", now=NOW + timedelta(days=1))[0] == "40003"


# -- asking about an order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["status", "track", "cancel"])
def test_unknown_order_is_refused(talk: Talk, action: str) -> None:
    message = {"order_id": "VB-NOBODYS", "cancellation_reason_id": "5"}
    assert talk.refusal(action, message) == ("30010", "$.message.order_id")


def test_order_of_another_buyer_app_is_unknown(talk: Talk) -> None:
    other = active_order(bap_id="other.example.org", transaction_id="theirs")
    Order.objects.filter(pk=other.pk).update(bap_id="other.example.org")
    assert talk.refusal("status", {"order_id": other.code})[0] == "30010"


def test_track_before_charging_is_inactive(talk: Talk) -> None:
    talk.confirmed()
    tracking = talk.ask("track")["message"]["tracking"]
    assert tracking["url"].startswith("https://bpp.example.org/track/")
    assert tracking["status"] == "inactive"


def test_track_while_charging_is_active(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    assert talk.ask("track")["message"]["tracking"]["status"] == "active"


def test_support_names_the_operator(talk: Talk) -> None:
    talk.confirmed()
    support = talk.ask("support")["message"]["support"]
    assert support["phone"] == "18001080"
    row = InboxMessage.objects.get(action="support")
    assert (row.order_id, row.operator_id) == (talk.order.pk, talk.order.operator_id)


def test_support_without_any_desk_is_refused(talk: Talk, settings: Any) -> None:
    settings.SUPPORT_PHONE = settings.SUPPORT_EMAIL = settings.SUPPORT_URL = ""
    assert talk.refusal("support", {"support": {"ref_id": "unknown"}})[0] == "50004"


def test_support_without_url_names_our_own(talk: Talk, settings: Any) -> None:
    Operator.objects.update(support_url="")
    talk.confirmed()
    assert talk.ask("support")["message"]["support"]["url"] == "https://bpp.example.org"


def test_rating_is_answered_with_a_form(talk: Talk) -> None:
    talk.confirmed()
    form = talk.ask("rating")["message"]["feedback_form"]["form"]
    assert form["url"].startswith("https://bpp.example.org/feedback/")


@pytest.mark.parametrize(
    ("rating", "code"),
    [
        ({"id": "nothing", "rating_category": "Order", "value": "4"}, "30014"),
        ({"rating_category": "Order", "value": "11"}, "30015"),
        ({"rating_category": "Weather", "value": "4"}, "50003"),
    ],
)
def test_rating_that_cannot_be_kept_is_refused(talk: Talk, rating: dict[str, str], code: str) -> None:
    order = talk.confirmed()
    assert talk.refusal("rating", {"ratings": [{"id": order.code} | rating]})[0] == code


def test_reasons_and_categories_are_listed(talk: Talk) -> None:
    assert talk.ask("get_cancellation_reasons")["context"]["action"] == "cancellation_reasons"
    assert talk.ask("get_rating_categories")["context"]["action"] == "rating_categories"


# -- cancel -----------------------------------------------------------------------------------------------------------


def test_cancel_closes_the_order_and_names_who(talk: Talk) -> None:
    talk.confirmed()
    shown = order_in(talk.ask("cancel"))
    assert shown["status"] == "CANCELLED"
    assert shown["cancellation"]["cancelled_by"] == "CONSUMER"
    assert talk.order.state == Order.State.CANCELLED


def test_soft_cancel_only_asks_the_price(talk: Talk) -> None:
    order = talk.confirmed()
    message = {"order_id": order.code, "cancellation_reason_id": "5", "descriptor": {"code": "SOFT_CANCEL"}}
    titles = [line["title"] for line in order_in(talk.ask("cancel", message))["quote"]["breakup"]]
    assert any("refund" in title.lower() for title in titles)
    assert talk.order.state == Order.State.ACTIVE


def test_cancel_with_an_unknown_reason_is_refused_where_we_are_strict(talk: Talk, settings: Any) -> None:
    settings.CANCELLATION_REASONS_STRICT = True
    order = talk.confirmed()
    message = {"order_id": order.code, "cancellation_reason_id": "no-such"}
    assert talk.refusal("cancel", message) == ("30011", "$.message.cancellation_reason_id")


def test_cancel_while_charging_is_refused(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    assert talk.refusal("cancel")[0] == "50001"


def test_cancel_again_is_refused(talk: Talk) -> None:
    talk.confirmed()
    talk.ask("cancel")
    assert talk.refusal("cancel")[0] == "40001"


# -- start and stop ---------------------------------------------------------------------------------------------------


def charging(talk: Talk) -> Order:
    """The order once its station charges and the start is answered."""
    order = talk.confirmed()
    start(talk)
    fulfillment.advance_due(NOW, limit=20)
    tell()
    order.refresh_from_db()
    assert order.fulfillment == Order.Fulfillment.CHARGING_STARTED
    return order


def start(talk: Talk, **named: str) -> InboxMessage:
    Evse.objects.filter(pk=talk.connector.evse_id).update(status_at=NOW - timedelta(days=1))
    row = talk.put("update", talk.command("start-charging", **named))
    decide()
    row.refresh_from_db()
    return row


def test_start_waits_for_the_station(talk: Talk) -> None:
    order = talk.confirmed()
    row = start(talk)
    assert (row.state, row.waits_for, row.order_id) == ("waiting", "start", order.pk)
    assert row.next_at == NOW + timedelta(seconds=8)
    assert not row.replies.exists()


def test_start_while_charging_is_answered_at_once(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    assert state_in(talk.ask("update", talk.command("start-charging"))) == "charging-started"


def test_stop_of_a_cancelled_order_is_refused(talk: Talk) -> None:
    talk.confirmed()
    talk.ask("cancel")
    assert talk.refusal("update", talk.command("end-charging"))[0] == "40001"


def test_stop_after_the_end_is_answered_at_once(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    talk.put("update", talk.command("end-charging"))
    decide()
    fulfillment.advance_due(NOW, limit=20)
    tell()
    document = talk.ask("update", talk.command("end-charging"))
    assert (order_in(document)["status"], state_in(document)) == ("COMPLETE", "charging-ended")


def test_stop_before_the_start_is_refused(talk: Talk) -> None:
    talk.confirmed()
    assert talk.refusal("update", talk.command("end-charging"))[0] == "40001"


def test_start_at_a_broken_charger_is_refused(talk: Talk) -> None:
    talk.confirmed()
    Evse.objects.filter(pk=talk.connector.evse_id).update(status=Evse.Status.FAULTED)
    assert talk.refusal("update", talk.command("start-charging"))[0] == "40002"


def test_update_without_order_id_means_the_order_of_the_conversation(talk: Talk) -> None:
    order = talk.confirmed()
    assert start(talk, order_id="").order_id == order.pk


def test_update_from_another_conversation_means_the_live_order_at_the_charger(talk: Talk) -> None:
    order = talk.confirmed()
    row = Talk(talk.connector).put("update", talk.command("start-charging", order_id=""))
    decide()
    row.refresh_from_db()
    assert row.order_id == order.pk


def test_update_of_a_draft_looks_for_the_live_order_at_the_charger(talk: Talk) -> None:
    talk.ask("select")
    assert talk.refusal("update", talk.command("start-charging", order_id=""))[0] == "30010"


def test_update_that_names_neither_order_nor_charger_is_refused(talk: Talk) -> None:
    message = {"order": {"fulfillments": [{"state": {"descriptor": {"code": "start-charging"}}}]}}
    assert talk.refusal("update", message) == ("30010", "$.message.order_id")


def test_update_of_something_else_is_refused(talk: Talk) -> None:
    order = talk.confirmed()
    message = {"update_target": "order.quote", "order": {"id": order.code, "quote": {"id": "1"}}}
    assert talk.refusal("update", message) == ("30012", "$.message.update_target")


def test_update_with_a_state_that_is_no_command_is_refused(talk: Talk) -> None:
    talk.confirmed()
    assert talk.refusal("update", talk.command("dance"))[0] == "30013"
