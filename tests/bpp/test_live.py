"""Does news reach those who may see it, nobody else, and is nothing left of those who have gone?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY

from bpp import live
from bpp.audience import answers_here
from core.live import announce
from fulfillment import services as fulfillment
from fulfillment.models import TrackLink
from tests.bpp.conftest import apart
from tests.bpp.shop import empty_catalogue, until, without_table
from tests.bpp.streaming import Ear, House, ask, charge, finish, open_house, tracked

FAR_S = 3600.0


@pytest.fixture
def emptied_catalogue(tables: None) -> Iterator[None]:
    yield
    empty_catalogue()


@pytest.fixture
def rare_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found by looking: what arrives was announced."""
    monkeypatch.setattr(live, "SWEEP_EVERY_S", FAR_S)


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.2)


@pytest.fixture
async def house(emptied_catalogue: None, settings: Any, plain_http: None) -> AsyncIterator[House]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    async with open_house() as found:
        yield found


async def test_stream_begins_with_the_picture_and_follows_the_news(rare_sweeps: None, house: House) -> None:
    token, order_id = await apart(tracked)
    ear = await house.follow(token)
    first = await ear.snapshot(state="waiting")
    assert (ear.status, ear.retry, first.name) == (200, "3000", "snapshot")
    await apart(lambda: charge(order_id, 1000))
    second = await ear.snapshot(energy_wh=1000)
    assert float(second.id) > float(first.id)
    assert int(second.id.partition(".")[0]) > 1_700_000_000_000, "milliseconds"


async def test_news_nobody_told_of_are_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SWEEP_EVERY_S", 0.1)
    token, order_id = await apart(tracked)
    ear = await house.follow(token)
    await ear.snapshot(state="waiting")
    await apart(lambda: charge(order_id, 700, told=False))
    await ear.snapshot(energy_wh=700)


async def test_without_redis_the_sweep_carries_on_alone(
    emptied_catalogue: None, settings: Any, plain_http: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_HOSTS, settings.REDIS_URL = ["127.0.0.1"], "redis://127.0.0.1:9/0"
    monkeypatch.setattr(live, "SWEEP_EVERY_S", 0.1)
    async with open_house() as house:
        token, order_id = await apart(tracked)
        ear = await house.follow(token)
        await ear.snapshot(state="waiting")
        await apart(lambda: charge(order_id, 700))
        await ear.snapshot(energy_wh=700)


async def test_many_watch_one_picture(rare_sweeps: None, house: House) -> None:
    token, order_id = await apart(tracked)
    first = await house.follow(token)
    await first.snapshot(state="waiting")
    before = made()
    ears = [await house.follow(token) for _ in range(20)]
    for ear in ears:
        await ear.snapshot(state="waiting")
    await apart(lambda: charge(order_id, 1000))
    for ear in (first, *ears):
        await ear.snapshot(energy_wh=1000)
    assert made() - before <= 4


async def test_page_that_is_up_to_date_hears_nothing_twice(rare_sweeps: None, quick_beats: None, house: House) -> None:
    token, _ = await apart(tracked)
    ear = await house.follow(token)
    first = await ear.snapshot(state="waiting")
    ear.leave()
    for known in (first.id, first.id.partition(".")[0]):
        again = await house.follow(token, last_event_id=known)
        with pytest.raises(TimeoutError):
            await again.event(within_s=0.7)
        assert (again.status, again.retry, again.comments > 0) == (200, "3000", True)
        again.leave()


async def test_page_that_missed_something_gets_the_latest_and_no_history(rare_sweeps: None, house: House) -> None:
    token, order_id = await apart(tracked)
    ear = await house.follow(token)
    first = await ear.snapshot(state="waiting")
    ear.leave()
    for energy_wh in (100, 200, 300):
        await apart(partial(charge, order_id, energy_wh))
    again = await house.follow(token, last_event_id=first.id)
    heard = await again.event()
    assert heard is not None
    assert heard.data["energy_wh"] == 300


async def test_stream_ends_with_the_last_word_and_is_not_opened_again(rare_sweeps: None, house: House) -> None:
    token, order_id = await apart(tracked)
    ear = await house.follow(token)
    await ear.snapshot(state="waiting")
    await apart(lambda: finish(order_id))
    last = await ear.snapshot(state="ended")
    assert await ear.ended()
    again = await house.follow(token, last_event_id=last.id)
    assert (again.status, "content-type" in again.headers) == (204, False)


async def test_stream_ends_after_its_time(house: House, quick_beats: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_S", 0.3)
    token, _ = await apart(tracked)
    ear = await house.follow(token)
    assert await ear.ended()


@pytest.mark.parametrize("spoilt", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(days=1)}])
async def test_link_that_is_closed_meanwhile_ends_its_stream(
    house: House, monkeypatch: pytest.MonkeyPatch, spoilt: dict[str, Any]
) -> None:
    monkeypatch.setattr(live, "CHECK_EVERY_S", 0.1)
    token, _ = await apart(tracked)
    ear = await house.follow(token)
    await ear.snapshot(state="waiting")
    await apart(lambda: TrackLink.objects.update(**spoilt))
    assert await ear.ended()
    assert (await house.follow(token)).status == 404


async def test_forged_altered_expired_and_revoked_links_are_answered_as_the_page_does(house: House) -> None:
    token, order_id = await apart(tracked)
    expired, _ = await apart(tracked)
    revoked, other_id = await apart(tracked)

    def spoil() -> None:
        TrackLink.objects.filter(order_id=other_id).update(revoked_at=timezone.now())
        fulfillment.open_link(other_id, timezone.now())
        TrackLink.objects.exclude(order_id__in=[order_id, other_id]).update(expires_at=timezone.now())

    await apart(spoil)
    altered = token[:-1] + ("A" if token[-1] != "A" else "B")
    odd = ["x", "x" * 43, "y" * 500, token + "x", token[1:], f"{token}.json", "%00", "..", "a%2Fb", str(order_id)]
    page = await ask(house.port, f"/track/{altered}")
    expected = (404, plain(page), await page.body())
    for bad in (altered, expired, revoked, *odd):
        answer = await house.follow(bad)
        if bad == "a%2Fb":  # a path of its own, as for the page
            assert answer.status == 404
            continue
        assert (answer.status, plain(answer), await answer.body()) == expected, bad
    await until(lambda: not house.front._hub._places.taken)


async def test_every_answer_has_the_headers_of_the_page(house: House) -> None:
    token, _ = await apart(tracked)
    page = plain(await ask(house.port, f"/track/{token}"))
    stream = plain(await house.follow(token))
    assert stream.pop("content-type") == "text/event-stream"
    assert stream.pop("x-accel-buffering") == "no"
    assert {name: page.get(name) for name in stream if name != "transfer-encoding"} == {
        name: value for name, value in stream.items() if name != "transfer-encoding"
    }
    for answer in (
        await ask(house.port, f"/track/{token}/events", method="POST"),
        await ask(house.port, "/track/unknown/events", method="DELETE"),
        await ask(house.port, "/track/unknown/events"),
        await ask(house.port, "/admin/live/events"),
    ):
        assert answer.status in {404, 405, 403}
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_foreign_host_is_refused_by_django(house: House) -> None:
    token, _ = await apart(tracked)
    assert (await house.follow(token, host="elsewhere.example.org")).status == 400


@pytest.mark.parametrize(
    ("scheme", "redirected", "here"),
    [("http", False, True), ("https", False, True), ("http", True, False), ("https", True, True)],
)
def test_plain_http_is_left_to_django_to_redirect(settings: Any, scheme: str, redirected: bool, here: bool) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["bpp.example.org"], redirected
    settings.SECURE_PROXY_SSL_HEADER = None
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": scheme}
    assert answers_here({**scope, "headers": [(b"host", b"bpp.example.org")]}) is here


async def test_only_so_many_streams_are_open(
    emptied_catalogue: None, settings: Any, plain_http: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_HOSTS, settings.BEHIND_PROXY = ["127.0.0.1"], True
    settings.LIVE_STREAMS_MAX, settings.LIVE_STREAMS_PER_ADDRESS = 3, 2
    async with open_house() as house:
        token, _ = await apart(tracked)
        ears = [await house.follow(token, x_forwarded_for="203.0.113.7") for _ in range(2)]
        third = await house.follow(token, x_forwarded_for="203.0.113.7")
        assert (third.status, "retry-after" in third.headers) == (429, True)
        ears.append(await house.follow(token, x_forwarded_for="203.0.113.8"))
        fourth = await house.follow(token, x_forwarded_for="203.0.113.9")
        assert (fourth.status, "retry-after" in fourth.headers) == (503, True)
        assert [ear.status for ear in ears] == [200, 200, 200]
        ears[0].leave()
        await until(lambda: house.front._hub._places.taken == 2)
        assert (await house.follow(token, x_forwarded_for="203.0.113.7")).status == 200


async def test_nothing_is_left_of_those_who_have_gone(house: House) -> None:
    token, _ = await apart(tracked)
    before = REGISTRY.get_sample_value("live_streams", {"kind": "track"}) or 0
    ears = [await house.follow(token) for _ in range(10)]
    for ear in ears:
        await ear.snapshot(state="waiting")
    assert REGISTRY.get_sample_value("live_streams", {"kind": "track"}) == before + 10
    for ear in ears:
        ear.leave()
    hub = house.front._hub
    await until(lambda: not hub._places.taken)
    assert (hub._followers, hub._pictures and hub._pictures.watched, dict(hub._places._each)) == (set(), [], {})
    assert REGISTRY.get_sample_value("live_streams", {"kind": "track"}) == before


async def test_reader_that_takes_nothing_is_cut_off(
    house: House, quick_beats: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STUCK_S", 0.3)
    monkeypatch.setattr(live, "HEARTBEAT_S", FAR_S)
    token, _ = await apart(tracked)
    ear = await ask(house.port, f"/track/{token}/events")
    ear.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads
    hub = house.front._hub
    [follower] = hub._followers
    for number in range(200):
        follower.stream.offer(b"data: " + b"x" * 60_000 + b"\n\n", str(number))
        await asyncio.sleep(0)
    await until(lambda: not hub._places.taken)
    assert isinstance(ear, Ear)


async def test_stopping_server_ends_its_streams(house: House) -> None:
    token, _ = await apart(tracked)
    ears = [await house.follow(token) for _ in range(5)]
    for ear in ears:
        await ear.snapshot(state="waiting")
    async with asyncio.timeout(1.5):
        await house.stop()
        for ear in ears:
            assert await ear.ended()


async def test_stream_asked_for_while_the_server_stops_is_sent_elsewhere(house: House) -> None:
    token, _ = await apart(tracked)
    house.front._hub.drain()
    answer = await house.follow(token)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)


async def test_database_that_is_away_is_told_and_open_streams_stay(
    rare_sweeps: None, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, order_id = await apart(tracked)
    ear = await house.follow(token)
    await ear.snapshot(state="waiting")
    with without_table("fulfillment_tracklink"):
        answer = await house.follow(token)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.headers["referrer-policy"] == "no-referrer"
    with without_table("fulfillment_session"):
        await apart(lambda: announce([order_id]))
        await asyncio.sleep(0.3)
    await asyncio.sleep(0.6)
    await apart(lambda: charge(order_id, 900))
    await ear.snapshot(energy_wh=900)


async def test_metrics_count_streams_events_and_pictures(house: House) -> None:
    token, _ = await apart(tracked)
    await (await house.follow(token)).snapshot(state="waiting")
    shown = await apart(lambda: str(Client().get("/metrics").content))
    for name in ('live_streams{kind="track"}', 'live_events_total{kind="track"}', "live_snapshots_total"):
        assert name in shown


def made() -> float:
    return REGISTRY.get_sample_value("live_snapshots_total") or 0.0


def plain(ear: Ear) -> dict[str, str]:
    """The headers without what belongs to the moment."""
    return {name: value for name, value in ear.headers.items() if name not in {"date", "content-length", "vary"}}
