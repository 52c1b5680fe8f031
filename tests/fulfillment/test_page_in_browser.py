"""Can everybody use the driver's page: on a small phone, in each language, without scripts, as it changes?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orders.papers.labels import LANGUAGES
from tests.browser import PHONE, Page, phone
from tests.fulfillment import staged
from tests.fulfillment.staged import ENDED, RUNNING, SCENES
from tests.fulfillment.test_live_page import FIGURES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("plain_http"),
    pytest.mark.urls("tests.fulfillment.staged"),
]
NARROWEST = 320
HEAVIEST_BYTES, MOST_REQUESTS = 120_000, 8
WIDE = "document.documentElement.scrollWidth"
TARGETS = (
    "[...document.querySelectorAll('a, button, summary, select, input[type=radio]')].filter(it => it.offsetParent)"
)
SMALL = f"{TARGETS}.map(it => it.getBoundingClientRect()).filter(it => it.height < 24 || it.width < 24).length"
DRAWN = "Boolean(document.querySelector('.uplot canvas'))"
WORDS = "document.body.innerText.replace(/\\s+/g, ' ')"
FIELD = "document.querySelector('[data-field=energy_kwh]').textContent"
SPOKEN = "document.querySelector('[data-speak]').textContent"
ASK_NOW = "window.dispatchEvent(new Event('online'))"
REFUSED = """(() => { window.refused = [];
  document.addEventListener('securitypolicyviolation', it => window.refused.push(it.violatedDirective)); })()"""
LOADED = """JSON.stringify([...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  .filter(it => it.initiatorType !== 'fetch').map(it => [it.name, it.decodedBodySize]))"""

Walk = Callable[[Page], Awaitable[list[str]]]


def faults_of(folder: Path, walk: Walk) -> list[str]:
    async def look() -> list[str]:
        async with phone(folder) as page:
            await page.tell("Page.addScriptToEvaluateOnNewDocument", source=REFUSED)
            return await walk(page)

    return asyncio.run(look())


async def wide(page: Page, width: int) -> None:
    await page.tell("Emulation.setDeviceMetricsOverride", **(PHONE | {"width": width}))


async def checked(page: Page, name: str) -> list[str]:
    """What is wrong with the page as it stands: by day, by night, at its narrowest."""
    found = []
    for scheme in ("light", "dark"):
        await page.prefer(scheme)
        found += [f"{name}, {scheme}: {fault}" for fault in await page.violations()]
    await wide(page, NARROWEST)
    if (seen := await page.run(WIDE)) > NARROWEST:
        found.append(f"{name}: {seen} px wide")
    if small := await page.run(SMALL):
        found.append(f"{name}: {small} targets smaller than 24 px")
    found += [f"{name}: {rule} refused" for rule in await page.run("window.refused")]
    await wide(page, PHONE["width"])
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_state_has_a_fault(live_server: Any, tmp_path: Path, language: str) -> None:
    async def walk(page: Page) -> list[str]:
        found = []
        for scene, seen in SCENES.items():
            await page.open(f"{live_server.url}/track/{scene}?lang={language}&said=stopping")
            assert await page.run("document.documentElement.lang") == language
            if len(seen.series) > 1:
                await page.until(DRAWN)
            await page.run("document.querySelectorAll('details').forEach(it => it.open = true)")
            found += await checked(page, scene)
        return found

    assert faults_of(tmp_path, walk) == []


def test_page_without_scripts_has_every_figure_and_no_fault(live_server: Any, tmp_path: Path) -> None:
    async def walk(page: Page) -> list[str]:
        await page.tell("Emulation.setScriptExecutionDisabled", value=True)
        await page.open(f"{live_server.url}/track/running?lang=en")
        words = await page.run(WORDS)
        missing = [figure for figure in FIGURES if figure not in words]
        assert await page.run("document.querySelectorAll('svg path.power').length") == 1
        assert await page.run("document.querySelector('[data-chart-frame]').hidden")
        assert "This page loads anew every 30 s." in words
        return missing

    assert faults_of(tmp_path, walk) == []


@pytest.mark.parametrize("scene", ["running", "refund", "waiting"])
def test_page_is_light_and_asks_only_its_own_server(live_server: Any, tmp_path: Path, scene: str) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/track/{scene}?lang=kn")
        if scene != "waiting":
            await page.until(DRAWN)
        loaded = json.loads(await page.run(LOADED))
        weight = sum(size for _, size in loaded)
        print(f"{scene}: {weight} bytes in {len(loaded)} requests")
        assert min(size for _, size in loaded) > 0
        assert weight <= HEAVIEST_BYTES
        assert len(loaded) <= MOST_REQUESTS
        return [url for url, _ in loaded if not url.startswith(live_server.url)]

    assert faults_of(tmp_path, walk) == []


def test_news_change_the_figures_without_a_reload_and_resume(live_server: Any, tmp_path: Path) -> None:
    staged.RESUMED.clear()

    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/track/moving?lang=en")
        await page.run("window.same = true")
        await page.until(f"{FIELD} === '12.34'")
        words = await page.run(WORDS)
        assert "₹1,300.05" in words
        assert "21.0 kW" in words
        await page.until(f"{SPOKEN}.includes('88 %')")
        assert await page.run("window.same")
        return []

    assert faults_of(tmp_path, walk) == []
    assert staged.RESUMED[0] == ""
    assert set(staged.RESUMED[1:]) == {"77"}


def test_end_brings_the_receipt_and_the_lost_line_is_told(
    live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCENES, "turning", RUNNING)

    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/track/turning?lang=en")
        await page.until(DRAWN)
        await page.run("window.same = true; document.querySelector('[data-table]').open = true")
        monkeypatch.setattr(staged, "down", True)
        await page.run(ASK_NOW)
        await page.until(f"{WORDS}.includes('Reconnecting')")
        monkeypatch.setattr(staged, "down", False)
        monkeypatch.setitem(SCENES, "turning", replace(ENDED, seq=ENDED.seq + 1))
        await page.run(ASK_NOW)
        await page.until(f"{WORDS}.includes('Receipt')")
        words = await page.run(WORDS)
        assert "Reconnecting" not in words
        assert await page.run(SPOKEN) == "Charging has ended."
        assert "₹208.20" in words
        assert "Yes, stop now" not in words
        assert await page.run("document.body.dataset.state") == "ended"
        assert await page.run("document.title") == "Charging has ended. · Kaveri Spark Indiranagar"
        await page.until(DRAWN)
        assert await page.run("document.querySelector('[data-table]').open")
        assert await page.run("window.same")
        return await checked(page, "turned")

    assert faults_of(tmp_path, walk) == []


def test_form_in_use_is_left_alone(live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENES, "turning", RUNNING)

    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/track/turning?lang=en")
        await page.run("document.querySelector('#text').closest('details').open = true")
        await page.run("document.querySelector('#text').value = 'The cable is stuck'")
        monkeypatch.setitem(SCENES, "turning", replace(SCENES["paused"], seq=RUNNING.seq + 1, once="1.paused.mac"))
        await page.run(ASK_NOW)
        await page.until(f"{WORDS}.includes('Your vehicle paused charging')")
        assert await page.run("document.querySelector('#text').value") == "The cable is stuck"
        assert await page.run("document.querySelector('#text').form.once.value") == "1.paused.mac"
        return []

    assert faults_of(tmp_path, walk) == []


def test_age_counts_up_and_becomes_stale(live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENES, "turning", replace(RUNNING, age_s=15))

    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/track/turning?lang=en")
        stale = "document.querySelector('[data-age-line]').classList.contains('stale')"
        await page.until(f"{stale} && {WORDS}.includes('The charger has been silent since')")
        return []

    assert faults_of(tmp_path, walk) == []
