"""Which rows are due, and how does one worker take them without another taking them too?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def lock_next(due: QuerySet[M]) -> M | None:
    """The first due row no other worker holds, locked until the surrounding transaction ends; None where there is none.

    The row lock is the lease: a killed worker's connection closes and the row is free again at once.
    """
    return due.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()


@contextmanager
def one_of(queue: str, hands: int) -> Iterator[bool]:
    """Hold one of `hands` places at `queue`, or yield False where all are taken; freed when the connection closes."""
    key = int.from_bytes(queue.encode()[:4].ljust(4, b"\0"), "big", signed=True)
    for hand in range(hands):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [key, hand])
            taken = bool(cursor.fetchone()[0])
        if taken:
            try:
                yield True
            finally:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [key, hand])
            return
    yield False
