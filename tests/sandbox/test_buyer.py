"""What the buyer app records, believes, and how it misbehaves on request."""

import asyncio
import time
import uuid

import aiohttp
import orjson
import pytest

from sandbox.answering import AckMode
from sandbox.buyer import Buyer
from sandbox.endpoint import Peer
from sandbox.exchanges import Received
from sandbox.network import RunningNetwork
from sandbox.offers import offers_in
from sandbox.signing import Identity, authorization
from tests.sandbox.provider import ITEM, ToyProvider

HERE = "12.971600,77.594600"


def callback(network: RunningNetwork, provider: ToyProvider, **context: str) -> dict[str, object]:
    ours = {"action": "on_status", "bpp_id": "bpp.test", "bpp_uri": provider.url, "message_id": str(uuid.uuid4())}
    return {"context": network.buyer.context("status") | ours | context, "message": {"order": {"id": "O-1"}}}


async def searched(network: RunningNetwork, provider: ToyProvider) -> Received:
    sent = await network.buyer.search(HERE, peer=Peer("bpp.test", provider.url))
    return await network.buyer.wait_for(sent.message_id, "on_search", 5)


async def test_every_exchange_is_recorded_as_it_stood(network: RunningNetwork, provider: ToyProvider) -> None:
    answer = await searched(network, provider)
    out, back = network.buyer.ledger.exchanges
    assert (out.direction, out.action, out.status, out.ack) == ("out", "search", 200, "ACK")
    assert (back.direction, back.action, back.verdict, back.genuine) == ("in", "on_search", "signature verified", True)
    assert orjson.loads(back.body) == answer.body
    assert set(out.as_line()) == {"direction", "action", "url", "headers", "body", "status", "response"}


async def test_requests_look_like_the_guide_asks(network: RunningNetwork, provider: ToyProvider) -> None:
    await searched(network, provider)
    context = orjson.loads(network.buyer.ledger.exchanges[0].body)["context"]
    assert context["location"] == {"country": {"code": "IND"}, "city": {"code": "std:080"}}
    assert (context["domain"], context["version"], context["ttl"]) == ("ev-charging:uei", "1.1.0", "PT10M")
    assert context["timestamp"].endswith("Z")
    assert len(context["timestamp"]) == len("2026-02-01T04:20:00.000Z")


async def test_order_is_followed_by_its_transaction(network: RunningNetwork, provider: ToyProvider) -> None:
    buyer = network.buyer
    offer = offers_in((await searched(network, provider)).body)[0]
    assert (offer.item_id, offer.distance_m((12.9716, 77.5946))) == (ITEM, 0.0)
    sent = await buyer.select(offer)
    await buyer.wait_for(sent.message_id, "on_select")
    for step in (buyer.init, buyer.confirm):
        done = await step(sent.transaction_id)
        await buyer.wait_for(done.message_id, f"on_{done.action}")
    assert buyer.deal(sent.transaction_id).order_id == "O-1"
    received = await buyer.wait_for_state(sent.transaction_id, "payment-completed")
    assert received.order["status"] == "ACTIVE"
    paid = orjson.loads(buyer.ledger.exchanges[-2].body)["message"]["order"]["payments"][0]
    assert (paid["collected_by"], paid["status"]) == ("BAP", "PAID")
    assert paid["params"]["transaction_id"]


async def test_waiting_says_what_did_not_come(network: RunningNetwork) -> None:
    with pytest.raises(TimeoutError, match="no on_init for message m-1"):
        await network.buyer.wait_for("m-1", "on_init", 0.05)
    with pytest.raises(KeyError, match="select an offer first"):
        await network.buyer.status("nothing")


async def test_callback_with_a_bad_signature_is_refused(network: RunningNetwork, provider: ToyProvider) -> None:
    provider.break_with = "signature"
    assert await provider.post(callback(network, provider)) == 401
    assert not network.buyer.ledger.exchanges[-1].genuine


async def test_callback_signed_by_another_is_refused(network: RunningNetwork, provider: ToyProvider) -> None:
    assert await provider.post(callback(network, provider, bpp_id="other.test")) == 200
    assert network.buyer.ledger.exchanges[-1].ack == "NACK"
    assert await provider.post(callback(network, provider), identity=Identity.fresh("x.test")) == 401


async def test_rotated_key_is_fetched_anew(network: RunningNetwork, provider: ToyProvider) -> None:
    assert await provider.post(callback(network, provider)) == 200
    provider.identity = Identity.fresh("bpp.test", "k9")
    network.registry.rotate("bpp.test", key_id="k9", signing_public_key=provider.identity.signing_public_key)
    assert await provider.post(callback(network, provider)) == 200
    assert network.buyer.ledger.exchanges[-1].genuine


async def test_unreachable_registry_asks_to_come_again(network: RunningNetwork, provider: ToyProvider) -> None:
    network.registry.faults.fail_next = 1
    assert await provider.post(callback(network, provider)) == 503


async def test_same_callback_again_is_marked(network: RunningNetwork, provider: ToyProvider) -> None:
    content = callback(network, provider)
    await provider.post(content)
    await provider.post(content)
    assert [it.duplicate for it in network.buyer.ledger.exchanges] == [False, True]
    assert network.buyer.ledger.counts["duplicate"] == 1


@pytest.mark.parametrize(
    ("mode", "status"), [("nack", 200), ("status", 500), ("redirect", 307), ("slow", 200), ("ack", 200)]
)
async def test_callbacks_are_answered_wrongly_on_request(
    network: RunningNetwork, provider: ToyProvider, mode: str, status: int
) -> None:
    network.buyer.ack_mode = AckMode(mode, wait_s=0.05, remaining=1)
    content = callback(network, provider)
    body = orjson.dumps(content)
    headers = {"Authorization": authorization(provider.identity, body, created=int(time.time()))}
    url = f"{network.buyer.uri}/on_status"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        assert response.status == status
        assert ('"NACK"' in await response.text()) == (mode == "nack")
    assert await provider.post(content) == 200
    assert network.buyer.ledger.exchanges[-1].ack == "ACK"


@pytest.mark.parametrize("mode", ["close", "hang", "drip"])
async def test_callbacks_are_left_without_answer_on_request(
    network: RunningNetwork, provider: ToyProvider, mode: str
) -> None:
    network.buyer.ack_mode = AckMode(mode, wait_s=0.3, actions={"on_status"})
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        async with asyncio.timeout(0.5):
            await provider.post(callback(network, provider))
    assert await provider.post(callback(network, provider, action="on_update")) == 200


def test_unknown_ack_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed are ack, nack"):
        AckMode("maybe")


async def test_load_run_keeps_counts_and_no_bodies(network: RunningNetwork, provider: ToyProvider) -> None:
    identity = Identity.fresh("load.test")
    async with Buyer(identity, registry_url=network.registry_url, keep_bodies=False) as buyer:
        network.registry.add(buyer.row())
        sent = await buyer.search(HERE, peer=Peer("bpp.test", provider.url))
        found = await buyer.wait_for(sent.message_id, "on_search")
        deal = await buyer.select(offers_in(found.body)[0])
        await buyer.wait_for(deal.message_id, "on_select")
        assert (await buyer.wait_until(deal.transaction_id, lambda it: it.action == "on_select")).order
        buyer.forget(deal.transaction_id)
        assert buyer.deals == {}
        assert buyer.ledger.exchanges == []
        assert buyer.ledger.counts["out search ACK"] == 1


async def test_api_refuses_what_a_foreign_page_could_send(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    async with http.post(f"{network.buyer.url}/api/search", data="{}") as response:
        assert response.status == 415


async def test_page_asks_nobody_else(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    for path in ("/", "/app.js", "/style.css"):
        async with http.get(f"{network.buyer.url}{path}") as response:
            assert response.status == 200
            assert "connect-src 'self'" in response.headers["Content-Security-Policy"]
            assert "://" not in (await response.text()).replace("^https?:", "")
