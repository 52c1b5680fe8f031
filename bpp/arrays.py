"""How does a column of many rows travel to PostgreSQL as one parameter?

As an array in PostgreSQL's binary form, made by hand: psycopg looks at each element several times and chooses the type
by the values, which costs more than the statement itself and prepares it anew for each mixture of types.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self

from psycopg import AsyncConnection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD: Final = struct.Struct("!5i")
_LENGTH: Final = struct.Struct("!i")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Array(bytes):
    """A one-dimensional array, ready to be sent."""

    array_oid: ClassVar[int]
    element_oid: ClassVar[int]

    @classmethod
    def _of_bytes(cls, values: Sequence[bytes]) -> Self:
        parts = [_HEAD.pack(1, 0, cls.element_oid, len(values), 1)]
        for value in values:
            parts += (_LENGTH.pack(len(value)), value)
        return cls(b"".join(parts))

    @classmethod
    def _of_eights(cls, values: Sequence[int]) -> Self:
        flat: list[int] = []
        for value in values:
            flat += (8, value)
        return cls(struct.pack(f"!5i{'iq' * len(values)}", 1, 0, cls.element_oid, len(values), 1, *flat))


class Texts(Array):
    """text[]."""

    array_oid, element_oid = 1009, 25

    @classmethod
    def of(cls, values: Iterable[str]) -> Self:
        return cls._of_bytes([value.encode() for value in values])


class Blobs(Array):
    """bytea[]."""

    array_oid, element_oid = 1001, 17

    @classmethod
    def of(cls, values: Iterable[bytes]) -> Self:
        return cls._of_bytes(list(values))


class Integers(Array):
    """bigint[]."""

    array_oid, element_oid = 1016, 20

    @classmethod
    def of(cls, values: Iterable[int]) -> Self:
        return cls._of_eights(list(values))


class Moments(Array):
    """timestamptz[] of aware datetimes."""

    array_oid, element_oid = 1185, 1184

    @classmethod
    def of(cls, values: Iterable[datetime]) -> Self:
        return cls._of_eights([_microseconds(value) for value in values])


def register(connection: AsyncConnection[Any]) -> None:
    """Let statements of this connection take arrays."""
    for kind in (Texts, Blobs, Integers, Moments):
        connection.adapters.register_dumper(kind, _dumper(kind.array_oid))


def _dumper(array_oid: int) -> type[Dumper]:
    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: Array) -> Array:
            return obj

    return ArrayDumper


def _microseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
