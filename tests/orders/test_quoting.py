"""Do overlays, coupons, vehicles and planned prices reach the quote, and do they stay with the order?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from catalog.models import Connector
from catalog.versions import plan_version
from core.errors import Invalid, NotAllowed, NotFound
from orders.models import CouponUse, Member, Order, Overlay, Payment, QuoteRules
from orders.selectors import bill_price, current_quote
from orders.services import (
    Said,
    Vehicle,
    announce_price_change,
    cancel_order,
    confirm_order,
    init_order,
    prices_due,
    select_offer,
)
from orders.services.expire import expire_due
from orders.services.overlaying import customer_key, return_coupons
from orders.services.wish import Wish, plan_for
from tests.factories.orders import BAP, ELEMENTS, NOW, a_confirm, a_wish, an_init, connector_on_sale

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def overlay(connector: Connector, kind: str = "coupon", **changes: Any) -> Overlay:
    plain: dict[str, Any] = {"code": "TEN", "name": "Ten off", "value": Decimal(-10)}
    return Overlay.objects.create(operator=connector.evse.station.operator, kind=kind, **(plain | changes))


def coupon(*codes: str, **more: Any) -> Said:
    return Said(offers=codes, **more)


def lines(order: Order) -> list[tuple[str, int]]:
    return [(line["code"], line["paise"]) for line in current_quote(order).lines]


def test_a_coupon_stands_on_the_quote_and_on_the_bill() -> None:
    connector = connector_on_sale()
    overlay(connector)
    order = init_order(**an_init(connector, said=coupon("ten")))
    assert lines(order) == [
        ("energy-cost", 18_000), ("service-charge", 2_000), ("discount", -2_000), ("gst", 3_240)
    ]  # fmt: skip
    assert current_quote(order).tariff["overlays"][0]["code"] == "TEN"
    Overlay.objects.update(active=False)
    bill = bill_price(order, energy_wh=5_000, started_at=NOW, ended_at=NOW + timedelta(minutes=10))
    assert [line.amount.paise for line in bill.lines] == [9_000, 2_000, -1_100, 1_782]


def test_a_coupon_of_the_draft_counts_at_init_without_being_sent_again() -> None:
    connector = connector_on_sale()
    overlay(connector)
    asked = a_wish(connector, said=coupon("TEN"))
    drafted = current_quote(select_offer(**asked))
    order = init_order(**an_init(connector, transaction_id=asked["transaction_id"]))
    assert current_quote(order).number == drafted.number
    assert CouponUse.objects.get().order == order


@pytest.mark.parametrize(
    ("code", "changes", "error", "words"),
    [
        ("NONE", {}, NotFound, "there is no offer 'NONE'"),
        ("TEN", {"min_energy_wh": 20_000}, Invalid, "at least 20 kWh"),
        ("TEN", {"valid_until": NOW}, Invalid, "ran out"),
        ("TEN", {"bap_id": "other.example.org"}, Invalid, "another app"),
        ("TEN", {"active": False}, NotFound, "there is no offer"),
    ],
)
def test_a_coupon_that_does_not_apply_is_refused_with_the_reason(
    code: str, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    connector = connector_on_sale()
    overlay(connector, **changes)
    with pytest.raises(error, match=words):
        select_offer(**a_wish(connector, said=coupon(code)))


def test_a_code_stands_once_at_an_operator_however_it_is_typed() -> None:
    connector = connector_on_sale()
    overlay(connector)
    with pytest.raises(IntegrityError, match="overlay_code"), transaction.atomic():
        overlay(connector, code="Ten")
    with pytest.raises(ValidationError, match="capitals make no difference"):
        Overlay(
            operator=connector.evse.station.operator, kind="coupon", code="tEN", name="Ten", value=Decimal(-1)
        ).full_clean()
    overlay(connector_on_sale(), code="Ten")


def test_a_coupon_that_ran_out_meanwhile_still_counts_until_the_quote_ends() -> None:
    connector = connector_on_sale()
    overlay(connector, valid_until=NOW + timedelta(minutes=5))
    asked = a_wish(connector, said=coupon("TEN"))
    drafted = current_quote(select_offer(**asked))
    later = NOW + timedelta(minutes=10)
    order = init_order(**an_init(connector, transaction_id=asked["transaction_id"], now=later))
    assert (current_quote(order).number, current_quote(order).valid_until) == (drafted.number, drafted.valid_until)


def test_the_first_uses_are_counted_and_given_back() -> None:
    connector = connector_on_sale()
    other = connector_on_sale(station=connector.evse.station)
    overlay(connector, max_uses=1)
    first = init_order(**an_init(connector, said=coupon("TEN")))
    init_order(**an_init(connector, transaction_id=first.transaction_id))
    assert CouponUse.objects.filter(returned_at=None).count() == 1
    with pytest.raises(Invalid, match="all 1 uses are taken"):
        init_order(**an_init(other, said=coupon("TEN")))
    expire_due(NOW + HOUR)
    later = NOW + HOUR
    second = init_order(**an_init(other, said=coupon("TEN"), now=later))
    confirmed = confirm_order(**a_confirm(second, now=later))
    cancel_order(order_id=confirmed.pk, by="CONSUMER", now=later, actor="test")
    assert not CouponUse.objects.filter(returned_at=None).exists()


def test_the_next_use_takes_the_next_number_and_the_last_ones_those_given_back() -> None:
    connectors = [connector := connector_on_sale()]
    connectors += [connector_on_sale(operator=connector.evse.station.operator) for _ in range(4)]
    overlay(connector, max_uses=3)
    orders = [init_order(**an_init(one, said=coupon("TEN"))) for one in connectors[:2]]
    return_coupons(orders[0], now=NOW)
    orders += [init_order(**an_init(one, said=coupon("TEN"))) for one in connectors[2:4]]
    standing = CouponUse.objects.filter(returned_at=None)
    assert list(standing.order_by("order").values_list("number", flat=True)) == [2, 3, 1]
    with pytest.raises(Invalid, match="all 3 uses are taken"):
        init_order(**an_init(connectors[4], said=coupon("TEN")))


def test_a_quote_reads_its_rules_and_members_with_what_they_belong_to() -> None:
    connector = connector_on_sale()
    QuoteRules.objects.create(operator=connector.evse.station.operator)
    fleet = overlay(connector, kind="group", code="FLEET")
    Member.objects.bulk_create(Member(overlay=fleet, person=f"p-{number}") for number in range(50))
    with CaptureQueriesContext(connection) as run:
        plan_for(Wish(operator_code="", item_id=connector.item_id, said=Said(person="p-7")), now=NOW)
    asked = [query["sql"] for query in run]
    assert len([sql for sql in asked if "orders_quoterules" in sql]) == 1
    assert len([sql for sql in asked if "orders_member" in sql]) == 1
    assert not any("COUNT(" in sql for sql in asked)


def test_a_customer_uses_a_coupon_so_often() -> None:
    connector = connector_on_sale()
    other = connector_on_sale(station=connector.evse.station)
    overlay(connector, per_customer=1)
    init_order(**an_init(connector, said=coupon("TEN", person="p-1")))
    with pytest.raises(Invalid, match="used it 1 times"):
        select_offer(**a_wish(other, said=coupon("TEN", person="p-1")))
    init_order(**an_init(other, said=coupon("TEN", person="p-2")))


def test_a_customer_known_by_phone_only_is_counted_and_cannot_be_guessed(settings: Settings) -> None:
    connector = connector_on_sale()
    other = connector_on_sale(operator=connector.evse.station.operator)
    overlay(connector, per_customer=1)
    order = init_order(**an_init(connector, said=coupon("TEN")))
    key = customer_key(order)
    assert CouponUse.objects.get().customer == key
    assert key != f"contact:{sha256(order.customer['phone'].encode()).hexdigest()}"
    with pytest.raises(Invalid, match="this customer"):
        init_order(**an_init(other, said=coupon("TEN")))
    settings.SECRET_KEY = "another"
    assert customer_key(order) != key


def test_the_database_holds_the_limits_of_a_coupon() -> None:
    connector = connector_on_sale()
    limited = overlay(connector, max_uses=1, per_customer=1)
    order = init_order(**an_init(connector, said=coupon("TEN")))
    use = CouponUse.objects.get()
    for number, own in ((2, 1), (1, 2), (0, 1)):
        with pytest.raises(IntegrityError), transaction.atomic():
            CouponUse.objects.create(
                overlay=limited, order=order, number=number, customer=use.customer, customer_number=own, at=NOW
            )


def test_a_member_and_a_group_have_their_price() -> None:
    connector = connector_on_sale()
    fleet = overlay(connector, "group", code="FLEET", value=Decimal(-20), group_code="FLEET-7")
    Member.objects.create(overlay=fleet, person="p-1")
    for said, paise in ((Said(), 23_600), (Said(groups=("FLEET-7",)), 18_880), (Said(person="p-1"), 18_880)):
        assert current_quote(select_offer(**a_wish(connector, said=said))).total_paise == paise


def test_an_amount_of_money_buys_more_with_a_discount() -> None:
    connector = connector_on_sale()
    overlay(connector)
    plain = select_offer(**a_wish(connector, quantity_kind="money", quantity=23_600))
    cheaper = select_offer(**a_wish(connector, quantity_kind="money", quantity=23_600, said=coupon("TEN")))
    assert plain.energy_wh == 10_000
    assert cheaper.energy_wh == 11_234
    assert current_quote(cheaper).total_paise <= 23_600
    assert current_quote(cheaper).tariff["basis"] == "estimate: the energy that 236.00 INR pay for at 30 kW"


def test_until_full_is_worked_out_from_the_vehicle_and_said() -> None:
    connector = connector_on_sale()
    car = Vehicle(battery_wh=40_000, soc_percent=Decimal(35), max_dc_w=20_000)
    order = select_offer(**a_wish(connector, quantity_kind="", quantity=None, said=Said(vehicle=car, until_full=True)))
    kept = current_quote(order).tariff
    assert order.energy_wh == 27_300  # 65 % of 40 kWh and 5 % for losses
    assert kept["basis"] == "estimate: a battery of 40 kWh from 35 % to 100 %, with 5 % charging losses"
    assert (kept["power_w"], kept["duration_s"]) == (20_000, 4_914)


def test_a_full_battery_needs_no_charge() -> None:
    car = Vehicle(battery_wh=40_000, soc_percent=Decimal(80), target_percent=Decimal(80))
    with pytest.raises(Invalid, match="80 % already"):
        select_offer(**a_wish(connector_on_sale(), quantity_kind="", quantity=None, said=Said(vehicle=car)))


def test_an_open_amount_is_assumed_or_refused_as_its_operator_says() -> None:
    connector = connector_on_sale()
    asked = a_wish(connector, quantity_kind="", quantity=None, said=Said(until_full=True))
    assert current_quote(select_offer(**asked)).tariff["basis"].startswith("assumed: 10 kWh, since the battery's")
    rules = QuoteRules.objects.create(operator=connector.evse.station.operator, assumed_wh=7_000)
    assert select_offer(**asked).energy_wh == 7_000
    rules.without_amount = QuoteRules.Open.REFUSE
    rules.save()
    with pytest.raises(Invalid, match="assumes no amount"):
        select_offer(**asked)


def test_a_booking_beyond_a_planned_price_is_quoted_at_that_price() -> None:
    connector = connector_on_sale()
    assert connector.tariff is not None
    dearer = [{"price_components": [{**ELEMENTS[0]["price_components"][0], "price": "20.00"}]}]
    plan_version(connector.tariff.pk, valid_from=NOW + 2 * HOUR, prices={"elements": dearer}, now=NOW)
    today = current_quote(select_offer(**a_wish(connector)))
    later = current_quote(select_offer(**a_wish(connector, starts_at=NOW + 3 * HOUR, ends_at=NOW + 4 * HOUR)))
    assert (today.tariff["version"], today.total_paise) == (1, 23_600)
    assert (later.tariff["version"], later.total_paise) == (2, 23_600)
    assert connector.tariff.versions.filter(used_at=NOW).count() == 2


def test_a_finder_fee_is_kept_with_the_payment_within_limits() -> None:
    connector = connector_on_sale()
    order = init_order(**an_init(connector, finder_fee=("percent", Decimal("2.5"))))
    assert (order.payment.finder_fee_type, order.payment.finder_fee) == ("percent", Decimal("2.50"))
    with pytest.raises(NotAllowed, match="at most 10 %"):
        init_order(**an_init(connector, transaction_id=order.transaction_id, finder_fee=("amount", Decimal(100))))


def booked(connector: Connector, **more: Any) -> Order:
    wish: dict[str, Any] = {"starts_at": NOW + 3 * HOUR, "ends_at": NOW + 4 * HOUR, "payment_type": "ON-FULFILLMENT"}
    order = init_order(**an_init(connector, **(wish | more)))
    return confirm_order(**a_confirm(order, payment_status="NOT-PAID"))


def make_dearer(connector: Connector) -> None:
    assert connector.tariff is not None
    connector.tariff.elements = [{"price_components": [{"type": "ENERGY", "price": "25.00"}]}]
    connector.tariff.save()


def test_a_promised_price_is_guaranteed_by_default() -> None:
    connector = connector_on_sale()
    order = booked(connector)
    make_dearer(connector)
    with pytest.raises(NotAllowed, match="guarantees the price"):
        announce_price_change(order.pk, now=NOW, actor="test")
    assert current_quote(order).total_paise == 23_600


def test_a_price_that_may_change_is_told_before_it_applies() -> None:
    connector = connector_on_sale()
    QuoteRules.objects.create(operator=connector.evse.station.operator, price_change="announced", notice_s=7_200)
    order = booked(connector)
    make_dearer(connector)
    with pytest.raises(NotAllowed, match="less than"):
        announce_price_change(order.pk, now=NOW + 2 * HOUR, actor="test")
    for _ in range(2):
        announce_price_change(order.pk, now=NOW, actor="test")
    event = order.events.get(kind="price-changed")
    assert (event.public, event.data["from_paise"], event.data["to_paise"]) == (True, 23_600, 29_500)
    assert (current_quote(order).total_paise, current_quote(order).tariff["version"]) == (29_500, 2)
    order.payment.refresh_from_db()
    assert order.payment.amount_paise == 29_500


def may_change(connector: Connector, notice_s: int = 7_200) -> Connector:
    QuoteRules.objects.create(operator=connector.evse.station.operator, price_change="announced", notice_s=notice_s)
    return connector


def told(order: Order) -> int:
    return order.events.filter(kind="price-changed").count()


def test_new_version_of_the_tariff_is_announced_by_itself_and_once() -> None:
    connector = may_change(connector_on_sale())
    order = booked(connector)
    assert prices_due(NOW) == 0
    make_dearer(connector)
    assert [prices_due(NOW) for _ in range(3)] == [1, 0, 0]
    assert told(order) == 1
    assert current_quote(order).total_paise == 29_500


@pytest.mark.parametrize(("hours", "announced"), [(2, 1), (3, 1), (4, 0)])
def test_planned_version_is_announced_where_it_will_hold_at_the_start(hours: int, announced: int) -> None:
    connector = may_change(connector_on_sale())
    order = booked(connector)
    assert connector.tariff is not None
    dearer = [{"price_components": [{"type": "ENERGY", "price": "25.00"}]}]
    plan_version(connector.tariff.pk, valid_from=NOW + hours * HOUR, prices={"elements": dearer}, now=NOW)
    assert prices_due(NOW) == told(order) == announced


@pytest.mark.parametrize("why", ["guaranteed", "within the notice", "paid", "cancelled"])
def test_price_that_is_guaranteed_is_left_alone(why: str) -> None:
    connector = connector_on_sale()
    if why != "guaranteed":
        may_change(connector)
    order = booked(connector)
    if why == "paid":
        Payment.objects.filter(order=order).update(status="PAID")
    if why == "cancelled":
        cancel_order(order_id=order.pk, by="CONSUMER", now=NOW, actor=BAP)
    make_dearer(connector)
    assert prices_due(NOW + (HOUR if why != "within the notice" else HOUR + timedelta(seconds=1))) == told(order) == 0


def test_changed_price_of_standing_is_announced_though_the_total_stays() -> None:
    connector = may_change(connector_on_sale())
    order = booked(connector)
    assert connector.tariff is not None
    standing = {"type": "PARKING_TIME", "price": "60.00"}
    parts = [*connector.tariff.elements[0]["price_components"], standing]
    connector.tariff.elements = [{"price_components": parts}]
    connector.tariff.save()
    assert prices_due(NOW) == told(order) == 1
    assert order.events.get(kind="price-changed").data["to_paise"] == 23_600


def test_least_price_that_is_given_up_is_gone_from_the_promise() -> None:
    connector = may_change(connector_on_sale())
    assert connector.tariff is not None
    connector.tariff.min_price = {"excl_vat": "500.00"}
    connector.tariff.save()
    order = booked(connector)
    assert current_quote(order).total_paise == 59_000
    connector.tariff.min_price = None
    connector.tariff.save()
    assert prices_due(NOW) == 1
    bill = bill_price(order, energy_wh=10_000, started_at=NOW, ended_at=NOW + HOUR)
    assert (current_quote(order).total_paise, bill.total.paise) == (23_600, 23_600)


def test_version_with_the_old_prices_is_no_change() -> None:
    connector = may_change(connector_on_sale())
    order = booked(connector)
    assert connector.tariff is not None
    before = connector.tariff.elements
    make_dearer(connector)
    connector.tariff.elements = before
    connector.tariff.save()
    assert [prices_due(NOW) for _ in range(2)] == [1, 0]
    assert told(order) == 0
    assert current_quote(order).tariff["version"] == 3
