"""Does the REST API keep to the same tenancy, and act by the same services?"""

from __future__ import annotations

import pytest
from django.test import Client

from orders.models import Order
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db
LISTS = ["stations", "evses", "connectors", "tariffs", "orders", "sessions", "tickets", "ratings", "messages/in",
         "messages/out", "messages"]  # fmt: skip


def rows_of(tenant: Tenant) -> dict[str, int]:
    return {
        "stations": tenant.station.pk,
        "evses": tenant.connector.evse_id,
        "connectors": tenant.connector.pk,
        "tariffs": tenant.operator.tariffs.get().pk,
        "orders": tenant.order.pk,
        "sessions": tenant.session.pk,
        "tickets": tenant.ticket.pk,
        "ratings": tenant.order.ratings.get().pk,
        "messages/in": tenant.inbox.pk,
        "messages/out": tenant.outbox.pk,
    }


@pytest.mark.parametrize("role", ["operations", "reader"])
def test_lists_hold_ours_and_foreign_rows_are_404(role: str, ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff(role))
    for name in LISTS:
        listed = client.get(f"/api/{name}/")
        assert listed.status_code == 200, name
        assert ours.word in listed.content.decode(), name
        assert theirs.word not in listed.content.decode(), name
    for name, pk in rows_of(theirs).items():
        answer = client.get(f"/api/{name}/{pk}/")
        assert answer.status_code == 404
        assert theirs.word not in answer.content.decode()
    for name, pk in rows_of(ours).items():
        assert client.get(f"/api/{name}/{pk}/").status_code == 200


def test_deeds_on_foreign_rows_are_404(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    rows = rows_of(theirs)
    for name, deed in [("orders", "cancel"), ("orders", "stop"), ("tickets", "answer"), ("tickets", "close"),
                       ("stations", "publish"), ("stations", "unpublish"), ("messages/out", "revive")]:  # fmt: skip
        assert client.post(f"/api/{name}/{rows[name]}/{deed}/", {"text": "x"}).status_code == 404
    answer = client.patch(f"/api/evses/{rows['evses']}/", {"status": "faulted"}, content_type="application/json")
    assert answer.status_code == 404


def test_anonymous_and_customers_are_refused(ours: Tenant, client: Client) -> None:
    for name in LISTS:
        assert client.get(f"/api/{name}/").status_code == 403


def test_reader_may_not_write(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("reader"))
    rows = rows_of(ours)
    answer = client.patch(f"/api/evses/{rows['evses']}/", {"status": "faulted"}, content_type="application/json")
    assert answer.status_code == 403
    assert client.post(f"/api/tickets/{rows['tickets']}/close/").status_code == 403


def test_support_answers_tickets_but_cancels_no_orders(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("support"))
    answer = client.post(f"/api/tickets/{ours.ticket.pk}/answer/", {"text": "We called back."})
    assert answer.json()["state"] == "answered"
    assert client.post(f"/api/orders/{ours.order.pk}/cancel/").status_code == 403


def test_status_of_an_evse_is_set_by_the_service(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    address = f"/api/evses/{ours.connector.evse_id}/"
    answer = client.patch(address, {"status": "faulted"}, content_type="application/json")
    assert answer.json()["status"] == "faulted"
    assert ours.connector.evse.changes.filter(status="faulted").exists()
    assert client.patch(address, {"status": "gone"}, content_type="application/json").status_code == 400


def test_order_cancelled_once_then_refused_with_a_code(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    ours.session.workflows.all().delete()
    ours.session.delete()
    address = f"/api/orders/{ours.order.pk}/cancel/"
    assert client.post(address, {"reason": "2", "text": "Cable cut"}).json()["state"] == Order.State.CANCELLED
    again = client.post(address, {"reason": "2"})
    assert (again.status_code, again.json()["code"]) == (409, "not-in-this-state")


def test_lists_are_narrowed_and_bad_values_named(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    assert client.get("/api/orders/", {"state": "active"}).json()["count"] == 1
    assert client.get("/api/orders/", {"state": "complete"}).json()["count"] == 0
    bad = client.get("/api/orders/", {"created_after": "yesterday"})
    assert bad.status_code == 400
    assert "created_after" in bad.json()


def test_writes_need_the_csrf_token(ours: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ours.staff())
    assert client.post(f"/api/tickets/{ours.ticket.pk}/close/").status_code == 403


def test_schema_and_its_page_are_served(client: Client) -> None:
    schema = client.get("/api/schema/")
    assert schema.status_code == 200
    assert b"/api/orders/{id}/cancel/" in schema.content
    assert client.get("/api/docs/").status_code == 200
