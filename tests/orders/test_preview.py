"""Is a preview the very price that would be quoted, for those alone who may ask?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog.models import Connector, OperatorStaff
from orders.models import Order, Overlay
from orders.selectors import current_quote
from orders.services import Said, select_offer
from tests.factories.orders import a_wish, connector_on_sale

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http")]
ADDRESS = "/api/quotes/preview"


def staff_of(connector: Connector, client: Client) -> Client:
    user = User.objects.create_user("reader", password="right-password-1", is_staff=True)
    OperatorStaff.objects.create(user=user, operator=connector.evse.station.operator, role="reader")
    client.force_login(user)
    return client


def ask(client: Client, connector: Connector, **more: Any) -> Any:
    return client.post(ADDRESS, {"item_id": connector.item_id, **more}, content_type="application/json")


def test_a_preview_is_the_quote(client: Client) -> None:
    connector = connector_on_sale()
    Overlay.objects.create(
        operator=connector.evse.station.operator, kind="coupon", code="TEN", name="Ten off", value=Decimal(-10)
    )
    answer = ask(staff_of(connector, client), connector, energy_wh=10_000, coupon="TEN").json()
    assert not Order.objects.exists()
    quote = current_quote(select_offer(**a_wish(connector, said=Said(offers=("TEN",)))))
    assert [(line["code"], Decimal(line["amount"]) * 100) for line in answer["lines"]] == [
        (line["code"], line["paise"]) for line in quote.lines
    ]
    assert (answer["total"], answer["duration_s"], answer["tariff"]["version"]) == ("212.40", 1_200, 1)
    assert answer["price_per_kwh_by_hour"] == ["18.00"] * 168


def test_standing_is_priced_and_nothing_needs_an_amount(client: Client) -> None:
    parking = [{"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "PARKING_TIME", "price": "60.00"}]}]
    connector = connector_on_sale(elements=parking)
    answer = ask(staff_of(connector, client), connector, idle_minutes=30).json()
    assert {line["code"]: line["amount"] for line in answer["lines"]}["parking-fee"] == "30.00"
    assert answer["basis"].startswith("assumed: 10 kWh")


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"energy_wh": 10_000, "minutes": 5}, 400, "at most one amount"),
        ({"energy_wh": 10_000, "coupon": "NONE"}, 404, "there is no offer"),
        ({"energy_wh": 99_999_999}, 409, "delivers between"),
    ],
)
def test_what_cannot_be_priced_is_refused_in_words(
    client: Client, more: dict[str, Any], status: int, words: str
) -> None:
    connector = connector_on_sale()
    answer = ask(staff_of(connector, client), connector, **more)
    assert answer.status_code == status
    assert words in answer.content.decode()


def test_anothers_connector_does_not_exist(client: Client) -> None:
    ours, theirs = connector_on_sale(), connector_on_sale()
    answer = ask(staff_of(ours, client), theirs, energy_wh=10_000)
    assert (answer.status_code, answer.json()["code"]) == (404, "item-unknown")


def test_strangers_may_not_ask(client: Client) -> None:
    assert ask(client, connector_on_sale(), energy_wh=10_000).status_code in {401, 403}
