"""Is a search answered by the process that accepted it, and is it true what is kept of the answer?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from django.utils import timezone

from bpp import letters, storefront
from bpp.models import InboxMessage
from bpp.packing import unpack
from catalog.models import Connector
from sandbox.answering import AckMode
from sandbox.exchanges import Received
from sandbox.serving import serve
from tests.bpp import network as toy
from tests.bpp.conftest import apart
from tests.bpp.network import BUYER, Network, Rows
from tests.bpp.shop import SOON_S, Shop, empty_catalogue, open_shop, run, until, without_table
from tests.factories.orders import connector_on_sale

NOWHERE = {"fulfillment": {"stops": [{"location": {"circle": {"gps": "28.61,77.20", "radius": {"value": "1"}}}}]}}
UNREADABLE = {
    "fulfillment": {
        "stops": [{"location": {"circle": {"gps": "12.97,77.59", "radius": {"value": "1", "unit": "parsec"}}}}]
    }
}
ODD = {"tags": [{"descriptor": {"code": "moods"}, "list": [{"descriptor": {"code": "mood"}, "value": "calm"}]}]}
OUTBOX = "SELECT state, attempts, reason FROM bpp_outboxmessage ORDER BY part"
INBOX = "SELECT state, reason FROM bpp_inboxmessage ORDER BY id"
OUR_DOOR = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'voltbazaar-door' AND datname = current_database()"
)
ATTEMPT = "SELECT outcome, status, key_id FROM bpp_deliveryattempt"


@pytest.fixture
def offer(tables: None) -> Iterator[Callable[[], Connector]]:
    """Puts one more connector on sale, committed as by an operator."""
    yield connector_on_sale
    empty_catalogue()


@pytest.fixture
async def connector(offer: Callable[[], Connector]) -> Connector:
    found: Connector = await apart(offer)
    return found


@pytest.fixture
async def shop(network: Network, settings: Any, offer: Callable[[], Connector]) -> AsyncIterator[Shop]:
    """A web process; it closes before the catalogue is emptied under it."""
    async with open_shop(network, settings) as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes round every few seconds comes round at once."""
    monkeypatch.setattr(storefront, "REFRESH_S", 0.05)
    monkeypatch.setattr(storefront, "SWEEP_EVERY_S", 0.05)
    monkeypatch.setattr(storefront, "SWEEP_AFTER_S", 0)


@pytest.fixture
def swept_at_once(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep takes a search as soon as it is stored."""
    monkeypatch.setattr(letters, "SEARCH_GRACE_S", 0)


def items(answer: Received) -> list[str]:
    providers = answer.message["catalog"].get("providers", [])
    return [item["id"] for provider in providers for item in provider["items"]]


async def answered(shop: Shop) -> Received:
    """The answer to a search for anything around, once it has come."""
    sent = await shop.search()
    assert sent.acked, sent.response
    return await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)


async def until_found(shop: Shop, connector: Connector) -> None:
    async with asyncio.timeout(SOON_S):
        while connector.item_id not in items(await answered(shop)):
            pass


def left_over(action: str = "search", *, live_s: float = 60, intent: Any = None, **changes: Any) -> str:
    """A search that another process accepted ten seconds ago and did not answer; returns its message_id."""
    now = timezone.now()
    document = toy.message(action, **changes)
    if intent is not None:
        document["message"]["intent"] = intent
    context = document["context"]
    InboxMessage.objects.create(
        bap_id=context["bap_id"],
        action=action,
        message_id=context["message_id"],
        transaction_id=context["transaction_id"],
        digest=bytes(64),
        raw=toy.wire(document),
        received_at=now - timedelta(seconds=10),
        next_at=now - timedelta(seconds=1),
        deadline_at=now + timedelta(seconds=live_s),
    )
    return str(context["message_id"])


async def test_search_is_answered_signed_and_kept_as_sent(connector: Connector, shop: Shop, rows: Rows) -> None:
    answer = await answered(shop)
    await shop.close()
    assert (answer.exchange.genuine, items(answer)) == (True, [connector.item_id])
    assert rows(OUTBOX) == [("sent", 1, "")]
    assert rows(ATTEMPT) == [("ack", 200, "k1")]
    assert rows(INBOX) == [("done", "")]
    [(body, url, message_id)] = rows("SELECT body, url, message_id FROM bpp_outboxmessage")
    assert unpack(bytes(body)) == answer.exchange.body.encode()
    assert (url, message_id) == (f"{shop.buyer.uri}/on_search", answer.message_id)


async def test_answer_is_dated_when_it_was_ready_and_when_its_post_ended(
    connector: Connector, shop: Shop, rows: Rows
) -> None:
    shop.buyer.ack_mode = AckMode("slow", wait_s=0.3)
    answer = await answered(shop)
    await shop.close()
    [(received_at, created_at, sent_at, tried_at, wait_ms)] = rows(
        "SELECT i.received_at, o.created_at, o.sent_at, a.at, a.wait_ms FROM bpp_inboxmessage i "
        "JOIN bpp_outboxmessage o ON o.answers_id = i.id JOIN bpp_deliveryattempt a ON a.message_id = o.id"
    )
    reached_at = datetime.fromisoformat(answer.exchange.at)
    assert received_at <= created_at <= reached_at + timedelta(milliseconds=1)
    assert sent_at == tried_at
    assert sent_at - created_at >= timedelta(milliseconds=300)
    assert wait_ms >= 300


async def test_large_answer_comes_in_parts_under_one_message_id(
    offer: Callable[[], Connector], network: Network, settings: Any, rows: Rows
) -> None:
    offers = [(await apart(offer)).item_id for _ in range(3)]
    settings.BECKN_ANSWER_LIMIT_BYTES = 3000
    async with open_shop(network, settings) as shop:
        sent = await shop.search()
    parts = shop.buyer.ledger.answers(sent.message_id, "on_search")
    assert len(parts) > 1
    assert sorted(item for part in parts for item in items(part)) == sorted(offers)
    assert rows(OUTBOX) == [("sent", 1, "")] * len(parts)
    assert rows("SELECT part FROM bpp_outboxmessage ORDER BY part") == [(number,) for number in range(len(parts))]


async def test_nobody_is_called_where_nothing_matched(connector: Connector, shop: Shop, rows: Rows) -> None:
    sent = await shop.search(NOWHERE)
    await shop.close()
    assert shop.buyer.ledger.answers(sent.message_id, "on_search") == []
    assert rows(INBOX) == [("done", "nothing matched; no callback by setting")]
    assert rows(OUTBOX) == []


async def test_empty_catalogue_goes_out_where_the_network_wants_one(shop: Shop, settings: Any, rows: Rows) -> None:
    settings.BECKN_EMPTY_SEARCH_ANSWER = True
    assert items(await answered(shop)) == []
    await shop.close()
    assert (rows(INBOX), rows(OUTBOX)) == ([("done", "")], [("sent", 1, "")])


async def test_odd_spelling_is_answered_and_noted_on_the_row(connector: Connector, shop: Shop, rows: Rows) -> None:
    sent = await shop.search(ODD)
    assert items(await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)) == [connector.item_id]
    await shop.close()
    [(state, verdicts)] = rows("SELECT state, verdicts FROM bpp_inboxmessage")
    assert state == "done"
    assert [(each["path"], each["seen"]) for each in verdicts] == [("$.message.intent.tags[0].list[0]", "mood: calm")]


async def test_outcome_that_is_written_twice_is_kept_once(connector: Connector, shop: Shop, rows: Rows) -> None:
    await shop.search(ODD)
    await until(lambda: rows(INBOX) == [("done", "")])
    [(inbox_id, before)] = rows("SELECT id, verdicts FROM bpp_inboxmessage")
    assert len(before) == 1
    again = storefront.Answered(inbox_id, [], json.dumps(before))
    writer = shop.front._writer
    assert writer is not None
    await writer.run(lambda connection: storefront._write(connection, [again]))
    assert rows("SELECT state, reason, verdicts FROM bpp_inboxmessage") == [("done", "", before)]


async def test_search_that_cannot_be_read_gets_an_error(shop: Shop, rows: Rows) -> None:
    sent = await shop.search(UNREADABLE)
    assert sent.acked
    answer = await shop.buyer.ledger.wait_for(sent.message_id, "on_search", SOON_S)
    await shop.close()
    assert answer.exchange.genuine
    assert answer.error is not None
    assert answer.error["code"] == "30000"
    assert "parsec" in answer.error["message"]
    assert (rows(INBOX), rows(OUTBOX)) == ([("done", "")], [("sent", 1, "")])


async def test_answer_the_buyer_refuses_is_not_sent_again(connector: Connector, shop: Shop, rows: Rows) -> None:
    shop.buyer.ack_mode = AckMode("nack")
    await shop.search()
    await shop.close()
    assert rows(OUTBOX) == [("refused", 1, "40000 refused on request of a test")]
    assert rows(ATTEMPT) == [("nack", 200, "k1")]


@pytest.mark.parametrize(("status", "state"), [(503, "pending"), (429, "pending"), (400, "refused")])
async def test_outbox_takes_over_what_may_go_better_later(
    connector: Connector, shop: Shop, rows: Rows, status: int, state: str
) -> None:
    shop.buyer.ack_mode = AckMode("status", status=status)
    await shop.search()
    await shop.close()
    assert rows(OUTBOX) == [(state, 1, f"HTTP {status}")]
    assert rows(ATTEMPT) == [("status", status, "k1")]
    assert rows("SELECT next_at > created_at, sent_at FROM bpp_outboxmessage") == [(True, None)]


async def test_outbox_takes_over_where_the_buyer_is_away(
    connector: Connector, network: Network, shop: Shop, rows: Rows
) -> None:
    [row] = network.registry.find({"subscriber_id": BUYER})
    row.subscriber_url = "http://127.0.0.1:1/beckn"
    await shop.search(bap_uri=row.subscriber_url)
    await shop.close()
    [(state, attempts, reason)] = rows(OUTBOX)
    assert (state, attempts) == ("pending", 1)
    assert "could not be called" in reason
    assert rows(ATTEMPT) == [("fault", None, "k1")]


async def test_what_a_buyer_says_cannot_spoil_what_is_kept(
    connector: Connector, network: Network, shop: Shop, rows: Rows
) -> None:
    said = rb'{"message":{"ack":{"status":"NACK"}},"error":{"code":"1","message":"nul \u0000, half \ud83d a pair"}}'

    async def odd(_: web.Request) -> web.Response:
        return web.Response(body=said, content_type="application/json")

    app = web.Application()
    app.router.add_post("/beckn/on_search", odd)
    server = await serve(app)
    [row] = network.registry.find({"subscriber_id": BUYER})
    row.subscriber_url = f"{server.url}/beckn"
    await shop.search(bap_uri=row.subscriber_url)
    await shop.close()
    await server.stop()
    assert rows(OUTBOX) == [("refused", 1, "1 nul , half ? a pair")]


async def test_search_another_process_left_is_answered_and_a_late_one_is_not(
    connector: Connector, network: Network, settings: Any, quick: None, rows: Rows
) -> None:
    late = await apart(lambda: left_over(live_s=-1))
    async with open_shop(network, settings) as shop:
        found = await apart(lambda: left_over(bap_uri=shop.buyer.uri))
        other = await apart(lambda: left_over("select", bap_uri=shop.buyer.uri))
        await shop.buyer.ledger.wait_for(found, "on_search", SOON_S)
    kept: dict[str, str] = dict(rows("SELECT message_id, state FROM bpp_inboxmessage"))
    assert kept == {late: "expired", found: "done", other: "new"}
    assert rows("SELECT reason FROM bpp_inboxmessage WHERE state = 'expired'") == [
        ("its time to live ran out before it was answered",)
    ]
    assert len(shop.buyer.ledger.answers(found, "on_search")) == 1


async def test_search_being_answered_is_not_answered_by_the_sweep(
    connector: Connector, swept_at_once: None, shop: Shop, rows: Rows
) -> None:
    shop.buyer.ack_mode = AckMode("slow", wait_s=0.5)
    sent = await shop.search()
    await until(lambda: rows("SELECT attempts FROM bpp_inboxmessage") == [(1,)])
    await shop.close()
    assert rows(INBOX) == [("done", "")]
    assert len(shop.buyer.ledger.answers(sent.message_id, "on_search")) == 1


async def test_search_whose_outcome_finds_the_database_away_is_not_answered_again(
    connector: Connector, swept_at_once: None, shop: Shop, rows: Rows
) -> None:
    shop.buyer.ack_mode = AckMode("slow", wait_s=0.3)
    sent = await shop.search()
    await until(lambda: shop.buyer.ledger.answers(sent.message_id, "on_search"))
    run(f"SELECT pg_terminate_backend(pid) FROM ({OUR_DOOR}) AS door")
    await until(lambda: rows(INBOX) == [("done", "")])
    await shop.close()
    assert len(shop.buyer.ledger.answers(sent.message_id, "on_search")) == 1


def test_sweep_waits_longer_than_an_answer_may_take() -> None:
    assert storefront.SWEEP_AFTER_S > storefront.TOTAL_S + storefront.GATHER_S


async def test_search_is_answered_again_where_its_outcome_could_not_be_written(
    connector: Connector, quick: None, shop: Shop, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    with without_table("bpp_deliveryattempt"):
        answer = await answered(shop)
        await until(lambda: "outcomes of searches not written" in caplog.text)
    assert rows(INBOX) == [("new", "")]
    run("UPDATE bpp_inboxmessage SET next_at = now()")
    await until(lambda: rows(INBOX) == [("done", "")])
    assert len(shop.buyer.ledger.answers(answer.message_id, "on_search")) == 2
    assert rows(OUTBOX) == [("sent", 1, "")]


async def test_sweep_goes_on_after_a_fault_of_the_database(
    connector: Connector, quick: None, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with without_table("bpp_inboxmessage"):
        await until(lambda: "the sweep for unanswered searches failed" in caplog.text)
    found = await apart(lambda: left_over(bap_uri=shop.buyer.uri))
    await shop.buyer.ledger.wait_for(found, "on_search", SOON_S)


async def test_searches_are_answered_from_the_last_state_while_the_shelf_cannot_be_refreshed(
    connector: Connector, quick: None, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with without_table("catalog_station"):
        await until(lambda: "the shelf could not be refreshed" in caplog.text)
        assert items(await answered(shop)) == [connector.item_id]


async def test_station_on_sale_since_the_start_is_found(
    quick: None, shop: Shop, offer: Callable[[], Connector], settings: Any
) -> None:
    settings.BECKN_EMPTY_SEARCH_ANSWER = True
    assert items(await answered(shop)) == []
    connector: Connector = await apart(offer)
    await until_found(shop, connector)


async def test_shelf_fills_when_the_database_comes_back(
    connector: Connector, network: Network, settings: Any, swept_at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BECKN_EMPTY_SEARCH_ANSWER = True
    with without_table("catalog_operator"):
        opening = open_shop(network, settings)
        shop = await opening.__aenter__()
        assert "the shelf is still empty" in caplog.text
        early = await shop.search()
        assert early.acked
    answer = await shop.buyer.ledger.wait_for(early.message_id, "on_search", SOON_S)
    assert items(answer) == [connector.item_id]
    await opening.__aexit__(None, None, None)


async def test_answer_without_an_address_is_kept_with_the_reason(
    connector: Connector, quick: None, shop: Shop, rows: Rows
) -> None:
    await apart(lambda: left_over(bap_id="gone.example.org"))
    await until(lambda: rows(INBOX) == [("done", "")])
    [(state, attempts, reason)] = rows(OUTBOX)
    assert (state, attempts) == ("pending", 1)
    assert "gone.example.org" in reason
    assert rows(ATTEMPT) == [("fault", None, "")]


async def test_outcomes_of_more_searches_than_a_batch_holds_are_all_written(
    connector: Connector, shop: Shop, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storefront, "BATCH", 2)
    await asyncio.gather(*(shop.search() for _ in range(7)))
    await until(lambda: rows("SELECT count(*) FROM bpp_outboxmessage WHERE state = 'sent'") == [(7,)])
