"""Do our own events reach the sink, once by their id, whatever the sink does?"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from fulfillment import services as fulfillment
from fulfillment.models import EventOut
from fulfillment.services.emitting import owe
from tests.factories.fulfillment import later
from tests.factories.orders import NOW
from tests.fulfillment.telling import TYPES

pytestmark = pytest.mark.django_db


class Sink(ThreadingHTTPServer):
    """A sink that answers with the statuses it is given, then with 202."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, Any], str]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Ear)


class _Ear(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((body, self.headers.get("Authorization", "")))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def sink(settings: Settings) -> Iterator[Sink]:
    with Sink() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EVENTS_SINK_URL = f"http://127.0.0.1:{server.server_port}/events"
        settings.EVENTS_TOKEN = "events-token"
        yield server
        server.shutdown()


def told(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event as a workflow emits it: its id is made of what it is about."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, kind)),
        "source": "https://supplier.example",
        "type": f"{TYPES}{kind}.v1",
        "data": data,
    }


def test_event_is_posted_once_with_our_token(sink: Sink) -> None:
    for _ in range(2):
        owe(told("session-started", {"x": 1}), subject="card-1", at=NOW)
    assert fulfillment.emit_due(NOW) == 1
    assert fulfillment.emit_due(later(3600)) == 0
    ((event, token),) = sink.heard
    assert token == "Bearer events-token"
    assert event == told("session-started", {"x": 1}) | {
        "subject": "card-1",
        "time": NOW.isoformat(),
        "datacontenttype": "application/json",
    }


def test_event_is_tried_again_with_the_same_id_while_the_sink_is_ill(sink: Sink) -> None:
    sink.statuses = [500, 429]
    owe(told("session-ended", {}), subject="card-1", at=NOW)
    for seconds in (0, 10, 30):
        fulfillment.emit_due(later(seconds))
    assert len({event["id"] for event, _ in sink.heard}) == 1
    assert len(sink.heard) == 3
    assert EventOut.objects.get().sent_at is not None


def test_refused_event_is_kept_with_the_reason(sink: Sink) -> None:
    sink.statuses = [422]
    owe(told("session-ended", {}), subject="card-1", at=NOW)
    fulfillment.emit_due(NOW)
    row = EventOut.objects.get()
    assert row.next_at is None
    assert row.sent_at is None
    assert "422" in row.reason
