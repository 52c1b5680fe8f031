"""Are a leave to be moved, a start code, other times and another charger read from where buyer apps put them?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.bpp.dialects.spoiling import AT_8, ENDS, FULFILLMENT, GONE, STOPS, read, start, tagged

TAGS = ("message.order.tags", f"{FULFILLMENT}.tags")


@pytest.mark.parametrize("path", TAGS)
@pytest.mark.parametrize(
    ("group", "value", "may"),
    [
        ("charging-preferences", "true", True),
        ("CHARGING_PREFERENCES", "Yes", True),
        ("", "1", True),
        ("charging-preferences", "false", False),
        ("charging-preferences", "", False),
        ("other-preferences", "true", False),
    ],
)
def test_leave_to_be_moved_is_given_by_its_own_group_alone(path: str, group: str, value: str, may: bool) -> None:
    request, notes = read("init", path, tagged("Auto_Redirect", value, group))
    assert request.may_redirect is may
    assert notes == []


def test_leave_to_be_moved_is_never_assumed() -> None:
    request, _ = read("init", TAGS[0], tagged("colour", "true", "charging-preferences"))
    assert request.may_redirect is False


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (STOPS, [{"type": "start"}, {"type": "end", "authorization": {"type": "OTP", "token": "4711"}}], "4711"),
        (STOPS, [{"type": "start", "authorization": {"type": "OTP", "token": ""}}], ""),
        (STOPS, [], ""),
        (TAGS[0], tagged("start-code", "0815"), "0815"),
        (TAGS[1], tagged("START_CODE", "0815", "anything"), "0815"),
        (TAGS[1], tagged("stop-code", "0815"), ""),
    ],
)
def test_start_code_is_an_authorization_or_a_tag(path: str, value: object, code: str) -> None:
    assert read("update_start", path, value)[0].code == code


@pytest.mark.parametrize(
    ("stops", "starts_at", "ends_at"),
    [
        (start(), AT_8, None),
        ([ENDS], None, datetime(2026, 3, 10, 9, tzinfo=UTC)),
        ([*start(), ENDS], AT_8, datetime(2026, 3, 10, 9, tzinfo=UTC)),
        (GONE, None, None),
    ],
)
def test_update_may_name_start_end_both_or_none(
    stops: object, starts_at: datetime | None, ends_at: datetime | None
) -> None:
    request, _ = read("update_start", FULFILLMENT, {"id": "E1"} if stops is GONE else {"id": "E1", "stops": stops})
    assert (request.starts_at, request.ends_at) == (starts_at, ends_at)


@pytest.mark.parametrize(
    ("items", "named"), [([{"id": "plug-2"}, {"id": "plug-3"}], "plug-2"), ([], ""), (None, ""), ([{}], "")]
)
def test_update_names_another_connector_by_its_first_item(items: object, named: str) -> None:
    assert read("update_start", "message.order.items", items)[0].item == named
