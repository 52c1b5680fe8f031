"""Does the OpenAPI file tell everything of the live page's data, with its units?"""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from fulfillment import services as fulfillment
from fulfillment.services.tracking import snapshot
from fulfillment.track_api import SnapshotSerializer
from tests.factories.fulfillment import waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.pages import get

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http")]

UNITS = {"_wh": "Wh", "_kwh": "kWh", "_w": " W", "_kw": "kW", "percent": "%", "minutes": "inutes", "_s": "econds"}


def test_every_field_of_the_page_is_described_and_no_other() -> None:
    seen = snapshot(waiting_session().order_id, NOW).as_dict()
    described = SnapshotSerializer().fields
    assert set(described) == set(seen)
    for name, field in described.items():
        unit = next((word for end, word in UNITS.items() if name.endswith(end)), "")
        assert field.help_text, name
        assert unit in str(field.help_text), name


def test_openapi_file_names_the_address_without_any_sign_in() -> None:
    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # no types
    asked = schema["paths"]["/track/{token}.json"]["get"]
    assert "security" not in asked
    assert asked["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Snapshot")
    assert "404" in asked["responses"]
    assert schema["components"]["schemas"]["Snapshot"]["properties"]["energy_wh"]["description"].endswith("Wh.")


def test_answer_is_the_same_whatever_is_accepted() -> None:
    token = fulfillment.open_link(waiting_session(now=timezone.now()).order_id, timezone.now())
    answers = [get(f"/track/{token}.json{query}") for query in ("", "?format=api", "?format=xml")]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
