"""Which neutral things do the dialect's tests speak of?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bpp.dialects import v1
from bpp.messages import Contact, Quantity, Window
from bpp.replies import (
    Cancellation,
    CategoriesReply,
    Charger,
    ChargingDetails,
    ErrorReply,
    FeeTerm,
    Line,
    OfferView,
    OrderReply,
    OrderView,
    PaymentView,
    Place,
    Plug,
    Provider,
    QuoteView,
    RateReply,
    Reason,
    ReasonsReply,
    RefundTerm,
    RefundView,
    Remark,
    Reply,
    SupportReply,
    TermsDocument,
    TermsView,
    TrackReply,
)
from core.money import Money

NOW = datetime(2026, 3, 10, 6, 30, 0, 250_000, tzinfo=UTC)
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "v1"
BPP: dict[str, Any] = {"bpp_id": "bpp.voltbazaar.example", "bpp_uri": "https://bpp.voltbazaar.example/beckn"}


def fixture(name: str) -> dict[str, Any]:
    """A golden message of ours by its name."""
    document: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return document


def inr(text: str) -> Money:
    return Money(Decimal(text))


PROVIDER = Provider("volt-one", "Volt One", "Chargers along the lake")
PLACE = Place(
    id="LAKE-01",
    name="Lake View hub",
    latitude=Decimal("12.975"),
    longitude=Decimal("77.6051"),
    address="7 Lake View Road, Bengaluru",
    city="Bengaluru",
    city_code="std:080",
    country="IND",
    postal_code="560042",
    directions="Level 1, behind the lifts",
)
CHARGER = Charger("IN*VBZ*E0101", "Bay 1", "Example OEM", True, PLACE)
PLUG = Plug(
    item_id="IN*VBZ*E0101*1",
    number="1",
    standard="IEC_62196_T2_COMBO",
    current="DC",
    max_power_w=60_000,
    vehicle="4w",
    availability="available",
    price_per_kwh=inr("19.50"),
    green=True,
    charger=CHARGER,
    provider=PROVIDER,
)
OTHER_CHARGER = Charger("IN*VBZ*E0102", "", "", False, PLACE)
OTHER_PLUG = Plug(
    item_id="IN*VBZ*E0102*1",
    number="1",
    standard="IEC_62196_T2",
    current="AC",
    max_power_w=7_400,
    vehicle="any",
    availability="charging",
    price_per_kwh=inr("14.125"),
    green=False,
    charger=OTHER_CHARGER,
    provider=PROVIDER,
)
QUOTE = QuoteView(
    id="7d1f7ad4-8ad8-4ad0-9a53-4d3c4f0f1b02",
    total=inr("230.10"),
    lines=(
        Line("energy-cost", inr("195.00"), energy_wh=10_000),
        Line("gst", inr("35.10"), note="GST 18 %"),
    ),
    ttl_s=900,
)
CANCELLED_QUOTE = QuoteView(
    id="f3c0c6a3-1c69-4f24-8d4c-0f2b66b1f3aa",
    total=inr("69.03"),
    lines=(*QUOTE.lines, Line("refund", inr("-161.07"))),
)
WINDOW = Window(NOW + timedelta(hours=1), NOW + timedelta(hours=2))
CUSTOMER = Contact(name="Test Driver", phone="+919800000001", email="driver@example.org")
BILLING = Contact(
    name="Test Driver", phone="+919800000001", email="driver@example.org", address="1 Test Street", tax_id="T1"
)
PAYMENT = PaymentView(
    id="pay-1",
    collected_by="BAP",
    type="PRE-ORDER",
    status="PAID",
    amount=inr("230.10"),
    reference="txn-1",
    url="https://bpp.voltbazaar.example/pay/1",
    paid_at=NOW,
)
FEES = (
    FeeTerm("payment-completed", Decimal("30"), url="https://bpp.voltbazaar.example/terms"),
    FeeTerm("charging-started", Decimal("100.0")),
)
REFUNDS = (RefundTerm("payment-completed", eligible=True, within_s=864_000),)
CHARGING = ChargingDetails(
    energy_wh=2300,
    meter_start_wh=100_000,
    meter_stop_wh=102_300,
    power_w=31_500,
    current_a=Decimal("79.5"),
    voltage_v=Decimal("396"),
    soc_percent=64,
    started_at=NOW,
    ended_at=NOW + timedelta(minutes=20),
)
RUNNING = ChargingDetails(energy_wh=0, meter_start_wh=100_000, started_at=NOW)
CONTEXT = fixture("select")["context"]
DRAFT = OrderView(draft=True, plug=PLUG, quantity=Quantity("energy", 10_000), quote=QUOTE)
CONFIRMED = OrderView(
    draft=False,
    plug=PLUG,
    quantity=Quantity("energy", 10_000),
    quote=QUOTE,
    code="VB-1001",
    status="active",
    fulfillment="payment-completed",
    fulfillment_at=NOW,
    window=WINDOW,
    billing=BILLING,
    customer=CUSTOMER,
    payment=PAYMENT,
    fees=FEES,
    refunds=REFUNDS,
    created_at=NOW,
    updated_at=NOW,
)
INITIATED = replace(
    CONFIRMED,
    draft=True,
    code="",
    status="initiated",
    fulfillment="order-initiated",
    payment=replace(PAYMENT, status="NOT-PAID", reference="", paid_at=None),
    created_at=None,
    updated_at=None,
)
OFFERED = OfferView("LAKE10", "Ten per cent off at the lake")
CHARGES = (
    FeeTerm("payment-completed", Decimal("0"), until_s=3600, until=NOW),
    FeeTerm("payment-completed", None, reason_required=False, amount=inr("50.00")),
)
ASKED = TermsView(
    "https://bpp.voltbazaar.example/terms/t",
    (
        TermsDocument("volt-one-service", "service", "Terms of service", 3, "a" * 64, required=True, declarable=True),
        TermsDocument(
            "volt-one-privacy", "privacy", "Privacy", 1, "b" * 64, required=False, accepted_at=NOW, accepted_by="form"
        ),
    ),
    asking=True,
    outstanding=True,
)
UPI = replace(
    PAYMENT,
    collected_by="BPP",
    status="NOT-PAID",
    reference="",
    paid_at=None,
    address="voltone@upi.example",
    finder_fee_type="percent",
    finder_fee=Decimal("2.50"),
)
SENT = RefundView(
    id="rf-1",
    amount=inr("161.07"),
    state="sent",
    reason="cancelled",
    at=NOW,
    until=NOW + timedelta(days=10),
)
RETURNED = replace(SENT, id="rf-2", amount=inr("5.00"), state="done", reason="goodwill", reference="UTR-1")
CALLBACKS: dict[str, tuple[str, Reply]] = {
    "on_select": ("on_select", OrderReply(replace(DRAFT, alternatives=(OTHER_PLUG,)))),
    "on_init": ("on_init", OrderReply(INITIATED)),
    "on_confirm": ("on_confirm", OrderReply(CONFIRMED)),
    "on_status": ("on_status", OrderReply(replace(CONFIRMED, fulfillment="charging-started", charging=RUNNING))),
    "on_update_end": (
        "on_update",
        OrderReply(replace(CONFIRMED, status="complete", fulfillment="charging-ended", charging=CHARGING)),
    ),
    "on_cancel": (
        "on_cancel",
        OrderReply(
            replace(
                CONFIRMED,
                quote=CANCELLED_QUOTE,
                status="cancelled",
                fulfillment="order-cancelled",
                cancellation=Cancellation(NOW, "CONSUMER", "5", "Plans changed"),
            )
        ),
    ),
    "on_track": ("on_track", TrackReply("VB-1001", "https://bpp.voltbazaar.example/track/t", active=True)),
    "on_rating": ("on_rating", RateReply("https://bpp.voltbazaar.example/feedback/f")),
    "on_support": (
        "on_support",
        SupportReply("VB-1001", "+911800000001", "help@example.org", "https://bpp.voltbazaar.example/help"),
    ),
    "cancellation_reasons": ("cancellation_reasons", ReasonsReply((Reason("5", "Plans changed"),))),
    "rating_categories": ("rating_categories", CategoriesReply(("Item", "Order", "Fulfillment", "Provider"))),
    "on_init_terms": (
        "on_init",
        OrderReply(replace(INITIATED, offers=(OFFERED,), payment=UPI, fees=CHARGES, terms=ASKED)),
    ),
    "on_status_paid": (
        "on_status",
        OrderReply(
            replace(
                CONFIRMED,
                start_code="4711",
                remarks=(Remark("basis", "battery"), Remark("estimated-duration", "PT40M")),
                alternatives=(OTHER_PLUG, replace(PLUG, item_id="IN*VBZ*E0101*2", number="2")),
                payment=replace(PAYMENT, refunds=(SENT, RETURNED)),
            )
        ),
    ),
    "on_confirm_instead": (
        "on_confirm",
        ErrorReply(
            "connector-busy",
            "The connector is taken until 07:30; choose another one.",
            "order.items[0].id",
            alternatives=(OTHER_PLUG, replace(PLUG, provider=replace(PROVIDER, id="volt-two"))),
        ),
    ),
    "on_confirm_error": (
        "on_confirm",
        ErrorReply("quote-expired", "The quote ran out at 06:15; select again.", "order.quote"),
    ),
}


def built(name: str) -> dict[str, Any]:
    """The callback that CALLBACKS names, built."""
    action, reply = CALLBACKS[name]
    return v1.build(action, reply, context=CONTEXT, message_id=CONTEXT["message_id"], now=NOW, **BPP)


def catalogue() -> bytes:
    """An on_search with both connectors."""
    return v1.catalog.join_catalog(
        fixture("search")["context"],
        [v1.catalog.row(PLUG), v1.catalog.row(OTHER_PLUG)],
        message_id=fixture("search")["context"]["message_id"],
        now=NOW,
        network_name="Voltbazaar",
        exp=NOW + timedelta(minutes=1),
        **BPP,
    )
