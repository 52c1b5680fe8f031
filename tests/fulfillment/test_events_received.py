"""Which events does POST /events take, and what does it refuse?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from fulfillment.models import StationEvent
from tests.fulfillment.telling import TYPES, event, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]


@pytest.mark.parametrize("token", ["", "wrong", "events-toke", "events-token-x", "évents"])
def test_event_without_our_token_is_refused_and_not_kept(token: str) -> None:
    body = event("recovered", {"stationId": "LOC-1"})
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")} if token else {}
    answer = Client().post("/events", body, content_type="application/cloudevents+json", headers=headers)
    assert answer.status_code == 401
    assert not StationEvent.objects.exists()


def test_nothing_is_taken_while_no_token_is_set(settings: Settings) -> None:
    settings.EVENTS_TOKEN = ""
    answer = post(event("recovered", {"stationId": "LOC-1"}), token="")
    assert answer.status_code == 401
    assert "EVENTS_TOKEN is not set" in answer.content.decode()


def test_repeated_event_is_accepted_and_kept_once() -> None:
    body = event("recovered", {"stationId": "LOC-1"})
    assert [post(body).status_code for _ in range(3)] == [202, 202, 202]
    assert StationEvent.objects.count() == 1


def test_same_id_from_another_source_is_another_event() -> None:
    post(event("recovered", {"stationId": "LOC-1"}))
    post(event("recovered", {"stationId": "LOC-1"}, source="https://supplier.example/stations/2"))
    assert StationEvent.objects.count() == 2


def test_binary_mode_is_read() -> None:
    headers = {"Ce-Specversion": "1.0", "Ce-Id": "b-1", "Ce-Source": "s", "Ce-Type": f"{TYPES}recovered.v1"}
    assert post({"stationId": "LOC-1"}, kind="application/json", **headers).status_code == 202
    assert StationEvent.objects.get().data == {"stationId": "LOC-1"}


def test_odd_accept_header_does_not_lose_an_event() -> None:
    body = event("recovered", {"stationId": "LOC-1"})
    assert post(body, Accept="application/cloudevents+json").status_code == 202


def test_batch_is_read() -> None:
    batch = [event("recovered", {"stationId": "LOC-1"}, id_=f"e-{number}") for number in range(3)]
    assert post(batch, kind="application/cloudevents-batch+json").status_code == 202
    assert StationEvent.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", "$"),
        (b"", "$"),
        (b"[1]", "$"),
        (b"\xff", "$"),
        (b'{"a": NaN}', "$"),
        (b"[" * 5000, "$"),
        (json.dumps(event("faulted", {"stationId": "a\0b"})).encode(), "$"),
        (rb'{"specversion":"1.0","id":"\ud800","source":"s","type":"t","data":{}}', "$"),
        (json.dumps(event("faulted", "@")).replace('"@"', "[" * 65 + "]" * 65).encode(), "$.data"),
        (json.dumps(event("faulted", "@")).replace('"@"', '{"a":' * 400 + "1" + "}" * 400).encode(), "$.data"),
        (event("recovered", {}, specversion="0.3"), "$.specversion"),
        (event("recovered", {}, id=""), "$.id"),
        (event("recovered", {}, id=7), "$.id"),
        (event("recovered", {}, source="s" * 256), "$.source"),
        (event("recovered", {}, type=None), "$.type"),
        (event("recovered", {}, time="yesterday"), "$.time"),
        (event("recovered", {}, time="2026-02-01T00:00:00"), "$.time"),
        ({"specversion": "1.0", "id": "1", "source": "s", "type": "t"}, "$.data"),
    ],
)
def test_unreadable_event_is_refused_with_its_place(body: Any, path: str) -> None:
    answer = post(body)
    assert answer.status_code == 400
    said = json.loads(answer.content)
    assert said["path"] == path
    assert "allowed" in said["error"]


def test_escaped_character_of_two_halves_is_read() -> None:
    body = rb'{"specversion":"1.0","id":"\ud83d\udd0c","source":"s","type":"t","data":{}}'
    assert post(body).status_code == 202
    assert StationEvent.objects.get().event_id == "🔌"


def test_strange_content_type_is_refused() -> None:
    assert post(event("recovered", {}), kind="text/plain").status_code == 400


def test_oversized_body_is_refused() -> None:
    assert post(b" " * 300_000).status_code == 413


def test_what_is_nested_as_deep_as_allowed_is_taken() -> None:
    body = json.dumps(event("faulted", "@")).replace('"@"', "[" * 64 + "]" * 64)
    assert post(body.encode()).status_code == 202
