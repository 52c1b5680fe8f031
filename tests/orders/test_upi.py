"""Is a UPI link what apps and banks expect, and does a transfer count only once a person has seen it?"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import Invalid, PaymentError
from core.qr import qr_svg
from orders.models import Collection, Payment
from orders.payments import provider_named
from orders.payments.base import Ask
from orders.payments.upi import Upi, intent_of
from orders.services import collect_due, confirm_order
from orders.services.receiving import confirm_by_hand
from tests.factories.orders import NOW, a_confirm, initiated_order
from tests.orders.payments import money, the_collection

ASK = Ask("VB2345ABCD", 23_600, "INR", "EV charging at Example & Co")


def test_intent_names_payee_amount_and_reference() -> None:
    link = urlsplit(intent_of("volt@bank", "Volt & Co", ASK))
    assert (link.scheme, link.netloc) == ("upi", "pay")
    assert {name: values[0] for name, values in parse_qs(link.query).items()} == {
        "pa": "volt@bank",
        "pn": "Volt & Co",
        "am": "236.00",
        "cu": "INR",
        "tr": "VB2345ABCD",
        "tn": "EV charging at Example & Co",
    }


@pytest.mark.parametrize(
    "ask", [Ask("VB1", 1, "USD", ""), Ask("", 1, "INR", ""), Ask("a b", 1, "INR", ""), Ask("x" * 36, 1, "INR", "")]
)
def test_intent_refuses_other_money_and_odd_references(ask: Ask) -> None:
    with pytest.raises(PaymentError):
        intent_of("volt@bank", "Volt", ask)


@pytest.mark.parametrize("address", ["", "volt", "volt@", "@bank", "vo lt@bank", "volt@bank@bank", "volt&am=1@bank"])
def test_address_must_be_one(address: str) -> None:
    with pytest.raises(PaymentError):
        Upi(address, "Volt")


def test_code_is_a_picture_without_scripts_or_styles() -> None:
    svg = qr_svg(intent_of("volt@bank", "Volt", ASK))
    assert svg.startswith("<svg")
    assert "script" not in svg
    assert "style" not in svg


@pytest.mark.parametrize("name", ["razorpay", "upi", "paypal"])
def test_provider_that_is_not_configured_is_refused(name: str, settings: Any) -> None:
    settings.PAYMENT_RAZORPAY_KEY_SECRET = settings.PAYMENT_UPI_ADDRESS = ""
    with pytest.raises(PaymentError) as refused:
        provider_named(name, settings)
    assert refused.value.permanent


@pytest.fixture
def upi(settings: Any) -> None:
    settings.PAYMENT_PROVIDER, settings.PAYMENT_UPI_ADDRESS = "upi", "voltbazaar@examplebank"


@pytest.mark.django_db
def test_operator_confirms_a_transfer_by_its_reference(upi: None) -> None:
    order = initiated_order(collected_by="BPP")
    collect_due(now=NOW)
    row = confirm_by_hand(the_collection(order).pk, reference="UTR123456", actor="staff:asha", now=NOW)
    again = confirm_by_hand(row.pk, reference="UTR999", actor="staff:asha", now=NOW)
    assert (again.state, again.payment_ref) == (Collection.State.CAPTURED, "UTR123456")
    order = confirm_order(**a_confirm(order, reference="UTR123456"))
    assert (order.state, money(order).paid, Payment.objects.get(order=order).status) == ("active", 23_600, "PAID")


@pytest.mark.django_db
def test_reference_of_another_transfer_confirms_nothing(upi: None) -> None:
    first, second = initiated_order(collected_by="BPP"), initiated_order(collected_by="BPP")
    collect_due(now=NOW)
    confirm_by_hand(the_collection(first).pk, reference="UTR123456", actor="staff:asha", now=NOW)
    with pytest.raises(Invalid, match="paid for another order"):
        confirm_by_hand(the_collection(second).pk, reference="UTR123456", actor="staff:asha", now=NOW)


@pytest.mark.django_db
def test_buyer_apps_reference_stands_where_nobody_can_be_asked(upi: None) -> None:
    order = initiated_order(collected_by="BPP")
    collect_due(now=NOW)
    order = confirm_order(**a_confirm(order, reference="UTR777"))
    row = the_collection(order)
    assert (row.state, row.payment_ref, money(order).paid) == (Collection.State.CAPTURED, "UTR777", 23_600)


@pytest.mark.django_db
def test_confirm_without_a_reference_is_refused(upi: None) -> None:
    order = initiated_order(collected_by="BPP")
    with pytest.raises(Invalid, match="needs the payer's transaction id"):
        confirm_order(**a_confirm(order))
