"""Which HTTP request is an operation of a Swagger 2.0 or OpenAPI 3 document? Pure.

Parameters go where the document says: path, query, header, or the body (`body` names it in OpenAPI 3, where it has
no name of its own). What the document does not know, or what it requires and is not given, is refused.

Source: OpenAPI Specification 2.0 and 3.0.3; dsl-reference.md, OpenAPI Call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from fulfillment.workflow.faults import Fault, fault

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
SEPARATORS = {"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|"}


def http_request(document: Any, uri: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """{method, uri, headers, query: {}, body} of an operation; `uri` is where the document came from.

    The query stands in the URI, ready encoded. Raises Fault (configuration) where document and parameters do not fit.
    """
    if not isinstance(document, Mapping) or not {"swagger", "openapi"} & set(document):
        raise _unfit(f"{uri} is no Swagger or OpenAPI document")
    path, method, described = _operation(document, operation)
    given = {name: value for name, value in parameters.items() if value is not None}
    request: dict[str, Any] = {"path": path, "query": [], "headers": {}, "body": None}
    for parameter in described:
        name = parameter["name"]
        if name in given:
            _put(request, parameter, given.pop(name))
        elif parameter.get("required") or parameter["in"] == "path":
            raise _unfit(f"{operation} needs the parameter {name!r}")
    if given:
        raise _unfit(f"{operation} knows no parameter {', '.join(sorted(given))}")
    query = f"?{urlencode(request['query'])}" if request["query"] else ""
    return {
        "method": method.upper(),
        "uri": _base(document, uri) + request["path"] + query,
        "headers": request["headers"],
        "query": {},
        "body": request["body"],
    }


def _operation(document: Mapping[str, Any], operation: str) -> tuple[str, str, list[dict[str, Any]]]:
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            found = item.get(method)
            if isinstance(found, Mapping) and found.get("operationId") == operation:
                own = list(_parameters(document, found))
                shared = [each for each in _parameters(document, item) if not any(_same(each, one) for one in own)]
                return path, method, [*shared, *own]
    raise _unfit(f"the document has no operation {operation!r}")


def _parameters(document: Mapping[str, Any], holder: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for parameter in holder.get("parameters", ()):
        yield dict(_resolved(document, parameter))
    if "requestBody" in holder:
        body = _resolved(document, holder["requestBody"])
        yield {"name": "body", "in": "body", "required": body.get("required", False)}


def _resolved(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = value.get("$ref")
    if reference is None:
        return value
    found: Any = document
    for step in str(reference).removeprefix("#/").split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or "$ref" in found:
        raise _unfit(f"{reference} leads nowhere in the document")
    return found


def _put(request: dict[str, Any], parameter: Mapping[str, Any], value: Any) -> None:
    name, where = parameter["name"], parameter["in"]
    if where == "body":
        request["body"] = value
    elif where == "path":
        request["path"] = request["path"].replace(f"{{{name}}}", quote(_joined(parameter, value), safe=""))
    elif where == "query":
        many = value if isinstance(value, list) and _multiple(parameter) else [_joined(parameter, value)]
        request["query"] += [(name, _text(each)) for each in many]
    elif where == "header":
        request["headers"][name] = _joined(parameter, value)
    else:
        raise _unfit(f"the parameter {name!r} goes into the {where}, which is not supported")


def _multiple(parameter: Mapping[str, Any]) -> bool:
    """Whether a list is given as one query parameter for each item; OpenAPI 3 does so unless told otherwise."""
    if "collectionFormat" in parameter or "schema" not in parameter:
        return parameter.get("collectionFormat") == "multi"
    return bool(parameter.get("explode", True))


def _joined(parameter: Mapping[str, Any], value: Any) -> str:
    if isinstance(value, list):
        return SEPARATORS.get(parameter.get("collectionFormat", "csv"), ",").join(_text(each) for each in value)
    text = _text(value)
    if parameter["in"] == "path" and (not text or text in {".", ".."}):
        raise _unfit(f"the parameter {parameter['name']!r} is {text!r}, which is no part of a path")
    return text


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if any(character in text for character in "\r\n\0"):
        raise _unfit(f"a parameter has a line break in it: {text!r}")
    return text


def _base(document: Mapping[str, Any], uri: str) -> str:
    place = urlsplit(uri)
    if "swagger" in document:
        schemes = document.get("schemes") or [place.scheme]
        scheme = place.scheme if place.scheme in schemes else schemes[0]
        base = f"{scheme}://{document.get('host') or place.netloc}{document.get('basePath', '')}"
    else:
        server = (document.get("servers") or [{"url": "/"}])[0]
        address = server["url"]
        for name, variable in server.get("variables", {}).items():
            address = address.replace(f"{{{name}}}", str(variable.get("default", "")))
        base = urljoin(uri, address)
    return base.rstrip("/")


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one["name"], one["in"]) == (other["name"], other["in"])


def _unfit(text: str) -> Fault:
    return fault("configuration", text)
