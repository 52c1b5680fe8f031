"""What does a call send, and what does its answer mean?"""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

import pytest

from fulfillment.workflow import Fault, calls, expressions
from fulfillment.workflow.calls import Fill
from tests.fulfillment.workflow import peers
from tests.fulfillment.workflow.driving import STANDARD, Run, answer

REQUEST = {"method": "GET", "uri": "https://e.com/x", "headers": {"a": "b"}, "query": {}, "body": None}


def filled(data: Any) -> Fill:
    """How the templates of a call are evaluated over some data."""
    return lambda template: expressions.fill(template, data, {})


def request(data: Any = None, **arguments: Any) -> dict[str, Any]:
    return calls.http_request({"method": "get", "endpoint": "https://e.com"} | arguments, data, filled(data))


def refusal_of(data: Any = None, **arguments: Any) -> Fault:
    with pytest.raises(Fault) as refusal:
        request(data, **arguments)
    return refusal.value


def test_request_carries_everything_it_was_given() -> None:
    found = request(
        {"card": "c-1", "flag": True},
        method="put",
        endpoint={"uri": "https://e.com/cards/{card}"},
        headers={"Idempotency-Key": "${ .card }", "X-Flag": "${ .flag }", "X-None": "${ null }"},
        query={"n": "${ 5 }", "f": "${ 1.5 }"},
        body={"card": "${ .card }", "all": "${ . }"},
        redirect=True,
        output="raw",
    )
    assert found == {
        "method": "PUT",
        "uri": "https://e.com/cards/c-1",
        "headers": {"Idempotency-Key": "c-1", "X-Flag": "true"},
        "query": {"n": "5", "f": "1.5"},
        "body": {"card": "c-1", "all": {"card": "c-1", "flag": True}},
        "redirect": True,
        "output": "raw",
    }


def test_request_has_defaults() -> None:
    found = request()
    assert (found["headers"], found["query"], found["body"]) == ({}, {}, None)
    assert (found["redirect"], found["output"]) == (False, "content")


def test_headers_and_query_may_be_one_expression() -> None:
    found = request({"h": {"A": "b"}}, headers="${ .h }", query="${ {q: 1} }")
    assert (found["headers"], found["query"]) == ({"A": "b"}, {"q": "1"})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"headers": "${ 5 }"}, "headers gives 5"),
        ({"headers": {"a": "${ [] }"}}, "header a is []"),
        ({"headers": {"a": '${ "b\\r\\nc" }'}}, "line break"),
        ({"query": {"a": "${ {} }"}}, "query a is {}"),
        ({"endpoint": "${ 5 }"}, "gives 5"),
        ({"endpoint": '${ "ftp://e.com" }'}, "no http or https address"),
        ({"endpoint": '${ "https:// e.com" }'}, "no http or https address"),
    ],
)
def test_request_that_cannot_be_sent_is_an_expression_error(arguments: dict[str, Any], reason: str) -> None:
    found = refusal_of(**arguments)
    assert (found.type, found.status) == (STANDARD + "expression", 400)
    assert reason in found.detail


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("https://e.com/{s}", "https://e.com/S%201%2Fa"),
        ("https://e.com/{n}/{s}?q={s}", "https://e.com/7/S%201%2Fa?q=S%201%2Fa"),
        ("https://e.com/{true}/{f}", "https://e.com/true/1.5"),
        ("https://e.com/x?q={empty}", "https://e.com/x?q="),
        ("https://{host}/x", "https://e.com/x"),
        ('${ "https://e.com/" + .s }', None),
        ('${ "https://e.com/{n}" }', "https://e.com/{n}"),
    ],
)
def test_template_takes_top_level_members_of_the_input(template: str, uri: str | None) -> None:
    data = {"s": "S 1/a", "n": 7, "true": True, "f": 1.5, "empty": "", "host": "e.com"}
    if uri is None:
        assert "no http or https address" in refusal_of(data, endpoint=template).detail
    else:
        assert request(data, endpoint=template)["uri"] == uri


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "{id} in 'https://e.com/{id}/x' has no value"),
        ({"id": None}, "has no value"),
        (None, "has no value"),
        ([1], "has no value"),
        ({"id": ""}, "is empty"),
        ({"id": "  "}, "is empty"),
        ({"id": ".."}, "leads to another path"),
        ({"id": "."}, "leads to another path"),
        ({"id": {"a": 1}}, "no text or number"),
        ({"id": "a\nb"}, "line break"),
    ],
)
def test_hole_in_a_path_is_an_expression_error(data: Any, reason: str) -> None:
    found = refusal_of(data, endpoint="https://e.com/{id}/x")
    assert (found.type, found.status) == (STANDARD + "expression", 400)
    assert reason in found.detail


def test_method_that_is_none_is_a_configuration_error() -> None:
    assert refusal_of(method="g t").type == STANDARD + "configuration"


@pytest.mark.parametrize(
    ("outcome", "content"),
    [
        (answer({"a": [1, None]}), {"a": [1, None]}),
        (answer(None), None),
        (answer("plain text"), "plain text"),
        (answer(b'{"a": 1}', headers={"content-type": "application/problem+json; charset=utf-8"}), {"a": 1}),
        (answer(b"[1]", headers={}), [1]),
        (answer(b"as it is", headers={}), "as it is"),
        (answer(b"\xff", headers={"Content-Type": "text/plain"}), "\ufffd"),
        (answer(None, status=204), None),
    ],
)
def test_content_is_parsed_where_it_is_json(outcome: dict[str, Any], content: Any) -> None:
    assert calls.output(REQUEST | {"redirect": False, "output": "content"}, outcome) == content


def test_garbage_under_the_name_of_json_is_a_communication_error() -> None:
    for garbage in (b"<html>", b'{"a": NaN}', b"\xff\xfe"):
        outcome = answer(garbage, headers={"Content-Type": "application/json"})
        with pytest.raises(Fault, match="is no JSON") as refusal:
            calls.output(REQUEST | {"redirect": False, "output": "content"}, outcome)
        assert (refusal.value.type, refusal.value.status) == (STANDARD + "communication", 500)


def test_raw_output_is_base64() -> None:
    found = calls.output(REQUEST | {"redirect": False, "output": "raw"}, answer(b"\x00\xff"))
    assert base64.b64decode(found) == b"\x00\xff"


def test_response_tells_request_and_answer() -> None:
    outcome = answer({"a": 1}, status=201, headers={"Content-Type": "application/json", "X-B": "c"})
    assert calls.output(REQUEST | {"redirect": False, "output": "response"}, outcome) == {
        "request": {"method": "GET", "uri": "https://e.com/x", "headers": {"a": "b"}},
        "statusCode": 201,
        "headers": {"content-type": "application/json", "x-b": "c"},
        "content": {"a": 1},
    }


@pytest.mark.parametrize(
    ("status", "redirect", "fine"),
    [
        *((199, False, False), (200, False, True), (299, False, True), (300, False, False)),
        *((302, True, True), (399, True, True), (400, True, False), (500, False, False)),
    ],
)
def test_status_outside_its_range_is_an_error(status: int, redirect: bool, fine: bool) -> None:
    asked = REQUEST | {"redirect": redirect, "output": "content"}
    if fine:
        assert calls.output(asked, answer("x", status=status)) == "x"
    else:
        with pytest.raises(Fault) as refusal:
            calls.output(asked, answer("x", status=status))
        assert (refusal.value.type, refusal.value.status) == (STANDARD + "communication", status)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"detail": "No charging slots available", "title": "Full"}, "No charging slots available"),
        ({"detail": 5}, '{"detail": 5}'),
        ({"message": "none"}, '{"message": "none"}'),
        ([1], "[1]"),
        ("plain words", "plain words"),
        (None, ""),
        ("x" * 9000, "x" * 4000),
        ("cut\0off", "cut\ufffdoff"),
    ],
)
def test_error_tells_what_the_peer_said(body: Any, detail: str) -> None:
    with pytest.raises(Fault) as refusal:
        calls.output(REQUEST | {"redirect": False, "output": "content"}, answer(body, status=409))
    assert (refusal.value.title, refusal.value.detail) == ("Conflict", detail)


def test_status_without_a_name_has_the_standard_title() -> None:
    with pytest.raises(Fault) as refusal:
        calls.output(REQUEST | {"redirect": False, "output": "content"}, answer(status=599))
    assert refusal.value.title == "Communication Error"


def test_body_of_an_outcome_is_base64() -> None:
    with pytest.raises(ValueError, match="base64"):
        calls.output(REQUEST | {"redirect": False, "output": "raw"}, {"status": 200, "headers": {}, "body": "{}"})


OVER_HTTP = [
    ("findByStatus?status={status}", "content", "{as: '.[0]'}", {"status": "available"}, "Milo"),
    ("{petId}", "response", "{as: .content}", {"petId": 2}, "Rex"),
]


@pytest.mark.parametrize(("path", "output", "filtered", "input_", "name"), OVER_HTTP)
def test_call_over_http(path: str, output: str, filtered: str, input_: Any, name: str) -> None:
    uri = f"https://petstore.swagger.io/v2/pet/{path}"
    call = f"{{call: http, with: {{method: get, endpoint: {{uri: '{uri}'}}, output: {output}}}, output: {filtered}}}"
    with peers.serving() as address:
        run = Run(f"do: [{{find: {call}}}]", input_)
        turn = run.perform(partial(peers.perform, address=address))
    assert turn.output["name"] == name
    assert run.steps[0].kind == "call http"


@pytest.mark.parametrize(("password", "status"), [("right", "completed"), ("wrong", "faulted")])
def test_call_proves_itself_over_http(password: str, status: str) -> None:
    proof = "{basic: {username: '${ .user }', password: '${ .password }'}}"
    call = (
        f"{{method: get, endpoint: {{uri: 'https://httpbin.org/basic-auth/{{user}}/right', authentication: {proof}}}}}"
    )
    with peers.serving() as address:
        run = Run(f"do: [{{login: {{call: http, with: {call}}}}}]", {"user": "ann", "password": password})
        turn = run.perform(partial(peers.perform, address=address))
    assert turn.status == status
    assert turn.fault is None or turn.fault.status == 401


def test_body_and_query_over_http() -> None:
    with_ = "{method: put, endpoint: 'https://petstore.swagger.io/v2/pet/1', query: {a: b c}, body: {n: '${ .n }'}}"
    with peers.serving() as address:
        Run(f"do: [{{p: {{call: http, with: {with_}}}}}]", {"n": 5}).perform(partial(peers.perform, address=address))
        ((method, path, _, body),) = peers.Answers.seen
    assert (method, path, body) == ("PUT", "/v2/pet/1?a=b%20c", b'{"n": 5}')


@pytest.mark.parametrize(("redirect", "output"), [("true", {"moved": True}), ("false", None)])
def test_redirect_is_an_answer_or_an_error(redirect: str, output: Any) -> None:
    with_ = f"{{method: get, endpoint: 'https://httpbin.org/moved', redirect: {redirect}}}"
    with peers.serving() as address:
        turn = Run(f"do: [{{go: {{call: http, with: {with_}}}}}]").perform(partial(peers.perform, address=address))
    assert turn.output == output
    assert turn.fault is None or turn.fault.status == 302


@pytest.mark.parametrize(("status", "ended"), [(404, "completed"), (503, "faulted")])
def test_error_over_http_is_caught_by_type_and_status(status: int, ended: str) -> None:
    call = "{call: http, with: {method: get, endpoint: 'https://petstore.swagger.io/v2/pet/getPetByName/{name}'}}"
    with_ = f"{{type: 'https://serverlessworkflow.io/dsl/errors/types/communication', status: {status}}}"
    catch = f"{{errors: {{with: {with_}}}, as: err, do: [{{tell: {{set: '${{ $err }}'}}}}]}}"
    with peers.serving() as address:
        run = Run(f"do: [{{find: {{try: [{{get: {call}}}], catch: {catch}}}}}]", {"name": "Milou"})
        turn = run.perform(partial(peers.perform, address=address))
    found = turn.fault.as_dict() if turn.fault else turn.output
    assert (turn.status, found["status"], found["title"]) == (ended, 404, "Not Found")
    assert found["instance"] == "/do/0/find/try/0/get"
