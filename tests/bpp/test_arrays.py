"""Does PostgreSQL read from our arrays exactly what was put in?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from psycopg import AsyncConnection

from bpp import arrays
from bpp.storing import conninfo

IST = timezone(timedelta(hours=5, minutes=30))
MOMENTS = [
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 2, 1, 10, 0, 0, 1, tzinfo=IST),
    datetime.max.replace(tzinfo=UTC),
]


async def _read_back(array: arrays.Array, kind: str) -> list[Any]:
    async with await AsyncConnection.connect(conninfo()) as connection:
        arrays.register(connection)
        await connection.execute("SET timezone TO 'UTC'")
        found = await connection.execute(f"SELECT each FROM unnest(%b::{kind}[]) AS t(each)", [array])
        return [each for (each,) in await found.fetchall()]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("array", "kind", "values"),
    [
        (arrays.Texts.of(["", "ä ₹", 'a,b{}"\\']), "text", ["", "ä ₹", 'a,b{}"\\']),
        (arrays.Blobs.of([b"", b"\0\xff"]), "bytea", [b"", b"\0\xff"]),
        (arrays.Integers.of([0, -1, 2**62]), "bigint", [0, -1, 2**62]),
        (arrays.Moments.of(MOMENTS), "timestamptz", MOMENTS),
        (arrays.Integers.of([]), "bigint", []),
        (arrays.Texts.of([]), "text", []),
    ],
)
async def test_values_come_back_as_they_went(array: arrays.Array, kind: str, values: Sequence[Any]) -> None:
    assert await _read_back(array, kind) == values
