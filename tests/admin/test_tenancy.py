"""Does anything of another operator show, wherever one of ours looks?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from catalog.tenancy import Area, TenantAdmin
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db
OTHERS = ("operations", "support", "reader")
# Coverage is measured once; the same pages for the other roles would take twice as long for nothing.
ROLES = ["owner", *(pytest.param(role, marks=pytest.mark.no_cover) for role in OTHERS)]
# All pages as the owner and a third of them as each other role, so that two have seen each; slowly all as everybody.
WALKS = [
    pytest.param("owner", slice(None), id="owner"),
    *(pytest.param(role, slice(n, None, 3), id=role, marks=pytest.mark.no_cover) for n, role in enumerate(OTHERS)),
    *(pytest.param(role, slice(None), id=f"{role}-everywhere", marks=pytest.mark.slow) for role in OTHERS),
]


def lists() -> list[str]:
    return [f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]


def page(row: Model, kind: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{kind}", args=[row.pk])


def deeds_of(row: Model) -> Iterator[str]:
    for deed in getattr(admin.site._registry[type(row)], "deeds", ()):
        yield reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_deed", args=[row.pk, deed.name])


@pytest.mark.parametrize("role", ROLES)
def test_foreign_rows_are_nowhere_for_any_role(role: str, ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff(role))
    for row in theirs.rows:
        for kind in ("change", "delete", "history"):
            answer = client.get(page(row, kind))
            assert answer.status_code in {302, 403, 404}, page(row, kind)
            assert theirs.word not in answer.content.decode()
        for address in deeds_of(row):
            assert client.get(address).status_code in {403, 404}
            assert client.post(address, {"status": "faulted", "text": "x", "reason": "1"}).status_code in {403, 404}


@pytest.mark.parametrize(("role", "part"), WALKS)
def test_lists_and_forms_show_only_ours(role: str, part: slice, ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff(role))
    for name in lists()[part]:
        for address in (f"admin:{name}_changelist", f"admin:{name}_add"):
            answer = client.get(reverse(address))
            assert answer.status_code in {200, 302, 403}, address
            assert theirs.word not in answer.content.decode(), address
        searched = client.get(reverse(f"admin:{name}_changelist"), {"q": theirs.word})
        assert theirs.operator.name not in searched.content.decode()
    for row in ours.rows[part]:
        for kind in ("change", "delete", "history"):
            answer = client.get(page(row, kind))
            assert answer.status_code in {200, 403}, page(row, kind)
            assert theirs.word not in answer.content.decode(), page(row, kind)


@pytest.mark.no_cover  # the pages are measured above
def test_every_tenant_table_shows_our_own_rows(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    seen = {type(row) for row in ours.rows}
    for row in ours.rows:
        answer = client.get(page(row, "change"))
        assert answer.status_code == 200, page(row, "change")
    tenant_tables = {model for model, shown in admin.site._registry.items() if isinstance(shown, TenantAdmin)}
    assert tenant_tables - seen == {type(ours.operator.staff.get())}


def test_autocomplete_offers_only_ours(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    for model, fields in {"connector": ("evse", "tariff"), "evse": ("station",)}.items():
        for name in fields:
            wanted = {"app_label": "catalog", "model_name": model, "field_name": name}
            answer = client.get(reverse("admin:autocomplete"), wanted)
            assert ours.word in answer.content.decode()
            assert theirs.word not in answer.content.decode()
            assert client.get(reverse("admin:autocomplete"), wanted | {"term": theirs.word}).json()["results"] == []


def test_overview_and_site_search_show_only_ours(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    overview = client.get(reverse("admin:index")).content.decode()
    assert ours.word in overview
    assert theirs.word not in overview
    found = client.get(reverse("admin:search"), {"s": theirs.word, "extended": "1"})
    assert theirs.operator.name not in found.content.decode()


def test_explorer_shows_only_ours(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    listed = client.get(reverse("messages-list")).content.decode()
    assert ours.order.transaction_id in listed
    assert theirs.word not in listed
    for text in (theirs.order.transaction_id, theirs.order.code or "", theirs.inbox.message_id):
        found = client.get(reverse("messages-list"), {"text": text})
        assert theirs.outbox.reason not in found.content.decode()
        assert "No conversation matches" in found.content.decode()
    assert client.get(reverse("messages-detail", args=[theirs.order.transaction_id])).status_code == 404


def test_shared_transaction_shows_only_our_messages(ours: Tenant, theirs: Tenant, client: Client) -> None:
    type(theirs.inbox).objects.filter(pk=theirs.inbox.pk).update(transaction_id=ours.order.transaction_id)
    type(theirs.outbox).objects.filter(pk=theirs.outbox.pk).update(transaction_id=ours.order.transaction_id)
    client.force_login(ours.staff())
    answer = client.get(reverse("messages-detail", args=[ours.order.transaction_id]))
    assert answer.status_code == 200
    assert ours.word in answer.content.decode()
    assert theirs.word not in answer.content.decode()


def test_foreign_choices_are_refused(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    data = {"operator": theirs.operator.pk, "name": "x", "code": "x-1", "currency": "INR", "gst_percent": "18",
            "elements": '[{"price_components": [{"type": "ENERGY", "price": "1"}]}]'}  # fmt: skip
    answer = client.post(reverse("admin:catalog_tariff_add"), data)
    assert answer.status_code == 200
    assert "not one of the available choices" in answer.content.decode()
    assert not theirs.operator.tariffs.filter(code="x-1").exists()


def test_actions_cannot_reach_foreign_rows(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    tariff = theirs.operator.tariffs.get()
    data = {"action": "delete_selected", "_selected_action": tariff.pk, "post": "yes"}
    client.post(reverse("admin:catalog_tariff_changelist"), data)
    assert theirs.operator.tariffs.filter(pk=tariff.pk).exists()


def test_platform_tables_are_closed_to_operators(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    platform = (
        "bpp_subscriber",
        "bpp_buyerapp",
        "bpp_ownkey",
        "bpp_subscription",
        "bpp_layer2",
        "auth_user",
        "auth_group",
    )
    for name in (*platform, "fulfillment_workflowdefinition"):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403


def test_user_without_operator_sees_nothing(ours: Tenant, client: Client) -> None:
    client.force_login(User.objects.create_user("loose", is_staff=True))
    overview = client.get(reverse("admin:index"))
    assert "no operator yet" in overview.content.decode()
    for name in lists():
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403
    assert ours.word not in client.get(reverse("messages-list")).content.decode()


def test_customer_account_gets_in_nowhere(ours: Tenant, client: Client) -> None:
    client.force_login(User.objects.create_user("nobody"))
    for address in (reverse("admin:index"), reverse("messages-list"), page(ours.order, "change")):
        assert client.get(address).status_code == 302


def test_rules_of_sale_belong_to_one_area() -> None:
    shown = {model: page for model, page in admin.site._registry.items() if model._meta.app_label == "orders"}
    areas = {model.__name__: page.area for model, page in shown.items() if isinstance(page, TenantAdmin)}
    assert {name for name, area in areas.items() if area != Area.SELLING} == {"Terms"}
    assert {getattr(inline, "area", None) for page in shown.values() for inline in page.inlines} == {Area.SELLING}
