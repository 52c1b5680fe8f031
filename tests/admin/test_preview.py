"""Does the page of prices say what the API says and what would be quoted, to those alone who may ask?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Connector, Station
from catalog.versions import plan_version
from catalog.wording import rupees
from orders.models import Order, Overlay
from orders.selectors import current_quote
from orders.services import Said, select_offer
from tests.admin.tenants import Tenant
from tests.factories.orders import a_wish, connector_on_sale

pytestmark = pytest.mark.django_db
PAGE = "/admin/price-preview/"
STANDING = {"type": "PARKING_TIME", "price": "60.00"}


def ask(client: Client, connector: Connector, **more: Any) -> Any:
    return client.get(PAGE, {"item_id": connector.item_id, **more})


@pytest.fixture
def signed_in(ours: Tenant, client: Client) -> Client:
    client.force_login(ours.staff("reader"))
    return client


def test_the_page_the_api_and_the_quote_agree_to_the_paisa(ours: Tenant, signed_in: Client) -> None:
    prices = [{"price_components": [{"type": "ENERGY", "price": "17.77", "step_size": 1}]}]
    connector = connector_on_sale(operator=ours.operator, elements=prices)
    Overlay.objects.create(operator=ours.operator, kind="coupon", code="TEN", name="Ten off", value=Decimal(-10))
    orders_n = Order.objects.count()
    shown = ask(signed_in, connector, kwh="12.345", coupon="ten")
    wish = {"item_id": connector.item_id, "energy_wh": 12_345, "coupon": "TEN"}
    answer = signed_in.post("/api/quotes/preview", wish, content_type="application/json").json()
    assert (shown.status_code, Order.objects.count()) == (200, orders_n)
    asked = a_wish(connector, quantity=12_345, said=Said(offers=("TEN",)), now=datetime.now(UTC))
    quote = current_quote(select_offer(**asked))
    assert shown.context["plan"].price.total.paise == quote.total_paise == int(Decimal(answer["total"]) * 100)
    assert shown.context["lines"] == quote.lines
    page = shown.content.decode()
    for paise in (quote.total_paise, *(line["paise"] for line in quote.lines)):
        assert rupees(paise) in page
    assert {line["code"] for line in quote.lines} >= {"energy-cost", "discount", "gst"}


def test_standing_and_minutes_and_money_agree_with_the_api(ours: Tenant, signed_in: Client) -> None:
    prices = [{"price_components": [{"type": "ENERGY", "price": "17.77", "step_size": 1}, STANDING]}]
    ours.operator.tariffs.update(elements=prices)
    for mine, sent in (({"minutes": "25"}, {"minutes": 25}), ({"rupees": "250.50"}, {"paise": 25_050})):
        shown = ask(signed_in, ours.connector, idle_minutes="30", **mine)
        wish = {"item_id": ours.connector.item_id, "idle_minutes": 30, **sent}
        answer = signed_in.post("/api/quotes/preview", wish, content_type="application/json").json()
        assert shown.context["plan"].price.total.wire == answer["total"]
        assert {line["code"]: line["paise"] for line in shown.context["lines"]}["parking-fee"] == 3_000


def test_the_week_is_a_table_by_day_and_hour(ours: Tenant, signed_in: Client) -> None:
    night = {"price_components": [{"type": "ENERGY", "price": "9.50"}], "restrictions": {"end_time": "06:00"}}
    day = {"price_components": [{"type": "ENERGY", "price": "18.00"}], "restrictions": {"start_time": "06:00"}}
    ours.operator.tariffs.update(elements=[night, day])
    Station.objects.update(time_zone="Asia/Dubai")
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    shown = ask(signed_in, ours.connector, kwh="30", starts_at=f"{tomorrow}T05:30")
    week = shown.context["week"]
    assert [len(hours) for _, hours in week] == [24] * 7
    assert [hour.price for hour in week[6][1]] == ["9.50"] * 6 + ["18.00"] * 18
    assert [place for place, hour in enumerate(week[0][1]) if hour.charging] == [5, 6]
    page = shown.content.decode()
    assert page.count("<td>9.50</td>") == 41
    assert page.count('<td class="vb-boxed">9.50</td>') == 1
    assert "05:30 to" in page


def test_the_week_turns_to_a_planned_version_at_its_hour(ours: Tenant, signed_in: Client) -> None:
    now = datetime.now(UTC)
    begins = (now + timedelta(days=2)).replace(minute=30, second=0, microsecond=0)
    dearer = [{"price_components": [{"type": "ENERGY", "price": "25.00"}]}]
    assert ours.connector.tariff_id is not None
    plan_version(ours.connector.tariff_id, valid_from=begins, prices={"elements": dearer}, now=now)
    week = ask(signed_in, ours.connector, kwh="1").context["week"]
    hours = [hour.price for _, row in week for hour in row]
    turn = hours.index("25.00")
    assert set(hours[:turn]) == {"18.00"}
    assert set(hours[turn:]) == {"25.00"}
    assert week[0][0] + timedelta(hours=turn) == begins


@pytest.mark.parametrize(
    ("more", "name", "words"),
    [
        ({"kwh": "99999"}, "kwh", "delivers between"),
        ({"minutes": "40000"}, "minutes", "delivers between"),
        ({"kwh": "-1"}, "kwh", "greater than or equal"),
        ({"kwh": "5", "minutes": "5"}, "minutes", "one amount at most"),
        ({"rupees": "200", "kwh": "5"}, "rupees", "one amount at most"),
        ({"kwh": "5", "coupon": "NONE"}, "coupon", "there is no offer"),
        ({"kwh": "5", "starts_at": "2999-01-01T10:00"}, "starts_at", "days ahead"),
        ({"kwh": "5", "starts_at": "soon"}, "starts_at", "valid date"),
        ({"kwh": "5", "idle_minutes": "1441"}, "idle_minutes", "less than or equal"),
        ({"item_id": ""}, "item_id", "required"),
        ({"item_id": "a\0b"}, "item_id", "Null characters"),
    ],
)
def test_a_fault_stands_by_its_field(
    more: dict[str, str], name: str, words: str, ours: Tenant, signed_in: Client
) -> None:
    shown = ask(signed_in, ours.connector, **more)
    assert shown.status_code == 200
    assert list(shown.context["form"].errors) == [name]
    assert words in shown.context["form"].errors[name][0]
    assert f'id="id_{name}_error"' in shown.content.decode()
    assert "plan" not in shown.context


def test_a_connector_without_tariff_or_off_sale_is_told_by_its_field(ours: Tenant, signed_in: Client) -> None:
    Connector.objects.filter(pk=ours.connector.pk).update(tariff=None)
    assert "it has no tariff" in ask(signed_in, ours.connector).context["form"].errors["item_id"][0]
    Station.objects.filter(pk=ours.station.pk).update(published=False)
    assert "on sale" in ask(signed_in, ours.connector).context["form"].errors["item_id"][0]


def test_nothing_given_is_priced_with_the_default_that_is_named(ours: Tenant, signed_in: Client) -> None:
    assert "assumed: 10 kWh" in ask(signed_in, ours.connector).content.decode()


def test_pages_of_tariff_and_connector_lead_here(ours: Tenant, signed_in: Client) -> None:
    for row in (ours.connector, ours.connector.tariff):
        assert row is not None
        kind = row._meta.model_name
        address = f"{PAGE}?{kind}={row.pk}"
        page = signed_in.get(reverse(f"admin:catalog_{kind}_change", args=[row.pk])).content.decode()
        assert f'href="{address}"' in page
        assert f'value="{ours.connector.item_id}"' in signed_in.get(address).content.decode()
    assert f'href="{PAGE}"' in signed_in.get(reverse("admin:index")).content.decode()


def test_anothers_connector_and_tariff_do_not_exist(ours: Tenant, theirs: Tenant, signed_in: Client) -> None:
    assert theirs.word not in signed_in.get(PAGE).content.decode()
    refused = ask(signed_in, theirs.connector, kwh="5")
    assert refused.status_code == 404
    assert "of yours is known" in refused.context["form"].errors["item_id"][0]
    assert theirs.operator.name not in refused.content.decode()
    for kind, pk in (("connector", theirs.connector.pk), ("tariff", theirs.operator.tariffs.get().pk), ("tariff", "x")):
        assert signed_in.get(PAGE, {kind: str(pk)}).status_code == 404


def test_nobody_else_may_ask(ours: Tenant, client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(User.objects.create_user("loose", is_staff=True))
    assert ask(client, ours.connector, kwh="5").status_code == 403


def test_the_page_asks_for_a_customer_and_a_buyer_app_as_the_api_does(ours: Tenant, signed_in: Client) -> None:
    rules = {"operator": ours.operator, "kind": "group", "name": "Ten off", "value": Decimal(-10)}
    member = Overlay.objects.create(code="M", **rules)
    member.members.create(person="p-1")
    Overlay.objects.create(code="B", **(rules | {"bap_id": "bap.example.org", "value": Decimal(-20)}))
    totals = []
    for asked in ({}, {"person": "p-1"}, {"bap_id": "bap.example.org"}):
        shown = ask(signed_in, ours.connector, kwh="10", **asked)
        wish = {"item_id": ours.connector.item_id, "energy_wh": 10_000, **asked}
        answer = signed_in.post("/api/quotes/preview", wish, content_type="application/json").json()
        assert shown.context["plan"].price.total.wire == answer["total"]
        totals.append(shown.context["plan"].price.total.paise)
    assert totals[0] > totals[1] > totals[2]
