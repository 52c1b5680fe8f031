"""How does a station's supplier tell us what happened there? CloudEvents posted to /events."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.test import Client

from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import Session, StationEvent
from fulfillment.services.ingest import Told, told
from tests.factories.orders import NOW

TYPES = "com.ev-power-supplier.charging-station."
TOKEN = "events-token"


def event(kind: str, data: Any, *, id_: str = "e-1", at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "specversion": "1.0",
        "id": id_,
        "source": "https://supplier.example/stations/1",
        "type": f"{TYPES}{kind}.v1",
        "time": at.isoformat(),
        "data": data,
    }
    return whole | changes


def post(body: Any, *, token: str = TOKEN, kind: str = "application/cloudevents+json", **headers: str) -> HttpResponse:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    given = {"Authorization": f"Bearer {token}"} if token else {}
    response: Any = Client().post("/events", data=data, content_type=kind, headers=given | headers)
    return response  # type: ignore[no-any-return]  # the test client's answer is patched with helpers


def process(body: dict[str, Any], now: datetime) -> StationEvent:
    """Post an event and process it at `now`, which the database's clock knows nothing of."""
    assert post(body).status_code == 202
    StationEvent.objects.update(next_at=now)
    fulfillment.process_events_due(now)
    return StationEvent.objects.get(event_id=body["id"])


def status_of(session: Session) -> dict[str, Any]:
    return {"stationId": session.evse.station.code, "slotNumber": 1}


def meter(session: Session, energy_wh: int, at: datetime, **changes: Any) -> dict[str, Any]:
    values = {"sessionId": session.remote_id, "timestamp": at.isoformat(), "energyWh": energy_wh, "powerW": 30_000}
    return status_of(session) | values | changes


def said(session: Session, gain_wh: int, at: datetime, id_: str = "", **changes: Any) -> Told:
    data = meter(session, (session.meter_start_wh or 0) + gain_wh, at, **changes)
    made = told(Incoming("s", id_ or f"{at}-{gain_wh}", f"{TYPES}meter-values.v1", at, data))
    assert made is not None
    return made
