"""Is a buyer app told each fact once, by its answer where it waits for one, else unasked?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bpp import publish
from bpp.acts import cancel_by_provider
from bpp.models import InboxMessage, OutboxMessage, Subscriber
from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import StationEvent
from orders import services as orders
from orders.models import OrderEvent, Quote, QuoteRules
from tests.bpp.charging import charging, drive, hold_open, started
from tests.bpp.pipeline import Talk, content, decide, state_in, tell
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

SLOT_STATUS = "com.ev-power-supplier.charging-station.slot-status-changed.v1"


def answer_of(row: InboxMessage) -> dict[str, Any]:
    return content(OutboxMessage.objects.get(answers=row))


def test_nothing_to_tell_is_nothing_done(db: None) -> None:
    assert publish.publish_next(now=NOW) == 0
    assert publish.publish_progress(now=NOW) == 0


# -- requests that wait -----------------------------------------------------------------------------------------------


def test_start_is_answered_when_the_station_charges(talk: Talk, supplier: FakeSupplier) -> None:
    row = started(talk)
    assert tell() == 0
    drive(NOW)
    assert tell() == 1
    document = answer_of(row)
    assert (document["context"]["action"], document["context"]["message_id"]) == ("on_update", row.message_id)
    assert state_in(document) == "charging-started"
    row.refresh_from_db()
    assert (row.state, row.waits_for) == ("done", "")
    assert talk.told() == []


def test_start_is_answered_as_it_is_when_the_wait_is_over(talk: Talk, supplier: FakeSupplier) -> None:
    row = started(talk)
    InboxMessage.objects.filter(pk=row.pk).update(next_at=NOW)
    assert publish.publish_next(now=NOW + timedelta(seconds=8)) == 1
    assert state_in(answer_of(row)) == "charging-starting"
    drive(NOW)
    tell()
    assert talk.told() == [("on_status", "charging-started")]


def test_start_that_the_station_refuses_is_answered_with_the_error(talk: Talk, supplier: FakeSupplier) -> None:
    row = started(talk)
    supplier.fail_next("acquire", status=400, n=9)
    drive(NOW)
    assert tell() >= 1
    assert state_in(answer_of(row)) == "charger-error"
    # A cancellation by us is told as such, even though the answer has said it.
    assert talk.told() == [("on_cancel", "charger-error")]


def test_stop_is_answered_with_the_bill(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    row = talk.put("update", talk.command("end-charging"))
    decide()
    hold_open(row)
    assert tell() == 0
    drive(supplier.after(600))
    tell()
    document = answer_of(row)
    assert state_in(document) == "charging-ended"
    assert document["message"]["order"]["status"] == "COMPLETE"
    assert talk.told() == []


def test_news_that_does_not_answer_the_wait_is_told_beside_it(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    row = talk.put("update", talk.command("end-charging"))
    decide()
    hold_open(row)
    # The station paused before it heard of the stop.
    event = talk.order.events.filter(kind="charging-started").get()
    event.pk, event.number, event.published_at = None, talk.order.last_event + 1, None
    event.kind = event.to_fulfillment = "charging-paused"
    event.save()
    assert tell() == 1
    assert not OutboxMessage.objects.filter(answers=row).exists()
    assert talk.told() == [("on_status", "charging-paused")]


# -- unasked ----------------------------------------------------------------------------------------------------------


def test_end_by_itself_is_told_step_by_step(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    drive(supplier.after(7200))
    drive(supplier.at)
    tell(supplier.at)
    assert talk.told() == [("on_status", "charging-ending"), ("on_status", "charging-ended")]
    bodies = [content(row)["message"]["order"] for row in talk.owed()[-2:]]
    assert [body["status"] for body in bodies] == ["ACTIVE", "COMPLETE"]


def test_bill_with_the_standing_after_the_end_is_told(talk: Talk, supplier: FakeSupplier) -> None:
    tariff = talk.connector.tariff
    assert tariff is not None
    standing = {"type": "PARKING_TIME", "price": "60.00", "grace": 600}
    tariff.elements = [{"price_components": [*tariff.elements[0]["price_components"], standing]}]
    tariff.save()
    charging(talk)
    talk.put("update", talk.command("end-charging"))
    decide()
    drive(supplier.after(600))
    tell(supplier.at)
    place = {"stationId": talk.connector.evse.station.code, "slotNumber": talk.connector.evse.slot_number}
    for status, minutes in (("finishing", 0), ("free", 40)):
        at = supplier.at + timedelta(minutes=minutes)
        word = Incoming("supplier", status, SLOT_STATUS, at, place | {"status": status})
        fulfillment.store_events([word])
        StationEvent.objects.filter(event_id=status).update(next_at=at)
        drive(at)
        tell(at)
    assert talk.told()[-1] == ("on_status", "charging-ended")
    quote = content(talk.owed()[-1])["message"]["order"]["quote"]
    lines = {line["title"]: line["price"]["value"] for line in quote["breakup"]}
    # 5 kWh at 18.00 and 20.00 for the session; 40 minutes of standing less ten of grace at 60.00 an hour
    assert lines["parking-fee"] == "30.00"
    assert quote["price"]["value"] == "165.20"


def test_events_of_an_order_are_told_once_and_in_order(talk: Talk, supplier: FakeSupplier) -> None:
    charging(talk)
    drive(supplier.after(7200))
    drive(supplier.at)
    assert tell(supplier.at) == 2
    assert tell(supplier.at) == 0
    assert not talk.order.events.filter(public=True, published_at=None).exists()


def test_cancellation_by_us_is_told_as_on_cancel(talk: Talk) -> None:
    talk.confirmed()
    cancel_by_provider(talk.order.pk, reason_id="1", text="charger removed", now=NOW, actor="operator")
    assert tell() == 1
    row = talk.owed()[-1]
    assert (row.action, row.answers, row.deadline_at) == ("on_cancel", None, NOW + timedelta(days=1))
    assert content(row)["message"]["order"]["cancellation"]["cancelled_by"] == "PROVIDER"


def test_warning_of_a_broken_charger_names_others_and_its_end_names_none(talk: Talk) -> None:
    talk.confirmed()
    other = connector_on_sale(station=talk.connector.evse.station)
    assert orders.warn_of_fault(talk.order.pk, reason="no power", now=NOW)
    assert tell() == 1
    assert recommended(talk) == [other.item_id]
    assert orders.charger_back(talk.order.pk, now=NOW)
    assert tell() == 1
    assert recommended(talk) == []
    assert talk.told() == [("on_update", "payment-completed")] * 2


def recommended(talk: Talk) -> list[str]:
    """The items that the newest callback offers instead."""
    items = content(talk.owed()[-1])["message"]["order"]["items"]
    return [item["id"] for item in items if item.get("recommended")]


def test_buyer_app_no_longer_listed_does_not_hold_up_the_others(talk: Talk) -> None:
    other = Talk()
    for each in (talk, other):
        each.confirmed()
    Subscriber.objects.all().delete()
    for each in (talk, other):
        cancel_by_provider(each.order.pk, reason_id="1", text="closed", now=NOW, actor="operator")
    assert tell() == 2
    assert other.told() == [("on_cancel", "order-cancelled")]


def test_event_that_cannot_be_told_rests_and_holds_up_nobody(
    talk: Talk, supplier: FakeSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_RESTING", {})
    order = charging(talk)
    fulfillment.request_stop(order.id, NOW, reason="operator", actor="staff")
    Quote.objects.filter(order_id=order.id).update(tariff={})
    before = OutboxMessage.objects.count()
    assert publish.publish_next(now=NOW) == 1
    assert OutboxMessage.objects.count() == before
    assert publish.publish_next(now=NOW) == 0
    assert OrderEvent.objects.filter(order_id=order.id, public=True, published_at__isnull=True).exists()
    assert publish.publish_next(now=NOW + publish.REST) == 1


def test_new_tariff_version_of_a_booking_is_told_before_it_applies(talk: Talk) -> None:
    tariff = talk.connector.tariff
    assert tariff is not None
    QuoteRules.objects.create(operator=tariff.operator, price_change="announced", notice_s=3_600)
    stops = [
        {"type": "start", "time": {"timestamp": (NOW + timedelta(hours=3)).isoformat()}},
        {"type": "end", "time": {"timestamp": (NOW + timedelta(hours=4)).isoformat()}},
    ]
    wish = talk.wish(
        fulfillments=[{"id": talk.connector.evse.uid, "type": "CHARGING", "stops": stops}],
        payments=[{"collected_by": "BAP", "type": "ON-FULFILLMENT", "status": "NOT-PAID"}],
    )
    for action in ("select", "init", "confirm"):
        assert "error" not in talk.ask(action, {"order": wish})
    tariff.elements = [{"price_components": [{"type": "ENERGY", "price": "25.00"}]}]
    tariff.save()
    assert orders.prices_due(NOW) == 1
    assert tell() == 1
    assert talk.told() == [("on_update", "payment-completed")]
    order = content(talk.owed()[-1])["message"]["order"]
    assert order["quote"]["price"]["value"] == "295.00"
    assert order["payments"][0]["params"]["amount"] == "295.00"
