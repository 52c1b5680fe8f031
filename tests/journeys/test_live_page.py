"""Can a driver see the session on the page that on_track names, and nobody by guessing?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.browser import phone
from tests.journeys.trip import ANSWER_S, Trip

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

LINE = "document.querySelector('[data-line]').textContent"
ENERGY = "document.querySelector('[data-field=energy_kwh]').textContent"


async def test_page_shows_the_running_session(trip: Trip) -> None:
    await trip.charge()
    await trip.until_energy()
    tracking = (await trip.answer(trip.buyer.track(trip.transaction_id))).message["tracking"]
    assert tracking["status"] == "active"
    status, page = await fetched(trip, tracking["url"])
    assert (status, "kWh" in page, f"Journey stop {trip.charger.number}" in page) == (200, True, True)
    async with trip.buyer.http.get(f"{tracking['url']}.json") as response:
        seen = await response.json()
    assert seen["state"] == "charging"
    assert seen["energy_wh"] > 0
    assert float(seen["cost"]) > 0
    ended = await trip.stop()
    async with trip.buyer.http.get(f"{tracking['url']}.json") as response:
        assert (await response.json())["total"] == ended.order["quote"]["price"]["value"]


async def test_open_page_follows_the_session_to_its_receipt(trip: Trip, tmp_path: Path) -> None:
    await trip.charge()
    await trip.until_energy()
    tracking = (await trip.answer(trip.buyer.track(trip.transaction_id))).message["tracking"]
    async with phone(tmp_path) as page:
        await page.open(f"{tracking['url']}?lang=en")
        await page.run("window.same = true")
        before = float(await page.run(ENERGY))
        await page.until(f"Number({ENERGY}) > {before}")
        ended = await trip.stop()
        await page.until("document.body.dataset.state === 'ended'")
        total = f"{float(ended.order['quote']['price']['value']):,.2f}"
        assert f"₹{total}" in await page.run("document.body.innerText")
        assert await page.run("window.same"), "the page was never loaded anew"


async def test_stream_follows_the_session_to_its_receipt(trip: Trip) -> None:
    await trip.charge()
    tracking = (await trip.answer(trip.buyer.track(trip.transaction_id))).message["tracking"]
    async with asyncio.timeout(ANSWER_S), trip.buyer.http.get(f"{tracking['url']}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        energies = []
        async for line in response.content:
            if line.startswith(b"data: "):
                seen = json.loads(line.removeprefix(b"data: "))
                energies.append(seen["energy_wh"])
                if len(set(energies)) == 3:
                    break
        assert energies == sorted(energies)
        ended = await trip.stop()
        said = (await response.content.read()).decode()
    last = json.loads(said.rpartition("data: ")[2])
    assert (last["state"], last["total"]) == ("ended", ended.order["quote"]["price"]["value"])


async def test_driver_stops_on_the_page_in_the_language_of_the_page(trip: Trip, tmp_path: Path) -> None:
    await trip.charge()
    await trip.until_energy()
    tracking = (await trip.answer(trip.buyer.track(trip.transaction_id))).message["tracking"]
    async with phone(tmp_path) as page:
        await page.open(f"{tracking['url']}?lang=hi")
        await page.until("document.querySelector('.uplot canvas')")
        await page.leave_by("document.querySelector('form[action$=\"/stop\"]').submit()")
        assert await page.run("document.documentElement.lang") == "hi"
        assert "चार्जिंग रोकी जा रही है।" in await page.run("document.body.innerText")
        assert await page.run("location.search") == "?lang=hi"
        await page.until("document.body.dataset.state === 'ended'")


async def test_page_sees_a_frozen_server_and_follows_again(trip: Trip, tmp_path: Path) -> None:
    await trip.charge()
    await trip.until_energy()
    tracking = (await trip.answer(trip.buyer.track(trip.transaction_id))).message["tracking"]
    web = trip.stage.rig.processes["web"].pid
    async with phone(tmp_path) as page:
        await page.hasten(silenceMs=1_500, askMs=500)
        await page.open(f"{tracking['url']}?lang=en")
        await page.run("window.same = true")
        before = float(await page.run(ENERGY))
        await page.until(f"Number({ENERGY}) > {before}")
        os.killpg(web, signal.SIGSTOP)  # its connections stay open, and nothing comes
        try:
            await page.until(f"{LINE} === 'Reconnecting …'")
            lost = float(await page.run(ENERGY))
        finally:
            os.killpg(web, signal.SIGCONT)
        await page.until(f"!{LINE} && Number({ENERGY}) > {lost}")
        ended = await trip.stop()
        await page.until("document.body.dataset.state === 'ended'")
        assert f"₹{float(ended.order['quote']['price']['value']):,.2f}" in await page.run("document.body.innerText")
        assert await page.run("window.same"), "the page was never loaded anew"


async def test_unknown_page_is_not_found(trip: Trip) -> None:
    url = f"{trip.stage.rig.url}/track/{'A' * 43}"
    assert [(await fetched(trip, f"{url}{end}"))[0] for end in ("", ".json", "/events")] == [404, 404, 404]


async def fetched(trip: Trip, url: str) -> tuple[int, str]:
    async with trip.buyer.http.get(url) as response:
        return response.status, await response.text()
