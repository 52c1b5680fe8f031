"""How does a test see a page as a phone shows it? In headless Chromium by its DevTools protocol, axe-core inside."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.at_hand import program

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
ANSWER_S = 30.0
LARGEST_ANSWER_BYTES = 16 * 2**20


def chromium() -> str:
    """The browser's path; without one the test is skipped, or fails where programs are required."""
    return program("chromium", "chromium-browser", "google-chrome", package="chromium")


class Page:
    """One page of the browser, 360 px wide."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.session = ""

    async def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """Give one order and return its result; what else arrives meanwhile is passed over."""
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": params}
        await self._socket.send_json(order | ({"sessionId": self.session} if self.session else {}))
        while True:
            said = await self._hear()
            if said.get("id") == number:
                assert "error" not in said, said["error"]
                result: dict[str, Any] = said["result"]
                return result

    async def open(self, url: str) -> None:
        """Go to an address and wait until the page is complete."""
        await self.tell("Page.navigate", url=url)
        await self._loaded()

    async def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited where it is a promise."""
        result = await self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until an expression holds in the page; ten seconds at most."""
        await self.run(
            "new Promise((done, fail) => { const asked = Date.now(); const look = setInterval(() => {"
            f" if ({condition}) {{ clearInterval(look); done(); }}"
            " else if (Date.now() - asked > 10000) { clearInterval(look); fail(new Error(document.body.innerText)); }"
            " }, 50); })"
        )

    async def leave_by(self, script: str) -> None:
        """Do something in the page that leads to another one, and wait for that."""
        await self.run(script)
        await self._loaded()

    async def hasten(self, **waits_ms: int) -> None:
        """Shorten the waits of the pages opened from now on: `silenceMs` and `askMs` of the driver's page."""
        source = (
            f"document.addEventListener('readystatechange', () => Object.assign(document.body.dataset, {waits_ms}))"
        )
        await self.tell("Page.addScriptToEvaluateOnNewDocument", source=source)

    async def prefer(self, scheme: str) -> None:
        """Ask for the light or the dark colours."""
        await self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it stands, by rule and element; all its rules are asked."""
        await self.run(AXE.read_text(encoding="utf-8"))
        found = json.loads(await self.run("axe.run(document).then(found => JSON.stringify(found.violations))"))
        return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]

    async def _loaded(self) -> None:
        while (await self._hear()).get("method") != "Page.loadEventFired":
            pass

    async def _hear(self) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_S):
            said: dict[str, Any] = await self._socket.receive_json()
            return said


@asynccontextmanager
async def phone(folder: Path) -> AsyncIterator[Page]:
    """A page in a browser of its own, whose profile lies in `folder`; ended with the block."""
    path = chromium()
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    process = await asyncio.create_subprocess_exec(
        path, *flags, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            url = await _address(process)
            async with http.ws_connect(url, max_msg_size=LARGEST_ANSWER_BYTES) as socket:
                page = Page(socket)
                target = (await page.tell("Target.createTarget", url="about:blank"))["targetId"]
                page.session = (await page.tell("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
                await page.tell("Page.enable")
                await page.tell("Emulation.setDeviceMetricsOverride", **PHONE)
                yield page
    finally:
        process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(ANSWER_S):
        async for line in process.stderr:
            if b"DevTools listening on " in line:
                return line.decode().partition("listening on ")[2].strip()
    raise AssertionError("Chromium ended before it listened")
