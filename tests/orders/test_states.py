"""Do the tables of legal moves and the database agree?"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.models import Order
from orders.states import CHARGING, FITS, FULFILLMENT_MOVES, ORDER_MOVES, Moves, allowed_text, may_move
from tests.factories.orders import draft_order

STATES = [str(value) for value in Order.State.values]
FULFILLMENTS = [str(value) for value in Order.Fulfillment.values]


def test_tables_name_every_state() -> None:
    assert set(ORDER_MOVES) == set(FITS) == set(STATES)
    assert set(FULFILLMENT_MOVES) == set(FULFILLMENTS)
    assert set(FULFILLMENTS) >= CHARGING


def test_staying_is_allowed_and_unknown_states_never_move() -> None:
    assert may_move(ORDER_MOVES, "complete", "complete")
    assert not may_move(ORDER_MOVES, "complete", "active")
    assert not may_move(ORDER_MOVES, "lost", "lost")
    assert allowed_text(ORDER_MOVES, "initiated") == "active, draft, expired"
    assert allowed_text(ORDER_MOVES, "complete") == "nothing further"


def test_every_move_of_an_order_ends_in_a_fitting_fulfilment() -> None:
    assert {after for moves in ORDER_MOVES.values() for after in moves} <= set(FITS)
    assert set().union(*FITS.values()) == set(FULFILLMENTS)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("function", "moves"),
    [("order_state_may_move", ORDER_MOVES), ("order_fulfillment_may_move", FULFILLMENT_MOVES)],
)
def test_database_allows_the_same_moves(function: str, moves: Mapping[str, frozenset[str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT before, after, {function}(before, after) FROM unnest(%s::text[]) before, unnest(%s::text[]) after",
            [list(moves), list(moves)],
        )
        rows = cursor.fetchall()
    assert len(rows) == len(moves) ** 2
    assert [row for row in rows if row[2] != may_move(moves, row[0], row[1])] == []


@pytest.mark.django_db
def test_database_allows_the_same_pairs() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, step, order_fulfillment_fits(state, step) "
            "FROM unnest(%s::text[]) state, unnest(%s::text[]) step",
            [STATES, FULFILLMENTS],
        )
        assert [row for row in cursor.fetchall() if row[2] != (row[1] in FITS[row[0]])] == []


@pytest.mark.no_cover  # many times what other tests measure
@pytest.mark.django_db(transaction=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(FULFILLMENTS)), min_size=1, max_size=12))
def test_random_moves_are_refused_by_table_and_database_alike(history: list[tuple[str, str]]) -> None:
    order = draft_order()
    Order.objects.filter(pk=order.pk).update(code=f"VB-{order.pk}", confirmed_at=order.created_at)
    state, step = str(order.state), str(order.fulfillment)
    for to_state, to_step in history:
        legal = may_move(ORDER_MOVES, state, to_state) and may_move(FULFILLMENT_MOVES, step, to_step)
        legal = legal and fits(FITS, to_state, to_step)
        assert written(order.pk, to_state, to_step) == legal
        if legal:
            state, step = to_state, to_step


def fits(table: Moves, state: str, step: str) -> bool:
    return step in table[state]


def written(order_id: int, state: str, step: str) -> bool:
    try:
        with transaction.atomic():
            Order.objects.filter(pk=order_id).update(state=state, fulfillment=step)
    except IntegrityError:
        return False
    return True
