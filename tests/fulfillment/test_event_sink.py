"""Does the event sink get our event, and do we know whether to try again where it does not?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from core.errors import DriverError
from fulfillment.drivers.event_sink import post_event

EVENT = {"specversion": "1.0", "id": "e-1", "type": "com.example.test", "source": "/test"}


class Sink(ThreadingHTTPServer):
    """An event sink that answers `status` and keeps what came."""

    status = 202

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.came: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/events"


class Taker(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """A quiet server."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield found
        found.shutdown()


def test_event_goes_out_whole_with_our_token(sink: Sink) -> None:
    post_event(sink.url, "sink-token", EVENT)
    [(headers, body)] = sink.came
    assert headers["authorization"] == "Bearer sink-token"
    assert headers["content-type"] == "application/cloudevents+json"
    assert orjson.loads(body) == EVENT


def test_sink_without_a_token_gets_none(sink: Sink) -> None:
    post_event(sink.url, "", EVENT)
    assert "authorization" not in sink.came[0][0]


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False)]
)
def test_only_a_refusal_of_this_event_is_for_good(sink: Sink, status: int, *, permanent: bool) -> None:
    sink.status = status
    with pytest.raises(DriverError, match=f"answered {status}") as caught:
        post_event(sink.url, "", EVENT)
    assert (caught.value.permanent, caught.value.status) == (permanent, status)


def test_absent_sink_is_tried_again() -> None:
    with pytest.raises(DriverError, match="could not be called") as caught:
        post_event("http://127.0.0.1:1/events", "", EVENT)
    assert not caught.value.permanent
