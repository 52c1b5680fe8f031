"""How does the provider hear what happens at the stations? CloudEvents, posted in order per station, retried."""

import asyncio
import logging
import uuid
import zlib
from collections import deque
from typing import Any

import aiohttp
import orjson

from sandbox.serving import utc_now, wire_time

log = logging.getLogger(__name__)

TYPES = "com.ev-power-supplier.charging-station"
LANES = 8
LONGEST_QUEUE = 20_000
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0


def cloud_event(station_id: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent about a station; its data names the station."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"https://ev-power-supplier.example/stations/{station_id}",
        "type": f"{TYPES}.{kind}.v1",
        "time": wire_time(utc_now()),
        "datacontenttype": "application/json",
        "data": {"stationId": station_id, **data},
    }


class EventPoster:
    """Posts events to one address with a bearer token; nothing is posted when the address is empty."""

    def __init__(self, url: str = "", *, token: str = "") -> None:
        self.url, self._token = url, token
        self.posted: deque[dict[str, Any]] = deque(maxlen=2000)
        self.refused: deque[dict[str, Any]] = deque(maxlen=200)
        self._lanes: list[asyncio.Queue[dict[str, Any]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to post."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._lanes = [asyncio.Queue(LONGEST_QUEUE) for _ in range(LANES)]
        self._tasks = [asyncio.create_task(self._work(lane)) for lane in self._lanes]

    async def stop(self) -> None:
        """Stop posting; what was not posted is lost, as when a station loses its power."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http:
            await self._http.close()

    def tell(self, station_id: str, kind: str, data: dict[str, Any]) -> None:
        """Queue one event; events of one station keep their order."""
        if not self.url or not self._lanes:
            return
        lane = self._lanes[zlib.crc32(station_id.encode()) % LANES]
        try:
            lane.put_nowait(cloud_event(station_id, kind, data))
        except asyncio.QueueFull:
            log.warning("event dropped: too many wait", extra={"station": station_id, "kind": kind})

    async def _work(self, lane: "asyncio.Queue[dict[str, Any]]") -> None:
        while True:
            event = await lane.get()
            wait_s = FIRST_WAIT_S
            while not await self._post(event):
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, wait_s * 2)

    async def _post(self, event: dict[str, Any]) -> bool:
        """Post once; true when the provider took it or refused it for good."""
        if self._http is None:
            raise RuntimeError("the event poster is not started")
        headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {self._token}"}
        try:
            async with self._http.post(self.url, data=orjson.dumps(event), headers=headers) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as err:
            log.info("event not posted, will try again", extra={"reason": str(err)})
            return False
        if response.status >= 500 or response.status in (408, 425, 429):
            return False
        if response.status >= 300:
            log.warning("event refused", extra={"status": response.status, "answer": text[:200]})
            self.refused.append({"event": event, "status": response.status, "answer": text})
        else:
            self.posted.append(event)
        return True
