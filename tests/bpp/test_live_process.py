"""Is nothing lost when the web process, or Redis, is killed under open pages?"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connections

from core import live
from launcher import redis_server
from launcher.ports import free_port
from tests.bpp.conftest import apart
from tests.bpp.shop import empty_catalogue, until
from tests.bpp.streaming import Ear, ask, charge, finish, tracked

ROOT = Path(__file__).resolve().parents[2]
SITE_PACKAGES = Path(redis.__file__).parents[1]
START_S = 60.0
PAGES = 5


@dataclass
class Web:
    """The web process as it is served, to be killed and started again where it was."""

    env: dict[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.process = self._started()
        async with asyncio.timeout(START_S):
            while not await self._answers():
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                await asyncio.sleep(0.1)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    async def follow(self, token: str, **headers: str) -> Ear:
        return await ask(self.port, f"/track/{token}/events", **headers)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "uvicorn", "bpp.asgi:application", "--port", str(self.port)]
        command += ["--loop", "uvloop", "--http", "bpp.heads:BoundedHttp", "--no-access-log", "--log-level", "warning"]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    async def _answers(self) -> bool:
        try:
            return (await ask(self.port, "/healthz")).status == 200
        except OSError:
            return False


@pytest.fixture
def emptied_catalogue(tables: None) -> Iterator[None]:
    yield
    empty_catalogue()


@pytest.fixture
def own_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis that may be killed; announcements go to it."""
    found = redis_server.binary(SITE_PACKAGES)
    assert found is not None
    port = free_port()
    command = [str(found[0]), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        monkeypatch.setattr(live, "CRIER", live.Crier())
        yield server
        server.kill()


@pytest.fixture
async def web(
    emptied_catalogue: None, own_redis: subprocess.Popen[bytes], settings: Any, tmp_path: Path
) -> AsyncIterator[Web]:
    name = str(connections["default"].settings_dict["NAME"])
    address = urlunsplit(urlsplit(django_settings.DATABASE_URL)._replace(path=f"/{name}"))
    env = {**os.environ, "DATABASE_URL": address, "REDIS_URL": settings.REDIS_URL, "DEBUG": "1", "LOG_LEVEL": "WARNING"}
    found = Web(env, free_port(), tmp_path / "web.log")
    try:
        await found.start()
        yield found
    finally:
        found.kill()


async def test_pages_resume_with_the_newest_state_after_the_web_process_was_killed(web: Web) -> None:
    watched = [await apart(tracked) for _ in range(PAGES)]
    ears = [await web.follow(token) for token, _ in watched]
    for ear in ears:
        await ear.snapshot(state="waiting")
    for _, order_id in watched:
        await apart(partial(charge, order_id, 100))
    known = [(await ear.snapshot(energy_wh=100)).id for ear in ears]
    web.kill()
    for ear in ears:
        with pytest.raises((OSError, EOFError)):
            await ear.event()
    unchanged, ended, *changed = [order_id for _, order_id in watched]
    for order_id in changed:
        for energy_wh in (200, 300, 400):
            await apart(partial(charge, order_id, energy_wh))
    await apart(lambda: finish(ended))
    await web.start()
    back = {
        order_id: await web.follow(token, last_event_id=last)
        for (token, order_id), last in zip(watched, known, strict=True)
    }
    for order_id in changed:
        heard = await back[order_id].event()
        assert heard is not None
        assert heard.data["energy_wh"] == 400, "the latest, not the history"
    heard = await back[ended].event()
    assert heard is not None
    assert heard.data["state"] == "ended"
    assert await back[ended].ended()
    with pytest.raises(TimeoutError):
        await back[unchanged].event(within_s=0.5)


async def test_values_arrive_though_redis_was_killed(web: Web, own_redis: subprocess.Popen[bytes]) -> None:
    token, order_id = await apart(tracked)
    ear = await web.follow(token)
    await ear.snapshot(state="waiting")
    await apart(lambda: charge(order_id, 100))
    await ear.snapshot(energy_wh=100)
    own_redis.kill()
    await until(lambda: own_redis.poll() is not None)
    for energy_wh in (200, 300):
        await apart(partial(charge, order_id, energy_wh))
        await ear.snapshot(energy_wh=energy_wh)
    assert (await web.follow(token)).status == 200
