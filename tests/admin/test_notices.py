"""Can an operator say what its drivers are told, and see and revive what did not reach them?"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from fulfillment.models import Notice, NoticeSettings
from fulfillment.services.writing import webhook_secret
from tests.admin.tenants import Tenant
from tests.factories.orders import NOW

pytestmark = pytest.mark.django_db
FIELDS: dict[str, Any] = {
    "active": "on",
    "switches": ["email:started", "webhook:done"],
    "language": "kn",
    "links": ["email"],
    "quiet_from": "21:00",
    "quiet_until": "06:30",
    "quiet_kinds": ["receipt"],
    "webhook_url": "https://hooks.example.org/in?key=1",
}


def page(row: NoticeSettings | Notice, kind: str = "change", *more: str) -> str:
    return reverse(f"admin:fulfillment_{row._meta.model_name}_{kind}", args=[row.pk, *more])


@pytest.fixture
def told(ours: Tenant) -> NoticeSettings:
    return NoticeSettings.objects.get(operator=ours.operator)


def test_owner_says_what_is_told(ours: Tenant, told: NoticeSettings, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    answer = client.post(page(told), FIELDS | {"operator": ours.operator.pk})
    assert answer.status_code == 302, answer.content.decode()
    told.refresh_from_db()
    assert (told.active, told.switches, told.language) == (True, ["email:started", "webhook:done"], "kn")
    assert (told.quiet_kinds, str(told.quiet_from), str(told.quiet_until)) == (["receipt"], "21:00:00", "06:30:00")
    assert told.active_since is not None


def test_new_settings_begin_with_everything_but_off(ours: Tenant, told: NoticeSettings, client: Client) -> None:
    told.delete()
    client.force_login(ours.staff("owner"))
    form = client.get(reverse("admin:fulfillment_noticesettings_add")).content.decode()
    assert form.count("checked") >= 2 * len(Notice.Kind.choices)
    fresh = NoticeSettings(operator=ours.operator)
    assert (fresh.active, len(fresh.switches)) == (False, 2 * len(Notice.Kind.choices))


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.org/x", "https://127.0.0.1/x", "https://10.1.2.3/x", "https://user@hooks.example.org/"],
)
def test_webhook_must_be_public_and_https(ours: Tenant, told: NoticeSettings, client: Client, url: str) -> None:
    client.force_login(ours.staff("owner"))
    assert client.post(page(told), FIELDS | {"operator": ours.operator.pk, "webhook_url": url}).status_code == 200
    told.refresh_from_db()
    assert told.webhook_url != url


@pytest.mark.parametrize(("role", "sees"), [("owner", True), ("operations", False), ("reader", False)])
def test_secret_is_shown_to_who_may_change_it(
    ours: Tenant, told: NoticeSettings, client: Client, role: str, *, sees: bool
) -> None:
    client.force_login(ours.staff(role))
    secret = base64.b64encode(webhook_secret(told, 1)).decode().replace("+", "&#x2B;")
    shown = client.get(page(told)).content.decode()
    assert ("whsec_" in shown) is sees
    assert (secret in shown or secret.replace("&#x2B;", "+") in shown) is sees


def test_new_secret_is_made_and_not_written_down(ours: Tenant, told: NoticeSettings, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    assert client.post(page(told, "deed", "renew")).status_code == 302
    told.refresh_from_db()
    assert told.webhook_number == 2
    assert "whsec" not in "".join(LogEntry.objects.values_list("change_message", flat=True))


def test_support_revives_what_was_given_up(ours: Tenant, client: Client) -> None:
    notice = Notice.objects.get(order=ours.order)
    client.force_login(ours.staff("support"))
    assert client.post(page(notice, "deed", "revive")).status_code == 302
    notice.refresh_from_db()
    assert notice.state == "due"


def test_list_shows_addresses_masked_only(ours: Tenant, client: Client) -> None:
    Notice.objects.filter(order=ours.order).update(state="sent", sent_to="d•••@example.org", sent_at=NOW)
    ours.order.billing["email"] = "driver.name@example.org"
    ours.order.save()
    client.force_login(ours.staff())
    for address in (reverse("admin:fulfillment_notice_changelist"), page(Notice.objects.get(order=ours.order))):
        shown = client.get(address).content.decode()
        assert "d•••@example.org" in shown
        assert "driver.name" not in shown
