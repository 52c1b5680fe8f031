"""Is an order confirmed only with the consents its terms demand, and is each kept as evidence?"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from core.errors import Invalid, NotAllowed, NotFound
from orders.models import Consent, Order, Terms
from orders.services import confirm_order, expire_due, init_order
from orders.services.consent import (
    Declared,
    accept,
    form_token,
    order_for_token,
    required_sets,
    standing,
    terms_id,
)
from orders.services.evidence import consent_evidence
from orders.services.terms import next_version, publish_terms, withdraw_terms
from tests.factories.orders import NOW, a_confirm, active_order, an_init, connector_on_sale, initiated_order
from tests.factories.terms import published_terms

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(minutes=2)
BOTH = ("service", "privacy")


def asked(*kinds: str, **fields: Any) -> tuple[Order, list[Terms]]:
    """An initialised order of an operator that has published these kinds."""
    connector = connector_on_sale()
    rows = [published_terms(connector.evse.station.operator, kind, **fields) for kind in kinds]
    return initiated_order(connector), rows


def agree(order: Order, *sets: str, **changes: Any) -> Any:
    told: dict[str, Any] = {
        "digest": standing(order, now=SOON).digest,
        "ticked": sets or BOTH,
        "language": "hi",
        "now": SOON,
    }
    return accept(order.pk, **told | changes)


def word(row: Terms, **changes: Any) -> Declared:
    return replace(Declared(terms_id(row), str(row.version), row.sha256, SOON, "order.tags[0]"), **changes)


# -- the form ---------------------------------------------------------------------------------------------------------


def test_confirm_without_consent_is_refused_and_changes_nothing() -> None:
    order, [row] = asked("general")
    with pytest.raises(NotAllowed, match=rf"{terms_id(row)} \(general, version 1\)") as refused:
        confirm_order(**a_confirm(order, now=SOON))
    assert (refused.value.code, refused.value.path) == ("consent-missing", "order.xinput")
    order.refresh_from_db()
    assert (order.state, order.code) == (Order.State.INITIATED, None)


def test_confirm_after_the_form_is_taken_and_the_evidence_kept() -> None:
    order, rows = asked("general", "privacy")
    assert agree(order).missing == ()
    assert confirm_order(**a_confirm(order, now=SOON)).state == Order.State.ACTIVE
    kept = list(order.consents.order_by("terms__kind"))
    assert [(one.terms, one.sha256, one.channel, one.language, one.at) for one in kept] == [
        (row, row.sha256, "form", "hi", SOON) for row in rows
    ]
    assert order.events.get(kind="consented").data["channel"] == "form"


def test_each_set_needs_its_own_tick() -> None:
    order, _ = asked("general", "refund", "privacy")
    assert required_sets(standing(order, now=SOON)) == ["service", "privacy"]
    with pytest.raises(Invalid, match="privacy: tick the box") as refused:
        agree(order, "service")
    assert (refused.value.code, refused.value.path) == ("terms-not-ticked", "privacy")
    assert not Consent.objects.exists()


def test_agreeing_again_changes_nothing() -> None:
    order, _ = asked("general")
    agree(order)
    agree(order, now=SOON + timedelta(minutes=1))
    assert order.consents.get().at == SOON
    assert order.events.filter(kind="consented").count() == 1


def test_terms_for_information_are_shown_but_not_demanded() -> None:
    order, [row] = asked("dispute", required=False)
    seen = standing(order, now=SOON)
    assert (seen.terms, seen.missing) == ((row,), ())
    assert confirm_order(**a_confirm(order, now=SOON)).code


def test_changed_version_asks_again() -> None:
    order, [first] = asked("general")
    agree(order)
    second = publish_terms(next_version(first.pk, now=SOON).pk, now=SOON)
    with pytest.raises(NotAllowed, match=rf"{terms_id(second)} \(general, version 2\)"):
        confirm_order(**a_confirm(order, now=SOON))
    agree(order)
    assert confirm_order(**a_confirm(order, now=SOON)).code
    assert [one.terms.version for one in order.consents.order_by("terms__version")] == [1, 2]


def test_answer_to_an_older_form_does_not_count() -> None:
    order, [row] = asked("general")
    shown = standing(order, now=SOON).digest
    publish_terms(next_version(row.pk, now=SOON).pk, now=SOON)
    with pytest.raises(Invalid, match="terms have changed") as refused:
        agree(order, digest=shown)
    assert refused.value.code == "terms-changed"


def test_withdrawn_terms_are_no_longer_demanded() -> None:
    order, [row] = asked("general")
    withdraw_terms(row.pk, now=SOON)
    assert confirm_order(**a_confirm(order, now=SOON)).code


def test_form_closes_with_the_quote_and_opens_with_the_next() -> None:
    order, _ = asked("general")
    late = NOW + timedelta(hours=1)
    with pytest.raises(NotAllowed, match="offer ran out"):
        agree(order, now=late)
    init_order(**an_init(order.connector, transaction_id=order.transaction_id, now=late))
    assert agree(order, now=late).missing == ()


def test_terms_published_after_the_confirmation_bind_nobody() -> None:
    order = active_order()
    published_terms(order.operator)
    seen = standing(order, now=SOON)
    assert (seen.terms, seen.missing, seen.open) == ((), (), False)
    assert confirm_order(**a_confirm(order, now=SOON)).code == order.code


def test_consent_given_stays_with_the_order_that_is_initialised_again() -> None:
    order, _ = asked("general")
    agree(order)
    init_order(**an_init(order.connector, transaction_id=order.transaction_id, quantity=12_000, now=SOON))
    assert standing(Order.objects.get(pk=order.pk), now=SOON).missing == ()


# -- the buyer app's word ---------------------------------------------------------------------------------------------


def test_declared_consent_counts_where_the_network_allows_it(settings: Settings) -> None:
    settings.TERMS_DECLARED_CONSENT = True
    order, rows = asked("general", "privacy")
    confirm_order(**a_confirm(order, now=SOON), declared=[word(row) for row in rows])
    kept = order.consents.order_by("pk").first()
    assert kept is not None
    assert (kept.channel, kept.bap_id, kept.language) == ("declared", order.bap_id, "")
    assert kept.evidence == {"accepted_at": SOON.isoformat(), "version": "1"}


def test_declared_consent_does_not_count_elsewhere() -> None:
    order, [row] = asked("general")
    with pytest.raises(NotAllowed, match="declaration by the buyer app is not taken"):
        confirm_order(**a_confirm(order, now=SOON), declared=[word(row)])


def test_declared_consent_does_not_count_for_terms_that_want_the_form(settings: Settings) -> None:
    settings.TERMS_DECLARED_CONSENT = True
    order, [row] = asked("general", form_only=True)
    with pytest.raises(NotAllowed) as refused:
        confirm_order(**a_confirm(order, now=SOON), declared=[word(row)])
    assert refused.value.code == "consent-missing"


def test_declaring_some_of_the_terms_is_not_enough(settings: Settings) -> None:
    settings.TERMS_DECLARED_CONSENT = True
    order, [general, privacy] = asked("general", "privacy")
    with pytest.raises(NotAllowed, match=terms_id(privacy)):
        confirm_order(**a_confirm(order, now=SOON), declared=[word(general)])
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "0" * 64},
        {"sha256": ""},
        {"sha256": "ü"},
        {"version": "2"},
        {"version": ""},
        {"accepted_at": None},
        {"accepted_at": NOW - timedelta(days=1)},
        {"accepted_at": SOON + timedelta(minutes=6)},
    ],
)
def test_declaration_about_another_text_or_time_is_refused(settings: Settings, wrong: dict[str, Any]) -> None:
    settings.TERMS_DECLARED_CONSENT = True
    order, [row] = asked("general")
    with pytest.raises(Invalid) as refused:
        confirm_order(**a_confirm(order, now=SOON), declared=[word(row, **wrong)])
    assert (refused.value.code, refused.value.path) == ("consent-differs", "order.tags[0]")
    assert not Consent.objects.exists()


# -- links and evidence -----------------------------------------------------------------------------------------------


def test_token_leads_to_its_order_and_to_no_other() -> None:
    order, other = initiated_order(), initiated_order()
    assert form_token(order) == form_token(order)
    assert order_for_token(form_token(order)) == order
    assert order_for_token(form_token(other)) == other


def test_token_of_one_order_tells_nothing_of_the_next() -> None:
    order, other = initiated_order(), initiated_order()
    one, two = (base64.urlsafe_b64decode(form_token(each)) for each in (order, other))
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 8


@pytest.mark.parametrize("guess", ["", "x", "a" * 44, "ü", "a" * 5000, "%00"])
def test_guessed_token_opens_nothing(guess: str) -> None:
    with pytest.raises(NotFound):
        order_for_token(guess)


def test_spoilt_token_opens_nothing() -> None:
    raw = base64.urlsafe_b64decode(form_token(initiated_order()))
    for place in range(len(raw)):
        spoilt = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(NotFound):
            order_for_token(base64.urlsafe_b64encode(spoilt).decode())


def test_token_of_an_order_that_is_gone_opens_nothing() -> None:
    with pytest.raises(NotFound):
        order_for_token(form_token(Order(pk=2**40)))


def test_expired_order_takes_no_answers() -> None:
    order, _ = asked("general")
    late = NOW + timedelta(hours=1)
    expire_due(late)
    order.refresh_from_db()
    assert order.state == Order.State.EXPIRED
    seen = standing(order, now=late)
    assert (bool(seen.missing), seen.open) == (True, False)


def test_evidence_holds_texts_digests_times_and_nobodys_address() -> None:
    order, [row] = asked("general")
    agree(order)
    order = confirm_order(**a_confirm(order, now=SOON))
    evidence = consent_evidence(order, now=SOON)
    [shown] = evidence["consents"]
    assert (shown["at"], shown["channel"], shown["language"]) == (SOON.isoformat(), "form", "hi")
    assert shown["intact"] is True
    assert shown["sha256"] == row.sha256
    assert shown["terms"]["text_kn"] == row.text_kn
    assert "driver@example.org" not in json.dumps(evidence)


def test_command_prints_the_evidence() -> None:
    order, _ = asked("general")
    agree(order)
    code = confirm_order(**a_confirm(order, now=SOON)).code
    out = StringIO()
    call_command("export_consent", code, stdout=out)
    assert json.loads(out.getvalue())["order"] == code


def test_command_names_an_unknown_order() -> None:
    with pytest.raises(CommandError, match="there is no order 'VB-NONE'"):
        call_command("export_consent", "VB-NONE")
