"""In which form do long bodies lie in the database?

Packed by zstd: a catalogue shrinks to a tenth, and PostgreSQL spends a third of a search on writing what we do not
give it. Whoever reads a body gets the bytes that were signed; JSON never begins like a packed one.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import zstandard
from django.db import models

SHORTEST: Final = 1500
MOST_BYTES: Final = 64 * 1024 * 1024
_local = threading.local()


def pack(body: bytes) -> bytes:
    """The form to store; short bodies stay as they are."""
    if len(body) < SHORTEST:
        return body
    packer = getattr(_local, "packer", None)
    if packer is None:
        packer = _local.packer = zstandard.ZstdCompressor(level=1)
    packed: bytes = packer.compress(body)
    return packed


def unpack(stored: bytes) -> bytes:
    """The body of what `pack` made."""
    if not stored.startswith(zstandard.FRAME_HEADER):
        return stored
    return zstandard.ZstdDecompressor().decompress(stored, max_output_size=MOST_BYTES)


class PackedField(models.BinaryField):  # type: ignore[type-arg]  # the stubs leave its types open
    """A BinaryField whose long values are stored packed; queries cannot look into it."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(None if value is None else pack(bytes(value)), connection, prepared)

    def from_db_value(self, value: Any, *_: Any) -> bytes | None:
        return None if value is None else unpack(bytes(value))
