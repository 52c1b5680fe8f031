"""Does each request reach the part of the web process it is for, from start to stop?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from redis import Redis

from bpp import asgi, delivery
from bpp.asgi import Front, Wakener
from bpp.guard import Event
from catalog.models import Connector
from sandbox.exchanges import Received
from sandbox.signing import Identity
from tests.bpp import network as toy
from tests.bpp.conftest import apart
from tests.bpp.network import MESSAGES, PROVIDER, Network, Rows
from tests.bpp.shop import (
    SOON_S,
    Shop,
    collecting_as_before,
    empty_catalogue,
    open_shop,
    run,
    sign_as,
    until,
    without_table,
)
from tests.factories.orders import connector_on_sale

OUTBOX = "SELECT state, reason FROM bpp_outboxmessage ORDER BY id"


@pytest.fixture
def emptied_catalogue(tables: None) -> Iterator[None]:
    yield
    empty_catalogue()


@pytest.fixture
async def connector(emptied_catalogue: None) -> Connector:
    found: Connector = await apart(connector_on_sale)
    return found


@pytest.fixture
async def shop(network: Network, settings: Any, emptied_catalogue: None) -> AsyncIterator[Shop]:
    async with open_shop(network, settings) as found:
        yield found


@pytest.fixture
def nudges() -> Iterator[Callable[[str], bool]]:
    """Tells whether a queue has been nudged since the test began."""
    redis = Redis.from_url(django_settings.REDIS_URL)

    def forget() -> None:
        redis.delete(*(f"vb:nudge:{queue}" for queue in ("process", "deliver")))

    forget()
    yield lambda queue: bool(redis.exists(f"vb:nudge:{queue}"))
    forget()
    redis.close()


async def asked(front: Front, path: str, *, method: str = "GET", kind: str = "http", **scope: Any) -> tuple[int, bytes]:
    """Status and body of one request given to the application itself."""
    sent: list[Event] = []
    body = scope.pop("body", b"")
    events = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Event:
        if events:
            return events.pop()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(event: Event) -> None:
        sent.append(event)

    whole = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": b"",
        "client": ("127.0.0.1", 4711),
        "headers": [(b"host", b"localhost")],
    }
    await front({**whole, **scope}, receive, send)
    return sent[0]["status"], b"".join(event.get("body", b"") for event in sent[1:])


async def get(shop: Shop, path: str) -> tuple[int, str]:
    async with shop.buyer.http.get(f"{shop.url}{path}") as response:
        return response.status, await response.text()


async def repeat(shop: Shop, answer: Received) -> None:
    """The very request that led to `answer` comes once more, a minute after that was taken."""
    run("UPDATE bpp_outboxmessage SET sent_at = now() - interval '1 minute'")
    await repeat_at_once(shop, answer)


async def repeat_at_once(shop: Shop, answer: Received) -> None:
    """The very request that led to `answer` comes once more, right after that was taken."""
    [first, *_] = [each for each in shop.buyer.ledger.exchanges if each.direction == "out"]
    sent = await shop.buyer.post(first.url, first.body.encode(), headers=first.headers, action="search")
    assert (sent.acked, answer.message_id) == (True, first.message_id)


async def test_door_has_the_paths_under_our_url_and_django_the_others(
    shop: Shop, settings: Any, plain_http: None
) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    assert await get(shop, "/healthz") == (200, "ok\n")
    assert (await get(shop, "/beckn/search"))[0] == 405
    status, text = await get(shop, "/beckn/nothing")
    assert (status, "UNKNOWN_PATH" in text) == (404, True)
    status, text = await get(shop, "/becknsearch")
    assert (status, "UNKNOWN_PATH" in text) == (404, False)


async def test_url_without_a_path_takes_the_actions_only(
    network: Network, settings: Any, plain_http: None, tables: None
) -> None:
    settings.BECKN_SUBSCRIBER_URL = "https://bpp.example.org"
    settings.ALLOWED_HOSTS = ["localhost"]
    front = Front()
    with collecting_as_before():
        try:
            assert await asked(front, "/healthz") == (200, b"ok\n")
            assert front.door is None
            assert (await asked(front, "/search"))[0] == 405
            assert (await asked(front, "/on_subscribe"))[0] == 405
        finally:
            await front.stop()


async def test_server_without_lifespan_opens_the_door_with_the_first_request(
    network: Network, buyer: Identity, settings: Any, tables: None, rows: Rows
) -> None:
    settings.BECKN_SUBSCRIBER_URL = f"https://{PROVIDER}/beckn"
    sign_as(network.join(PROVIDER, "BPP"), settings)
    front = Front()
    body = toy.wire(toy.message("status"))
    headers = [(name.encode(), value.encode()) for name, value in toy.signed(buyer, body).items()]
    with collecting_as_before():
        try:
            status, said = await asked(front, "/beckn/status", method="POST", headers=headers, body=body)
        finally:
            await front.stop()
    assert (status, b'"ACK"' in said) == (200, True)
    assert rows("SELECT action, state FROM bpp_inboxmessage") == [("status", "new")]


async def test_stop_before_the_start_is_harmless() -> None:
    await Front().stop()


async def test_process_takes_only_so_many_requests_at_a_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await get(shop, "/beckn/search"))[0] == 405
    monkeypatch.setattr(asgi, "MOST_REQUESTS", 0)
    assert await get(shop, "/beckn/search") == (503, "{}")
    assert shop.front._requests == 0


async def test_websocket_is_not_for_the_door(shop: Shop) -> None:
    with pytest.raises(ValueError, match="websocket"):
        await asked(shop.front, "/beckn/search", kind="websocket")


async def test_search_is_answered_here_and_anything_else_wakes_a_worker(
    connector: Connector, shop: Shop, nudges: Callable[[str], bool], rows: Rows
) -> None:
    sent = await shop.search()
    await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)
    assert (await shop.send("status", MESSAGES["status"]())).acked
    await until(lambda: nudges("process"))
    await shop.close()
    assert rows("SELECT action FROM bpp_inboxmessage WHERE state = 'new'") == [("status",)]


async def test_nudges_in_quick_succession_reach_the_worker_and_end(nudges: Callable[[str], bool]) -> None:
    wakener = Wakener()
    for _ in range(10):
        wakener.wake("process")
    await until(lambda: nudges("process"))
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_repeated_request_sends_the_stored_answer_again_once(
    connector: Connector, shop: Shop, nudges: Callable[[str], bool], rows: Rows
) -> None:
    sent = await shop.search()
    answer = await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)
    await until(lambda: rows(OUTBOX) == [("sent", "")])
    await repeat(shop, answer)
    await until(lambda: rows(OUTBOX) == [("pending", "the request came again")])
    await until(lambda: nudges("deliver"))
    assert await apart(delivery.deliver) == 1
    first, second = shop.buyer.ledger.answers(sent.message_id, "on_search")
    assert (second.exchange.genuine, second.exchange.body) == (True, first.exchange.body)
    assert rows(OUTBOX) == [("sent", "")]
    await repeat(shop, answer)
    await shop.close()
    assert rows(OUTBOX) == [("sent", "")]


async def test_repeat_that_crossed_its_answer_brings_no_second_one_and_a_later_one_does(
    connector: Connector, shop: Shop, rows: Rows
) -> None:
    sent = await shop.search()
    answer = await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)
    await until(lambda: rows(OUTBOX) == [("sent", "")])
    await repeat_at_once(shop, answer)
    await until(lambda: not shop.front._repeated)
    assert rows(OUTBOX) == [("sent", "")]
    await repeat(shop, answer)
    await until(lambda: rows(OUTBOX) == [("pending", "the request came again")])


async def test_memory_of_repeats_is_bounded(
    connector: Connector, shop: Shop, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "MOST_REPEATS", 0)
    sent = await shop.search()
    answer = await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)
    await until(lambda: rows(OUTBOX) == [("sent", "")])
    for _ in range(2):
        await repeat(shop, answer)
        await until(lambda: rows(OUTBOX) == [("pending", "the request came again")])
        run("UPDATE bpp_outboxmessage SET state = 'sent', reason = ''")


async def test_fault_after_an_acknowledgement_is_logged(
    connector: Connector, shop: Shop, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    sent = await shop.search()
    answer = await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)
    await until(lambda: rows(OUTBOX) == [("sent", "")])
    with without_table("bpp_outboxmessage"):
        await repeat_at_once(shop, answer)
        await until(lambda: "work after an acknowledgement failed" in caplog.text)
    assert (await shop.search()).acked


async def test_stop_waits_for_answers_under_way(connector: Connector, shop: Shop, rows: Rows) -> None:
    await asyncio.gather(*(shop.search() for _ in range(20)))
    async with asyncio.timeout(4 * SOON_S):
        await shop.close()
    assert rows("SELECT state, count(*) FROM bpp_outboxmessage GROUP BY state") == [("sent", 20)]
    assert rows("SELECT state, count(*) FROM bpp_inboxmessage GROUP BY state") == [("done", 20)]
