"""Is a connector promised to one order at a time, however many ask at once?"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections

from core.errors import DomainError
from orders.models import Order, Reservation
from orders.services import (
    complete_order,
    confirm_order,
    expire_due,
    init_order,
    mark_started,
    mark_starting,
    prolong_due,
    select_offer,
)
from orders.services.holds import release
from tests.factories.orders import (
    BAP,
    NOW,
    a_confirm,
    a_wish,
    active_order,
    an_init,
    connector_on_sale,
    draft_order,
    initiated_order,
)

HOUR = timedelta(hours=1)


def together(deeds: Sequence[Callable[[], object]]) -> Counter[str]:
    """Do all deeds at the same time, each on a connection of its own; how often each outcome came."""
    outcomes: list[str] = []
    start = threading.Barrier(len(deeds))

    def run(deed: Callable[[], object]) -> None:
        start.wait()
        try:
            deed()
            outcomes.append("done")
        except DomainError as err:
            outcomes.append(err.code)
        except Exception as err:  # noqa: BLE001  # whatever else surfaces is the finding
            outcomes.append(repr(err))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(outcomes)


@pytest.mark.django_db(transaction=True)
def test_fifty_confirms_for_one_connector_have_one_winner() -> None:
    connector = connector_on_sale()
    orders = []
    for _ in range(50):
        orders.append(initiated_order(connector))
        release(orders[-1], now=NOW)
    deeds = [partial(confirm_order, **a_confirm(order)) for order in orders]
    assert together(deeds) == {"done": 1, "connector-busy": 49}
    assert Order.objects.filter(state="active").count() == 1
    assert Reservation.objects.exclude(state="released").count() == 1


@pytest.mark.django_db(transaction=True)
def test_confirms_of_one_transaction_make_one_order() -> None:
    order = initiated_order()
    assert together([lambda: confirm_order(**a_confirm(order))] * 8) == {"done": 8}
    order.refresh_from_db()
    assert (order.state, order.last_event) == ("active", 3)


@pytest.mark.django_db(transaction=True)
def test_first_messages_of_one_transaction_make_one_draft() -> None:
    connector = connector_on_sale()
    wish = a_wish(connector)
    assert together([lambda: select_offer(**wish)] * 8) == {"done": 8}
    assert Order.objects.get().last_event == 1


@pytest.mark.django_db(transaction=True)
def test_promises_that_widen_into_the_same_gap_are_settled() -> None:
    gap_begins = NOW + HOUR / 2
    for _ in range(3):
        connector = connector_on_sale()
        first = active_order(connector, ends_at=gap_begins)
        second = active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
        mark_starting(first.pk, now=NOW, actor=BAP)
        deeds: list[Callable[[], object]] = [
            partial(prolong_due, gap_begins),
            partial(mark_starting, second.pk, now=gap_begins, actor=BAP),
        ]
        assert set(together(deeds)) <= {"done", "connector-busy"}


@pytest.mark.django_db
def test_second_buyer_is_told_busy_while_the_first_holds() -> None:
    connector = connector_on_sale()
    initiated_order(connector)
    for deed in (draft_order, initiated_order):
        with pytest.raises(DomainError) as caught:
            deed(connector, now=NOW + timedelta(minutes=1))
        assert caught.value.code == "connector-busy"


@pytest.mark.django_db
def test_hold_that_ran_out_is_free_before_the_sweep() -> None:
    connector = connector_on_sale()
    late = initiated_order(connector)
    active_order(connector, now=NOW + timedelta(minutes=15))
    assert Reservation.objects.get(order=late).state == "released"


@pytest.mark.django_db
def test_windows_that_only_touch_are_both_promised() -> None:
    connector = connector_on_sale()
    active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    active_order(connector, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR)
    with pytest.raises(DomainError):
        active_order(connector, starts_at=NOW + 1.5 * HOUR, ends_at=NOW + 2.5 * HOUR)


@pytest.mark.django_db
def test_early_start_takes_the_time_before_where_it_is_free() -> None:
    order = active_order(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    mark_starting(order.pk, now=NOW, actor=BAP)
    held = Reservation.objects.get(order=order)
    assert (held.state, held.during.lower, held.during.upper) == ("active", NOW, NOW + 2 * HOUR)


@pytest.mark.django_db
def test_early_start_is_refused_where_the_time_before_is_anothers() -> None:
    connector = connector_on_sale()
    order = active_order(connector, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    active_order(connector, ends_at=NOW + HOUR)
    with pytest.raises(DomainError) as caught:
        mark_starting(order.pk, now=NOW, actor=BAP)
    assert caught.value.code == "connector-busy"
    order.refresh_from_db()
    assert order.fulfillment == "payment-completed"


@pytest.mark.django_db
def test_start_without_a_promise_makes_one() -> None:
    order = active_order()
    release(order, now=NOW)
    mark_started(order.pk, now=NOW, actor="station")
    assert Reservation.objects.exclude(state="released").get(order=order).state == "active"


@pytest.mark.django_db
def test_promise_in_use_is_prolonged_until_anothers_begins() -> None:
    connector = connector_on_sale()
    order = active_order(connector)
    mark_starting(order.pk, now=NOW, actor=BAP)
    until = Reservation.objects.get(order=order).during.upper
    assert prolong_due(NOW) == 0
    assert prolong_due(until) == 1
    prolonged = Reservation.objects.get(order=order).during.upper
    assert prolonged == until + HOUR / 2
    active_order(connector, now=until, starts_at=prolonged, ends_at=prolonged + HOUR)
    assert prolong_due(prolonged) == 0
    complete_order(
        order.pk, energy_wh=5, started_at=NOW, ended_at=prolonged, now=prolonged, reason="full", actor="station"
    )
    assert prolong_due(prolonged) == 0


@pytest.mark.django_db
def test_offers_expire_once_and_free_what_they_held() -> None:
    draft, held, sold = draft_order(), initiated_order(), active_order()
    assert expire_due(NOW + timedelta(seconds=899)) == 0
    assert expire_due(NOW + timedelta(seconds=900), limit=1) == 1
    assert expire_due(NOW + timedelta(seconds=900)) == 1
    assert expire_due(NOW + HOUR) == 0
    states = dict(Order.objects.values_list("pk", "state"))
    assert states == {draft.pk: "expired", held.pk: "expired", sold.pk: "active"}
    assert Reservation.objects.get(order=held).state == "released"
    assert list(held.events.order_by("number").values_list("kind", flat=True)) == ["selected", "initiated", "expired"]


@pytest.mark.django_db
def test_expired_offer_may_be_taken_up_again() -> None:
    connector = connector_on_sale()
    order = initiated_order(connector)
    expire_due(NOW + HOUR)
    with pytest.raises(DomainError, match="ran out"):
        confirm_order(**a_confirm(order, now=NOW + HOUR))
    again = init_order(**an_init(connector, transaction_id=order.transaction_id, now=NOW + HOUR))
    assert confirm_order(**a_confirm(again, now=NOW + HOUR)).state == "active"
    expired = initiated_order(connector_on_sale())
    expire_due(NOW + HOUR)
    assert select_offer(**a_wish(expired.connector, transaction_id=expired.transaction_id)).state == "draft"
