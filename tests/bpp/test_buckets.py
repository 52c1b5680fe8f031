"""Does a bucket hold over several processes, and does nobody wait for a Redis that is away?"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from typing import Any

import pytest
from redis import Redis

from bpp.buckets import SharedRate


@pytest.fixture
def kind() -> str:
    """What nobody else counts."""
    return f"test-{uuid.uuid4()}"


def test_processes_share_a_bucket_and_names_do_not(kind: str) -> None:
    one, other = (SharedRate(kind, 1 / 30, 3) for _ in range(2))
    assert [rate.wait_s("link") for rate in (one, other, one)] == [0, 0, 0]
    assert 29 < other.wait_s("link") <= 30
    assert 29 < one.wait_s("link") <= 30, "what is refused uses nothing up"
    assert other.wait_s("another") == 0


def test_bucket_fills_again(kind: str) -> None:
    rate = SharedRate(kind, 20, 1)
    assert rate.wait_s("link") == 0
    until = time.monotonic() + 5
    while (wait_s := rate.wait_s("link")) and time.monotonic() < until:
        assert wait_s <= 0.05
    assert not wait_s


def test_redis_learns_no_name_and_forgets_full_buckets(kind: str, settings: Any) -> None:
    SharedRate(kind, 1 / 30, 3).wait_s("a-secret")
    redis = Redis.from_url(settings.REDIS_URL)
    [key] = redis.scan_iter(f"vb:rate:{kind}:*")
    assert b"a-secret" not in key
    assert 0 < redis.pttl(key) <= 30_000
    redis.close()


@pytest.mark.parametrize("listens", [False, True])
def test_where_redis_is_away_the_process_counts_by_itself(
    kind: str, settings: Any, caplog: pytest.LogCaptureFixture, listens: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.REDIS_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        if not listens:
            deaf.close()
        rate = SharedRate(kind, 1 / 30, 3)
        began_s = time.monotonic()
        with caplog.at_level(logging.WARNING):
            waits = [rate.wait_s("link") for _ in range(4)]
    assert time.monotonic() - began_s < 1
    assert waits[:3] == [0, 0, 0]
    assert 29 < waits[3] <= 30
    assert [record.message for record in caplog.records] == ["Redis is away; each process counts by itself"]
