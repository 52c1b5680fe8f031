"""How does a customer pay on the page that on_init names? The page leads to the gateway; there one presses a button."""

import asyncio
import re
import time
from html import unescape

import aiohttp

LINK = re.compile(r'href="(https?://[^"]+/pay/[^"]+)"')
LOOK_EVERY_S = 0.3


class PayError(Exception):
    """The page led nowhere."""


async def pay(http: aiohttp.ClientSession, url: str, *, succeeds: bool = True, wait_s: float = 30.0) -> str:
    """Open the page until it names the gateway's link, and pay there or let it fail; the link. Raises PayError."""
    link = await _link(http, url, wait_s)
    content = {"outcome": "success" if succeeds else "failure"}
    async with http.post(link, data=content, allow_redirects=False) as response:
        if response.status != 303:
            raise PayError(f"the gateway answered {response.status}: {(await response.text())[:200]}")
    return link


async def _link(http: aiohttp.ClientSession, url: str, wait_s: float) -> str:
    until = time.monotonic() + wait_s
    while True:
        async with http.get(url) as response:
            text = await response.text()
            if response.status != 200:
                raise PayError(f"{url} was answered {response.status}")
        if found := LINK.search(text):
            return unescape(found[1])
        if time.monotonic() > until:
            raise PayError(f"{url} named no link within {wait_s:g} s")
        await asyncio.sleep(LOOK_EVERY_S)
