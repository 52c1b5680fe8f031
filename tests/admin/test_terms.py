"""Do operators keep their terms by the rules, and is a consent's proof theirs alone?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import Consent, Terms
from tests.admin.tenants import Tenant
from tests.factories.terms import draft_terms

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(ours: Tenant, client: Client) -> Client:
    client.force_login(ours.staff("owner"))
    return client


def page(row: Any, kind: str = "change") -> str:
    return reverse(f"admin:orders_{row._meta.model_name}_{kind}", args=[row.pk])


def deed(row: Terms, name: str) -> str:
    return reverse("admin:orders_terms_deed", args=[row.pk, name])


def written(tenant: Tenant, **fields: str) -> dict[str, str]:
    """What the form sends for new terms."""
    told = {
        "operator": str(tenant.operator.pk),
        "kind": "dispute",
        "service": "",
        "state": "",
        "city": "",
        "station": "",
    }
    when = {"valid_from_0": "2026-02-01", "valid_from_1": "10:00:00"}
    return told | when | {"text_en": "Ask us first.", "text_hi": "", "text_kn": "", "required": "on"} | fields


def test_owner_writes_publishes_and_follows_up(ours: Tenant, owner: Client) -> None:
    assert owner.post(reverse("admin:orders_terms_add"), written(ours)).status_code == 302
    row = Terms.objects.get(kind="dispute")
    assert (row.version, row.published_at) == (1, None)
    assert b"No Hindi text" in owner.get(deed(row, "publish")).content
    owner.post(deed(row, "publish"))
    row.refresh_from_db()
    assert row.published_at is not None
    owner.post(deed(row, "next-version"))
    assert Terms.objects.get(kind="dispute", version=2).published_at is None
    owner.post(deed(row, "withdraw"))
    row.refresh_from_db()
    assert row.withdrawn_at is not None


def test_second_draft_for_one_place_gets_the_next_number(ours: Tenant, owner: Client) -> None:
    for _ in range(2):
        owner.post(reverse("admin:orders_terms_add"), written(ours))
    assert sorted(Terms.objects.filter(kind="dispute").values_list("version", flat=True)) == [1, 2]


def test_draft_moved_to_another_place_is_numbered_anew(ours: Tenant, owner: Client, now: datetime) -> None:
    draft_terms(ours.operator, "dispute", now=now, city="Mysuru")
    row = draft_terms(ours.operator, "dispute", now=now)
    assert owner.post(page(row), written(ours, city="Mysuru")).status_code == 302
    row.refresh_from_db()
    assert (row.city, row.version) == ("Mysuru", 2)


def test_published_terms_are_only_read(ours: Tenant, owner: Client) -> None:
    row = Terms.objects.get(operator=ours.operator, published_at__isnull=False)
    assert owner.get(page(row)).status_code == 200
    assert owner.post(page(row), written(ours)).status_code == 403
    assert owner.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    owner.post(reverse("admin:orders_terms_changelist"), chosen)
    assert Terms.objects.filter(pk=row.pk).exists()


def test_station_of_another_operator_is_refused(ours: Tenant, theirs: Tenant, owner: Client) -> None:
    answer = owner.post(reverse("admin:orders_terms_add"), written(ours, station=str(theirs.station.pk)))
    assert answer.status_code == 200
    assert not Terms.objects.filter(kind="dispute").exists()


def test_station_with_a_city_is_refused_in_words(ours: Tenant, owner: Client) -> None:
    told = written(ours, station=str(ours.station.pk), city="Mysuru")
    assert b"leave those empty" in owner.post(reverse("admin:orders_terms_add"), told).content


@pytest.mark.parametrize("role", ["operations", "support", "reader"])
def test_only_owners_write_terms(role: str, ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff(role))
    draft = Terms.objects.get(operator=ours.operator, published_at__isnull=True)
    assert client.post(reverse("admin:orders_terms_add"), written(ours)).status_code == 403
    assert client.post(deed(draft, "publish")).status_code == 403


def test_proof_of_a_consent_is_a_file(ours: Tenant, owner: Client) -> None:
    answer = owner.get(page(Consent.objects.get(order=ours.order), "evidence"))
    assert answer.json()["order"] == ours.order.code
    assert answer.json()["consents"][0]["intact"] is True
    assert answer["Content-Disposition"] == f'attachment; filename="consent-{ours.order.code}.json"'


def test_order_room_shows_what_was_agreed_to(ours: Tenant, owner: Client) -> None:
    shown = owner.get(page(ours.order)).content.decode()
    assert "General terms, version 1" in shown
    assert page(Consent.objects.get(order=ours.order), "evidence") in shown


def test_proof_of_a_foreign_consent_does_not_exist(theirs: Tenant, owner: Client) -> None:
    assert owner.get(page(Consent.objects.get(order=theirs.order), "evidence")).status_code == 404


def test_proof_is_for_staff(ours: Tenant, client: Client) -> None:
    assert client.get(page(Consent.objects.get(order=ours.order), "evidence")).status_code == 302
