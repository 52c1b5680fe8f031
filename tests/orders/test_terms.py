"""Do published terms stay as they are, and do the right ones hold for an order?"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Operator, Station
from core.errors import Invalid, NotAllowed
from orders.models import Consent, Order, Terms
from orders.services.consent import standing
from orders.services.terms import next_version, publish_terms, withdraw_terms
from tests.factories.orders import NOW, active_order, connector_on_sale, initiated_order
from tests.factories.terms import TEXTS, draft_terms, published_terms

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)


def operator_of(order: Order) -> Operator:
    return order.operator


def holding(order: Order) -> list[Terms]:
    return list(standing(order, now=LATER).terms)


# -- publishing -------------------------------------------------------------------------------------------------------


def test_publishing_fixes_the_digest_of_the_three_texts() -> None:
    row = published_terms(connector_on_sale().evse.station.operator)
    joined = "\x1e".join(TEXTS[f"text_{language}"] for language in ("en", "hi", "kn"))
    assert row.sha256 == hashlib.sha256(joined.encode()).hexdigest()


def test_publishing_cleans_line_ends_and_control_characters() -> None:
    draft = draft_terms(connector_on_sale().evse.station.operator, text_en=" One.\r\n\r\nTwo.\x07 ")
    assert publish_terms(draft.pk, now=NOW).text_en == "One.\n\nTwo."


def test_terms_never_hold_from_before_they_were_published() -> None:
    draft = draft_terms(connector_on_sale().evse.station.operator, now=NOW - timedelta(days=9))
    assert publish_terms(draft.pk, now=NOW).valid_from == NOW


def test_empty_terms_are_not_published() -> None:
    draft = draft_terms(connector_on_sale().evse.station.operator, text_en=" ")
    with pytest.raises(Invalid, match="no English text"):
        publish_terms(draft.pk, now=NOW)


def test_terms_are_published_once() -> None:
    row = published_terms(connector_on_sale().evse.station.operator)
    with pytest.raises(NotAllowed, match="published already"):
        publish_terms(row.pk, now=LATER)


@pytest.mark.parametrize(
    "change",
    [
        {"text_en": "Other."},
        {"text_kn": ""},
        {"version": 9},
        {"required": False},
        {"valid_from": LATER},
        {"sha256": "0" * 64},
        {"published_at": None},
        {"city": "Mysuru"},
    ],
)
def test_published_terms_are_never_rewritten(change: dict[str, Any]) -> None:
    row = published_terms(connector_on_sale().evse.station.operator)
    with pytest.raises(IntegrityError), transaction.atomic():
        Terms.objects.filter(pk=row.pk).update(**change)


def test_published_terms_are_never_deleted_but_drafts_are() -> None:
    operator = connector_on_sale().evse.station.operator
    draft_terms(operator).delete()
    with pytest.raises(IntegrityError, match="published"), transaction.atomic():
        published_terms(operator).delete()


def test_database_refuses_a_digest_of_another_text() -> None:
    draft = draft_terms(connector_on_sale().evse.station.operator)
    with pytest.raises(IntegrityError, match="terms_digest_fits"), transaction.atomic():
        Terms.objects.filter(pk=draft.pk).update(published_at=NOW, sha256="0" * 64)


def test_withdrawing_is_for_ever_and_only_for_published_terms() -> None:
    row = published_terms(connector_on_sale().evse.station.operator)
    withdraw_terms(row.pk, now=LATER)
    with pytest.raises(NotAllowed, match="withdrawn already"):
        withdraw_terms(row.pk, now=LATER)
    with pytest.raises(IntegrityError), transaction.atomic():
        Terms.objects.filter(pk=row.pk).update(withdrawn_at=None)


def test_next_version_is_a_draft_with_the_next_number() -> None:
    row = published_terms(connector_on_sale().evse.station.operator, city="Bengaluru")
    new = next_version(row.pk, now=LATER)
    assert (new.version, new.city, new.text_hi, new.published_at) == (2, "Bengaluru", row.text_hi, None)
    assert next_version(row.pk, now=LATER).version == 3


def test_two_drafts_of_one_number_are_refused() -> None:
    operator = connector_on_sale().evse.station.operator
    draft_terms(operator)
    with pytest.raises(IntegrityError, match="terms_version"), transaction.atomic():
        draft_terms(operator)


# -- which hold -------------------------------------------------------------------------------------------------------


def test_operator_without_terms_asks_for_nothing() -> None:
    seen = standing(initiated_order(), now=LATER)
    assert (seen.terms, seen.missing) == ((), ())


def test_drafts_coming_and_withdrawn_terms_do_not_hold() -> None:
    order = initiated_order()
    draft_terms(operator_of(order))
    published_terms(operator_of(order), "refund", valid_from=LATER + timedelta(days=1))
    withdraw_terms(published_terms(operator_of(order), "privacy").pk, now=NOW)
    assert holding(order) == []


def test_newest_version_holds_and_the_one_before_again_once_it_is_withdrawn() -> None:
    order = initiated_order()
    first = published_terms(operator_of(order))
    second = publish_terms(next_version(first.pk, now=NOW).pk, now=NOW)
    assert holding(order) == [second]
    withdraw_terms(second.pk, now=NOW)
    assert holding(order) == [first]


def test_nearest_place_wins() -> None:
    order = initiated_order()
    station = order.connector.evse.station
    Station.objects.filter(pk=station.pk).update(city="Bengaluru", state="Karnataka")
    order.connector.evse.station.refresh_from_db()
    operator = operator_of(order)
    everywhere = published_terms(operator)
    assert holding(order) == [everywhere]
    state = published_terms(operator, state="karnataka")
    assert holding(order) == [state]
    city = published_terms(operator, city="BENGALURU ")
    assert holding(order) == [city]
    here = published_terms(operator, station=station)
    assert holding(order) == [here]


def test_terms_of_other_places_services_and_operators_do_not_hold() -> None:
    order = initiated_order()
    other = connector_on_sale().evse.station
    published_terms(operator_of(order), city="Mysuru")
    published_terms(operator_of(order), state="Kerala")
    published_terms(operator_of(order), service="reserved")
    published_terms(other.operator)
    assert holding(order) == []


def test_reservations_have_terms_of_their_own() -> None:
    order = initiated_order(starts_at=NOW + timedelta(hours=2), ends_at=NOW + timedelta(hours=3))
    published_terms(operator_of(order))
    wanted = published_terms(operator_of(order), service="reserved")
    assert holding(order) == [wanted]


def test_documents_come_in_reading_order() -> None:
    order = initiated_order()
    for kind in ("privacy", "governing-law", "refund", "general", "dispute", "cancellation"):
        published_terms(operator_of(order), kind)
    kinds = [row.kind for row in holding(order)]
    assert kinds == ["general", "cancellation", "refund", "dispute", "governing-law", "privacy"]


def test_place_is_a_station_or_an_area() -> None:
    station = connector_on_sale().evse.station
    with pytest.raises(IntegrityError, match="terms_one_place"), transaction.atomic():
        draft_terms(station.operator, station=station, city="Bengaluru")


# -- consents in the database -----------------------------------------------------------------------------------------


def consent(order: Order, row: Terms, **changes: Any) -> Consent:
    facts = {"order": order, "terms": row, "sha256": row.sha256, "at": NOW, "channel": "form", "bap_id": order.bap_id}
    return Consent.objects.create(**facts | changes)


def test_consent_is_never_changed_or_deleted() -> None:
    order = active_order()
    kept = consent(order, published_terms(operator_of(order)))
    with pytest.raises(IntegrityError, match="evidence"), transaction.atomic():
        Consent.objects.filter(pk=kept.pk).update(at=LATER)
    with pytest.raises(IntegrityError, match="evidence"), transaction.atomic():
        kept.delete()


def test_consent_must_fit_a_published_text_of_the_operator() -> None:
    order = active_order()
    row = published_terms(operator_of(order))
    foreign = published_terms(connector_on_sale().evse.station.operator)
    for wrong in ({"sha256": "0" * 64}, {"terms": foreign}, {"terms": draft_terms(operator_of(order), "refund")}):
        with pytest.raises(IntegrityError, match="fits no published text"), transaction.atomic():
            consent(order, row, **wrong)


def test_consent_is_given_once() -> None:
    order = active_order()
    row = published_terms(operator_of(order))
    consent(order, row)
    with pytest.raises(IntegrityError, match="consent_once"), transaction.atomic():
        consent(order, row)
