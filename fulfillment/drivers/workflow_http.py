"""How is a call that a workflow asks for made, and what came of it in the engine's words?

The supplier's API stands in definitions under its public name; where it is really reached, and with which secret, is
configuration. Every call with an effect carries the Idempotency-Key it was journaled with.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from core.errors import DeliveryError
from core.http import call
from fulfillment.workflow import Effect, Fault, openapi

log = logging.getLogger(__name__)

# The name under which definitions call the supplier of the stations.
SUPPLIER = "https://ev-power-supplier.com/api/v2"
LIMIT_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Line:
    """Where the supplier is really reached, and how long a call may take."""

    supplier_url: str
    timeout_s: float = 4.0


def perform(effect: Effect, *, key: str, line: Line) -> dict[str, Any]:
    """Make one call; the outcome is {status, headers, body (base64)} or {failure, text}, see the engine's `resume`.

    The operation of an OpenAPI document is looked up in it first, and its request stands beside the outcome. Never
    raises for what a peer does.
    """
    if effect.kind != "openapi":
        return _send(effect.request, effect.authentication, key=key, line=line)
    where = str(effect.request["document"])
    described = _send({"method": "GET", "uri": where}, effect.authentication, key=key, line=line)
    if described.get("status") != HTTPStatus.OK:
        return described if "failure" in described else _unfit(f"{where} answered {described['status']}")
    try:
        document = json.loads(base64.b64decode(described["body"]))
        request = openapi.http_request(document, where, effect.request["operationId"], effect.request["parameters"])
    except Fault as err:
        return _unfit(err.detail)
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError) as err:
        return _unfit(f"{where} is no OpenAPI document in JSON: {err}")
    return _send(request, effect.authentication, key=key, line=line) | {"request": request}


def _send(request: Mapping[str, Any], authentication: dict[str, str] | None, *, key: str, line: Line) -> dict[str, Any]:
    uri = str(request["uri"])
    ours = uri == SUPPLIER or uri.startswith(f"{SUPPLIER}/")
    if ours and not line.supplier_url:
        return _unfit("EV_POWER_SUPPLIER_URL is not set; give the base of the supplier API")
    method = str(request["method"]).upper()
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
        log.warning("a workflow's call failed", extra={"method": method, "fault": err.text})
        return {"failure": "configuration" if err.permanent else "connection", "text": f"{method} {uri}: {err.text}"}
    if garbled(answer.body):
        return {"failure": "connection", "text": f"{method} {uri}: the answer holds what cannot be kept"}
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body).decode(),
    }


def _unfit(text: str) -> dict[str, Any]:
    return {"failure": "configuration", "text": text}


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


def _headers(request: Mapping[str, Any], authentication: dict[str, str] | None) -> dict[str, str]:
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
