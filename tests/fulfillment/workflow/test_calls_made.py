"""How are the calls of a workflow made, and what becomes of a peer's misdeeds?"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fulfillment.drivers.workflow_http import SUPPLIER, Line, garbled, perform
from fulfillment.workflow import Effect

DESCRIBED = {
    "openapi": "3.0.3",
    "servers": [{"url": SUPPLIER}],
    "paths": {
        "/stations/{id}": {
            "post": {
                "operationId": "acquire",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {}}},
            }
        }
    },
}


class Peer(ThreadingHTTPServer):
    """Answers each path with what it is given; keeps (method, path, headers, body) of what came."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.answers = answers
        self.came: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def line(self) -> Line:
        return Line(f"http://127.0.0.1:{self.server_port}/base/", timeout_s=2.0)


class _Answers(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.came.append((self.command, self.path, headers, body))
        status, content = self.server.answers.get(self.path, (200, b"{}"))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def peer(**answers: tuple[int, bytes]) -> Iterator[Peer]:
    with Peer({f"/base/{path}": answer for path, answer in answers.items()}) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def an_http(uri: str = f"{SUPPLIER}/x", *, method: str = "put", **more: Any) -> Effect:
    authentication = more.pop("authentication", None)
    return Effect("e", "/do/0/x", "1", 1, "http", {"method": method, "uri": uri} | more, authentication)


def an_openapi(**parameters: Any) -> Effect:
    request = {"document": f"{SUPPLIER}/api.json", "operationId": "acquire", "parameters": parameters}
    return Effect("e", "/do/0/x", "1", 1, "openapi", request, {"scheme": "bearer", "token": "t0ken"})


def test_call_goes_to_the_configured_supplier_with_its_key_and_token() -> None:
    basic = {"scheme": "basic", "username": "ann", "password": "s3cret"}
    with peer() as far:
        outcome = perform(an_http(query={"a": "b c"}, body={"x": 1}, authentication=basic), key="k-1", line=far.line)
        perform(an_http(method="get"), key="k-2", line=far.line)
    (method, path, headers, body), (_, _, asked, _) = far.came
    assert (method, path, json.loads(body)) == ("PUT", "/base/x?a=b+c", {"x": 1})
    assert headers["idempotency-key"] == "k-1"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"ann:s3cret").decode()
    assert "idempotency-key" not in asked
    assert (outcome["status"], base64.b64decode(outcome["body"])) == (200, b"{}")


def test_call_without_a_supplier_is_a_matter_of_configuration() -> None:
    outcome = perform(an_http(), key="k", line=Line(""))
    assert outcome["failure"] == "configuration"
    assert "EV_POWER_SUPPLIER_URL" in outcome["text"]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/x", "http://169.254.169.254/latest/meta-data"])
def test_call_of_a_private_address_that_is_not_the_suppliers_is_refused(uri: str) -> None:
    assert perform(an_http(uri), key="k", line=Line("http://127.0.0.1:1"))["failure"] == "configuration"


def test_supplier_that_is_not_there_is_a_matter_of_the_line() -> None:
    assert perform(an_http(), key="k", line=Line("http://127.0.0.1:1"))["failure"] == "connection"


@pytest.mark.parametrize(
    ("body", "is_garbled"),
    [
        (b"", False),
        (b"<html>", False),
        (b'{"a": "\xc3\xa9 \\u00e9 \\ud83d\\ude00"}', False),
        (b'{"a": 1e999}', False),
        (b'{"a": "\\u0000"}', True),
        (b"a\0b", True),
        (b'{"a": "\\ud800"}', True),
        (b'{"a": NaN}', True),
        (b"[-Infinity]", True),
    ],
)
def test_what_no_column_can_keep_is_seen(body: bytes, *, is_garbled: bool) -> None:
    assert garbled(body) is is_garbled


def test_operation_is_looked_up_and_called_under_the_token_and_key() -> None:
    with peer(**{"api.json": (200, json.dumps(DESCRIBED).encode()), "stations/LOC-1": (201, b'{"ok": true}')}) as far:
        outcome = perform(an_openapi(id="LOC-1", body={"card": "c"}), key="k-1", line=far.line)
    assert (outcome["status"], outcome["request"]["uri"]) == (201, f"{SUPPLIER}/stations/LOC-1")
    assert [(method, path) for method, path, _, _ in far.came] == [
        ("GET", "/base/api.json"),
        ("POST", "/base/stations/LOC-1"),
    ]
    _, _, headers, body = far.came[1]
    assert (headers["idempotency-key"], headers["authorization"]) == ("k-1", "Bearer t0ken")
    assert json.loads(body) == {"card": "c"}


@pytest.mark.parametrize(
    ("status", "document", "word"),
    [
        (404, b"{}", "answered 404"),
        (200, b"<html>", "no OpenAPI document"),
        (200, b"[]", "no Swagger or OpenAPI document"),
        (200, b'{"openapi": "3.0.3", "paths": [1]}', "no OpenAPI document"),
        (200, b'{"openapi": "3.0.3", "paths": {}}', "no operation"),
        (200, json.dumps(DESCRIBED).encode(), "'id'"),
    ],
)
def test_document_that_does_not_fit_is_a_matter_of_configuration(status: int, document: bytes, word: str) -> None:
    with peer(**{"api.json": (status, document)}) as far:
        outcome = perform(an_openapi(), key="k", line=far.line)
    assert outcome["failure"] == "configuration"
    assert word in outcome["text"]
    assert len(far.came) == 1
