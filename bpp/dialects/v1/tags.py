"""Which tags stand on a node of a message, and under which codes?

Codes are folded, so that the network's own spellings meet ours. Source: Beckn core 1.1.1 `TagGroup`, `Tag`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, NamedTuple

from bpp.dialects.v1 import words
from bpp.dialects.v1.reading import Reader


class Tag(NamedTuple):
    """One tag: its group's code and its own, where it stands, and the tag itself."""

    group: str
    code: str
    path: str
    node: dict[str, Any]

    def value(self, reader: Reader, *, limit: int = 255) -> str:
        """Its value; empty where it has none."""
        return reader.text(self.node, "value", self.path, limit=limit)


def tags(
    node: dict[str, Any], where: str, reader: Reader, *, of: Container[str] | None = None, or_name: bool = False
) -> Iterator[Tag]:
    """The tags of the groups at `node`, of all or those whose code is in `of`."""
    for group, at, row in coded(node, "tags", where, reader, or_name=or_name):
        if of is None or group in of:
            for code, path, entry in coded(row, "list", at, reader, or_name=or_name):
                yield Tag(group, code, path, entry)


def coded(
    node: dict[str, Any], key: str, where: str, reader: Reader, *, or_name: bool = False
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The objects of the list at `key`, each after its code and its path."""
    for path, row in reader.rows(node, key, where):
        yield code_of(row, path, reader, or_name=or_name), path, row


def code_of(node: dict[str, Any], where: str, reader: Reader, *, or_name: bool = False) -> str:
    """The code of a node's descriptor, with `or_name` else its name; empty where it has none."""
    descriptor, path = reader.map(node, "descriptor", where), f"{where}.descriptor"
    code = reader.text(descriptor, "code", path)
    if not code and or_name:
        code = reader.text(descriptor, "name", path)
    return words.fold(code)
