"""What does a call send, and what does its answer mean? Pure.

Source: dsl-reference.md, HTTP Call, OpenAPI Call, URI Template, Authentication.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson

from fulfillment.workflow.faults import Fault, fault

Fill = Callable[[Any], Any]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_METHOD = re.compile(r"[A-Z]{1,20}")
_URI = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
# What may befall a call that got no answer → status and kind of the error.
FAILURES = {
    "timeout": ("timeout", 408),
    "connection": ("communication", 500),
    "refused": ("communication", 500),
    "configuration": ("configuration", 400),
}


def http_request(arguments: Mapping[str, Any], data: Any, fill: Fill) -> dict[str, Any]:
    """The request of `call: http`; `fill` evaluates a template over the task's input `data`. Raises Fault."""
    method = str(arguments["method"]).upper()
    if not _METHOD.fullmatch(method):
        raise fault("configuration", f"{method!r} is no HTTP method")
    return {
        "method": method,
        "uri": uri(arguments["endpoint"], data, fill),
        "headers": {name: _text(value, f"header {name}") for name, value in _pairs(arguments, "headers", fill)},
        "query": {name: _text(value, f"query {name}") for name, value in _pairs(arguments, "query", fill)},
        "body": fill(arguments.get("body")),
        "redirect": bool(arguments.get("redirect", False)),
        "output": arguments.get("output", "content"),
    }


def openapi_request(arguments: Mapping[str, Any], data: Any, fill: Fill) -> dict[str, Any]:
    """The request of `call: openapi`: which operation of which document, with which parameters. Raises Fault."""
    return {
        "document": uri(arguments["document"]["endpoint"], data, fill),
        "operationId": _text(fill(arguments["operationId"]), "operationId"),
        "parameters": dict(_pairs(arguments, "parameters", fill)),
        "redirect": bool(arguments.get("redirect", False)),
        "output": arguments.get("output", "content"),
    }


def uri(endpoint: str | Mapping[str, Any], data: Any, fill: Fill) -> str:
    """Where to call: `${ … }` as it evaluates, else a template whose `{name}` are top-level members of `data`.

    Raises Fault (expression, 400) for a name that is missing, empty in a path, or no scalar: a URI with a hole in it
    names something else.
    """
    template = endpoint if isinstance(endpoint, str) else endpoint["uri"]
    found = fill(template)
    if found is template or found == template:
        found = _PLACEHOLDER.sub(lambda match: _part(match, data), template)
    if not isinstance(found, str) or not _URI.fullmatch(found):
        raise fault("expression", f"the endpoint {template!r} gives {found!r}, which is no http or https address")
    return found


def output(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> Any:
    """What a call yields: by `output` its content, the raw body in base64, or the whole response.

    `outcome` is {status, headers, body: base64, request?: {method, uri, headers}} or {failure: a key of FAILURES,
    text}. Raises Fault: communication with the peer's status outside 200–299 (200–399 where `redirect` is true).
    """
    if "failure" in outcome:
        kind, status = FAILURES.get(outcome["failure"], FAILURES["connection"])
        raise fault(kind, str(outcome.get("text") or outcome["failure"]), status=status)
    status = outcome["status"]
    headers = {str(name).lower(): str(value) for name, value in (outcome.get("headers") or {}).items()}
    body = _bytes(outcome.get("body") or "")
    if not 200 <= status <= (399 if request["redirect"] else 299):
        raise _refused(status, body)
    if request["output"] == "raw":
        return base64.b64encode(body).decode()
    content = _content(body, headers.get("content-type", ""))
    if request["output"] == "content":
        return content
    sent = outcome.get("request") or request
    return {
        "request": {name: sent.get(name) for name in ("method", "uri", "headers")},
        "statusCode": status,
        "headers": headers,
        "content": content,
    }


def credentials(scheme: str, name: str, secret: str | None) -> dict[str, str]:
    """A secret as credentials: the token of `bearer`, `username:password` of `basic`. Raises Fault (authorization)."""
    if secret is None:
        raise fault("authorization", f"the secret {name!r} is not to be had here")
    if scheme == "bearer":
        return inline_credentials(scheme, {"token": secret})
    username, colon, password = secret.partition(":")
    if not colon:
        raise fault("authorization", f"the secret {name!r} is not of the form username:password")
    return inline_credentials(scheme, {"username": username, "password": password})


def inline_credentials(scheme: str, details: Mapping[str, Any]) -> dict[str, str]:
    """{scheme, username, password} or {scheme, token}, all with something in them. Raises Fault (authorization)."""
    names = ("token",) if scheme == "bearer" else ("username", "password")
    found = {name: details.get(name) for name in names}
    for name, value in found.items():
        if not isinstance(value, str) or not value or any(character in value for character in "\r\n\0"):
            raise fault("authorization", f"the {name} of {scheme} is missing or no text of one line")
    return {"scheme": scheme, **{name: str(value) for name, value in found.items()}}


def _pairs(arguments: Mapping[str, Any], name: str, fill: Fill) -> list[tuple[str, Any]]:
    """The members of an argument that is an object or one expression for it, without those that are null."""
    found = fill(arguments.get(name))
    if found is None:
        return []
    if not isinstance(found, Mapping):
        raise fault("expression", f"{name} gives {found!r}, which is no object")
    return [(key, value) for key, value in found.items() if value is not None]


def _text(value: Any, what: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise fault("expression", f"{what} is {value!r}, which is no text or number")
    text = str(value)
    if any(character in text for character in "\r\n\0"):
        raise fault("expression", f"{what} has a line break in it")
    return text


def _part(match: re.Match[str], data: Any) -> str:
    name = match[1]
    value = data.get(name) if isinstance(data, Mapping) else None
    if value is None:
        raise fault("expression", f"{{{name}}} in {match.string!r} has no value in the task's input")
    text = _text(value, f"{{{name}}}")
    if not text.strip() and "?" not in match.string[: match.start()]:
        raise fault("expression", f"{{{name}}} in {match.string!r} is empty in the task's input")
    if text in {".", ".."}:
        raise fault("expression", f"{{{name}}} in {match.string!r} is {text!r}, which leads to another path")
    return quote(text, safe="")


def _refused(status: int, body: bytes) -> Fault:
    text = body.decode("utf-8", "replace")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    told = document.get("detail") if isinstance(document, dict) else None
    known = HTTPStatus(status).phrase if status in {each.value for each in HTTPStatus} else ""
    return fault("communication", told if isinstance(told, str) else text, status=status, title=known)


def _content(body: bytes, content_type: str) -> Any:
    if not body:
        return None
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        return body.decode("utf-8", "replace")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as err:
        if not kind:
            return body.decode("utf-8", "replace")
        raise fault("communication", f"the answer is no JSON, though it says {kind}: {body[:80]!r}") from err


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise ValueError("the body of an outcome is no base64") from err
