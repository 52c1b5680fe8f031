"""Can an owner, and nobody else, plan the prices of a tariff and take a plan back?"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Tariff, TariffVersion
from catalog.versions import mark_used, plan_version
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db
DEARER = [{"price_components": [{"type": "ENERGY", "price": "25.00", "step_size": 1}]}]


def plan_page(tenant: Tenant) -> str:
    return reverse("admin:catalog_tariff_deed", args=[tenant.connector.tariff_id, "plan-version"])


def withdraw_page(version: TariffVersion) -> str:
    return reverse("admin:catalog_tariffversion_deed", args=[version.pk, "withdraw"])


def answers(begins: datetime, **changes: str) -> dict[str, str]:
    given = {
        "valid_from": f"{timezone.localtime(begins):%Y-%m-%dT%H:%M}",
        "elements": json.dumps(DEARER),
        "gst_percent": "18.00",
    }
    return given | changes


def tariff_of(tenant: Tenant) -> Tariff:
    tariff = tenant.connector.tariff
    assert tariff is not None
    return tariff


@pytest.fixture
def tomorrow(now: datetime) -> datetime:
    return (now + timedelta(days=1)).replace(second=0, microsecond=0)


@pytest.fixture
def planned(ours: Tenant, now: datetime, tomorrow: datetime) -> TariffVersion:
    return plan_version(tariff_of(ours).pk, valid_from=tomorrow, prices={"elements": DEARER}, now=now)


def test_an_owner_plans_a_version(ours: Tenant, client: Client, tomorrow: datetime) -> None:
    client.force_login(ours.staff("owner"))
    tariff = tariff_of(ours)
    asked = client.get(plan_page(ours)).content.decode()
    assert "18.00" in asked
    answer = client.post(plan_page(ours), answers(tomorrow, min_price='{"excl_vat": "50.00"}'))
    assert answer.status_code == 302
    version = tariff.versions.get(planned=True)
    assert (version.number, version.valid_from, version.elements) == (2, tomorrow, DEARER)
    assert version.min_price == {"excl_vat": "50.00"}
    page = client.get(reverse("admin:catalog_tariff_change", args=[tariff.pk])).content.decode()
    assert "takes over at" in page
    assert reverse("admin:catalog_tariffversion_change", args=[version.pk]) in page
    assert LogEntry.objects.filter(object_id=str(tariff.pk), change_message__contains="takes over").exists()


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"valid_from": "2020-01-01T10:00"}, "valid_from", "is past"),
        ({"elements": "[]"}, "elements", ""),
        ({"elements": "{"}, "elements", "valid JSON"),
        ({"gst_percent": "101"}, "gst_percent", "less than or equal"),
        ({"min_price": '{"excl_vat": "x"}'}, "min_price", "min_price"),
    ],
)
def test_a_fault_stands_by_its_field(
    changes: dict[str, Any], name: str, words: str, ours: Tenant, client: Client, tomorrow: datetime
) -> None:
    client.force_login(ours.staff("owner"))
    shown = client.post(plan_page(ours), answers(tomorrow, **changes))
    assert shown.status_code == 200
    assert list(shown.context["form"].errors) == [name]
    assert words in shown.context["form"].errors[name][0]
    assert not TariffVersion.objects.filter(planned=True).exists()


def test_a_moment_that_is_taken_is_told_by_its_field(ours: Tenant, client: Client, planned: TariffVersion) -> None:
    client.force_login(ours.staff("owner"))
    assert planned.valid_from is not None
    shown = client.post(plan_page(ours), answers(planned.valid_from))
    assert "withdraw it first" in shown.context["form"].errors["valid_from"][0]


def test_an_owner_withdraws_what_was_not_quoted(ours: Tenant, client: Client, planned: TariffVersion) -> None:
    client.force_login(ours.staff("owner"))
    assert (
        withdraw_page(planned)
        in client.get(reverse("admin:catalog_tariffversion_change", args=[planned.pk])).content.decode()
    )
    answer = client.post(withdraw_page(planned), follow=True)
    assert answer.redirect_chain[0][0] == reverse("admin:catalog_tariff_change", args=[planned.tariff_id])
    assert "is withdrawn" in answer.content.decode()
    assert not TariffVersion.objects.filter(pk=planned.pk).exists()


def test_a_quoted_version_stays(ours: Tenant, client: Client, planned: TariffVersion, now: datetime) -> None:
    client.force_login(ours.staff("owner"))
    mark_used(planned.tariff_id, planned.number, now=now)
    assert "in force or was quoted" in client.post(withdraw_page(planned), follow=True).content.decode()
    assert TariffVersion.objects.filter(pk=planned.pk).exists()


@pytest.mark.parametrize("role", ["operations", "support", "reader"])
def test_other_roles_see_versions_but_do_not_decide(
    role: str, ours: Tenant, client: Client, planned: TariffVersion, tomorrow: datetime
) -> None:
    client.force_login(ours.staff(role))
    for address in (plan_page(ours), withdraw_page(planned)):
        assert client.post(address, answers(tomorrow + timedelta(hours=1))).status_code == 403
    page = client.get(reverse("admin:catalog_tariff_change", args=[planned.tariff_id]))
    assert page.status_code == 200
    assert plan_page(ours) not in page.content.decode()
    assert TariffVersion.objects.filter(planned=True).count() == 1


def test_anothers_tariff_and_version_do_not_exist(
    theirs: Tenant, ours: Tenant, client: Client, planned: TariffVersion, tomorrow: datetime
) -> None:
    client.force_login(theirs.staff("owner"))
    for address in (plan_page(ours), withdraw_page(planned)):
        assert client.get(address).status_code == 404
        assert client.post(address, answers(tomorrow)).status_code == 404
    assert TariffVersion.objects.filter(pk=planned.pk).exists()


def test_a_tariff_goes_with_its_versions_unless_one_was_quoted(ours: Tenant, client: Client, now: datetime) -> None:
    client.force_login(ours.staff("owner"))
    unused, quoted = (
        Tariff.objects.create(operator=ours.operator, code=code, name=code, elements=DEARER) for code in ("U-1", "Q-1")
    )
    mark_used(quoted.pk, 1, now=now)
    for tariff in (unused, quoted):
        client.post(reverse("admin:catalog_tariff_delete", args=[tariff.pk]), {"post": "yes"})
    assert set(Tariff.objects.filter(code__in=["U-1", "Q-1"])) == {quoted}
    page = client.get(reverse("admin:catalog_tariff_delete", args=[quoted.pk])).content.decode()
    assert "1 version: quoted, so this stays on record." in page
