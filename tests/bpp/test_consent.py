"""Does a buyer app learn which terms hold, where to agree, and what was agreed to?"""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from bpp import showing
from orders.services.consent import accept, form_token, standing, terms_id
from sandbox import wishes
from tests.bpp.pipeline import Talk
from tests.factories.orders import NOW
from tests.factories.terms import published_terms
from tests.journeys.schemas import schema_faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def talk(talk: Talk) -> Talk:
    for kind in ("general", "cancellation", "privacy"):
        published_terms(talk.connector.evse.station.operator, kind)
    return talk


def the_order(document: dict[str, Any]) -> dict[str, Any]:
    assert schema_faults(document) == []
    found: dict[str, Any] = document["message"]["order"]
    return found


def told(order: dict[str, Any]) -> list[dict[str, str]]:
    groups = [group for group in order.get("tags", []) if group["descriptor"]["code"] == "terms"]
    return [{tag["descriptor"]["code"]: tag["value"] for tag in group["list"]} for group in groups]


def agree(talk: Talk) -> None:
    digest = standing(talk.order, now=NOW).digest
    accept(talk.order.pk, digest=digest, ticked=["service", "privacy"], language="en", now=NOW)


def confirm_with(talk: Talk, tags: list[dict[str, Any]]) -> dict[str, Any]:
    return talk.ask("confirm", {"order": talk.wish(tags=tags)})


def test_init_names_the_texts_and_the_form(talk: Talk) -> None:
    order = the_order(talk.ask("init"))
    url = f"{showing.public_base()}/terms/{form_token(talk.order)}"
    assert order["xinput"] == {"form": {"url": url, "mime_type": "text/html"}, "required": True}
    general = talk.connector.evse.station.operator.terms.get(kind="general")
    assert told(order)[0] == {
        "terms-id": terms_id(general),
        "terms-kind": "general",
        "terms-version": "1",
        "terms-hash": general.sha256,
        "terms-url": f"{url}#general",
        "terms-required": "true",
        "consent-by": "form",
    }
    assert {term["external_ref"]["url"] for term in order["cancellation_terms"]} == {f"{url}#cancellation"}


def test_select_says_nothing_of_terms_yet(talk: Talk) -> None:
    assert "xinput" not in the_order(talk.ask("select"))


def test_confirm_without_consent_is_answered_with_the_form(talk: Talk) -> None:
    talk.ask("init")
    error = talk.ask("confirm")["error"]
    assert (error["code"], error["paths"]) == ("40000", "$.message.order.xinput")
    assert error["message"].endswith(showing.terms_url(talk.order))


def test_confirm_after_the_form_says_what_was_agreed_to(talk: Talk) -> None:
    talk.ask("init")
    agree(talk)
    order = the_order(talk.ask("confirm"))
    assert "xinput" not in order
    assert [(one["terms-kind"], one["accepted-by"], one["accepted-at"][:10]) for one in told(order)] == [
        (kind, "form", f"{NOW:%Y-%m-%d}") for kind in ("general", "cancellation", "privacy")
    ]


def test_init_again_after_the_form_asks_no_more(talk: Talk) -> None:
    talk.ask("init")
    agree(talk)
    order = the_order(talk.ask("init"))
    assert order["xinput"]["required"] is False
    assert all(one["accepted-by"] == "form" for one in told(order))


def test_declared_consent_is_taken_where_the_network_allows_it(talk: Talk, settings: Settings) -> None:
    settings.TERMS_DECLARED_CONSENT = True
    asked = the_order(talk.ask("init"))
    assert {one["consent-by"] for one in told(asked)} == {"form, declaration"}
    order = the_order(confirm_with(talk, wishes.consents(asked, accepted_at=NOW.isoformat())))
    assert {one["accepted-by"] for one in told(order)} == {"declared"}


def test_declared_digest_of_another_text_is_refused_where_it_stands(talk: Talk, settings: Settings) -> None:
    settings.TERMS_DECLARED_CONSENT = True
    tags = wishes.consents(the_order(talk.ask("init")), accepted_at=NOW.isoformat())
    tags[1]["list"][2]["value"] = "0" * 64
    error = confirm_with(talk, tags)["error"]
    assert (error["code"], error["paths"]) == ("40000", "$.message.order.tags[1]")


def test_declared_time_that_is_none_is_refused(talk: Talk) -> None:
    tags = wishes.consents(the_order(talk.ask("init")), accepted_at="yesterday")
    assert confirm_with(talk, tags)["error"]["paths"] == "$.message.order.tags[0].list[3].value"


def test_other_tags_of_a_confirm_are_left_alone(talk: Talk) -> None:
    talk.ask("init")
    agree(talk)
    tags = [{"descriptor": {"code": "loyalty"}, "list": [{"descriptor": {"code": "level"}, "value": "gold"}]}, {}]
    assert "error" not in confirm_with(talk, tags)


def test_operator_without_terms_sends_neither_form_nor_tags(us: object) -> None:
    plain = Talk()
    order = the_order(plain.ask("init"))
    assert "xinput" not in order
    assert "tags" not in order
