"""May staff open and revoke links to live pages, and settle with buyer apps what they are told?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bpp.models import BuyerApp
from fulfillment import services as fulfillment
from fulfillment.models import LinkRules, TrackLink
from fulfillment.services.links import opened_link
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db


def test_link_to_look_is_shown_once_and_carries_no_right(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    answer = client.post(reverse("admin:orders_order_deed", args=[ours.order.pk, "open-link"]), follow=True)
    found = re.search(r"/track/([\w-]{43})", answer.content.decode())
    assert found is not None
    link = opened_link(found[1], timezone.now())
    assert link is not None
    assert (link.order_id, link.rights) == (ours.order.pk, frozenset())
    again = client.get(reverse("admin:fulfillment_tracklink_changelist"))
    assert found[1] not in again.content.decode()


@pytest.mark.parametrize("where", ["order", "link"])
def test_links_are_revoked_all_at_once(where: str, ours: Tenant, client: Client) -> None:
    token = fulfillment.open_link(ours.order.pk, timezone.now())
    link = TrackLink.objects.latest("pk")
    addresses = {
        "order": reverse("admin:orders_order_deed", args=[ours.order.pk, "revoke-links"]),
        "link": reverse("admin:fulfillment_tracklink_deed", args=[link.pk, "revoke"]),
    }
    client.force_login(ours.staff())
    assert client.post(addresses[where]).status_code == 302
    assert opened_link(token, timezone.now()) is None
    assert not TrackLink.objects.filter(order=ours.order, revoked_at=None).exists()


def test_operator_switches_what_links_may_do(ours: Tenant, client: Client) -> None:
    LinkRules.objects.all().delete()
    token = fulfillment.open_link(ours.order.pk, timezone.now())
    client.force_login(ours.staff())
    rules = {"operator": ours.operator.pk, "may_extend": "on"}
    assert client.post(reverse("admin:fulfillment_linkrules_add"), rules).status_code == 302
    link = opened_link(token, timezone.now())
    assert link is not None
    assert link.rights == {"extend"}


@pytest.mark.parametrize(("every_s", "kept"), [("10", 10), ("", None), ("0", "refused"), ("-5", "refused")])
def test_platform_settles_with_a_buyer_app(every_s: str, kept: Any, ours: Tenant, client: Client) -> None:
    told = {"bap_id": "app.example.org", "progress_every_s": every_s, "callback_pushes": "on", "note": "by mail"}
    client.force_login(ours.staff("owner"))
    assert client.post(reverse("admin:bpp_buyerapp_add"), told).status_code == 403
    client.force_login(User.objects.create_superuser("platform"))
    client.post(reverse("admin:bpp_buyerapp_add"), told)
    found = list(BuyerApp.objects.values_list("progress_every_s", flat=True))
    assert found == ([] if kept == "refused" else [kept])
