"""Is nobody woken, pestered, or told what is not so any more?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from fulfillment.models import Notice, NoticeSettings, Session
from fulfillment.services.writing import quiet_until
from orders.services import finish_refund
from tests.factories.fulfillment import later
from tests.factories.orders import NOW
from tests.fulfillment.mailroom import MailServer
from tests.fulfillment.notified import look, read, send, the_one
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.test_notices import GRACE, charging, end

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("begin", "until", "clock", "ends"),
    [
        ("22:00", "07:00", "21:59", ""),
        ("22:00", "07:00", "22:00", "2026-02-03T07:00"),
        ("22:00", "07:00", "23:59", "2026-02-03T07:00"),
        ("22:00", "07:00", "00:00", "2026-02-02T07:00"),
        ("22:00", "07:00", "06:59", "2026-02-02T07:00"),
        ("22:00", "07:00", "07:00", ""),
        ("13:00", "15:00", "14:00", "2026-02-02T15:00"),
        ("13:00", "15:00", "15:00", ""),
        ("00:00", "00:00", "00:00", ""),
    ],
)
@pytest.mark.parametrize(("zone", "hours"), [("Asia/Kolkata", 5.5), ("UTC", 0.0), ("Pacific/Auckland", 13.0)])
def test_quiet_hours_go_by_the_stations_clock(
    begin: str, until: str, clock: str, ends: str, zone: str, hours: float
) -> None:
    told = NoticeSettings(quiet_from=time.fromisoformat(begin), quiet_until=time.fromisoformat(until))
    now = datetime.fromisoformat(f"2026-02-02T{clock}").replace(tzinfo=UTC) - timedelta(hours=hours)
    found = quiet_until(told, now, zone)
    assert (found.isoformat()[:16] if found else "") == ends


NIGHT = datetime(2026, 2, 1, 17, 0, tzinfo=UTC)  # 22:30 in Kolkata


def test_night_keeps_what_can_wait_until_the_morning(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging(quiet_from=time(22), quiet_until=time(7))
    Notice.objects.all().delete()
    end(session, now=NIGHT)
    look(NIGHT)
    send(NIGHT)
    assert [taken.message["Subject"].startswith("Charging has ended") for taken in post.taken] == [True]
    morning = datetime(2026, 2, 2, 1, 30, tzinfo=UTC)
    assert the_one(order, "receipt").next_at == morning
    assert the_one(order, "receipt").attempts == 0
    send(morning - timedelta(seconds=1))
    assert len(post.taken) == 1
    send(morning)
    assert the_one(order, "receipt").state == "sent"


def test_start_at_night_is_dropped_where_it_is_over_by_the_morning(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging(quiet_from=time(22), quiet_until=time(7))
    Notice.objects.filter(order=order).update(next_at=NIGHT)
    send(NIGHT)
    end(session, now=NIGHT)
    Notice.objects.exclude(kind="started").delete()
    send(NIGHT + timedelta(hours=9))
    started = the_one(order, "started")
    assert (started.state, started.reason, post.taken) == ("dropped", "the charging is over", [])


def test_pause_that_is_over_is_not_told_nor_its_end(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    Notice.objects.all().delete()
    for kind, seconds in (("interrupted", 60), ("resumed", 30)):
        Notice.objects.create(order=order, kind=kind, place=9, way="email", at=NOW, next_at=later(seconds))
    send(later(60))
    assert [the_one(order, kind).state for kind in ("interrupted", "resumed")] == ["dropped", "dropped"]


def test_pause_is_told_with_its_end_but_not_each_of_many(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging()
    Notice.objects.all().delete()

    def note_one(kind: str, place: int, at: datetime) -> None:
        state = "paused" if kind == "interrupted" else "charging"
        Session.objects.filter(pk=session.pk).update(state=state)
        Notice.objects.create(order=order, kind=kind, place=place, way="email", at=at, next_at=at)
        send(at)

    for place, (kind, seconds) in enumerate(
        [("interrupted", 0), ("resumed", 100), ("interrupted", 200), ("resumed", 300), ("interrupted", 1000)]
    ):
        note_one(kind, place, later(seconds))
    states = list(Notice.objects.order_by("place").values_list("state", flat=True))
    assert states == ["sent", "sent", "dropped", "dropped", "sent"]


def test_silence_names_the_moment_since(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging()
    read(session, 100, later(10))
    look(later(100))
    send(later(100))
    assert "has not been heard since 1 February 2026, 10:00" in post.taken[-1].text
    Notice.objects.filter(order=order, kind="interrupted").update(
        state="due", next_at=later(200), sent_at=None, place=5
    )
    send(later(200))
    assert the_one(order, "interrupted").reason == "the charger was heard again"


def test_standing_is_told_until_it_costs_nothing_any_more(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging(GRACE)
    end(session, now=later(100))
    Session.objects.filter(pk=session.pk).update(standing_at=later(110), provisional=False)
    look(later(401))
    send(later(401))
    text = next(taken.text for taken in post.taken if "move your vehicle" in taken.text)
    assert "from about 1 February 2026, 10:16 on" in text
    Notice.objects.filter(order=order, kind="idle-soon").update(state="due", next_at=later(1001), sent_at=None)
    send(later(1001))
    assert "and that costs extra" in post.taken[-1].text
    Session.objects.filter(pk=session.pk).update(left_at=later(1100))
    Notice.objects.filter(order=order, kind="idle-soon").update(state="due", next_at=later(1200), sent_at=None)
    send(later(1200))
    assert the_one(order, "idle-soon").reason == "standing costs nothing any more"


def test_refund_that_is_there_already_is_told_once(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging()
    end(session)
    finish_refund(order.refunds.get().pk, reference="r", now=later(1), actor="test")
    look(later(2))
    send(later(2))
    states = dict(Notice.objects.filter(order=order, kind="refund").values_list("place", "state"))
    assert states == {2: "dropped", 3: "sent"}
