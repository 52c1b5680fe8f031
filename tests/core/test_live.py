"""Does news of orders reach the channel after the commit, and does nothing break where there is no Redis?"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from redis import Redis

from core import live
from core.live import CHANNEL, Crier, announce, announce_on_commit

NOBODY = "redis://127.0.0.1:9/0"
OURS = [2**60 + 1, 2**60 + 2]  # the channel is heard by all who use this Redis: ids nobody else has


@pytest.fixture
def heard() -> Iterator[Any]:
    """Gives the lists of ours that came over the channel."""
    redis = Redis.from_url(django_settings.REDIS_URL)
    ear = redis.pubsub()  # type: ignore[no-untyped-call]  # redis gives it no types
    ear.subscribe(CHANNEL)
    assert ear.get_message(timeout=5)["type"] == "subscribe"

    def since() -> list[list[int]]:
        found = []
        while message := ear.get_message(timeout=0.2):
            found.append(json.loads(message["data"]))
        return [ids for ids in found if set(ids) & set(OURS)]

    yield since
    ear.close()
    redis.close()


def test_news_are_a_list_of_ids(heard: Any) -> None:
    announce(OURS)
    assert heard() == [OURS]


def test_no_news_are_not_told(heard: Any) -> None:
    announce([])
    assert heard() == []


@pytest.mark.django_db(transaction=True)
def test_news_are_told_after_the_commit_and_not_without_one(heard: Any) -> None:
    with transaction.atomic():
        announce_on_commit(OURS)
        assert heard() == []
    assert heard() == [OURS]
    with transaction.atomic():
        announce_on_commit(OURS)
        transaction.set_rollback(True)
    assert heard() == []


def test_lost_news_are_noted_once_and_redis_left_in_peace(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.REDIS_URL = NOBODY
    crier = Crier()
    began_s = time.monotonic()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            crier.tell(OURS)
    assert [record.message for record in caplog.records] == ["news not announced; the sweep will find them"]
    assert time.monotonic() - began_s < 1.5


def test_crier_speaks_again_after_its_rest(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "REST_S", 0.0)
    settings.REDIS_URL = NOBODY
    crier = Crier()
    for _ in range(2):
        crier.tell(OURS)
    assert len(caplog.records) == 2
