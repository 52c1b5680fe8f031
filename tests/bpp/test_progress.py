"""Does a buyer app hear how charging goes on as often as was settled, the newest alone, and where it asked for it?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from bpp import buyer_apps, outbox, publish
from bpp.models import BuyerApp, InboxMessage, OutboxMessage, ProgressPush
from fulfillment import services as fulfillment
from orders.models import Order
from tests.bpp.charging import drive, progressing
from tests.bpp.pipeline import Talk, content, decide, tell
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize(("over", "days", "left"), [(True, 91, 0), (True, 89, 1), (False, 91, 1)])
def test_wish_for_pushes_goes_with_age_once_its_order_is_over(talk: Talk, over: bool, days: int, left: int) -> None:
    talk.confirmed()
    now = timezone.now()
    asked_for_pushes(talk, f"https://{talk.order.bap_id}/one")
    if over:
        Order.objects.filter(pk=talk.order.pk).update(state="cancelled", fulfillment="order-cancelled")
    ProgressPush.objects.update(asked_at=now - timedelta(days=days))
    assert buyer_apps.forget_pushes(now) == 1 - left
    assert ProgressPush.objects.count() == left
