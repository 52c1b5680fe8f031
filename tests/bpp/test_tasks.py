"""Does each task empty its queue, once, and give way in time?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.utils import timezone

from bpp import tasks
from bpp.models import InboxMessage, OutboxMessage
from bpp.storing import conninfo
from catalog.versions import plan_version
from core.nudges import BELL
from fulfillment.models import Session
from orders.models import Order
from tests.bpp.pipeline import BuyerApp, Talk
from tests.factories.catalog import TariffFactory
from tests.factories.fulfillment import starting_session
from tests.factories.orders import NOW, initiated_order
from tests.fulfillment.notified import switch_on
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db


@pytest.fixture
def rung() -> Iterator[list[str]]:
    """The queues workers were woken for."""
    names: list[str] = []

    def note(sender: str, **_: Any) -> None:
        names.append(sender)

    for queue in ("process", "deliver", "advance", "expire"):
        BELL.heard(queue)
    before_task_publish.connect(note, weak=False)
    yield names
    before_task_publish.disconnect(note)


def test_process_decides_and_publishes_until_nothing_is_left(talk: Talk) -> None:
    rows = [Talk().put("select", now=timezone.now()) for _ in range(3)]
    tasks.process_due()
    assert InboxMessage.objects.filter(pk__in=[row.pk for row in rows], state="done").count() == 3


def test_deliver_delivers_what_was_decided(buyer_app: BuyerApp) -> None:
    asked_at = timezone.now() - timedelta(seconds=30)
    Talk().put("select", now=asked_at, bap_uri=f"{buyer_app.url}/beckn")
    tasks.process_due()
    # Within one transaction the database's clock stands still.
    OutboxMessage.objects.update(next_at=asked_at)
    tasks.deliver_due()
    assert [taken.path for taken in buyer_app.taken] == ["/beckn/on_select"]


def test_advance_drives_the_stations(talk: Talk, supplier: FakeSupplier) -> None:
    session = starting_session(now=timezone.now() - timedelta(seconds=5))
    tasks.advance_due()
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING


def test_expire_releases_what_ran_out(db: None) -> None:
    order = initiated_order(now=NOW)
    tasks.expire_due()
    order.refresh_from_db()
    assert order.state == Order.State.EXPIRED


def test_notice_tells_the_driver(talk: Talk, supplier: FakeSupplier, mailoutbox: list[Any]) -> None:
    session = starting_session(now=timezone.now() - timedelta(seconds=5))
    switch_on(session.order.operator)
    tasks.advance_due()
    tasks.notice_due()
    assert [message.to for message in mailoutbox] == [["driver@example.org"]]


def test_fault_in_one_sweep_leaves_the_others_to_their_work(db: None, caplog: pytest.LogCaptureFixture) -> None:
    tariff = TariffFactory.create()
    plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={"gst_percent": 5}, now=NOW)
    with connection.cursor() as cursor:
        # Gone again with the test's transaction.
        cursor.execute("ALTER TABLE orders_deadline RENAME TO orders_deadline_away")
    tasks.expire_due()
    tariff.refresh_from_db()
    assert tariff.version == 2
    assert "a sweep failed" in caplog.text


def test_what_the_other_sweeps_did_counts_beside_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> int:
        raise ValueError("one row is odd")

    assert tasks._each(lambda: 1, broken, lambda: None, lambda: 2) == 3
    assert "a sweep failed" in caplog.text


def test_hand_too_many_leaves_the_work_to_the_others(db: None) -> None:
    order = initiated_order(now=NOW)
    key = int.from_bytes(b"expi", "big", signed=True)
    with psycopg.connect(conninfo()) as other:
        other.execute("SELECT pg_advisory_lock(%s, 0)", [key])
        tasks.expire_due()
    order.refresh_from_db()
    assert order.state == Order.State.INITIATED


def test_long_work_gives_way_and_asks_for_another_turn(
    talk: Talk, rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LONGEST_S", 0.0)
    rows = [Talk().put("select", now=timezone.now()) for _ in range(2)]
    tasks.process_due()
    assert InboxMessage.objects.filter(pk__in=[row.pk for row in rows], state="new").count() == 1
    assert rung == ["process"]


def test_nudge_wakes_a_worker_for_its_queue(rung: list[str]) -> None:
    tasks.nudge("deliver")
    assert rung == ["deliver"]
