"""Which servers do workflow tests call: a pet store and an echo of credentials, on loopback, under their own names?"""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from fulfillment.workflow import Effect, Fault, openapi
from tests.fulfillment.workflow.driving import Outcome

ELSEWHERE = re.compile(r"^https://(petstore\.swagger\.io|httpbin\.org)")
PETS = [
    {"id": number, "name": name, "status": "available", "photoUrls": []} for number, name in ((1, "Milo"), (2, "Rex"))
]


class Answers(BaseHTTPRequestHandler):
    """What the two servers answer; `seen` keeps (method, path, headers, body) of every request."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        status, answer = self._answer(urlsplit(self.path).path)
        text = json.dumps(answer).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/v2/pet/1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def _answer(self, path: str) -> tuple[int, Any]:
        if path == "/v2/swagger.json":
            return 200, swagger(self.headers["Host"])
        if path == "/v2/pet/findByStatus":
            wished = parse_qs(urlsplit(self.path).query).get("status", [])
            return 200, [pet for pet in PETS if pet["status"] in wished]
        if found := re.fullmatch(r"/v2/pet/(\d+)", path):
            return 200, PETS[int(found[1]) - 1]
        if found := re.fullmatch(r"/basic-auth/([^/]+)/([^/]+)", path):
            wanted = "Basic " + base64.b64encode(f"{found[1]}:{found[2]}".encode()).decode()
            return (200 if self.headers.get("Authorization") == wanted else 401), {}
        if path == "/moved":
            return 302, {"moved": True}
        return 404, {"code": 1, "type": "error", "message": "Pet not found"}


@contextmanager
def serving() -> Iterator[str]:
    """Both servers under one loopback address, without its scheme; nothing has been seen yet."""
    Answers.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def perform(effect: Effect, address: str) -> Outcome:
    """Make a call over HTTP, at `address` instead of the hosts above."""
    request = effect.request
    if effect.kind == "openapi":
        described = _send({"method": "GET", "uri": request["document"]}, None, address)
        document = json.loads(base64.b64decode(described["body"]))
        try:
            request = openapi.http_request(document, request["document"], request["operationId"], request["parameters"])
        except Fault as err:
            return {"failure": "configuration", "text": err.detail}
        return _send(request, effect.authentication, address) | {"request": request}
    return _send(request, effect.authentication, address)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Redirects are answers like any other."""


def _send(request: dict[str, Any], proof: dict[str, str] | None, address: str) -> Outcome:
    headers = dict(request.get("headers") or {})
    if proof and proof["scheme"] == "basic":
        token = base64.b64encode(f"{proof['username']}:{proof['password']}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    elif proof:
        headers["Authorization"] = f"Bearer {proof['token']}"
    body = None if request.get("body") is None else json.dumps(request["body"]).encode()
    query = urlencode(request.get("query") or {}, quote_via=quote)
    uri = ELSEWHERE.sub(f"http://{address}", request["uri"]) + (f"?{query}" if query else "")
    asked = urllib.request.Request(uri, body, headers, method=request["method"])
    try:
        answer = urllib.request.build_opener(_Stay).open(asked, timeout=10)
    except urllib.error.HTTPError as err:
        answer = err
    with answer:
        content = base64.b64encode(answer.read()).decode()
        return {"status": answer.status, "headers": dict(answer.headers), "body": content}


def swagger(host: str) -> dict[str, Any]:
    """The pet store's own description, as far as it is used."""
    status = {"name": "status", "in": "query", "required": True, "type": "array", "collectionFormat": "multi"}
    number = {"name": "petId", "in": "path", "required": True, "type": "integer"}
    return {
        "swagger": "2.0",
        "host": host,
        "basePath": "/v2",
        "schemes": ["http"],
        "paths": {
            "/pet/findByStatus": {"get": {"operationId": "findPetsByStatus", "parameters": [status]}},
            "/pet/{petId}": {"get": {"operationId": "getPetById", "parameters": [number]}},
        },
    }
