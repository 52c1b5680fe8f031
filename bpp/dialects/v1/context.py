"""Who asks, within which conversation, until when; and what stands in the context of our callback?

Source: Beckn core 1.1.1, `Context`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bpp.dialects.v1 import reading
from bpp.dialects.v1.reading import Reader, shown
from bpp.messages import Caller, WireFault

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_COPIED = ("domain", "version", "bap_id", "bap_uri", "transaction_id")
_ODD_NAMES = {
    "get_cancellation_reasons": "cancellation_reasons",
    "get_rating_categories": "rating_categories",
}
DEFAULT_TTL = "PT10M"


def callback_name(action: str) -> str:
    """The action that answers `action`: `on_select` for select, `cancellation_reasons` for get_cancellation_reasons."""
    return _ODD_NAMES.get(action) or f"on_{action}"


def caller(document: dict[str, Any]) -> Caller:
    """Whom we talk to and within which conversation; the document must have passed `check`."""
    context = document["context"]
    return Caller(
        bap_id=context["bap_id"],
        bap_uri=context["bap_uri"],
        transaction_id=context["transaction_id"],
        message_id=context["message_id"],
        context=_storable(context),
    )


def deadline(document: dict[str, Any], *, received_at: datetime, default_ttl_s: int) -> datetime:
    """When the request is stale: the context's timestamp plus its ttl, in UTC.

    The ttl may be an ISO 8601 duration, a date-time or whole seconds; without one `default_ttl_s` counts, without a
    timestamp `received_at`. Raises WireFault where timestamp or ttl cannot be read.
    """
    context = document["context"]
    return _deadline(context, _sent_at(context) or received_at, default_ttl_s)


def stale(document: dict[str, Any], now: datetime, default_ttl_s: int, *, skew_s: int = 5) -> str | None:
    """Why the request is too old, naming both clocks, or None where it is in time; `skew_s` is forgiven."""
    context = document["context"]
    sent_at = _sent_at(context)
    ends_at = _deadline(context, sent_at or now, default_ttl_s)
    if now - timedelta(seconds=skew_s) <= ends_at:
        return None
    late_s = int((now - ends_at).total_seconds())
    ttl = shown(context.get("ttl") or f"none, so {default_ttl_s} s")
    return (
        f"$.context.timestamp is {shown(context.get('timestamp', 'missing'))} and $.context.ttl is {ttl}: "
        f"the message ran out {late_s} s ago by our clock, which reads {wire_time(now)}. "
        "If your clock is right, send it again with a fresh timestamp; if it differs from ours, set it by NTP."
    )


def callback_context(
    context: dict[str, Any],
    *,
    action: str,
    message_id: str,
    now: datetime,
    bpp_id: str,
    bpp_uri: str,
    city_code: str = "std:080",
    country: str = "IND",
) -> dict[str, Any]:
    """The context of a callback: the request's, with our name, a fresh timestamp and the ttl as a duration.

    `action` is the callback's name; `city_code` and `country` are ours, for requests that named none.
    """
    copied: dict[str, Any] = {key: context[key] for key in _COPIED if context.get(key)}
    copied["action"] = action
    copied["location"] = _location(context.get("location"), city_code, country)
    copied["bpp_id"] = bpp_id
    copied["bpp_uri"] = bpp_uri
    copied["message_id"] = message_id
    copied["timestamp"] = wire_time(now)
    copied["ttl"] = _wire_ttl(context)
    return copied


def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wire_duration(seconds: int) -> str:
    """ISO 8601: whole days as `P10D`, whole minutes as `PT15M`, else seconds."""
    if seconds and seconds % 86_400 == 0:
        return f"P{seconds // 86_400}D"
    if seconds and seconds % 60 == 0:
        return f"PT{seconds // 60}M"
    return f"PT{seconds}S"


def note_deviations(context: dict[str, Any], reader: Reader) -> None:
    """Records what of the context was understood though core says otherwise: ids that are no UUIDs, no ttl, no zone.

    Raises WireFault where timestamp or ttl cannot be read.
    """
    for key in ("transaction_id", "message_id"):
        if not _UUID.fullmatch(context[key]):
            reader.warn(f"$.context.{key}", context[key], "a UUID is expected; taken as text")
    if reader.moment(context, "timestamp", "$.context") is None:
        reader.warn("$.context.timestamp", "", "missing; the time of arrival counts instead")
    if context.get("location") is None:
        reader.warn("$.context.location", "", "missing; our own city is answered")
    ttl = context.get("ttl")
    if ttl in (None, ""):
        reader.warn("$.context.ttl", "", "missing; the network's default counts")
        return
    _deadline(context, datetime(2000, 1, 1, tzinfo=UTC), 0)
    if not isinstance(ttl, str) or not ttl.strip().startswith("P"):
        reader.warn("$.context.ttl", ttl, "an ISO 8601 duration is expected; understood all the same")


def _storable(node: Any) -> Any:
    """The same with texts for numbers with a fraction: a context is kept as JSON, which has no decimals."""
    if isinstance(node, dict):
        return {name: _storable(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_storable(value) for value in node]
    return str(node) if isinstance(node, Decimal) else node


def _sent_at(context: dict[str, Any]) -> datetime | None:
    timestamp = context.get("timestamp")
    read = reading.instant(timestamp) if isinstance(timestamp, str) else None
    return read[0] if read else Reader().moment(context, "timestamp", "$.context")


def _deadline(context: dict[str, Any], sent_at: datetime, default_ttl_s: int) -> datetime:
    ttl = context.get("ttl")
    if ttl is None or ttl == "":
        return _after(sent_at, default_ttl_s)
    text = str(ttl).strip()
    lasting_s = int(text) if _DIGITS.fullmatch(text) else reading.duration_s(text)
    if lasting_s is not None:
        return _after(sent_at, lasting_s)
    read = reading.instant(text)
    if read is None:
        raise WireFault(
            "30000", "$.context.ttl", f"$.context.ttl is {shown(ttl)!r}; send an ISO 8601 duration such as PT10M."
        )
    return read[0]


def _after(sent_at: datetime, lasting_s: int) -> datetime:
    try:
        return sent_at + timedelta(seconds=lasting_s)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _wire_ttl(context: dict[str, Any]) -> str:
    text = str(context.get("ttl") or "").strip()
    if reading.duration_s(text) is not None:
        return text.upper()
    if _DIGITS.fullmatch(text):
        return wire_duration(int(text))
    return DEFAULT_TTL


def _location(location: object, city_code: str, country: str) -> dict[str, Any]:
    given = location if isinstance(location, dict) else {}
    return {
        "country": _named(given.get("country"), country),
        "city": _named(given.get("city"), city_code),
    }


def _named(node: object, default: str) -> dict[str, str]:
    given = node if isinstance(node, dict) else {}
    kept = {key: given[key] for key in ("name", "code") if isinstance(given.get(key), str)}
    return kept if "code" in kept else {**kept, "code": default}
