"""Does the database itself refuse what no service would do?"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from orders.models import CouponUse, Order, OrderEvent, Overlay, Quote
from orders.services.ledger import record
from orders.services.overlaying import customer_key
from tests.factories.orders import NOW, active_order, draft_order


@pytest.mark.django_db
def test_total_that_is_not_the_sum_is_refused() -> None:
    order = draft_order()
    with pytest.raises(IntegrityError, match="quote_total_is_sum"), transaction.atomic():
        Quote.objects.filter(order=order).update(total_paise=1)
    with pytest.raises(IntegrityError, match="quote_total_is_sum"), transaction.atomic():
        Quote.objects.filter(order=order).update(lines=[{"code": "energy-cost", "paise": 1}])


@pytest.mark.django_db
def test_illegal_move_is_refused_whoever_writes_it() -> None:
    order = active_order()
    for change in ({"state": "draft"}, {"fulfillment": "charging-ended"}, {"state": "complete"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Order.objects.filter(pk=order.pk).update(**change)


@pytest.mark.django_db
def test_history_is_never_rewritten() -> None:
    order = active_order()
    event = order.events.latest("number")
    OrderEvent.objects.filter(pk=event.pk).update(published_at=NOW)
    for change in ({"kind": "other"}, {"at": NOW + timedelta(days=1)}, {"public": True}):
        with pytest.raises(IntegrityError, match="history"), transaction.atomic():
            OrderEvent.objects.filter(pk=event.pk).update(**change)
    with pytest.raises(IntegrityError, match="history"), transaction.atomic():
        event.delete()


@pytest.mark.django_db
def test_event_numbers_have_no_gaps_and_no_doubles() -> None:
    order = draft_order()
    stale = Order.objects.get(pk=order.pk)
    record(order, "noted", now=NOW, actor="test")
    with pytest.raises(IntegrityError, match="event_number"), transaction.atomic():
        record(stale, "noted", now=NOW, actor="test")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_rules_can_be_taken_back_and_put_in_again() -> None:
    # Of every app: what stands on the orders of today is taken back with them.
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        MigrationExecutor(connection).migrate([("orders", "0001_initial")])
    finally:
        MigrationExecutor(connection).migrate(latest)
    order = draft_order()
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(state="complete")


@pytest.mark.django_db
def test_coupons_of_before_are_hashed_again_and_told_apart() -> None:
    use, other = coupons_of_before()
    with connection.schema_editor(atomic=False) as editor:
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        editor.execute("DROP INDEX overlay_code")
        loosen(use, other)
        import_module("orders.migrations.0015_coupon_contacts").hash_again(apps, editor)
        editor.execute(import_module("orders.migrations.0018_overlay_code").APART)
    assert_of_today(use, other)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_coupons_of_before_are_of_today_when_all_is_migrated() -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    use, other = coupons_of_before()
    try:
        MigrationExecutor(connection).migrate([("orders", "0014_overlay_advertised")])
        loosen(use, other)
    finally:
        MigrationExecutor(connection).migrate(latest)
    assert_of_today(use, other)


def coupons_of_before() -> tuple[CouponUse, Overlay]:
    """A use whose customer is plain to read, and another coupon of that operator."""
    order = draft_order()
    order.customer = {"phone": "+910000000000"}
    order.save(update_fields=["customer"])
    coupon = Overlay.objects.create(operator=order.operator, kind="coupon", code="MONSOON", name="Monsoon", value=-10)
    use = CouponUse.objects.create(
        overlay=coupon, order=order, number=2, customer="contact:plain", customer_number=2, at=NOW
    )
    other = Overlay.objects.create(operator=order.operator, kind="coupon", code="WINTER", name="Winter", value=-10)
    return use, other


def loosen(use: CouponUse, other: Overlay) -> None:
    """Write what the rules of today refuse."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_overlay SET code = 'Monsoon' WHERE id = %s", [other.pk])
        # A limit lowered since then is not held against what was used before.
        cursor.execute("UPDATE orders_overlay SET max_uses = 1, per_customer = 1 WHERE id = %s", [use.overlay_id])


def assert_of_today(use: CouponUse, other: Overlay) -> None:
    use.refresh_from_db()
    other.refresh_from_db()
    assert (use.customer, other.code) == (customer_key(use.order), f"Monsoon-{other.pk}")
