"""Does the driver's page notice a line that died without a word, and does it keep the screen on as long as asked?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Page
from tests.fulfillment import staged
from tests.fulfillment.staged import ENDED, RUNNING, SCENES
from tests.fulfillment.test_page_in_browser import ASK_NOW, FIELD, WORDS, faults_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("plain_http"),
    pytest.mark.urls("tests.fulfillment.staged"),
]
SILENCE_MS, ASK_MS = 1_500, 700
BUTTON = "document.querySelector('[data-awake]')"
LINE = "document.querySelector('[data-line]').textContent"
LOCKS = """(() => { window.locks = []; const ask = navigator.wakeLock.request.bind(navigator.wakeLock);
  navigator.wakeLock.request = async kind => { const it = await ask(kind); window.locks.push(it); return it; }; })()"""
HELD = "window.locks.filter(it => !it.released).length"


@pytest.fixture(autouse=True)
def voices(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Streams and answers that are held back, until the test is over."""
    staged.RESUMED.clear()
    staged.ASKED.clear()
    staged.mute.clear()
    yield monkeypatch
    staged.mute.set()


def test_silent_stream_is_left_and_taken_up_again_where_it_was(live_server: Any, tmp_path: Path) -> None:
    async def walk(page: Page) -> list[str]:
        await page.hasten(silenceMs=SILENCE_MS, askMs=ASK_MS)
        await page.open(f"{live_server.url}/track/quiet?lang=en")
        await page.run("window.same = true")
        await page.until(f"{FIELD} === '12.34'")
        await page.until(f"{FIELD} === '11.17'")  # asked for, since the stream is silent
        await page.until(f"{FIELD} === '12.34'")  # and told by the next stream
        assert await page.run("window.same")
        return []

    assert faults_of(tmp_path, walk) == []
    assert staged.RESUMED[:2] == ["", "77"]
    assert staged.ASKED


def test_charger_is_not_blamed_for_a_dead_line(live_server: Any, tmp_path: Path, voices: pytest.MonkeyPatch) -> None:
    voices.setattr(staged, "unanswered", True)
    voices.setitem(SCENES, "quiet", replace(RUNNING, age_s=16))

    async def walk(page: Page) -> list[str]:
        await page.hasten(silenceMs=2 * SILENCE_MS, askMs=ASK_MS)
        await page.open(f"{live_server.url}/track/quiet?lang=en")
        await page.until(f"{WORDS}.includes('The charger has been silent since')")
        await page.until(f"{LINE} === 'Reconnecting …'")
        words = await page.run(WORDS)
        assert "Updated" in words
        assert "The charger has been silent since" not in words
        return []

    assert faults_of(tmp_path, walk) == []


def test_heartbeats_keep_a_stream_without_news(live_server: Any, tmp_path: Path, voices: pytest.MonkeyPatch) -> None:
    voices.setattr(staged, "beat_s", 0.3)

    async def walk(page: Page) -> list[str]:
        await page.hasten(silenceMs=SILENCE_MS, askMs=ASK_MS)
        await page.open(f"{live_server.url}/track/quiet?lang=en")
        await page.until(f"{FIELD} === '12.34'")
        await page.run("window.heardAt = Date.now()")
        await page.until(f"Date.now() - window.heardAt > {2 * SILENCE_MS + 1_000}")
        return []

    assert faults_of(tmp_path, walk) == []
    assert (staged.RESUMED, staged.ASKED) == ([""], [])


def test_question_without_an_answer_is_given_up_and_told(
    live_server: Any, tmp_path: Path, voices: pytest.MonkeyPatch
) -> None:
    voices.setattr(staged, "unanswered", True)

    async def walk(page: Page) -> list[str]:
        await page.hasten(silenceMs=SILENCE_MS, askMs=ASK_MS)
        await page.open(f"{live_server.url}/track/quiet?lang=en")
        await page.until(f"{LINE} === 'Reconnecting …'")
        await page.until(f"!{LINE}")
        return []

    assert faults_of(tmp_path, walk) == []
    assert staged.RESUMED[:2] == ["", "77"]


def test_screen_stays_on_until_the_driver_or_the_end_says_otherwise(
    live_server: Any, tmp_path: Path, voices: pytest.MonkeyPatch
) -> None:
    voices.setitem(SCENES, "turning", RUNNING)

    async def walk(page: Page) -> list[str]:
        await page.tell("Page.addScriptToEvaluateOnNewDocument", source=LOCKS)
        await page.open(f"{live_server.url}/track/turning?lang=en")
        await page.tell("Page.bringToFront")
        for pressed in (1, 0, 1):
            await page.run(f"{BUTTON}.click()")
            await page.until(f"{BUTTON}.getAttribute('aria-pressed') === '{str(bool(pressed)).lower()}'")
            await page.until(f"{HELD} === {pressed}")
        # What a browser does with the lock of a page that is hidden, and what the page does once it is seen again.
        await page.run("window.locks.at(-1).release()")
        await page.until(f"{HELD} === 0")
        await page.run("document.dispatchEvent(new Event('visibilitychange'))")
        await page.until(f"{HELD} === 1")
        voices.setitem(SCENES, "turning", ENDED)
        await page.run(ASK_NOW)
        await page.until(f"{WORDS}.includes('Receipt')")
        await page.until(f"{HELD} === 0")
        assert await page.run(f"{BUTTON}.hidden")
        return []

    assert faults_of(tmp_path, walk) == []


def test_button_says_when_the_screen_cannot_be_kept_on(live_server: Any, tmp_path: Path) -> None:
    async def walk(page: Page) -> list[str]:
        await page.open(f"{live_server.url}/track/running?lang=en")
        await page.run("navigator.wakeLock.request = () => Promise.reject(new DOMException('', 'NotAllowedError'))")
        await page.run(f"{BUTTON}.click()")
        await page.until(f"{BUTTON}.getAttribute('aria-pressed') === 'false'")
        return []

    assert faults_of(tmp_path, walk) == []
