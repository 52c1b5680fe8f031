"""Does readiness name the part that is broken, and do the figures come even when the database does not?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from bpp import health, keys
from bpp.health import DEGRADED, FAILED, OK, Part
from bpp.models import InboxMessage, Subscriber
from fulfillment.models import Notice
from tests.bpp.conftest import apart
from tests.factories.orders import active_order


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def away(tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No new connection finds the database."""
    with monkeypatch.context() as changed:
        changed.setitem(connections["default"].settings_dict, "HOST", "/nowhere")
        yield


def named(now: datetime) -> dict[str, Part]:
    return {part.name: part for part in health.parts(now)}


async def test_lost_database_is_named_and_nothing_behind_it_is_asked(away: None, now: datetime) -> None:
    keys.forget()
    found = await apart(lambda: named(now))
    assert set(found) == {"database", "signing_key", "redis"}
    assert (found["database"].state, found["signing_key"].state) == (FAILED, FAILED)
    assert "check DATABASE_URL" in found["database"].text
    assert found["signing_key"].text == "cannot be read while the database is away"


async def test_figures_come_without_the_database(away: None, now: datetime) -> None:
    shown = (await apart(lambda: health.metrics(now))).decode()
    assert "database_up 0.0" in shown
    assert "inbox_oldest_seconds" not in shown


@pytest.mark.django_db
def test_slow_database_is_not_ready(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SLOW_DATABASE_S", -1.0)
    assert named(now)["database"].text.endswith("too slow")


@pytest.mark.django_db
def test_open_migration_is_not_ready(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health._Head, "reached", False)
    last = MigrationRecorder.Migration.objects.filter(app="catalog").latest("id")
    last.delete()
    part = named(now)["migrations"]
    assert part == Part("migrations", FAILED, "1 not applied; run ./vb manage migrate")
    last.save()
    assert named(now)["migrations"].state == OK


@pytest.mark.django_db
def test_registry_is_told_by_its_last_answer(now: datetime, settings: Any) -> None:
    settings.BECKN_REGISTRY_URL = ""
    assert named(now)["registry"].state == DEGRADED
    settings.BECKN_REGISTRY_URL = "https://registry.example.org"
    assert named(now)["registry"].text == "not asked yet"
    fetched_at = now - timedelta(seconds=7)
    Subscriber.objects.create(subscriber_id="bap.example.org", key_id="k1", type="BAP", url="", fetched_at=fetched_at)
    assert named(now)["registry"] == Part("registry", OK, "last answered 7 s ago")
    assert "registry_age_seconds 7.0" in health.metrics(now).decode()


@pytest.mark.django_db
def test_notices_are_counted_by_kind_and_what_became_of_them(now: datetime) -> None:
    order = active_order()
    for place, (state, reason) in enumerate([("due", ""), ("due", "away"), ("dead", "refused")]):
        next_at = now - timedelta(seconds=40) if state == "due" else None
        Notice.objects.create(
            order=order, kind="done", place=place, way="email", at=now, state=state, next_at=next_at, reason=reason
        )
    shown = health.metrics(now).decode()
    assert 'notices{kind="done",state="due"} 2.0' in shown
    assert 'notices{kind="done",state="dead"} 1.0' in shown
    assert 'notices_failing{kind="done"} 1.0' in shown
    assert "notices_oldest_due_seconds 40.0" in shown


@pytest.mark.django_db
def test_work_that_lies_about_names_the_missing_worker(now: datetime) -> None:
    InboxMessage.objects.create(
        bap_id="bap.example.org",
        action="status",
        message_id="m-1",
        transaction_id="t-1",
        digest=bytes(64),
        raw=b"{}",
        next_at=now - timedelta(seconds=90),
        deadline_at=now,
    )
    part = named(now)["inbox"]
    assert part.state == DEGRADED
    assert part.text == "oldest due message waits 90 s; is a worker for the queue `process` running?"
    assert health.oldest_due_s(now) == (90.0, 0.0)
