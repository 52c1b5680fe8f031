"""What do the power supplier's JSON answers and events say, in our words? Pure."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.errors import DriverError
from fulfillment.drivers.base import Ack, MeterValue, StationEvent

TYPES = "com.ev-power-supplier.charging-station."
KINDS = frozenset({"card-scanned", "faulted", "recovered", "slot-status-changed", "meter-values"})
METER_VALUES = f"{TYPES}meter-values.v1"
# The supplier's words for a slot → the catalogue's words for an EVSE.
SLOT_STATUS = {
    "free": "available",
    "available": "available",
    "reserved": "reserved",
    "locked": "preparing",
    "preparing": "preparing",
    "charging": "charging",
    "finishing": "finishing",
    "unavailable": "unavailable",
    "faulted": "faulted",
}
# OCPP's word for the reading with which a transaction ends.
FINAL = "Transaction.End"
LARGEST_WH = 2**53
LARGEST_W = 2**31 - 1
CENT = Decimal("0.01")
NUMBERS = (int, float, Decimal)


class EventFormError(Exception):
    """An event that cannot be understood: the path of the culprit, what was seen and what is allowed."""

    def __init__(self, path: str, seen: object, allowed: str) -> None:
        super().__init__(f"{path} is {_short(seen)}; allowed: {allowed}")
        self.path = path


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in an answer's body; an empty body is an empty object. Raises DriverError (unknown outcome)."""
    if not body.strip():
        return {}
    try:
        content = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as err:
        raise DriverError(f"the answer is not JSON: {body[:100]!r}", permanent=False, unknown=True) from err
    if not isinstance(content, dict):
        raise DriverError(f"the answer is not a JSON object: {body[:100]!r}", permanent=False, unknown=True)
    return content


def problem_text(body: bytes) -> str:
    """The sentence of a problem+json answer (detail, else title), else the start of the text."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        for name in ("detail", "title"):
            if isinstance(content.get(name), str) and content[name]:
                return str(content[name])[:500]
    return body.decode("utf-8", "replace").strip()[:200]


def ack_of(content: dict[str, Any]) -> Ack:
    """The Ack in an answer of A1, A2, A5, A6, A7 or A10. Raises DriverError where a value has the wrong form."""
    session = content.get("session")
    session = session if isinstance(session, dict) else content
    slot = content.get("slot")
    number = slot.get("number") if isinstance(slot, dict) else session.get("slotNumber")
    try:
        return Ack(
            session_id=_id(session.get("id")),
            slot_number=_within(number, "slotNumber", least=1, most=32_767),
            status=str(session.get("status") or ""),
            started_at=_moment(session.get("startedAt"), "startedAt"),
            ended_at=_moment(session.get("endedAt"), "endedAt"),
            meter_start_wh=_within(session.get("meterStartWh"), "meterStartWh", most=LARGEST_WH),
            meter_wh=_within(session.get("meterWh"), "meterWh", most=LARGEST_WH),
            energy_wh=_within(session.get("energyWh"), "energyWh", most=LARGEST_WH),
            power_w=_within(session.get("powerW"), "powerW", most=LARGEST_W),
            soc_percent=_within(session.get("soc"), "soc", most=100),
            paid=session.get("paid") is True,
            reference=str(content.get("paymentId") or session.get("paymentId") or ""),
        )
    except EventFormError as err:
        raise DriverError(f"the answer is not understood: {err}", permanent=False, unknown=True) from err


def station_event(type_: str, data: object, *, at: datetime) -> StationEvent | None:
    """What a CloudEvent of the supplier says; None for a type that is not ours. Raises EventFormError with the path."""
    kind = type_.removeprefix(TYPES).removesuffix(".v1")
    if type_ != f"{TYPES}{kind}.v1" or kind not in KINDS:
        return None
    if not isinstance(data, dict):
        raise EventFormError("data", data, "a JSON object")
    error = data.get("error")
    error = error if isinstance(error, dict) else {"message": error or ""}
    return StationEvent(
        kind=kind,
        station=_text(data, "stationId"),
        at=at,
        slot_number=_slot(data, needed=kind in {"slot-status-changed", "meter-values"}),
        error_code=str(error.get("code") or "")[:100],
        error=str(error.get("message") or "")[:500],
        card=_text(data, "cardId") if kind == "card-scanned" else "",
        session_id=_text(data, "sessionId") if kind == "meter-values" else "",
        status=_slot_status(data) if kind == "slot-status-changed" else "",
        reading=_reading(data, at=at) if kind == "meter-values" else None,
    )


def meter_reading(data: object, *, at: datetime) -> tuple[str, str, int, MeterValue]:
    """The station's session, the station, its slot and the value that a meter-values event tells; what `station_event`
    says of one, at less cost. Raises EventFormError with the path."""
    if not isinstance(data, dict):
        raise EventFormError("data", data, "a JSON object")
    station, slot_number = _text(data, "stationId"), _slot_number(data.get("slotNumber"))
    return _text(data, "sessionId"), station, slot_number, _reading(data, at=at)


def _reading(data: dict[str, Any], *, at: datetime) -> MeterValue:
    energy_wh = _within(data.get("energyWh"), "data.energyWh", most=LARGEST_WH)
    if energy_wh is None:
        raise EventFormError("data.energyWh", None, "the register in Wh, a number from 0")
    return MeterValue(
        at=_moment(data.get("timestamp"), "data.timestamp") or at,
        energy_wh=energy_wh,
        power_w=_within(data.get("powerW"), "data.powerW", most=LARGEST_W),
        current_a=_decimal(data.get("currentA"), "data.currentA"),
        voltage_v=_decimal(data.get("voltageV"), "data.voltageV"),
        soc_percent=_within(data.get("soc"), "data.soc", most=100),
        final=data.get("context") == FINAL,
    )


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise EventFormError(f"data.{name}", value, "a text of 1 to 128 characters")
    return value


def _slot(data: dict[str, Any], *, needed: bool) -> int | None:
    value = data.get("slotNumber")
    return None if value is None and not needed else _slot_number(value)


def _slot_number(value: object) -> int:
    number = _within(value, "data.slotNumber", least=1, most=32_767)
    if number is None:
        raise EventFormError("data.slotNumber", value, "a whole number from 1")
    return number


def _slot_status(data: dict[str, Any]) -> str:
    value = data.get("status")
    word = SLOT_STATUS.get(value.lower()) if isinstance(value, str) else None
    if word is None:
        raise EventFormError("data.status", value, ", ".join(sorted(SLOT_STATUS)))
    return word


def _id(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int) or len(str(value)) > 128:
        raise EventFormError("id", value, "a text of 1 to 128 characters")
    return str(value)


def _within(value: object, path: str, *, most: int, least: int = 0) -> int | None:
    """A whole number within limits; fractions are cut, since a register never shows energy that has not flowed."""
    if value is None or (type(value) is int and least <= value <= most):
        return value
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        raise EventFormError(path, value, "a number")
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or not least <= int(number) <= most:
        raise EventFormError(path, value, f"a number from {least} to {most}")
    return int(number)


def _decimal(value: object, path: str) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        raise EventFormError(path, value, "a number")
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) >= 10**6:
        raise EventFormError(path, value, "a number below 1000000")
    return number.quantize(CENT)


def _moment(value: object, path: str) -> datetime | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as err:
            raise EventFormError(path, value, "an RFC 3339 time with its offset") from err
        if moment.tzinfo is not None:
            return moment
    raise EventFormError(path, value, "an RFC 3339 time with its offset")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
