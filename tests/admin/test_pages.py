"""Do the pages hold with hostile names, half-filled rows and empty tables, and do deeds go by services?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bpp.models import OutboxMessage
from catalog.models import Connector, Evse, Operator, Station, Tariff
from orders.models import Order, Quote
from tests.admin.tenants import Tenant, make_tenant

pytestmark = pytest.mark.django_db
# One text of all of them, so that every page is rendered once.
HOSTILE = "</pre><script>a()</script>\"><img src=x onerror=a()>{{7*7}}'-a()-'<svg/onload=a()>"
LIVE = ("<script>a()", "<img src=x", "<svg/onload")


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_superuser("root", password="right-password-1")
    client.force_login(user)
    return user


def changelists() -> list[str]:
    return [reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in admin.site._registry]


def deed(row: object, name: str) -> str:
    meta = row._meta  # type: ignore[attr-defined]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_deed", args=[row.pk, name])  # type: ignore[attr-defined]


def test_every_page_opens_on_an_empty_database(root: User, client: Client) -> None:
    for address in [*changelists(), reverse("admin:index"), reverse("messages-list")]:
        assert client.get(address).status_code == 200, address
    assert "A clean start" in client.get(reverse("admin:index")).content.decode()
    assert "No message has passed yet" in client.get(reverse("messages-list")).content.decode()


def test_every_page_opens_for_the_platform(root: User, ours: Tenant, client: Client) -> None:
    for row in ours.rows:
        name = f"{row._meta.app_label}_{row._meta.model_name}"
        for kind in ("change", "delete", "history"):
            status = client.get(reverse(f"admin:{name}_{kind}", args=[row.pk])).status_code
            assert status in {200, 403}, (name, kind)
        assert client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200


def test_hostile_texts_are_shown_as_text(root: User, ours: Tenant, client: Client) -> None:
    Operator.objects.update(name=HOSTILE, summary=HOSTILE)
    Station.objects.update(name=HOSTILE, address=HOSTILE, city=HOSTILE)
    Evse.objects.update(label=HOSTILE)
    Tariff.objects.update(name=HOSTILE)
    body = HOSTILE.encode()
    type(ours.inbox).objects.update(
        raw=body, reason=HOSTILE, message_id=HOSTILE, verdicts=[{"path": HOSTILE, "seen": HOSTILE, "note": HOSTILE}],
        signer={"subscriber_id": HOSTILE, "key_id": HOSTILE}, authorization=HOSTILE,
    )  # fmt: skip
    OutboxMessage.objects.update(body=body, reason=HOSTILE, url=HOSTILE)
    type(ours.ticket).objects.update(subject=HOSTILE, notes=HOSTILE)
    pages = [*changelists(), reverse("admin:index"), reverse("messages-list")]
    pages.append(reverse("messages-detail", args=[ours.order.transaction_id]))
    pages += [reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]) for row in ours.rows]
    for address in pages:
        answer = client.get(address)
        assert answer.status_code == 200, address
        shown = answer.content.decode()
        for live in LIVE:
            assert live not in shown, (address, live)
        if "svg/onload" in shown:
            assert "{{7*7}}" in shown, address


def test_half_filled_rows_do_not_break_a_page(root: User, client: Client, now: datetime) -> None:
    operator = Operator.objects.create(code="half", name="Half")
    station = Station.objects.create(operator=operator, code="half-st", name="")
    evse = Evse.objects.create(station=station, uid="half-E", slot_number=1)
    Connector.objects.create(evse=evse, number="1", item_id="half-E*1", standard="", current="AC", max_power_w=1)
    tariff = Tariff.objects.create(operator=operator, code="half-t", name="", elements=[{}])
    for row in (operator, station, evse, tariff):
        name = f"catalog_{row._meta.model_name}"
        assert client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    assert (
        "no tariff, not sold" in client.get(reverse("admin:catalog_station_change", args=[station.pk])).content.decode()
    )


def test_order_page_shows_lines_that_add_up(root: User, ours: Tenant, client: Client) -> None:
    shown = client.get(reverse("admin:orders_order_change", args=[ours.order.pk])).content.decode()
    assert "₹236.00" in shown
    assert "2.300 kWh" in shown
    assert "29.5 kW" in shown
    assert reverse("messages-detail", args=[ours.order.transaction_id]) in shown
    assert "do not add up" not in shown


def test_publishing_lists_what_is_missing(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    Station.objects.filter(pk=ours.station.pk).update(published=False, latitude=None, longitude=None)
    asked = client.get(deed(ours.station, "publish")).content.decode()
    assert "latitude and longitude" in asked
    refused = client.post(deed(ours.station, "publish"), follow=True).content.decode()
    assert "cannot be published" in refused
    assert not Station.objects.get(pk=ours.station.pk).published


def test_deeds_act_on_post_only_and_leave_an_entry(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    client.get(deed(ours.station, "unpublish"))
    assert Station.objects.get(pk=ours.station.pk).published
    client.post(deed(ours.station, "unpublish"))
    assert not Station.objects.get(pk=ours.station.pk).published
    assert "off sale" in LogEntry.objects.get().get_change_message()


def test_reader_sees_no_deed_and_may_do_none(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("reader"))
    shown = client.get(reverse("admin:catalog_station_change", args=[ours.station.pk])).content.decode()
    assert deed(ours.station, "unpublish") not in shown
    assert client.post(deed(ours.station, "unpublish")).status_code == 403
    assert client.get(reverse("admin:catalog_station_add")).status_code == 403
    posted = client.post(reverse("admin:catalog_station_change", args=[ours.station.pk]), {"name": "mine"})
    assert posted.status_code == 403


def test_support_writes_tickets_only(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("support"))
    client.post(deed(ours.ticket, "answer"), {"text": "We are on the way."})
    ours.ticket.refresh_from_db()
    assert ours.ticket.state == "answered"
    assert client.post(deed(ours.station, "unpublish")).status_code == 403


def test_dead_callback_is_revived_and_sent_one_sent_again(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    answer = client.post(deed(ours.outbox, "revive"))
    assert answer["Location"].startswith(reverse("messages-detail", args=[ours.order.transaction_id]))
    ours.outbox.refresh_from_db()
    assert ours.outbox.state == "pending"
    OutboxMessage.objects.update(state="sent")
    client.post(deed(ours.outbox, "resend"))
    ours.outbox.refresh_from_db()
    assert ours.outbox.state == "pending"


def test_order_is_cancelled_from_our_side_with_its_session(ours: Tenant, client: Client) -> None:
    type(ours.session).objects.update(state="waiting")
    client.force_login(ours.staff())
    client.post(deed(ours.order, "cancel"), {"reason": "2", "text": "Cable cut"})
    ours.order.refresh_from_db()
    ours.session.refresh_from_db()
    assert (ours.order.state, ours.session.state) == ("cancelled", "cancelled")
    event = ours.order.events.get(kind="cancelled")
    assert event.public
    assert event.actor.startswith("staff:operations")


def test_promised_rows_are_not_deleted(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    tariff = ours.operator.tariffs.get()
    shown = client.get(reverse("admin:catalog_tariff_delete", args=[tariff.pk])).content.decode()
    assert "1 connector: promised or on record" in shown
    client.post(reverse("admin:catalog_tariff_delete", args=[tariff.pk]), {"post": "yes"})
    assert Tariff.objects.filter(pk=tariff.pk).exists()


def test_connector_keeps_its_item_id_and_its_operators_tariff(
    root: User, ours: Tenant, theirs: Tenant, client: Client
) -> None:
    address = reverse("admin:catalog_connector_change", args=[ours.connector.pk])
    data = {"standard": "CHADEMO", "current": "DC", "max_power_w": "50000", "max_voltage_v": "0", "max_current_a": "0",
            "vehicle": "any", "tariff": theirs.operator.tariffs.get().pk}  # fmt: skip
    assert "another operator" in client.post(address, data).content.decode()
    client.post(address, data | {"tariff": ours.operator.tariffs.get().pk})
    ours.connector.refresh_from_db()
    assert (ours.connector.standard, ours.connector.item_id) == ("CHADEMO", "ourslark-E1*1")


def test_writes_need_the_csrf_token(ours: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ours.staff("owner"))
    for row in ours.rows:
        for shown in getattr(admin.site._registry[type(row)], "deeds", ()):
            assert client.post(deed(row, shown.name)).status_code == 403
        name = f"{row._meta.app_label}_{row._meta.model_name}"
        for kind in ("change", "delete"):
            assert client.post(reverse(f"admin:{name}_{kind}", args=[row.pk])).status_code == 403


def test_explorer_narrows_by_state_action_and_order(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    matching = [{"state": "fault"}, {"action": "on_confirm"}, {"text": ours.order.code or ""}, {"bap": "ourslark"}]
    for query, found in [({"state": "open"}, False), ({"action": "search"}, False), *((one, True) for one in matching)]:
        shown = client.get(reverse("messages-list"), query).content.decode()
        assert (ours.order.transaction_id in shown) is found, query


def test_explorer_pages_show_each_conversation_once(root: User, client: Client, now: datetime) -> None:
    tenant = make_tenant("pagedwren", now)
    for number in range(60):
        row = OutboxMessage.objects.get(pk=tenant.outbox.pk)
        row.pk, row.answers = None, None
        row.transaction_id, row.created_at = f"page-{number % 30:02}-tx", now - timedelta(seconds=number + 1)
        row.save()
    address, seen = reverse("messages-list"), []
    while address:
        answer = client.get(address)
        seen += [talk.transaction_id for talk in answer.context["page"].rows]
        address = reverse("messages-list") + "?" + answer.context["older"] if answer.context["older"] else ""
    assert len(seen) == len(set(seen)) == 31


def test_conversation_explains_attempts_and_deviations(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    shown = client.get(reverse("messages-detail", args=[ours.order.transaction_id])).content.decode()
    for words in (
        "$.context.ttl",
        "1 attempt to deliver",
        "Revive",
        "ourslark reason",
        "answers confirm after",
        "Signed by",
    ):
        assert words in shown


def test_odd_moments_in_the_address_are_ignored(root: User, client: Client) -> None:
    for odd in ("x", "2026-13-45T00:00:00Z", "2026-01-01T00:00:00"):
        assert client.get(reverse("messages-list"), {"before": odd}).status_code == 200


def test_order_list_writes_money_as_in_india(root: User, ours: Tenant, client: Client) -> None:
    Quote.objects.filter(order=ours.order).update(current=False)
    Quote.objects.create(
        order=ours.order, lines=[{"code": "energy-cost", "paise": 123456750}], total_paise=123456750, energy_wh=1
    )
    assert "₹12,34,567.50" in client.get(reverse("admin:orders_order_changelist")).content.decode()
    assert Order.objects.count() == 1


def test_evse_id_and_connector_number_stay_once_given(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    evse = ours.connector.evse
    data = {
        "name": "New name", "driver": "power_supplier", "country": "IND", "time_zone": "Asia/Kolkata",
        "latitude": "12.9", "longitude": "77.5", "opening_times": "{}", "amenities": "[]",
        "evses-TOTAL_FORMS": "1", "evses-INITIAL_FORMS": "1", "evses-0-id": evse.pk, "evses-0-station": ours.station.pk,
        "evses-0-uid": "changed", "evses-0-slot_number": "1", "evses-0-label": "Bay 7",
    }  # fmt: skip
    answer = client.post(reverse("admin:catalog_station_change", args=[ours.station.pk]), data)
    assert answer.status_code == 302
    evse.refresh_from_db()
    assert (evse.uid, evse.label) == ("ourslark-E1", "Bay 7")


def test_published_station_keeps_its_place(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    data = {
        "name": "x", "driver": "power_supplier", "country": "IND", "time_zone": "Nowhere/Land", "opening_times": "[]",
        "amenities": "[]", "evses-TOTAL_FORMS": "0", "evses-INITIAL_FORMS": "0",
    }  # fmt: skip
    shown = client.post(reverse("admin:catalog_station_change", args=[ours.station.pk]), data).content.decode()
    assert "needs its place" in shown
    assert "is not a time zone" in shown


def test_tariff_that_cannot_be_priced_is_refused(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    data = {"operator": ours.operator.pk, "name": "x", "code": "x-1", "currency": "INR", "gst_percent": "18",
            "elements": '[{"price_components": [{"type": "ENERGY", "price": "cheap"}]}]'}  # fmt: skip
    shown = client.post(reverse("admin:catalog_tariff_add"), data).content.decode()
    assert "elements[0].price_components[0].price" in shown
