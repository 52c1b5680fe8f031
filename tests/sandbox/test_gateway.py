"""The gateway forwards the very bytes, with both signatures, to whoever is subscribed."""

import aiohttp
import orjson

from sandbox.network import RunningNetwork
from sandbox.signing import Identity, authorization
from tests.sandbox.provider import ToyProvider

HERE = "12.971600,77.594600"


async def test_search_reaches_the_provider_byte_for_byte(network: RunningNetwork, provider: ToyProvider) -> None:
    sent = await network.buyer.search(HERE, gateway_url=network.registry_url)
    assert sent.acked
    answer = await network.buyer.wait_for(sent.message_id, "on_search", 5)
    headers, body = provider.searches[0]
    ours = network.buyer.ledger.exchanges[0]
    assert body.decode() == ours.body
    assert headers["Authorization"] == ours.headers["Authorization"]
    verdict = await network.buyer.directory.check(headers["X-Gateway-Authorization"], body, kind="BG")
    assert verdict.ok
    assert answer.message["catalog"]["providers"]


async def test_search_goes_to_no_one_else(network: RunningNetwork, provider: ToyProvider) -> None:
    network.registry.set_status("bpp.test", "UNSUBSCRIBED")
    sent = await network.buyer.search(HERE, gateway_url=network.registry_url)
    assert (sent.ack, sent.error["code"]) == ("NACK", "40000")
    assert provider.searches == []


async def test_search_of_an_unknown_signer_is_refused(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    stranger = Identity.fresh("stranger.test")
    body = orjson.dumps({"context": network.buyer.context("search"), "message": {"intent": {}}})
    headers = {"Authorization": authorization(stranger, body, created=1_700_000_000)}
    async with http.post(f"{network.registry_url}/search", data=body, headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith('Signature realm="gateway')


async def test_search_signed_by_a_provider_is_refused(network: RunningNetwork, provider: ToyProvider) -> None:
    content = {"context": network.buyer.context("search"), "message": {"intent": {}}}
    content["context"] |= {"bap_uri": network.registry_url, "action": "search"}
    assert await provider.post(content) == 401
