"""Are terms, the form to agree to them and a declared consent spelt and read as promised?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bpp.dialects import v1
from bpp.dialects.v1 import terms
from bpp.messages import ConsentTold, WireFault
from bpp.replies import TermsDocument, TermsView
from tests.bpp.dialects.samples import NOW, fixture
from tests.bpp.dialects.spoiling import read, seen

URL = "https://bpp.voltbazaar.example/terms/t"
DIGEST = "a" * 64
SERVICE = TermsDocument("svc-1", "service", "Terms of service", 3, DIGEST, required=True, declarable=True)
PRIVACY = TermsDocument("prv-1", "privacy", "Privacy", 1, DIGEST, required=False)
TAGS = "message.order.tags"


def consent(code: str = "terms-consent", **values: object) -> dict[str, Any]:
    rows = [{"descriptor": {"code": name.replace("_", "-")}, "value": value} for name, value in values.items() if value]
    return {"descriptor": {"code": code}, "list": rows}


def values(document: TermsDocument) -> dict[str, str]:
    """The tags of one document as the wire shows it."""
    (shown,) = terms.tags(TermsView(URL, (document,)))
    assert shown["descriptor"] == {"code": "terms", "name": document.name}
    return {row["descriptor"]["code"]: row["value"] for row in shown["list"]}


@pytest.mark.parametrize("outstanding", [True, False])
def test_form_is_shown_while_the_order_may_ask(outstanding: bool) -> None:
    view = TermsView(URL, (SERVICE,), asking=True, outstanding=outstanding)
    assert terms.xinput(view) == {"form": {"url": URL, "mime_type": "text/html"}, "required": outstanding}
    assert terms.xinput(replace(view, asking=False)) is None


def test_document_names_its_text_and_how_to_agree() -> None:
    assert values(SERVICE) == {
        "terms-id": "svc-1",
        "terms-kind": "service",
        "terms-version": "3",
        "terms-hash": DIGEST,
        "terms-url": f"{URL}#service",
        "terms-required": "true",
        "consent-by": "form, declaration",
    }


def test_document_that_was_agreed_to_says_when_and_how() -> None:
    found = values(replace(PRIVACY, accepted_at=NOW, accepted_by="form"))
    assert (found["accepted-at"], found["accepted-by"]) == ("2026-03-10T06:30:00.250Z", "form")
    assert (found["terms-required"], found["consent-by"]) == ("false", "form")


def test_each_document_has_its_group() -> None:
    assert len(terms.tags(TermsView(URL, (SERVICE, PRIVACY)))) == 2
    assert terms.tags(TermsView(URL, ())) == []


def test_declared_consents_are_read() -> None:
    tags = [
        {"descriptor": {"code": "others"}, "list": [{"descriptor": {"code": "terms-id"}, "value": "svc-0"}]},
        consent(terms_id="svc-1", terms_version="3", terms_hash=DIGEST, accepted_at="2026-03-10T11:50:00+05:30"),
        consent("TERMS_CONSENT", terms_id="prv-1"),
        consent(),
    ]
    request, notes = read("confirm", TAGS, tags)
    assert request.consents == (
        ConsentTold("svc-1", "3", DIGEST, datetime(2026, 3, 10, 6, 20, tzinfo=UTC), "$.message.order.tags[1]"),
        ConsentTold("prv-1", path="$.message.order.tags[2]"),
        ConsentTold("", path="$.message.order.tags[3]"),
    )
    assert notes == []


def test_confirm_without_tags_declares_nothing() -> None:
    assert seen(v1.parse("confirm", fixture("confirm"))[0], "consents") == ()


def test_consent_at_no_time_is_refused() -> None:
    with pytest.raises(WireFault, match="RFC 3339") as refused:
        read("confirm", TAGS, [consent(terms_id="svc-1", accepted_at="just now")])
    assert refused.value.paths == "$.message.order.tags[0].list[1].value"


def test_what_we_show_of_a_document_may_be_declared_as_it_is() -> None:
    (shown,) = terms.tags(TermsView(URL, (replace(SERVICE, accepted_at=NOW),)))
    shown["descriptor"] = {"code": "terms-consent"}
    request, notes = read("confirm", TAGS, [shown])
    (told,) = request.consents
    assert (told.terms, told.version, told.sha256, told.accepted_at) == ("svc-1", "3", DIGEST, NOW)
    assert notes == []
