"""How is a call that a workflow asks for made, and what came of it in the engine's words?

The supplier's API stands in definitions under its public name; where it is really reached, and with which secret, is
configuration. Every call with an effect carries the Idempotency-Key it was journaled with.
"""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from core.errors import DeliveryError
from core.http import Answer, call
from fulfillment.workflow import Effect, Fault, openapi, yaml12

log = logging.getLogger(__name__)

# The name under which definitions call the supplier of the stations.
SUPPLIER = "https://ev-power-supplier.com/api/v2"
LIMIT_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Line:
    """Where the supplier is really reached, and how long a call may take."""

    supplier_url: str
    timeout_s: float = 4.0


class _NoAnswer(Exception):
    """A call that came to nothing, in the engine's words."""

    def __init__(self, failure: str, text: str) -> None:
        super().__init__(text)
        self.outcome = {"failure": failure, "text": text}


def perform(effect: Effect, *, key: str, line: Line) -> dict[str, Any]:
    """Make one call; the outcome is {status, headers, body (base64)} or {failure, text}, see the engine's `resume`.

    Never raises for what a peer does.
    """
    try:
        request = effect.request if effect.kind == "http" else _described(effect.request, line)
        answer = _ask(request, effect.authentication, key=key, line=line)
    except _NoAnswer as err:
        log.warning("a workflow's call failed", extra={"pointer": effect.pointer, "fault": str(err)})
        return err.outcome
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body).decode(),
        "request": {name: request.get(name) for name in ("method", "uri", "headers")},
    }


def garbled(body: bytes) -> bool:
    """Whether a body holds what a JSON column cannot keep: NUL, half characters, numbers that are none."""
    if b"\0" in body:
        return True
    try:
        json.dumps(json.loads(body, parse_constant=_no_constant), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return b"NaN" in body or b"Infinity" in body
    return b"\\u0000" in body


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _ask(request: dict[str, Any], authentication: dict[str, str] | None, *, key: str, line: Line) -> Answer:
    uri, method = str(request["uri"]), str(request["method"]).upper()
    ours = uri == SUPPLIER or uri.startswith(f"{SUPPLIER}/")
    if ours and not line.supplier_url:
        raise _NoAnswer("configuration", "EV_POWER_SUPPLIER_URL is not set; give the base of the supplier API")
    headers = {"Accept": "application/json, application/problem+json"} | _headers(request, authentication)
    if method != "GET":
        headers["Idempotency-Key"] = key
    try:
        answer = call(
            method,
            _address(uri, request.get("query"), line if ours else None),
            json=request.get("body"),
            headers=headers,
            timeout_s=line.timeout_s,
            limit_bytes=LIMIT_BYTES,
            # The supplier's address is our own configuration; whatever else a definition calls must be public.
            allow_private=ours,
        )
    except DeliveryError as err:
        kind = "configuration" if err.permanent else "connection"
        raise _NoAnswer(kind, f"{method} {uri}: {err.text}") from err
    if garbled(answer.body):
        raise _NoAnswer("connection", f"{method} {uri}: the answer holds what cannot be kept")
    return answer


def _described(request: dict[str, Any], line: Line) -> dict[str, Any]:
    """The request of an OpenAPI operation, by its document, which is read anew for each call."""
    uri = str(request["document"])
    answer = _ask({"method": "GET", "uri": uri}, None, key="", line=line)
    if not 200 <= answer.status < 300:
        raise _NoAnswer("connection", f"GET {uri}: {answer.status}")
    try:
        document = yaml12.read(answer.body.decode())
        return openapi.http_request(document, uri, request["operationId"], request["parameters"])
    except (ValueError, yaml12.YamlError, Fault) as err:
        raise _NoAnswer("configuration", f"{uri}: {err}") from err


def _headers(request: dict[str, Any], authentication: dict[str, str] | None) -> dict[str, str]:
    headers = {str(name): str(value) for name, value in (request.get("headers") or {}).items()}
    if authentication is None:
        return headers
    if authentication["scheme"] == "basic":
        pair = f"{authentication['username']}:{authentication['password']}".encode()
        return headers | {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return headers | {"Authorization": f"Bearer {authentication['token']}"}


def _address(uri: str, query: dict[str, Any] | None, line: Line | None) -> str:
    if line is not None:
        uri = line.supplier_url.rstrip("/") + uri.removeprefix(SUPPLIER)
    if not query:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(query, doseq=True)}"
