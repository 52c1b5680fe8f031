"""What does a text in YAML 1.2 say, as plain JSON values? Pure.

PyYAML reads YAML 1.1, where the key `on` is a boolean and 12:30:00 a number. Here only true and false are booleans
(and null, ~ or nothing is null), and dates and times stay text. Source: YAML 1.2.2, core schema (10.3.2).
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

MOST_CHARACTERS = 1_000_000
DEEPEST = 100


class YamlError(ValueError):
    """A text that is not YAML, or says what JSON cannot; `line` counts from 1, or is 0 where it is unknown."""

    def __init__(self, text: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {text}" if line else text)
        self.line = line


def read(text: str) -> Any:
    """The one document in `text`: dict, list, str, int, float, bool or None. Raises YamlError."""
    if len(text) > MOST_CHARACTERS:
        raise YamlError(f"{len(text)} characters; at most {MOST_CHARACTERS}")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - built on SafeLoader, it makes plain values only
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        raise YamlError(err.problem or str(err), line=mark.line + 1 if mark else 0) from err
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise YamlError(str(err)) from err


class _Loader(yaml.SafeLoader):
    """Plain values by YAML 1.2: no timestamps, no octal by a leading zero, no merge keys, no aliases, no twins."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a handful of them can stand for gigabytes
            raise _marked("an alias (*name): write the value out", self._next())
        self.depth += 1
        if self.depth > DEEPEST:
            raise _marked(f"more than {DEEPEST} levels", self._next())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _next(self) -> yaml.Event:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs give it no types
        return event

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _marked(f"the key {key!r} is not a text: put it in quotes", key_node)
            if key in found:
                raise _marked(f"the key {key!r} stands twice", key_node)
            found[key] = self.construct_object(value_node, deep=deep)
        return found

    def construct_float(self, node: yaml.ScalarNode) -> float:
        value = float(self.construct_scalar(node))
        if not math.isfinite(value):
            raise _marked("a number too large", node)
        return value

    def construct_int(self, node: yaml.ScalarNode) -> int:
        value = int(self.construct_scalar(node), 0) if "x" in node.value or "o" in node.value else int(node.value)
        if not -(2**63) <= value < 2**64:
            raise _marked("a number beyond 64 bits: put it in quotes", node)
        return value


def _marked(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


_TAG = "tag:yaml.org,2002:"
# What JSON can say; any other tag (!!set, !!binary, !!timestamp, …) is refused by the constructor under None.
_Loader.yaml_constructors = {
    f"{_TAG}null": yaml.SafeLoader.construct_yaml_null,
    f"{_TAG}bool": yaml.SafeLoader.construct_yaml_bool,
    f"{_TAG}int": _Loader.construct_int,
    f"{_TAG}float": _Loader.construct_float,
    f"{_TAG}str": yaml.SafeLoader.construct_yaml_str,
    f"{_TAG}seq": yaml.SafeLoader.construct_yaml_seq,
    f"{_TAG}map": yaml.SafeLoader.construct_yaml_map,
    None: yaml.SafeLoader.construct_undefined,
}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
