"""How does one part of the sandbox listen, answer and read the time?"""

import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

Clock = Callable[[], datetime]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LARGEST_BODY_BYTES = 4 * 1024 * 1024


@dataclass
class Server:
    """A part that listens; `url` has no trailing slash."""

    runner: web.AppRunner
    url: str

    async def stop(self) -> None:
        """Close the listening socket and end what is still open."""
        await self.runner.cleanup()


async def serve(app: web.Application, *, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Listen on host and port; port 0 takes a free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    listening = socket.create_server((host, port), backlog=512)
    await web.SockSite(runner, listening).start()
    return Server(runner, url=f"http://{host}:{listening.getsockname()[1]}")


def json_answer(content: Any, *, status: int = 200, content_type: str = "application/json") -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(content), status=status, content_type=content_type)


def bad_request(message: str, *, status: int = 400) -> web.Response:
    """A refusal that says what is wrong and what is allowed."""
    return json_answer({"error": message}, status=status)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; an empty body is an empty object. Raises HTTPBadRequest with a sentence."""
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError as err:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {err}") from err
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text=f"the body is a JSON {type(content).__name__}; an object is expected")
    return content


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def elapsed_ms(since: float) -> float:
    """Milliseconds since a `time.perf_counter()` value."""
    return round((time.perf_counter() - since) * 1000, 2)
