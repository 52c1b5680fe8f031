"""Do our golden messages mean what they should, in both directions?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bpp.dialects import choose, v1
from bpp.messages import (
    AskCategories,
    AskReasons,
    Cancel,
    Circle,
    Confirm,
    Init,
    ItemWish,
    PaymentProof,
    Quantity,
    Rate,
    RatingGiven,
    Request,
    Search,
    Select,
    Status,
    Support,
    Track,
    Update,
    Window,
)
from bpp.replies import RateReply, SupportReply, TrackReply
from tests.bpp.dialects.samples import (
    BILLING,
    BPP,
    CALLBACKS,
    CONTEXT,
    CUSTOMER,
    FIXTURES,
    NOW,
    built,
    catalogue,
    fixture,
)
from tests.journeys.schemas import Faults, needed

WISH = Select(
    operator="volt-one",
    items=(ItemWish("IN*VBZ*E0101*1", Quantity("energy", 10_000)),),
    evse="IN*VBZ*E0101",
    window=Window(datetime(2026, 3, 10, 7, 30, tzinfo=UTC), datetime(2026, 3, 10, 8, 30, tzinfo=UTC)),
)
STATE = ("order.fulfillments.state",)
REQUESTS: dict[str, Request] = {
    "search": Search(
        near=Circle(12.975, 77.6051, 3000.0),
        connector_types=frozenset({"IEC_62196_T2_COMBO"}),
        category="green-tariff",
    ),
    "select": WISH,
    "init": Init(WISH, BILLING, CUSTOMER, PaymentProof()),
    "confirm": Confirm(
        WISH, BILLING, CUSTOMER, PaymentProof("BAP", "PRE-ORDER", "PAID", Decimal("230.10"), "INR", "txn-1")
    ),
    "update_start": Update("VB-1001", "start", "IN*VBZ*E0101", STATE),
    "update_end": Update("VB-1001", "stop", "IN*VBZ*E0101", STATE),
    "status": Status("VB-1001"),
    "track": Track("VB-1001", "https://bap.drive.example/track"),
    "cancel": Cancel("VB-1001", "5", "Plans changed"),
    "rating": Rate((RatingGiven("VB-1001", "Order", Decimal("4")),)),
    "support": Support("VB-1001", "+919800000001", "driver@example.org"),
    "get_cancellation_reasons": AskReasons(),
    "get_rating_categories": AskCategories(),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_golden_request_means_what_it_should_without_a_note(name: str) -> None:
    document = fixture(name)
    action = document["context"]["action"]
    dialect = choose(document["context"])
    checked = dialect.check(action, document)
    assert (checked.faults, checked.warnings) == ((), ())
    assert dialect.parse(action, document) == (REQUESTS[name], ())


@pytest.mark.parametrize("name", CALLBACKS)
def test_callback_is_built_as_its_golden_message(name: str) -> None:
    document = built(name)
    assert document == fixture(name)
    assert v1.check_own(CALLBACKS[name][0], document) == ()
    assert json.loads(v1.dumps(document)) == document


def test_catalogue_is_joined_as_its_golden_message() -> None:
    document = json.loads(catalogue())
    assert document == fixture("on_search")
    assert v1.check_own("on_search", document) == ()


def test_every_action_has_a_golden_request_and_a_callback() -> None:
    assert {fixture(name)["context"]["action"] for name in REQUESTS} == set(v1.ACTIONS)
    answered = {action for action, _ in CALLBACKS.values()} | {"on_search"}
    assert answered == {v1.callback_name(action) for action in v1.ACTIONS}


def test_quote_total_is_the_sum_of_its_lines() -> None:
    for name in ("on_select", "on_init", "on_confirm", "on_status", "on_update_end", "on_cancel"):
        quote = fixture(name)["message"]["order"]["quote"]
        assert sum(Decimal(line["price"]["value"]) for line in quote["breakup"]) == Decimal(quote["price"]["value"])


def test_empty_contacts_and_forms_are_left_out() -> None:
    def message(action: str, reply: Any) -> dict[str, Any]:
        document = v1.build(action, reply, context=CONTEXT, message_id="m", now=NOW, **BPP)
        assert v1.check_own(action, document) == ()
        found: dict[str, Any] = document["message"]
        return found

    assert message("on_support", SupportReply("r", "", "", "")) == {"support": {"ref_id": "r"}}
    assert message("on_rating", RateReply("")) == {}
    assert message("on_track", TrackReply("o", "", active=False)) == {"tracking": {"id": "o", "status": "inactive"}}


def test_reply_that_does_not_belong_to_the_callback_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="RateReply cannot be sent as 'on_select'"):
        v1.build("on_select", RateReply(""), context=CONTEXT, message_id="m", now=NOW, **BPP)
    with pytest.raises(ValueError, match="cannot be sent as 'on_nothing'"):
        v1.build("on_nothing", RateReply(""), context=CONTEXT, message_id="m", now=NOW, **BPP)


# -- the official schemas, where they are at hand ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def official() -> Faults:
    return needed()


@pytest.mark.parametrize("schema", ["core", "uei-3.0"])
@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_golden_message_obeys_the_official_schema(official: Faults, path: Any, schema: str) -> None:
    assert official(json.loads(path.read_text(encoding="utf-8")), schema) == []


def test_official_schema_refuses_a_spoilt_callback(official: Faults) -> None:
    document = built("on_confirm")
    document["message"]["order"]["status"] = "Active"
    document["message"]["order"]["created_at"] = "yesterday"
    document["message"]["order"]["mood"] = "good"
    assert len(official(document, "uei-3.0")) == 3
