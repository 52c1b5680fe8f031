"""Which requests are refused, and what are their senders told?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpp.dialects import v1
from bpp.dialects.v1 import errors
from bpp.messages import Checked, Note, WireFault
from bpp.replies import ErrorReply
from tests.bpp.dialects.samples import built, fixture
from tests.bpp.dialects.spoiling import GONE, put

NAMES = [
    "search",
    "select",
    "init",
    "confirm",
    "update_start",
    "status",
    "track",
    "cancel",
    "rating",
    "support",
    "get_rating_categories",
]


@pytest.mark.parametrize(
    ("name", "path", "value", "where", "says"),
    [
        ("select", "context.message_id", GONE, "$.context.message_id", "is missing; send one UUID"),
        ("select", "context.bap_id", 7, "$.context.bap_id", "send your subscriber id"),
        ("select", "context.bap_uri", "ftp://x", "$.context.bap_uri", "http(s) URL"),
        ("select", "context.action", "init", "$.context.action", "send select"),
        ("select", "context.transaction_id", "a\x00b", "$.context.transaction_id", "one UUID for the whole journey"),
        ("select", "context.message_id", "x" * 256, "$.context.message_id", "send one UUID"),
        ("select", "context.timestamp", "soon", "$.context.timestamp", "RFC 3339"),
        ("select", "context.ttl", "soon", "$.context.ttl", "PT10M"),
        ("select", "context.ttl", ["PT10M"], "$.context.ttl", "ISO 8601"),
        ("select", "context", GONE, "$.context", "is missing"),
        ("select", "message", GONE, "$.message", "is missing; send an object with order"),
        ("select", "message.order", [], "$.message.order", "an object with provider, items"),
        ("select", "message.order.provider", GONE, "$.message.order.provider", "the provider's id from on_search"),
        ("select", "message.order.provider.id", "", "$.message.order.provider.id", "is missing"),
        ("select", "message.order.items", [], "$.message.order.items", "at least one item"),
        ("select", "message.order.items.0.id", GONE, "$.message.order.items[0].id", "is missing; send a text"),
        ("select", "message.order.items.0", 7, "$.message.order.items[0]", "send an object"),
        ("select", "message.order.items.0.add_ons", 7, "$.message.order.items[0].add_ons", "an array"),
        ("select", "message.order.items.0.quantity", "4", "$.message.order.items[0].quantity", "an object"),
        ("select", "message.order.fulfillments.0.id", True, "$.message.order.fulfillments[0].id", "a text"),
        ("status", "message.order_id", GONE, "$.message.order_id", "the order id from on_confirm"),
        ("cancel", "message.descriptor.short_desc", "x" * 1001, "$.message.descriptor.short_desc", "at most 1000"),
        ("update_start", "message.order", GONE, "$.message.order", "an object with what changes"),
        ("rating", "message.ratings", [], "$.message.ratings[0]", "at least one rating"),
        ("rating", "message.ratings.0.value", GONE, "$.message.ratings[0].value", "from 0 to 5"),
        ("search", "message.intent", "ccs2", "$.message.intent", "an object of filters"),
    ],
)
def test_needed_field_that_is_missing_or_wrong_is_a_fault_at_its_path(
    name: str, path: str, value: object, where: str, says: str
) -> None:
    document = fixture(name)
    action = document["context"]["action"]
    faults = v1.check(action, put(document, path, value)).faults
    assert [fault.path for fault in faults] == [where]
    assert says in faults[0].text
    assert where in faults[0].text


@pytest.mark.parametrize("document", [None, 7, "x", [], {}])
def test_what_is_no_message_at_all_is_a_fault(document: object) -> None:
    assert v1.check("select", document).faults


@pytest.mark.parametrize(
    ("name", "path", "value", "code"),
    [
        ("rating", "message.ratings.0.value", "great", "30015"),
        ("update_start", "message.order.fulfillments.0.state.descriptor.code", "fly", "30013"),
        ("update_start", "message", {"order": {}}, "30012"),
    ],
)
def test_fault_of_substance_is_accepted_and_told_by_callback(name: str, path: str, value: object, code: str) -> None:
    document = put(fixture(name), path, value)
    action = document["context"]["action"]
    checked = v1.check(action, document)
    assert checked.faults == ()
    assert f"with error {code}" in checked.warnings[-1].text
    with pytest.raises(WireFault) as refused:
        v1.parse(action, document)
    assert refused.value.code == code


def test_several_faults_are_told_at_once() -> None:
    document = put(put(fixture("select"), "context.bap_id", GONE), "message.order.items", GONE)
    assert {fault.path for fault in v1.check("select", document).faults} == {
        "$.context.bap_id",
        "$.message.order.items",
    }


def test_unknown_members_are_kept_silently() -> None:
    document = put(put(fixture("confirm"), "message.order.auth", {"x": 1}), "context.auth_token", "t")
    assert v1.check("confirm", document) == Checked()


def test_unknown_action_is_refused() -> None:
    for refuse in (v1.check, v1.parse):
        with pytest.raises(WireFault, match="'fly' is not spoken here; send one of search, select"):
            refuse("fly", {})


def test_long_values_are_quoted_short() -> None:
    fault = v1.check("select", put(fixture("select"), "context.bap_uri", "x" * 3000)).faults[0]
    assert len(fault.seen) == 100
    assert len(fault.text) < 300


def test_our_own_faults_are_found() -> None:
    document = built("on_confirm")
    document["message"]["order"]["mood"] = "good"
    del document["message"]["order"]["quote"]
    document["context"]["timestamp"] = "now"
    found = {note.path: note.text for note in v1.check_own("on_confirm", document)}
    assert set(found) == {"$.message.order", "$.message.order.quote", "$.context.timestamp"}
    assert "mood" in found["$.message.order"]


def test_callback_with_message_and_error_is_a_fault_of_ours() -> None:
    document = {**built("on_status"), "error": built("on_confirm_error")["error"]}
    assert [note.path for note in v1.check_own("on_status", document)] == ["$"]


def test_refusal_may_offer_a_draft_and_nothing_else() -> None:
    document = built("on_confirm_instead")
    assert v1.check_own("on_confirm", document) == ()
    document["message"]["order"]["quote"] = built("on_confirm")["message"]["order"]["quote"]
    document["message"]["order"]["type"] = "DEFAULT"
    assert {note.path for note in v1.check_own("on_confirm", document)} == {
        "$.message.order",
        "$.message.order.type",
    }


def test_unknown_callback_is_no_callback_of_ours() -> None:
    with pytest.raises(ValueError, match="'on_fly' is no callback of ours"):
        v1.check_own("on_fly", {})


@pytest.mark.parametrize(
    ("code", "sent"),
    [("item-unknown", "30004"), ("connector-busy", "40002"), ("never-heard-of", "40000"), ("30015", "30015")],
)
def test_error_codes(code: str, sent: str) -> None:
    assert errors.error(ErrorReply(code, "text")) == {"code": sent, "message": "text"}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("order.items[0].id", "$.message.order.items[0].id"),
        ("message.order", "$.message.order"),
        ("context.ttl", "$.context.ttl"),
        ("$.message.order", "$.message.order"),
    ],
)
def test_error_paths_start_at_the_root(path: str, sent: str) -> None:
    assert errors.error(ErrorReply("internal", "text", path))["paths"] == sent


def test_every_code_is_a_beckn_number() -> None:
    assert all(len(code) == 5 and code[0] in "345" for code in v1.ERROR_CODES.values())


def test_odd_member_names_are_quoted_in_paths() -> None:
    assert v1.json_path(["a b", 0, "c"]) == "$['a b'][0].c"


WORDS = ["P1D", "2026-03-10T06:30:00", "12.9,77.6", "kWh", "INR", "0", "-1", "start", "CCS2,GB_T", "30kW"]
LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(
    LEAF | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "code", "value", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(node: object, at: str = "") -> list[str]:
    """Every dotted path below a node."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in pairs for found in (f"{at}{key}", *paths(value, f"{at}{key}."))]


def outcome(action: str, document: dict[str, Any]) -> tuple[tuple[Note, ...], str]:
    """What parsing noted, or the code it refused with."""
    try:
        return v1.parse(action, document)[1], ""
    except WireFault as fault:
        return (), fault.code


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_spoilt_request_is_either_refused_or_understood(data: st.DataObject) -> None:
    document = fixture(data.draw(st.sampled_from(NAMES)))
    action = document["context"]["action"]
    for _ in range(data.draw(st.integers(1, 3))):
        document = put(document, data.draw(st.sampled_from(paths(document))), data.draw(JSON))
    checked = v1.check(action, document)
    if not checked.faults:
        notes, code = outcome(action, document)
        assert set(notes) <= set(checked.warnings)
        assert code in {"", "30012", "30013", "30015"}
    assert all(fault.path.startswith("$") and fault.text for fault in checked.faults)
