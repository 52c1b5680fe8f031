"""Does a nudge reach the broker once, and does nothing break where there is no broker?"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.db import transaction

from core import nudges
from core.nudges import BELL, Bell, nudge_on_commit

NOBODY = "redis://127.0.0.1:9/0"


@pytest.fixture
def queue() -> str:
    """A queue nobody else rings for."""
    return f"proof-{uuid.uuid4()}"


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """The tasks that were sent to the broker."""
    names: list[str] = []

    def note(sender: str, **_: Any) -> None:
        names.append(sender)

    before_task_publish.connect(note, weak=False)
    yield names
    before_task_publish.disconnect(note)


def test_nudges_are_one_until_a_worker_has_heard(queue: str, sent: list[str]) -> None:
    bell = Bell()
    for _ in range(3):
        bell.ring(queue)
    assert sent == [queue]
    bell.heard(queue)
    bell.ring(queue)
    assert sent == [queue, queue]


def test_nudges_of_several_processes_are_one(queue: str, sent: list[str]) -> None:
    Bell().ring(queue)
    Bell().ring(queue)
    assert sent == [queue]


def test_lost_nudge_is_told_once_and_the_broker_left_in_peace(
    queue: str, sent: list[str], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = NOBODY
    bell = Bell()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            bell.ring(queue)
    assert [record.message for record in caplog.records] == ["nudge lost; the sweep will find the work"]
    assert sent == []


@pytest.mark.parametrize("away", ["redis", "broker"])
@pytest.mark.parametrize("listens", [False, True])
def test_ring_ends_within_a_second_where_nobody_answers(
    queue: str, settings: Any, caplog: pytest.LogCaptureFixture, away: str, listens: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        if not listens:
            deaf.close()
        if away == "redis":
            settings.REDIS_URL = url
        else:
            settings.CELERY = settings.CELERY | {"broker_url": url}
        bell = Bell()
        bell._sender()
        began_s = time.monotonic()
        bell.ring(queue)
    assert time.monotonic() - began_s < 1
    assert [record.message for record in caplog.records] == ["nudge lost; the sweep will find the work"]


def test_bell_rings_again_after_its_rest(
    queue: str, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "REST_S", 0.0)
    settings.REDIS_URL = NOBODY
    bell = Bell()
    for _ in range(2):
        bell.ring(queue)
    assert len(caplog.records) == 2


def test_hearing_without_a_broker_is_silent(queue: str, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.REDIS_URL = NOBODY
    Bell().heard(queue)
    assert caplog.records == []


@pytest.mark.django_db(transaction=True)
def test_nudge_waits_for_the_commit(queue: str, sent: list[str]) -> None:
    with transaction.atomic():
        nudge_on_commit(queue)
        assert sent == []
    assert sent == [queue]


@pytest.mark.django_db(transaction=True)
def test_nudge_of_work_undone_is_none(queue: str, sent: list[str]) -> None:
    with transaction.atomic():
        nudge_on_commit(queue)
        transaction.set_rollback(True)
    assert sent == []
    BELL.heard(queue)
