"""Do operators keep their cards and accounts by deeds, and does the statement add up?"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fulfillment.models import Card, CardAccount, CardEntry, WalkIn
from fulfillment.services.cards import balance
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(ours: Tenant, client: Client) -> CardAccount:
    """Our tenant's account with ₹1.00 on it, and one of its people signed in."""
    client.force_login(ours.staff())
    return CardAccount.objects.get(operator=ours.operator)


def deed(client: Client, row: Any, name: str, **answers: str) -> str:
    kind = f"fulfillment_{row._meta.model_name}"
    answer = client.post(reverse(f"admin:{kind}_deed", args=[row.pk, name]), answers, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_money_moves_by_deeds_with_the_name_of_who_did_it(account: CardAccount, client: Client) -> None:
    assert "₹21.00 are on the account" in deed(client, account, "topup", rupees="20", reason="receipt 7")
    assert "₹16.50 are left" in deed(client, account, "withdraw", rupees="4.50", reason="cash")
    assert "₹15.50 are on the account" in deed(client, account, "correct", rupees="-1", reason="counted wrong")
    newest = CardEntry.objects.order_by("-pk")[0]
    assert (newest.kind, newest.paise, newest.actor[:6]) == ("correction", -100, "staff:")
    page = client.get(reverse("admin:fulfillment_cardentry_changelist"), {"account__id__exact": account.pk})
    shown = page.content.decode()
    for after in ("₹1.00", "₹21.00", "₹16.50", "₹15.50"):
        assert after in shown, "the statement says the balance after each entry"


@pytest.mark.parametrize(
    ("name", "answers", "text"),
    [
        ("topup", {"rupees": "0", "reason": "x"}, "name one above 0"),
        ("withdraw", {"rupees": "1.01", "reason": "x"}, "₹1.00 are left"),
        ("correct", {"rupees": "0", "reason": "x"}, "corrects nothing"),
        ("topup", {"rupees": "5"}, "This field is required"),
    ],
)
def test_amount_that_cannot_be_is_refused_at_its_field(
    account: CardAccount, client: Client, name: str, answers: dict[str, str], text: str
) -> None:
    assert text in deed(client, account, name, **answers)
    assert balance(account.pk) == 100


def test_card_is_blocked_lost_and_let_charge_again(account: CardAccount, client: Client) -> None:
    card = account.cards.get()
    for name, state in (("block", "blocked"), ("lost", "lost"), ("unblock", "active")):
        deed(client, card, name)
        card.refresh_from_db()
        assert card.state == state
    assert "Cards blocked: 1" in deed(client, account, "block")
    assert Card.objects.get(pk=card.pk).state == "blocked"


def test_card_is_added_as_readers_report_it(account: CardAccount, client: Client) -> None:
    data = {"operator": account.operator_id, "account": account.pk, "uid": "04:a1:b2-c3", "label": "Van"}
    client.post(reverse("admin:fulfillment_card_add"), data)
    card = Card.objects.get(label="Van")
    assert (card.uid, card.state) == ("04A1B2C3", "active")
    again = client.post(reverse("admin:fulfillment_card_add"), data)
    assert "already exists" in again.content.decode()


def test_card_takes_no_account_of_another_operator(account: CardAccount, theirs: Tenant, client: Client) -> None:
    foreign = CardAccount.objects.get(operator=theirs.operator)
    data = {"operator": account.operator_id, "account": foreign.pk, "uid": "04A1", "label": "Van"}
    answer = client.post(reverse("admin:fulfillment_card_add"), data)
    assert "not one of the available choices" in answer.content.decode()
    assert not Card.objects.filter(label="Van").exists()


def test_support_reads_and_moves_nothing(ours: Tenant, client: Client) -> None:
    client.force_login(ours.staff("support"))
    account = CardAccount.objects.get(operator=ours.operator)
    assert client.get(reverse("admin:fulfillment_cardaccount_change", args=[account.pk])).status_code == 200
    address = reverse("admin:fulfillment_cardaccount_deed", args=[account.pk, "topup"])
    assert client.post(address, {"rupees": "5", "reason": "x"}).status_code == 403
    assert balance(account.pk) == 100


def test_walk_in_is_stopped_from_its_page(account: CardAccount, client: Client) -> None:
    walk_in = WalkIn.objects.get(account=account)
    WalkIn.objects.filter(pk=walk_in.pk).update(state="starting", ended_at=None)
    assert "asked to end the session" in deed(client, walk_in, "stop")
    walk_in.refresh_from_db()
    assert (walk_in.state, walk_in.fault) == ("failed", "ended by the operator before energy flowed")


def test_readings_of_a_walk_in_are_a_list_of_their_own(account: CardAccount, client: Client) -> None:
    walk_in = WalkIn.objects.get(account=account)
    page = client.get(reverse("admin:fulfillment_walkin_change", args=[walk_in.pk])).content.decode()
    address = reverse("admin:fulfillment_walkinreading_changelist")
    assert f"{address}?walk_in__id__exact={walk_in.pk}" in page
    shown = client.get(address, {"walk_in__id__exact": walk_in.pk}).content.decode()
    assert "1.000 kWh" in shown
