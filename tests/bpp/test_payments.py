"""What does a buyer app see of a payment that we collect ourselves?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from bpp.models import OutboxMessage
from orders.models import Collection
from orders.services import collected_late, complete_order, correct_bill, expire_due, mark_started
from tests.bpp.pipeline import PAID, Talk, content, tell
from tests.factories.orders import NOW
from tests.orders.payments import ToyGateway, running_gateway, the_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(settings: Any) -> Iterator[ToyGateway]:
    with running_gateway(settings) as toy:
        yield toy


def ours(talk: Talk, **payment: Any) -> dict[str, Any]:
    """The order of an init or confirm whose payment we collect."""
    return {"order": talk.wish(payments=[{"collected_by": "BPP", "type": "PRE-ORDER", **payment}])}


def payment_in(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["message"]["order"]["payments"][0]
    return found


def paid(talk: Talk, gateway: ToyGateway) -> None:
    talk.ask("init", ours(talk))
    gateway.work()
    gateway.pay(the_collection(talk.order))
    gateway.after(seconds=15)
    gateway.work()


def test_init_names_the_page_to_pay_on(talk: Talk, gateway: ToyGateway) -> None:
    told = payment_in(talk.ask("init", ours(talk)))
    row = the_collection(talk.order)
    assert told["url"].endswith(f"/pay/{row.token}")
    assert (told["collected_by"], told["status"], told["params"]["amount"]) == ("BPP", "NOT-PAID", PAID)
    assert [row.verdicts for row in talk.owed()] == [[]]


def test_confirm_before_the_payment_is_refused(talk: Talk, gateway: ToyGateway) -> None:
    talk.ask("init", ours(talk))
    assert talk.refusal("confirm", ours(talk)) == ("40004", "$.message.order.payments[0].status")


def test_confirm_after_the_payment_is_accepted(talk: Talk, gateway: ToyGateway) -> None:
    paid(talk, gateway)
    told = payment_in(talk.ask("confirm", ours(talk)))
    assert (told["status"], told["params"]["transaction_id"]) == ("PAID", the_collection(talk.order).payment_ref)


def test_init_asked_again_shows_that_it_is_paid(talk: Talk, gateway: ToyGateway) -> None:
    paid(talk, gateway)
    assert payment_in(talk.ask("init", ours(talk)))["status"] == "PAID"


def test_capture_is_told_by_on_status(talk: Talk, gateway: ToyGateway) -> None:
    paid(talk, gateway)
    talk.ask("confirm", ours(talk))
    mark_started(talk.order.pk, now=NOW, actor="station")
    ended = NOW + timedelta(minutes=20)
    complete_order(
        talk.order.pk, energy_wh=8_000, started_at=NOW, ended_at=ended, now=ended, reason="full", actor="station"
    )
    tell()
    before = len(talk.told())
    gateway.after(minutes=20)
    gateway.work()
    tell()
    rows = list(OutboxMessage.objects.filter(answers=None).order_by("id"))
    assert len(talk.told()) == before + 1
    assert (rows[-1].action, payment_in(content(rows[-1]))["status"]) == ("on_status", "PAID")
    assert all(row.verdicts == [] for row in rows)


def corrected(talk: Talk, energy_wh: int) -> dict[str, Any]:
    """The order as it is told once its meter, which said 8 kWh at the end, says another energy."""
    mark_started(talk.order.pk, now=NOW, actor="station")
    ended = NOW + timedelta(minutes=20)
    session: dict[str, Any] = {"started_at": NOW, "ended_at": ended, "now": ended, "actor": "station", "reason": "end"}
    complete_order(talk.order.pk, energy_wh=8_000, **session)
    correct_bill(talk.order.pk, energy_wh=energy_wh, **session)
    tell()
    rows = list(OutboxMessage.objects.filter(answers=None).order_by("id"))
    assert all(row.verdicts == [] for row in rows)
    order: dict[str, Any] = content(rows[-1])["message"]["order"]
    return order


def test_more_than_was_paid_is_asked_for_as_a_payment_of_its_own(talk: Talk, gateway: ToyGateway) -> None:
    paid(talk, gateway)
    talk.ask("confirm", ours(talk))
    first, rest = corrected(talk, 12_000)["payments"]
    assert (first["status"], first["params"]["amount"]) == ("PAID", PAID)
    row = the_collection(talk.order)
    assert rest["url"].endswith(f"/pay/{row.token}")
    assert rest["url"] != first["url"]
    assert (rest["status"], rest["type"], rest["params"]["amount"]) == ("NOT-PAID", "POST-FULFILLMENT", "18.88")
    assert rest["id"] != first["id"]


def test_buyer_app_is_asked_for_more_than_it_collected(talk: Talk) -> None:
    talk.confirmed()
    first, rest = corrected(talk, 12_000)["payments"]
    assert (first["status"], rest["status"], rest["params"]["amount"]) == ("PAID", "NOT-PAID", "84.96")
    assert (rest["collected_by"], "url" in rest) == ("BAP", False)


def test_payment_after_the_charging_is_what_the_bill_says(talk: Talk) -> None:
    later = {"collected_by": "BAP", "type": "POST-FULFILLMENT", "status": "NOT-PAID"}
    talk.ask("select")
    for action in ("init", "confirm"):
        told = payment_in(talk.ask(action, {"order": talk.wish(payments=[later])}))
        assert (told["status"], told["params"]["amount"]) == ("NOT-PAID", PAID)
    assert [(one["status"], one["params"]["amount"]) for one in corrected(talk, 5_000)["payments"]] == [
        ("NOT-PAID", "129.80")
    ]
    collected_late(talk.order.pk, reference="UTR1", now=NOW + timedelta(hours=1), actor="staff")
    tell()
    last = OutboxMessage.objects.filter(answers=None).latest("id")
    assert [(one["status"], one["params"]["amount"]) for one in content(last)["message"]["order"]["payments"]] == [
        ("PAID", "129.80")
    ]


def test_less_than_was_paid_asks_for_nothing(talk: Talk) -> None:
    talk.confirmed()
    assert [one["status"] for one in corrected(talk, 5_000)["payments"]] == ["PAID"]


def test_pay_page_leads_to_the_provider_and_then_says_held(talk: Talk, gateway: ToyGateway) -> None:
    talk.ask("init", ours(talk))
    row = the_collection(talk.order)
    assert "being prepared" in page(row)
    gateway.work()
    row.refresh_from_db()
    assert f'href="{row.link_url}"' in page(row)
    gateway.pay(row)
    gateway.after(seconds=15)
    gateway.work()
    assert "is held for your charging" in page(row)


def test_pay_page_of_an_order_that_ran_out_says_that_the_money_comes_back(talk: Talk, settings: Any) -> None:
    with running_gateway(settings, partial_capture=False) as gateway:
        paid(talk, gateway)
        row = the_collection(talk.order)
        assert "arrived" in page(row)
        expire_due(gateway.after(minutes=16))
        gateway.work()
        row.refresh_from_db()
        assert (row.state, row.closing) == ("captured", True)
        shown = page(row)
    assert "comes back by itself" in shown
    assert "go back to the app" not in shown


@pytest.mark.parametrize("language", ["hi", "kn"])
def test_pay_page_speaks_the_languages_of_its_drivers(language: str, talk: Talk, gateway: ToyGateway) -> None:
    talk.ask("init", ours(talk))
    gateway.work()
    row = the_collection(talk.order)
    with translation.override(language):
        title, button = gettext("Pay for your charging"), gettext("Go to payment")
    assert title != "Pay for your charging"
    for shown in (page(row, lang=language), page(row, accept=f"{language}-IN,en;q=0.5")):
        assert f'<html lang="{language}">' in shown
        assert title in shown
        assert button in shown
        assert f'lang="{language}" aria-current="true"' in shown.replace(f' hreflang="{language}"', "")


@pytest.mark.parametrize(
    ("changes", "said", "not_said"),
    [
        ({"state": "authorised", "authorised_paise": 20_000}, "₹200.00 is held", "arrived"),
        ({"state": "captured", "captured_paise": 12_345}, "₹123.45 arrived", "held"),
        ({"state": "captured", "captured_paise": 12_345, "closing": True}, "comes back by itself", "arrived"),
        ({"state": "authorised", "authorised_paise": 20_000, "closing": True}, "comes back by itself", "held"),
        ({"state": "released"}, "is yours again", "ran out"),
        ({"state": "released", "closing": True}, "is yours again", "ran out"),
        ({"state": "expired"}, "ran out", "arrived"),
        ({"state": "alarm"}, "do not pay again", "Paid"),
        ({"state": "waiting"}, "You pay after charging", "arrived"),
    ],
)
def test_pay_page_says_what_became_of_the_money(
    changes: dict[str, Any], said: str, not_said: str, talk: Talk, gateway: ToyGateway
) -> None:
    talk.ask("init", ours(talk))
    row = the_collection(talk.order)
    Collection.objects.filter(pk=row.pk).update(**changes)
    shown = page(row)
    assert said in shown
    assert not_said not in shown


def test_pay_page_draws_a_upi_code_without_a_gateway(talk: Talk, gateway: ToyGateway, settings: Any) -> None:
    settings.PAYMENT_PROVIDER, settings.PAYMENT_UPI_ADDRESS = "upi", "voltbazaar@examplebank"
    told = payment_in(talk.ask("init", ours(talk)))
    assert told["params"]["virtual_payment_address"] == "voltbazaar@examplebank"
    gateway.work()
    shown = page(the_collection(talk.order))
    assert "upi://pay?pa=voltbazaar@examplebank&amp;pn=Voltbazaar&amp;am=236.00&amp;cu=INR" in shown
    assert "<svg" in shown


def test_unknown_pay_page_is_a_404() -> None:
    assert Client().get("/pay/nothing").status_code == 404


def page(row: Collection, *, lang: str = "", accept: str = "") -> str:
    response = Client().get(f"/pay/{row.token}", {"lang": lang} if lang else {}, headers={"Accept-Language": accept})
    assert response.status_code == 200
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "form-action 'none'" in response.headers["Content-Security-Policy"]
    return response.content.decode()
