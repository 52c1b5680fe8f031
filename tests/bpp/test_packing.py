"""Do long bodies come back as they were, wherever they are read?"""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from bpp.models import OutboxMessage
from bpp.packing import SHORTEST, pack, unpack
from tests.factories.orders import NOW


@given(st.binary(max_size=4000).map(lambda tail: b"{" + tail))
def test_what_was_packed_is_unpacked(body: bytes) -> None:
    assert unpack(pack(body)) == body


def test_short_bodies_stay_and_long_ones_shrink() -> None:
    short, long = b"{" * (SHORTEST - 1), b"{" * 20_000
    assert pack(short) == short
    assert len(pack(long)) < 100


@pytest.mark.django_db
def test_stored_bodies_are_packed_and_read_whole() -> None:
    body = b'{"items":[' + b'{"id":"IN*ABC*E1*1"},' * 500 + b"{}]}"
    row = OutboxMessage.objects.create(
        bap_id="bap.example.org",
        transaction_id="t-1",
        message_id="m-1",
        action="on_search",
        url="https://bap.example.org/on_search",
        body=body,
        created_at=NOW,
        next_at=NOW,
        deadline_at=NOW,
    )
    assert bytes(OutboxMessage.objects.get(pk=row.pk).body) == body
    with connection.cursor() as cursor:
        cursor.execute("SELECT length(body) FROM bpp_outboxmessage WHERE id = %s", [row.pk])
        assert cursor.fetchone()[0] < len(body) / 10
