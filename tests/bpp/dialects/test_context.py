"""Who asks, until when, and what stands in our context?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bpp.dialects import choose, v1
from bpp.dialects.v1.context import wire_duration, wire_time
from bpp.messages import WireFault
from tests.bpp.dialects.samples import BPP, CONTEXT, NOW, fixture

SENT_AT = datetime(2026, 3, 10, 6, 29, 59, tzinfo=UTC)


def request(**context: Any) -> dict[str, Any]:
    document = fixture("status")
    document["context"].update(context)
    return document


def deadline(**context: Any) -> datetime:
    return v1.deadline(request(**context), received_at=NOW, default_ttl_s=600)


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.1.1", "1.1.9", "1"])
def test_version_one_is_spoken(version: str) -> None:
    assert choose({"version": version}).ACTIONS == v1.ACTIONS


@pytest.mark.parametrize("context", [{"version": "2.0.0"}, {"version": "11.0"}, {"version": 1.1}, {}, "context", None])
def test_other_versions_are_refused_by_name(context: Any) -> None:
    with pytest.raises(WireFault, match=r"speaks Beckn 1\.x") as refused:
        choose(context)
    assert (refused.value.code, refused.value.paths) == ("30000", "$.context.version")


def test_caller_carries_the_whole_context() -> None:
    caller = v1.caller(fixture("select"))
    assert (caller.bap_id, caller.bap_uri) == ("bap.drive.example", "https://bap.drive.example/beckn")
    assert (caller.transaction_id, caller.message_id) == (CONTEXT["transaction_id"], CONTEXT["message_id"])
    assert caller.context == CONTEXT


def test_context_with_fractions_can_be_kept_as_json() -> None:
    kept = v1.caller(request(tags=[{"weight": Decimal("0.5")}], rate=Decimal("1.25"))).context
    assert json.loads(json.dumps(kept)) == kept
    assert (kept["tags"], kept["rate"]) == ([{"weight": "0.5"}], "1.25")


@pytest.mark.parametrize(
    ("ttl", "lasts"),
    [
        ("PT10M", timedelta(minutes=10)),
        ("pt30s", timedelta(seconds=30)),
        ("P1DT1H", timedelta(days=1, hours=1)),
        ("P1W", timedelta(weeks=1)),
        ("PT1.5S", timedelta(seconds=1)),
        ("45", timedelta(seconds=45)),
        (45, timedelta(seconds=45)),
        ("2026-03-10T06:30:59Z", timedelta(minutes=1)),
        (None, timedelta(minutes=10)),
        ("", timedelta(minutes=10)),
    ],
)
def test_deadline_when_ttl_is_spelt_in_many_ways(ttl: object, lasts: timedelta) -> None:
    assert deadline(ttl=ttl) == SENT_AT + lasts


def test_deadline_when_no_timestamp_counts_from_arrival() -> None:
    assert deadline(timestamp=None) == NOW + timedelta(minutes=10)


def test_deadline_when_timestamp_has_no_zone_is_indian_time() -> None:
    assert deadline(timestamp="2026-03-10T11:59:59") == SENT_AT + timedelta(minutes=10)


def test_deadline_when_beyond_the_calendar_is_the_last_day() -> None:
    assert deadline(ttl="P9999Y").year == 9999


@pytest.mark.parametrize("field", ["ttl", "timestamp"])
def test_deadline_when_unreadable_is_refused(field: str) -> None:
    with pytest.raises(WireFault, match=rf"\$\.context\.{field} is 'soon'"):
        deadline(**{field: "soon"})


def test_stale_names_both_clocks() -> None:
    late = SENT_AT + timedelta(seconds=600 + 35)
    text = v1.stale(request(), late, 600)
    assert text is not None
    assert "2026-03-10T06:29:59.000Z" in text
    assert "ran out 35 s ago by our clock, which reads 2026-03-10T06:40:34.000Z" in text


def test_stale_forgives_the_skew() -> None:
    edge = SENT_AT + timedelta(seconds=610)
    assert v1.stale(request(), edge, 600, skew_s=10) is None
    assert v1.stale(request(), edge + timedelta(seconds=1), 600, skew_s=10) is not None
    assert v1.stale(request(timestamp=None, ttl=None), edge, 600) is None


@pytest.mark.parametrize("context", [{"ttl": "P9999Y"}, {"timestamp": "9999-12-31T23:59:59.999999Z"}])
def test_end_of_the_calendar_is_not_stale(context: dict[str, str]) -> None:
    assert v1.stale(request(**context), NOW, 600) is None
    assert not v1.check("status", request(**context)).faults


def test_stale_when_no_ttl_names_the_default() -> None:
    text = v1.stale(request(ttl=None), SENT_AT + timedelta(hours=1), 600)
    assert text is not None
    assert "none, so 600 s" in text


def callback(**context: Any) -> dict[str, Any]:
    return v1.callback_context({**CONTEXT, **context}, action="on_select", message_id="m", now=NOW, **BPP)


def test_callback_context_copies_and_names_us() -> None:
    made = callback(version="1.1.1", domain="dent:ev-charging:0.1.0", key="secret", auth_token="x")
    assert made["version"] == "1.1.1"
    assert made["domain"] == "dent:ev-charging:0.1.0"
    assert made["transaction_id"] == CONTEXT["transaction_id"]
    assert (made["bpp_id"], made["message_id"], made["action"]) == (BPP["bpp_id"], "m", "on_select")
    assert made["timestamp"] == "2026-03-10T06:30:00.250Z"
    assert not {"key", "auth_token"} & set(made)


@pytest.mark.parametrize(
    ("ttl", "sent"),
    [
        ("PT30S", "PT30S"),
        ("pt5m", "PT5M"),
        (90, "PT90S"),
        ("120", "PT2M"),
        ("2026-03-10T07:00:00Z", "PT10M"),
        (None, "PT10M"),
    ],
)
def test_callback_ttl_is_always_a_duration(ttl: object, sent: str) -> None:
    assert callback(ttl=ttl)["ttl"] == sent


@pytest.mark.parametrize("location", [None, {}, "India", {"country": "IND", "city": {"code": 80}}])
def test_callback_location_is_ours_when_the_request_has_none(location: object) -> None:
    assert callback(location=location)["location"] == {"country": {"code": "IND"}, "city": {"code": "std:080"}}


def test_callback_location_keeps_code_and_name_only() -> None:
    made = callback(location={"gps": "x", "city": {"code": "*", "name": "All", "id": 1}, "country": {"name": "India"}})
    assert made["location"] == {"country": {"name": "India", "code": "IND"}, "city": {"name": "All", "code": "*"}}


def test_callback_names() -> None:
    assert v1.callback_name("search") == "on_search"
    assert v1.callback_name("get_rating_categories") == "rating_categories"


def test_times_and_durations_on_the_wire() -> None:
    assert wire_time(datetime(2026, 1, 1, 5, 30, tzinfo=datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo)) == (
        "2026-01-01T00:00:00.000Z"
    )
    assert [wire_duration(seconds) for seconds in (864_000, 900, 3600, 61, 0)] == [
        "P10D",
        "PT15M",
        "PT60M",
        "PT61S",
        "PT0S",
    ]
