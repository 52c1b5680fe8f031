"""Do several workers share due rows and places at a queue without taking them twice?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from catalog.models import Operator
from core.due import each_alone, lock_next, one_of
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


@pytest.mark.django_db
def test_a_row_that_breaks_holds_up_no_other_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rows = OperatorFactory.create_batch(4)
    due = Operator.objects.filter(name__startswith="Sample").order_by("pk")

    def deed(key: int) -> bool:
        Operator.objects.filter(pk=key).update(name="Done")
        if key in {rows[0].pk, rows[1].pk}:
            raise ValueError("it breaks")
        return True

    assert each_alone(due, deed, limit=2) == 2
    assert [row.pk for row in due] == [rows[0].pk, rows[1].pk]
    assert [record.msg for record in caplog.records] == ["a due row broke its deed"] * 2
    assert each_alone(due, deed, limit=2) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_at_most_the_limit_is_done_and_what_is_no_longer_due_is_not_counted(limit: int) -> None:
    first = OperatorFactory.create_batch(5)[0]
    asked: list[int] = []

    def deed(key: int) -> bool:
        asked.append(key)
        return key != first.pk

    due = Operator.objects.order_by("pk")
    assert each_alone(due, deed, limit=limit) == min(limit, 4)
    assert len(asked) == len(set(asked)) == min(limit + 1, 5)


@pytest.mark.django_db
def test_a_database_that_does_not_answer_ends_the_round() -> None:
    OperatorFactory.create_batch(2)

    def deed(key: int) -> bool:
        raise OperationalError("the connection is lost")

    with pytest.raises(OperationalError):
        each_alone(Operator.objects.order_by("pk"), deed, limit=2)
