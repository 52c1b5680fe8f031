"""Which request is an operation of a Swagger or OpenAPI document?"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fulfillment.workflow import Fault, openapi
from tests.fulfillment.workflow import peers
from tests.fulfillment.workflow.driving import STANDARD, Run

URI = "https://example.com/docs/api.json"


def three(operation: dict[str, Any], *, path: str = "/things/{id}", **more: Any) -> dict[str, Any]:
    """An OpenAPI 3 document with one operation."""
    return {"openapi": "3.0.3", "paths": {path: {"put": {"operationId": "op", **operation}}}} | more


def asked(document: Any, **parameters: Any) -> dict[str, Any]:
    return openapi.http_request(document, URI, "op", parameters)


def refused(document: Any, **parameters: Any) -> str:
    with pytest.raises(Fault) as refusal:
        asked(document, **parameters)
    assert (refusal.value.type, refusal.value.status) == (STANDARD + "configuration", 400)
    return refusal.value.detail


def parameter(name: str, where: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": {}} | more


def test_swagger_operation_is_a_request() -> None:
    document = peers.swagger("petstore.example")
    found = openapi.http_request(
        document, "http://other.example/swagger.json", "findPetsByStatus", {"status": ["a", "b"]}
    )
    assert found == {
        "method": "GET",
        "uri": "http://petstore.example/v2/pet/findByStatus?status=a&status=b",
        "headers": {},
        "query": {},
        "body": None,
    }


@pytest.mark.parametrize(
    ("changed", "base"),
    [
        ({"schemes": ["http", "https"]}, "https://petstore.example/v2"),
        ({"schemes": ["wss"]}, "wss://petstore.example/v2"),
        ({"schemes": None, "host": None}, "https://example.com/v2"),
        ({"basePath": "/"}, "http://petstore.example"),
    ],
)
def test_swagger_base_falls_back_on_where_the_document_is(changed: dict[str, Any], base: str) -> None:
    document = peers.swagger("petstore.example") | changed
    assert openapi.http_request(document, URI, "getPetById", {"petId": 1})["uri"] == f"{base}/pet/1"


@pytest.mark.parametrize(
    ("servers", "base"),
    [
        ([{"url": "https://api.example.com/v3/"}], "https://api.example.com/v3"),
        ([{"url": "/v3"}], "https://example.com/v3"),
        ([], "https://example.com"),
        ([{"url": "https://{zone}.e.com", "variables": {"zone": {"default": "in"}}}], "https://in.e.com"),
    ],
)
def test_server_may_be_relative_or_have_variables(servers: Any, base: str) -> None:
    document = three({"parameters": [parameter("id", "path")]}, servers=servers)
    assert asked(document, id=5)["uri"] == f"{base}/things/5"


def test_parameters_go_where_the_document_says() -> None:
    document = three(
        {
            "parameters": [
                parameter("id", "path", required=True),
                parameter("many", "query"),
                parameter("few", "query", explode=False),
                parameter("flag", "query"),
                {"$ref": "#/components/parameters/Key"},
            ],
            "requestBody": {"$ref": "#/components/requestBodies/Thing"},
        },
        components={
            "parameters": {"Key": parameter("X-Key", "header")},
            "requestBodies": {"Thing": {"required": True, "content": {}}},
        },
    )
    given = {"id": "a/b", "many": ["x", "y z"], "few": [1, 2], "flag": True, "X-Key": "k", "body": {"n": 1}}
    found = asked(document, **given)
    assert found == {
        "method": "PUT",
        "uri": "https://example.com/things/a%2Fb?many=x&many=y+z&few=1%2C2&flag=true",
        "headers": {"X-Key": "k"},
        "query": {},
        "body": {"n": 1},
    }


def test_swagger_lists_are_joined_by_their_format() -> None:
    operation = {"operationId": "op", "parameters": [{"name": "l", "in": "query", "collectionFormat": "pipes"}]}
    document = {"swagger": "2.0", "host": "e.com", "paths": {"/x": {"get": operation}}}
    assert asked(document, l=["a", "b"])["uri"] == "https://e.com/x?l=a%7Cb"
    operation["parameters"] = [{"name": "l", "in": "query"}]
    assert asked(document, l=["a", "b"])["uri"] == "https://e.com/x?l=a%2Cb"


def test_parameters_of_the_path_are_shared_unless_the_operation_has_its_own() -> None:
    document = three({"parameters": [parameter("q", "query")]})
    document["paths"]["/things/{id}"]["parameters"] = [parameter("id", "path"), parameter("q", "query", required=True)]
    assert asked(document, id=1)["uri"] == "https://example.com/things/1"


def test_parameter_that_is_null_is_left_out() -> None:
    document = three({"parameters": [parameter("q", "query")]}, path="/x")
    assert asked(document, q=None)["uri"] == "https://example.com/x"


@pytest.mark.parametrize(
    ("document", "given", "reason"),
    [
        ([], {}, "is no Swagger or OpenAPI document"),
        ({"openapi": "3.0.3"}, {}, "has no operation 'op'"),
        (three({}), {"other": 1}, "knows no parameter other"),
        (three({"parameters": [parameter("id", "path")]}), {}, "needs the parameter 'id'"),
        (three({"parameters": [parameter("q", "query", required=True)]}), {}, "needs the parameter 'q'"),
        (three({"requestBody": {"required": True}}), {}, "needs the parameter 'body'"),
        (three({"parameters": [parameter("id", "path")]}), {"id": ""}, "no part of a path"),
        (three({"parameters": [parameter("id", "path")]}), {"id": ".."}, "no part of a path"),
        (three({"parameters": [parameter("c", "cookie")]}), {"c": "x"}, "the cookie, which is not supported"),
        (three({"parameters": [parameter("h", "header")]}), {"h": "a\r\nb"}, "line break"),
        (three({"parameters": [{"$ref": "#/nowhere/at/all"}]}), {}, "leads nowhere"),
    ],
)
def test_what_does_not_fit_is_a_configuration_error(document: Any, given: dict[str, Any], reason: str) -> None:
    assert reason in refused(document, **given)


@pytest.mark.parametrize(
    ("operation", "parameters", "output", "filtered", "result"),
    [
        ("findPetsByStatus", "{status: '${ .status }'}", "content", ". | length", 2),
        ("getPetById", "{petId: 1}", "response", ".content.name", "Milo"),
        ("getPetById", "{petId: 1}", "response", '.request.uri | endswith("/v2/pet/1")', True),
    ],
)
def test_operation_is_called_over_http(
    operation: str, parameters: str, output: str, filtered: str, result: Any
) -> None:
    document = "{endpoint: 'https://petstore.swagger.io/v2/swagger.json'}"
    with_ = f"{{document: {document}, operationId: {operation}, parameters: {parameters}, output: {output}}}"
    with peers.serving() as address:
        run = Run(
            f"do: [{{o: {{call: openapi, with: {with_}, output: {{as: '{filtered}'}}}}}}]", {"status": "available"}
        )
        assert run.perform(partial(peers.perform, address=address)).output == result


def test_operation_that_is_not_there_faults_the_task() -> None:
    with_ = "{document: {endpoint: 'https://petstore.swagger.io/v2/swagger.json'}, operationId: none}"
    with peers.serving() as address:
        turn = Run(f"do: [{{o: {{call: openapi, with: {with_}}}}}]").perform(partial(peers.perform, address=address))
    assert turn.fault is not None
    assert (turn.fault.type, turn.fault.instance) == (STANDARD + "configuration", "/do/0/o")
