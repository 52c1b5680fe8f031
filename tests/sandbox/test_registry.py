"""Lookup by any field, subscription with its challenge, and the faults a test may ask for."""

import aiohttp
import pytest

from sandbox.buyer import Buyer
from sandbox.network import RunningNetwork
from sandbox.registry import KEY_ID_SPELLINGS
from sandbox.signing import Identity


async def lookup(http: aiohttp.ClientSession, network: RunningNetwork, **wanted: str) -> list[dict[str, str]]:
    async with http.post(f"{network.registry_url}/lookup", json=wanted) as response:
        assert response.status == 200
        found: list[dict[str, str]] = await response.json()
        return found


async def control(http: aiohttp.ClientSession, network: RunningNetwork, name: str, **order: object) -> int:
    async with http.post(f"{network.registry_url}/control/{name}", json=order) as response:
        return response.status


@pytest.mark.parametrize("spelling", KEY_ID_SPELLINGS)
async def test_lookup_by_key_id_in_every_spelling(
    http: aiohttp.ClientSession, network: RunningNetwork, spelling: str
) -> None:
    rows = await lookup(http, network, **{spelling: "k9"})
    assert [row["subscriber_id"] for row in rows] == ["bpp.test"]
    assert await lookup(http, network, subscriber_id="bpp.test", **{spelling: "other"}) == []


async def test_lookup_row_has_both_spellings(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    row = (await lookup(http, network, subscriber_id="bpp.test"))[0]
    assert row["url"] == row["subscriber_url"]
    assert row["unique_key_id"] == row["key_id"] == row["pub_key_id"] == "k9"
    assert row["status"] == "SUBSCRIBED"
    for name in ("type", "domain", "city", "country", "signing_public_key", "encr_public_key"):
        assert row[name]
    assert row["valid_from"] < row["valid_until"]


async def test_lookup_filters_by_type_domain_and_city(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    assert len(await lookup(http, network, type="BPP", domain="ev-charging:uei", city="std:080", country="IND")) == 1
    assert await lookup(http, network, type="BPP", city="std:011") == []
    assert await lookup(http, network, type="BPP", domain="retail") == []


async def test_subscription_becomes_subscribed_when_the_challenge_is_answered(network: RunningNetwork) -> None:
    async with Buyer(Identity.fresh("second.test"), registry_url=network.registry_url) as buyer:
        await buyer.subscribe()
    assert network.registry.find({"subscriber_id": "second.test"})[0].status == "SUBSCRIBED"


async def test_subscription_stays_open_when_the_challenge_cannot_be_read(
    http: aiohttp.ClientSession, network: RunningNetwork
) -> None:
    async with Buyer(Identity.fresh("second.test"), registry_url=network.registry_url) as buyer:
        foreign = {"encr_public_key": Identity.fresh("x").encryption_public_key}
        async with http.post(f"{network.registry_url}/subscribe", json=buyer.row().as_wire() | foreign) as response:
            assert await response.json() == {"status": "UNDER_SUBSCRIPTION"}
        await network.registry.settle()
    assert network.registry.find({"subscriber_id": "second.test"})[0].status == "UNDER_SUBSCRIPTION"


async def test_verified_key_cannot_be_replaced_by_subscribing(
    http: aiohttp.ClientSession, network: RunningNetwork
) -> None:
    thief = Identity.fresh("bpp.test", "k9")
    body = (await lookup(http, network, subscriber_id="bpp.test"))[0]
    body["signing_public_key"] = thief.signing_public_key
    async with http.post(f"{network.registry_url}/subscribe", json=body) as response:
        assert response.status == 400
        assert "new key id" in (await response.json())["error"]


async def test_subscription_without_key_is_refused_with_its_reason(
    http: aiohttp.ClientSession, network: RunningNetwork
) -> None:
    async with http.post(f"{network.registry_url}/subscribe", json={"type": "BPP"}) as response:
        assert response.status == 400
        assert "unique_key_id" in (await response.json())["error"]


async def test_status_and_key_change_on_request(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    assert await control(http, network, "status", subscriber_id="bpp.test", status="UNSUBSCRIBED") == 200
    assert (await lookup(http, network, subscriber_id="bpp.test"))[0]["status"] == "UNSUBSCRIBED"
    assert await control(http, network, "status", subscriber_id="bpp.test", status="GONE") == 400
    key = Identity.fresh("bpp.test").signing_public_key
    order = {"subscriber_id": "bpp.test", "key_id": "k9", "signing_public_key": key}
    assert await control(http, network, "rotate", **order) == 200
    assert (await lookup(http, network, subscriber_id="bpp.test"))[0]["signing_public_key"] == key


async def test_lookups_fail_and_lie_on_request(http: aiohttp.ClientSession, network: RunningNetwork) -> None:
    assert await control(http, network, "faults", fail_next=1, fail_status=500, wrong_next=1) == 200
    async with http.post(f"{network.registry_url}/lookup", json={}) as response:
        assert response.status == 500
    assert (await lookup(http, network, subscriber_id="bpp.test"))[0]["subscriber_id"] != "bpp.test"
    assert (await lookup(http, network, subscriber_id="bpp.test"))[0]["subscriber_id"] == "bpp.test"
    assert await control(http, network, "faults", sleep=1) == 400
