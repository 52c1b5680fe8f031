"""How is Redis asked by whoever can do without its answer? One client for all, which gives up at once."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

WAIT_S = 0.5  # to connect, and again to be answered; the first wait in vain ends it


def prompt_redis() -> Redis:
    """The client of the platform's Redis that blocks no longer than a second and tries once; for any thread."""
    return _client(settings.REDIS_URL)


@cache
def _client(url: str) -> Redis:
    client: Redis = Redis.from_url(
        url, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S, retry=Retry(NoBackoff(), 0)
    )
    return client
