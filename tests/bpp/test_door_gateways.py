"""When does a gateway's signature count beside the buyer's, and when is it refused?"""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandbox.signing import Identity, authorization
from tests.bpp.conftest import Counter
from tests.bpp.network import BUYER, Network, Rows, message, signed, wire


async def search_through(counter: Counter, buyer: Identity, gateway: str, name: str = "x-gateway-authorization") -> Any:
    body = wire(message())
    return await counter.post("search", body, {**signed(buyer, body), name: gateway})


@pytest.mark.parametrize("name", ["x-gateway-authorization", "proxy-authorization"])
async def test_gateway_signature_beside_the_buyers(
    counter: Counter, network: Network, buyer: Identity, rows: Rows, name: str
) -> None:
    gateway = network.join("bg.example.org", "BG")
    body = wire(message())
    line = authorization(gateway, body, created=int(time.time()))
    assert (await counter.post("search", body, {**signed(buyer, body), name: line})).verdict == "ACK"
    [(signer, stored)] = rows("SELECT signer, gateway_authorization FROM bpp_inboxmessage")
    assert (signer["gateway"]["subscriber_id"], stored) == ("bg.example.org", line)


async def test_gateway_signature_that_does_not_hold_is_refused(
    counter: Counter, network: Network, buyer: Identity
) -> None:
    gateway = network.join("bg.example.org", "BG")
    now = int(time.time())
    reply = await search_through(counter, buyer, authorization(gateway, b"another body", created=now))
    assert (reply.status, reply.verdict) == (401, "SIGNATURE_MISMATCH")
    assert reply.headers["proxy-authenticate"].startswith("Signature realm=")
    assert "www-authenticate" not in reply.headers
    assert (await search_through(counter, buyer, "")).verdict == "NO_HEADER"
    assert (await search_through(counter, buyer, "Basic eDp5")).verdict == "MALFORMED_HEADER"


async def test_both_gateway_headers_are_verified_where_they_differ(
    counter: Counter, network: Network, buyer: Identity
) -> None:
    gateway = network.join("bg.example.org", "BG")
    body = wire(message())
    now = int(time.time())
    good, bad = (authorization(gateway, text, created=now) for text in (body, b"other"))
    headers = {**signed(buyer, body), "x-gateway-authorization": good, "proxy-authorization": bad}
    assert (await counter.post("search", body, headers)).verdict == "SIGNATURE_MISMATCH"
    headers["proxy-authorization"] = good
    assert (await counter.post("search", body, headers)).verdict == "ACK"


async def test_buyer_is_no_gateway(counter: Counter, network: Network, buyer: Identity) -> None:
    other = network.join("bap2.example.org")
    body = wire(message())
    for signer in (buyer, other):
        line = authorization(signer, body, created=int(time.time()))
        reply = await counter.post("search", body, {**signed(buyer, body), "x-gateway-authorization": line})
        assert (reply.status, reply.verdict) == (401, "GATEWAY_IS_NOT_BG")


async def test_gateway_signature_never_replaces_the_buyers(counter: Counter, network: Network, buyer: Identity) -> None:
    gateway = network.join("bg.example.org", "BG")
    body = wire(message())
    line = authorization(gateway, body, created=int(time.time()))
    assert (await counter.post("search", body, {"x-gateway-authorization": line})).verdict == "NO_HEADER"
    forged = signed(Identity.fresh(BUYER), body)
    reply = await counter.post("search", body, {**forged, "x-gateway-authorization": line})
    assert reply.verdict == "SIGNATURE_MISMATCH"


async def test_gateway_signature_belongs_to_a_search_only(counter: Counter, network: Network, buyer: Identity) -> None:
    gateway = network.join("bg.example.org", "BG")
    body = wire(message("confirm"))
    line = authorization(gateway, body, created=int(time.time()))
    reply = await counter.post("confirm", body, {**signed(buyer, body), "x-gateway-authorization": line})
    assert (reply.status, reply.verdict) == (401, "GATEWAY_NOT_EXPECTED")


async def test_search_without_gateway_where_the_network_requires_one(
    counter: Counter, buyer: Identity, settings: Any
) -> None:
    settings.BECKN_REQUIRE_GATEWAY = True
    reply = await counter.send(buyer, "search")
    assert (reply.status, reply.verdict) == (401, "GATEWAY_REQUIRED")
    assert "proxy-authenticate" in reply.headers
    assert (await counter.send(buyer, "select")).verdict == "ACK"
