"""What do the measurements of workflows stand on? Stations, cards scanned there, and the simulator's process."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bench import door  # noqa: F401 - sets Django up
from bench.serving import free_port, process_at

from django.conf import settings  # isort: skip
from django.core.management import call_command  # isort: skip
from django.db import connection, transaction  # isort: skip

from catalog.models import Operator, Station  # isort: skip
from fulfillment.models import WorkflowInstance  # isort: skip
from fulfillment.services.instances import trigger  # isort: skip

TOKEN = "bench-supplier"
OPERATOR = "bench-workflow"
SCANNED = "com.ev-power-supplier.charging-station.card-scanned.v1"


@dataclass(frozen=True)
class Card:
    """A card and the station at which it is scanned."""

    code: str
    station: Station


@dataclass(frozen=True)
class SupplierProcess:
    """Where the simulator listens, and as which process it runs."""

    url: str
    pid: int


def scan(station: str, card: str, *, id_: str, now: datetime) -> dict[str, Any]:
    """The CloudEvent of a card that is held to a station's reader."""
    return {
        "specversion": "1.0",
        "id": id_,
        "source": f"https://supplier.example/stations/{station}",
        "type": SCANNED,
        "time": now.isoformat(),
        "data": {"stationId": station, "cardId": card},
    }


def cards(name: str, *, stations: int, places: int) -> list[Card]:
    """`places` cards for each of so many new stations."""
    operator = Operator.objects.get(code=OPERATOR)
    rows = [
        Station(
            operator=operator,
            code=f"{name}-{number}",
            name=f"{name} {number}",
            latitude=Decimal("12.971600"),
            longitude=Decimal("77.594600"),
        )
        for number in range(stations)
    ]
    Station.objects.bulk_create(rows)
    return [Card(f"{station.code}-{place}", station) for place in range(places) for station in rows]


@transaction.atomic
def scan_all(crowd: list[Card], *, now: datetime) -> None:
    """Owe the workflow one run for each card, all due now."""
    done = WorkflowInstance.objects.count()
    for number, card in enumerate(crowd):
        event = scan(card.station.code, card.code, id_=f"bench-{done + number}", now=now)
        trigger(event, station=card.station, card=card.code, now=now)


def prepare() -> None:
    """The tables, and an operator for the stations."""
    call_command("migrate", verbosity=0)
    clean()
    Operator.objects.create(code=OPERATOR, name="Bench")


def clean() -> None:
    """Take away whatever was made here."""
    mine = WorkflowInstance.objects.filter(station__operator__code=OPERATOR)
    with connection.cursor() as cursor:
        sql, params = mine.values("pk").query.sql_with_params()
        cursor.execute(f"DELETE FROM fulfillment_taskrun WHERE instance_id IN ({sql})", params)
    mine.delete()
    Station.objects.filter(operator__code=OPERATOR).delete()
    Operator.objects.filter(code=OPERATOR).delete()


def point_at(url: str) -> None:
    """Have the platform call this supplier."""
    settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN = url, TOKEN


@contextmanager
def supplier_process() -> Iterator[SupplierProcess]:
    """The sandbox's supplier in a process of its own, that the platform is pointed at."""
    port = free_port()
    arguments = ["-m", "sandbox", "supplier", "--supplier-port", str(port), "--supplier-token", TOKEN, "--slots", "10"]
    with process_at(port, arguments, silent=True) as pid:
        url = f"http://127.0.0.1:{port}/api/v2"
        point_at(url)
        yield SupplierProcess(url, pid)


def _answer(status: int, content: Any = None) -> dict[str, Any]:
    body = b"" if content is None else json.dumps(content).encode()
    headers = {"content-type": "application/json; charset=utf-8", "content-length": str(len(body))}
    return {"status": status, "headers": headers, "body": base64.b64encode(body).decode()}


def _session(status: str) -> dict[str, Any]:
    return {
        "id": "ses-0123456789abcdef",
        "card": "VB-BARE",
        "slotNumber": 1,
        "status": status,
        "startedAt": "2026-02-01T04:30:00.000Z",
        "endedAt": None,
        "meterStartWh": 123_456,
        "meterWh": 125_456,
        "energyWh": 2_000,
        "powerW": 30_000,
        "soc": 31,
        "paid": False,
        "stopReason": None,
    }


_PAID = {"amount": "24.00", "currency": "INR", "paymentId": "pay-1"}
# What the simulator answers on the way of a first and of a second scan, by task.
START: dict[str, dict[str, Any]] = {
    "getSessionForCard": _answer(404, {"type": "about:blank", "title": "none", "status": 404, "detail": "no session"}),
    "acquireSlot": _answer(201, {"slot": {"number": 1}, "session": {"id": "ses-0123456789abcdef"}}),
    "lockSlot": _answer(204),
    "start": _answer(200, {"session": _session("charging")}),
    "lightBlue": _answer(204),
}
STOP: dict[str, dict[str, Any]] = {
    "getSessionForCard": _answer(200, {"session": _session("charging")}),
    "end": _answer(200, {"session": _session("ended")}),
    "pay": _answer(200, {"session": _session("paid") | _PAID, **_PAID}),
    "unlock": _answer(204),
    "flickerWhite": _answer(204),
}
