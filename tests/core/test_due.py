"""Do several workers share due rows and places at a queue without taking them twice?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from catalog.models import Operator
from core.due import lock_next, one_of
from tests.factories.catalog import OperatorFactory

QUEUE = "proof"


@contextmanager
def a_place_taken_elsewhere(*, hands: int, dies: bool = False) -> Iterator[bool]:
    """Another worker, with a connection of its own, at the queue; `dies` closes that connection before it leaves."""
    told: list[bool] = []
    there, leave = threading.Event(), threading.Event()

    def work() -> None:
        with one_of(QUEUE, hands) as mine:
            told.append(mine)
            there.set()
            if dies:
                connection.close()
            leave.wait(10)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert there.wait(10)
    try:
        yield told[0]
    finally:
        leave.set()
        thread.join(10)


@contextmanager
def first_row_locked_elsewhere() -> Iterator[None]:
    """Another worker that has taken the first operator and not finished."""
    there, leave = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            assert lock_next(Operator.objects.order_by("code")) is not None
            there.set()
            leave.wait(10)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert there.wait(10)
    try:
        yield
    finally:
        leave.set()
        thread.join(10)


def take() -> str | None:
    with transaction.atomic():
        row = lock_next(Operator.objects.order_by("code"))
    return None if row is None else row.code


@pytest.mark.django_db
def test_next_row_is_the_first_due_or_none() -> None:
    assert take() is None
    for code in ("b", "a"):
        OperatorFactory.create(code=code)
    assert take() == "a"


@pytest.mark.django_db(transaction=True)
def test_row_in_other_hands_is_passed_over_and_free_afterwards() -> None:
    for code in ("a", "b"):
        OperatorFactory.create(code=code)
    with first_row_locked_elsewhere():
        assert take() == "b"
    assert take() == "a"


@pytest.mark.django_db
def test_last_place_taken_leaves_none() -> None:
    with a_place_taken_elsewhere(hands=1) as theirs:
        assert theirs
        with one_of(QUEUE, 1) as mine:
            assert not mine
    with one_of(QUEUE, 1) as mine:
        assert mine


@pytest.mark.django_db
def test_second_place_is_free_beside_the_first() -> None:
    with a_place_taken_elsewhere(hands=2) as theirs, one_of(QUEUE, 2) as mine:
        assert (theirs, mine) == (True, True)


@pytest.mark.django_db
def test_queues_do_not_share_places() -> None:
    with a_place_taken_elsewhere(hands=1), one_of("other", 1) as mine:
        assert mine


def eventually_mine() -> bool:
    """Whether the place becomes ours; the server notices a lost connection a moment later."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with one_of(QUEUE, 1) as mine:
            if mine:
                return True
    return False


@pytest.mark.django_db
def test_place_of_a_worker_that_lost_its_connection_is_free() -> None:
    with a_place_taken_elsewhere(hands=1, dies=True):
        assert eventually_mine()


@pytest.mark.django_db
def test_place_is_free_after_a_fault() -> None:
    with pytest.raises(ZeroDivisionError), one_of(QUEUE, 1):
        raise ZeroDivisionError
    with a_place_taken_elsewhere(hands=1) as theirs:
        assert theirs
