"""What does the door answer at wrong paths, to what is too large or too often, and while something is away?"""

from __future__ import annotations

import asyncio

from sandbox.signing import Identity
from tests.bpp.conftest import Counter
from tests.bpp.network import BUYER, Network, Rows, message, signed, wire
from tests.bpp.shop import until


async def test_unknown_path_and_other_methods(counter: Counter, buyer: Identity) -> None:
    body = wire(message())
    for path in ("", "searches", "on_search", "search/", "SEARCH", "../admin"):
        assert (await counter.post(path, body, signed(buyer, body))).status == 404
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        reply = await counter.post("search", b"", {}, method=method)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_large_and_compressed_bodies_are_turned_away_unread(counter: Counter, buyer: Identity) -> None:
    body = b" " * 262_145
    assert (await counter.post("search", body, signed(buyer, body))).status == 413
    reply = await counter.post("search", b"{}", {"content-length": "99999999"})
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert (await counter.post("search", b"{}", {"content-encoding": "gzip"})).status == 415


async def test_peer_that_comes_too_often_is_told_to_wait(counter: Counter, buyer: Identity, rows: Rows) -> None:
    replies = [await counter.post("search", b"{}", {}, client="203.0.113.7") for _ in range(210)]
    assert replies[0].status == 401
    last = replies[-1]
    assert (last.status, last.verdict, last.error["code"]) == (200, "TOO_MANY_REQUESTS", "40000")
    assert int(last.headers["retry-after"]) >= 1
    assert (await counter.post("search", b"{}", {}, client="203.0.113.8")).status == 401


async def test_registry_away_is_temporary_for_a_stranger_and_nothing_for_an_acquaintance(
    counter: Counter, network: Network, buyer: Identity
) -> None:
    assert (await counter.send(buyer)).verdict == "ACK"
    network.registry.faults.fail_next = 100
    reply = await counter.send(network.join("new.example.org"))
    assert (reply.status, reply.ack, reply.error["code"]) == (200, "NACK", "40000")
    assert "retry-after" in reply.headers
    assert (await counter.send(buyer)).verdict == "ACK"


async def test_registry_answer_about_another_is_not_used(counter: Counter, network: Network, buyer: Identity) -> None:
    network.join("other.example.org")
    network.registry.faults.wrong_next = 1
    assert (await counter.send(buyer)).verdict == "UNKNOWN_SUBSCRIBER"


async def test_rotated_key_is_fetched_once_on_mismatch(counter: Counter, network: Network, buyer: Identity) -> None:
    assert (await counter.send(buyer)).verdict == "ACK"
    renewed = Identity.fresh(BUYER)
    network.registry.rotate(BUYER, key_id="k1", signing_public_key=renewed.signing_public_key)
    assert (await counter.send(renewed)).verdict == "ACK"
    assert (await counter.send(buyer)).verdict == "SIGNATURE_MISMATCH"


async def test_bad_signatures_cannot_storm_the_registry(counter: Counter, network: Network, buyer: Identity) -> None:
    await counter.send(buyer)
    before = network.asked
    thief = Identity.fresh(BUYER)
    replies = await asyncio.gather(*(counter.send(thief) for _ in range(50)))
    assert {reply.verdict for reply in replies} == {"SIGNATURE_MISMATCH"}
    assert network.asked - before <= 2


async def test_unknown_signers_are_asked_for_once_in_a_while(counter: Counter, network: Network) -> None:
    ghost = Identity.fresh("ghost.example.org")
    await asyncio.gather(*(counter.send(ghost) for _ in range(20)))
    assert network.asked <= 2


async def test_database_away_is_temporary_and_heals(counter: Counter, buyer: Identity, rows: Rows) -> None:
    assert (await counter.send(buyer)).verdict == "ACK"
    rows(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'voltbazaar-door' AND datname = current_database()"
    )
    reply = await counter.send(buyer)
    assert (reply.status, reply.error["code"], reply.verdict) == (200, "40000", "CANNOT_STORE")
    await until(lambda: counter.writer.connected)
    assert (await counter.send(buyer)).verdict == "ACK"
