"""Is a buyer app told each fact once, by its answer where it waits for one, else unasked?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from bpp import outbox, publish
from bpp.acts import cancel_by_provider
from bpp.models import BuyerApp, InboxMessage, OutboxMessage, ProgressPush, Subscriber
from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import Session, StationEvent
from orders import services as orders
from orders.models import Order, OrderEvent, Quote, QuoteRules
from tests.bpp.pipeline import Talk, content, decide, state_in, tell
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

SLOT_STATUS = "com.ev-power-supplier.charging-station.slot-status-changed.v1"


def started(talk: Talk) -> InboxMessage:
    """A start that waits for its station."""
    talk.confirmed()
    Evse.objects.filter(pk=talk.connector.evse_id).update(status_at=NOW - timedelta(days=1))
    row = talk.put("update", talk.command("start-charging"))
    decide()
    hold_open(row)
    return row


def hold_open(row: InboxMessage) -> None:
    """Its wait is not over, whatever the real clock says."""
    InboxMessage.objects.filter(pk=row.pk).update(next_at=timezone.now() + timedelta(hours=1))


def charging(talk: Talk) -> Order:
    started(talk)
    drive(NOW)
    tell()
    return talk.order


def drive(at: datetime) -> None:
    """Everything the station and we do at one moment."""
    fulfillment.process_events_due(now=at)
    fulfillment.advance_due(at, limit=20)


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


# -- progress ---------------------------------------------------------------------------------------------------------


def progressing(talk: Talk, supplier: FakeSupplier) -> datetime:
    """A session with a fresh reading a minute on."""
    charging(talk)
    at = supplier.after(60)
    drive(at)
    assert Session.objects.get(order=talk.order).read_at is not None
    return at


def test_progress_is_told_with_the_cost_so_far(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    assert publish.publish_progress(now=at) == 1
    row = talk.owed()[-1]
    assert (row.action, row.progress) == ("on_status", True)
    price = content(row)["message"]["order"]["quote"]["price"]["value"]
    assert 0 < float(price) < 236


def test_progress_is_told_at_most_every_30_s(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    assert publish.publish_progress(now=at) == 1
    drive(supplier.after(20))
    assert publish.publish_progress(now=supplier.at) == 0


def test_later_progress_replaces_an_undelivered_one(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    publish.publish_progress(now=at)
    drive(supplier.after(60))
    assert publish.publish_progress(now=supplier.at) == 1
    assert list(OutboxMessage.objects.filter(progress=True).order_by("id").values_list("state", flat=True)) == [
        "coalesced",
        "pending",
    ]


def test_progress_waits_while_one_is_in_flight(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    publish.publish_progress(now=at)
    OutboxMessage.objects.filter(progress=True).update(lease_until=timezone.now() + timedelta(seconds=20))
    drive(supplier.after(60))
    assert publish.publish_progress(now=supplier.at) == 0
    assert states_of_progress() == ["pending"]
    OutboxMessage.objects.filter(progress=True).update(lease_until=None)
    assert publish.publish_progress(now=supplier.at) == 1, "it stayed due"
    assert states_of_progress() == ["coalesced", "pending"]


def test_progress_whose_worker_died_is_replaced(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    publish.publish_progress(now=at)
    OutboxMessage.objects.filter(progress=True).update(lease_until=timezone.now() - timedelta(seconds=1))
    drive(supplier.after(60))
    assert publish.publish_progress(now=supplier.at) == 1
    assert states_of_progress() == ["coalesced", "pending"]


def test_progress_taken_in_hand_at_the_same_moment_stays_the_only_one(
    talk: Talk, supplier: FakeSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = progressing(talk, supplier)
    publish.publish_progress(now=at)
    OutboxMessage.objects.filter(progress=True).update(lease_until=timezone.now() + timedelta(seconds=20))
    drive(supplier.after(60))
    # What this worker had looked up before the other one took it.
    monkeypatch.setattr(outbox, "progress_flies", lambda order_id, pushed=False: False)
    assert publish.publish_progress(now=supplier.at) == 0
    assert states_of_progress() == ["pending"]


def test_change_of_state_replaces_undelivered_progress(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    publish.publish_progress(now=at)
    drive(supplier.after(7200))
    drive(supplier.at)
    assert tell(supplier.at) == 2
    assert states_of_progress() == ["coalesced"]


def test_newer_progress_has_the_callbacks_before_it_tried_at_once(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    OutboxMessage.objects.update(next_at=at + timedelta(minutes=15))
    publish.publish_progress(now=at)
    assert not OutboxMessage.objects.filter(state="pending", next_at__gt=at).exists()


def states_of_progress(*, pushed: bool = False) -> list[str]:
    rows = OutboxMessage.objects.filter(progress=True, pushed=pushed)
    return list(rows.order_by("id").values_list("state", flat=True))


@pytest.mark.parametrize(("every_s", "after_s", "told"), [(None, 29, 0), (None, 30, 1), (25, 25, 1), (120, 59, 0)])
def test_buyer_app_hears_as_often_as_was_settled(
    talk: Talk, supplier: FakeSupplier, every_s: int | None, after_s: int, told: int
) -> None:
    BuyerApp.objects.create(bap_id="another.example.org", progress_every_s=1)
    at = progressing(talk, supplier)
    BuyerApp.objects.create(bap_id=talk.order.bap_id, progress_every_s=every_s)
    publish.publish_progress(now=at)
    drive(supplier.after(after_s))
    assert publish.publish_progress(now=supplier.at) == told


def test_progress_more_often_than_each_second_cannot_be_settled() -> None:
    with pytest.raises(IntegrityError, match="buyer_app_progress"), transaction.atomic():
        BuyerApp.objects.create(bap_id="x", progress_every_s=0)


# -- pushes to a URL that the app named -------------------------------------------------------------------------------


def asked_for_pushes(talk: Talk, url: str) -> InboxMessage:
    row = talk.put("track", {"order_id": talk.order.code, "callback_url": url})
    decide()
    row.refresh_from_db()
    return row


def notes(row: InboxMessage) -> list[str]:
    return [note["note"] for note in row.verdicts if note["path"] == "$.message.callback_url"]


def test_progress_is_pushed_to_the_url_that_track_names_too(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    url = f"https://{talk.order.bap_id}/live/42?x=1"
    assert notes(asked_for_pushes(talk, url)) == []
    assert publish.publish_progress(now=at) == 1
    usual, pushed = OutboxMessage.objects.filter(progress=True).order_by("id")
    assert (usual.pushed, pushed.pushed, pushed.url, pushed.action) == (False, True, url, "on_status")
    assert usual.url == f"https://{talk.order.bap_id}/beckn/on_status"
    assert usual.message_id != pushed.message_id
    assert content(pushed)["message"] == content(usual)["message"]
    assert pushed.deadline_at == at + timedelta(seconds=600)
    drive(supplier.after(60))
    publish.publish_progress(now=supplier.at)
    assert states_of_progress(pushed=True) == ["coalesced", "pending"]


def test_url_that_init_names_counts_and_a_later_one_replaces_it(talk: Talk, supplier: FakeSupplier) -> None:
    talk.ask("select")
    base = f"https://{talk.order.bap_id}"
    talk.ask("init", {"order": talk.wish(), "callback_url": f"{base}/one"})
    assert ProgressPush.objects.get().url == f"{base}/one"
    talk.ask("confirm")
    asked_for_pushes(talk, f"{base}/two")
    assert ProgressPush.objects.get().url == f"{base}/two"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.org/live", "http://{bap}/live", "https://{bap}:8443/live", "https://{bap}@evil.example.org/",
        "https://user@{bap}/live", "https://169.254.169.254/latest", "file:///etc/passwd", "//{bap}/live", "x",
        "https://{bap}/live#part", "https://[",
    ],
)  # fmt: skip
def test_url_elsewhere_is_ignored_with_a_warning(talk: Talk, url: str) -> None:
    talk.confirmed()
    [note] = notes(asked_for_pushes(talk, url.format(bap=talk.order.bap_id)))
    assert note.startswith("ignored: it is not under https://")
    assert not ProgressPush.objects.exists()


def test_switched_off_pushes_are_ignored_with_a_warning_and_end(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    url = f"https://{talk.order.bap_id}/live"
    asked_for_pushes(talk, url)
    BuyerApp.objects.create(bap_id=talk.order.bap_id, callback_pushes=False)
    assert publish.publish_progress(now=at) == 1
    assert states_of_progress(pushed=True) == []
    assert "switched off" in notes(asked_for_pushes(talk, url))[0]


# -- only terms and plan are told by on_update ------------------------------------------------------------------------


def test_whole_session_is_told_by_on_status_and_a_changed_plan_by_on_update(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    publish.publish_progress(now=at)
    event = talk.order.events.filter(kind="charging-started").get()
    for kind in ("charging-paused", "charging-resumed"):
        event.pk, event.number, event.published_at = None, Order.objects.get().last_event + 1, None
        event.kind = event.to_fulfillment = kind
        event.save()
        Order.objects.update(last_event=event.number)
    tell(at)
    drive(supplier.after(7200))
    drive(supplier.at)
    tell(supplier.at)
    assert {action for action, _ in talk.told()} == {"on_status"}
    assert {kind for kind, action in publish.ACTIONS.items() if action == "on_update"} == {
        "changed", "moved", "price-changed", "charger-out", "charger-warning", "charger-back",
    }  # fmt: skip


def test_progress_of_a_closed_order_is_not_told(talk: Talk, supplier: FakeSupplier) -> None:
    at = progressing(talk, supplier)
    Order.objects.update(state=Order.State.COMPLETE, fulfillment=Order.Fulfillment.CHARGING_ENDED)
    assert publish.publish_progress(now=at) == 0
    assert publish.publish_progress(now=at) == 0


def test_progress_another_worker_told_meanwhile_is_left_out(
    talk: Talk, supplier: FakeSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = progressing(talk, supplier)
    due = fulfillment.progress_due(now=at, every_s=30)
    assert publish.publish_progress(now=at) == 1
    # What this worker had read before the other one told it.
    monkeypatch.setattr(fulfillment, "progress_due", lambda **_: due)
    assert publish.publish_progress(now=at) == 0


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
