"""Does each deed do what it says, by its service, for the page and for the API alike?"""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from bpp import keys
from bpp.models import OutboxMessage, OwnKey
from bpp.timeline import conversation
from catalog.models import Station
from catalog.tenancy import Reach
from fulfillment.models import Reading, Session
from orders.models import Collection, Order
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(ours: Tenant, client: Client) -> Tenant:
    """Our tenant with its order charging, and one of its people signed in."""
    Order.objects.filter(pk=ours.order.pk).update(fulfillment="charging-starting")
    Order.objects.filter(pk=ours.order.pk).update(fulfillment="charging-started")
    client.force_login(ours.staff())
    return ours


@pytest.mark.parametrize("where", ["order", "session", "api"])
def test_session_is_asked_to_stop(where: str, running: Tenant, client: Client) -> None:
    addresses = {
        "order": reverse("admin:orders_order_deed", args=[running.order.pk, "stop"]),
        "session": reverse("admin:fulfillment_session_deed", args=[running.session.pk, "stop"]),
        "api": f"/api/orders/{running.order.pk}/stop/",
    }
    assert client.post(addresses[where]).status_code in {200, 302}
    session = Session.objects.get(pk=running.session.pk)
    assert (session.state, session.stop_reason) == ("ending", "operator")
    assert running.order.events.order_by("number").last().actor.startswith("staff:")  # type: ignore[union-attr]


def test_charging_order_is_not_cancelled(running: Tenant, client: Client) -> None:
    refused = client.post(f"/api/orders/{running.order.pk}/cancel/")
    assert (refused.status_code, refused.json()["code"]) == (409, "cancel-forbidden")


def test_station_goes_off_and_on_sale(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    assert client.post(f"/api/stations/{ours.station.pk}/unpublish/").json()["published"] is False
    client.post(reverse("admin:catalog_station_deed", args=[ours.station.pk, "publish"]))
    assert Station.objects.get(pk=ours.station.pk).published
    assert client.post(f"/api/stations/{ours.station.pk}/publish/").json()["published"] is True


def test_status_is_set_by_hand(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    evse = ours.connector.evse
    client.post(reverse("admin:catalog_evse_deed", args=[evse.pk, "set-status"]), {"status": "unavailable"})
    evse.refresh_from_db()
    assert evse.status == "unavailable"


def test_ticket_is_closed_once(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    client.post(reverse("admin:support_ticket_deed", args=[ours.ticket.pk, "close"]), {"text": "Solved"})
    assert client.post(f"/api/tickets/{ours.ticket.pk}/close/").json()["state"] == "closed"
    again = client.post(f"/api/tickets/{ours.ticket.pk}/answer/", {"text": "More"})
    assert again.status_code == 409


def test_callback_is_revived_and_resent_by_the_api(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    assert client.post(f"/api/messages/out/{ours.outbox.pk}/revive/").json()["state"] == "pending"
    assert client.post(f"/api/messages/out/{ours.outbox.pk}/resend/").status_code == 409


def test_readings_are_listed_oldest_first(ours: Tenant, client: Client, now: datetime) -> None:
    client.force_login(ours.staff())
    Reading.objects.create(session=ours.session, at=now + timedelta(seconds=5), energy_wh=3400, power_w=29_000)
    Reading.objects.create(
        session=ours.session, at=now + timedelta(seconds=9), energy_wh=1, accepted=False, reason="less"
    )
    shown = client.get(f"/api/sessions/{ours.session.pk}/readings/").json()
    assert [reading["energy_wh"] for reading in shown] == [3300, 3400, 1]
    page = client.get(reverse("admin:fulfillment_session_change", args=[ours.session.pk])).content.decode()
    assert "1 refused" in page
    assert "polyline" in page


def test_key_is_retired_by_the_platform_only(ours: Tenant, client: Client, now: datetime) -> None:
    key = keys.generate("k-old", now=now, days=30)
    address = reverse("admin:bpp_ownkey_deed", args=[key.pk, "retire"])
    client.force_login(ours.staff("owner"))
    assert client.post(address).status_code == 403
    client.force_login(User.objects.create_superuser("root"))
    assert (
        bytes(key.signing_private_sealed).hex()
        not in client.get(reverse("admin:bpp_ownkey_change", args=[key.pk])).content.decode()
    )
    client.post(address)
    assert OwnKey.objects.get().state == "retired"


def test_pending_callback_says_when_it_is_tried_next(ours: Tenant, now: datetime) -> None:
    OutboxMessage.objects.update(state="pending", next_at=now + timedelta(seconds=40))
    type(ours.inbox).objects.update(state="waiting", done_at=None, next_at=now + timedelta(seconds=5))
    found = conversation(Reach(everything=True), ours.order.transaction_id, now=now)
    assert found is not None
    asked, answered = found.entries
    assert (asked.next_in, answered.next_in) == ("in 5 s", "in 40 s")
    assert answered.left == "10 min left"


def test_late_delivery_is_called_late(ours: Tenant, now: datetime) -> None:
    OutboxMessage.objects.update(state="sent", sent_at=now + timedelta(minutes=11), answers=None)
    found = conversation(Reach(everything=True), ours.order.transaction_id, now=now)
    assert found is not None
    answered = found.entries[1]
    assert (answered.left, answered.took, answered.answers) == ("1 min late", "delivered in 11 min", "unsolicited")


def test_demo_link_is_for_a_live_superuser_only(settings: object) -> None:
    settings.DEBUG = True  # type: ignore[attr-defined]
    User.objects.create_user("admin")
    with pytest.raises(CommandError, match="no active superuser"):
        call_command("demo_login", stdout=StringIO())


def test_a_refusal_is_shown_at_its_field_and_what_was_typed_stays(ours: Tenant, client: Client, now: datetime) -> None:
    Order.objects.filter(pk=ours.order.pk).update(state="cancelled", fulfillment="order-cancelled")
    Collection.objects.filter(order=ours.order).update(provider="upi", state="open")
    collection = Collection.objects.get(order=ours.order)
    Session.objects.filter(pk=ours.session.pk).update(
        state="ended", ended_at=now, meter_start_wh=5_000, meter_stop_wh=6_000
    )
    client.force_login(ours.staff("owner"))
    for name, pk, given, wrong in (
        ("orders_order_deed", [ours.order.pk, "goodwill"], {"rupees": "9000000", "cause": "slow"}, "rupees"),
        ("orders_collection_deed", [collection.pk, "arrived"], {"reference": "?¿?"}, "reference"),
        ("fulfillment_session_deed", [ours.session.pk, "correct"], {"kwh": "1", "reason": "read"}, "kwh"),
    ):
        page = client.post(reverse(f"admin:{name}", args=pk), given)
        assert page.status_code == 200, name
        form = page.context["form"]
        assert list(form.errors) == [wrong]
        assert {field: form[field].value() for field in given} == given
