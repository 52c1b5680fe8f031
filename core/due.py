"""Which rows are due, and how does one worker take them without another taking them too?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Model, QuerySet

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)


def lock_next(due: QuerySet[M]) -> M | None:
    """The first due row no other worker holds, locked until the surrounding transaction ends; None where there is none.

    The row lock is the lease: a killed worker's connection closes and the row is free again at once.
    """
    return due.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()


def each_alone(due: QuerySet[M], deed: Callable[[int], bool], *, limit: int, name: str = "pk") -> int:
    """Do a deed for due rows, told by their `name`, each in a transaction of its own; returns how many it did.

    The deed looks again whether the row is still due and says whether it did something. A row that breaks it is logged,
    stays due and holds up nobody else; a database that does not answer, or ends a deadlock, ends the round.
    """
    tried: list[int] = []
    done = 0
    while done < limit:
        wanted = limit - done
        keys = list(due.exclude(**{f"{name}__in": tried}).values_list(name, flat=True)[:wanted])
        tried += keys
        for key in keys:
            try:
                with transaction.atomic():
                    done += deed(key)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("a due row broke its deed", extra={"row": key, "of": due.model.__name__})
        if len(keys) < wanted:
            break
    return done


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
