"""What does the power supplier still know after a restart? Meters, open sessions and answered calls, in one file."""

import base64
import os
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from sandbox.meter import ChargingCurve
from sandbox.stations import Session, Slot, Station
from sandbox.supplier import Supplier
from sandbox.supplier_api import KeptAnswer, SupplierApi

KEPT_ANSWERS = 5000
_MOMENTS = ("reserved_at", "start_due_at", "started_at", "ended_at", "last_meter_at")


def save(api: SupplierApi, path: Path) -> None:
    """Write the file anew; a crash leaves the old one or the new one, never half of one."""
    supplier = api.supplier
    recent = list(api.kept.items())[-KEPT_ANSWERS:]
    content = {
        "stations": [asdict(station) for station in supplier.stations.values()],
        "sessions": [asdict(session) for session in supplier.sessions.values() if session.status != "closed"],
        "kept": {key: asdict(answer) | {"body": base64.b64encode(answer.body).decode()} for key, answer in recent},
    }
    beside = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS))
    os.replace(beside, path)


def load(api: SupplierApi, path: Path) -> None:
    """Take over what an earlier run wrote; nothing happens where there is no file."""
    if not path.exists():
        return
    content = orjson.loads(path.read_bytes())
    for row in content["stations"]:
        slots = {slot["number"]: Slot(**slot) for slot in row["slots"].values()}
        api.supplier.stations[row["id"]] = Station(**row | {"slots": slots, "curve": ChargingCurve(**row["curve"])})
    for row in content["sessions"]:
        _resume(api.supplier, _session(row))
    for key, row in content["kept"].items():
        api.kept[key] = KeptAnswer(row["fingerprint"], row["status"], base64.b64decode(row["body"]))


def _session(row: dict[str, Any]) -> Session:
    moments = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in _MOMENTS}
    known = {field.name for field in fields(Session)}
    plain = {name: value for name, value in row.items() if name in known}
    return Session(**plain | moments | {"curve": ChargingCurve(**row["curve"])})


def _resume(supplier: Supplier, session: Session) -> None:
    supplier.sessions[session.id] = session
    if session.status == "charging":
        supplier.charging[session.id] = session
    elif session.status in ("reserved", "locked"):
        supplier.pending[session.id] = session
