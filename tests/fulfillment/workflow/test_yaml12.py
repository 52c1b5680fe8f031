"""Is a definition read as YAML 1.2, and nothing else?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.workflow.yaml12 import YamlError, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: off", {"on": "off"}),
        ("[yes, No, y, ON, true, True, FALSE]", ["yes", "No", "y", "ON", True, True, False]),
        ("[2020-01-01, 2020-01-01T10:00:00Z, 12:30:00]", ["2020-01-01", "2020-01-01T10:00:00Z", "12:30:00"]),
        ("[~, null, Null, '', 'null']", [None, None, None, "", "null"]),
        ("a:", {"a": None}),
        ("[1, -2, +3, 010, 0x1F, 0o17, 1_000]", [1, -2, 3, 10, 31, 15, "1_000"]),
        ("[1.5, .5, 1e3, -2.5e-1, 1.]", [1.5, 0.5, 1000.0, -0.25, 1.0]),
        ("[.inf, .nan, 1.2.3, '=']", [".inf", ".nan", "1.2.3", "="]),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("18446744073709551615", 2**64 - 1),
        ("!!str 5", "5"),
        ('{"json": [true, null, 1.0]}', {"json": [True, None, 1.0]}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("", None),
    ],
)
def test_scalar_means_what_yaml_1_2_says(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2", "line 2: the key 'a' stands twice"),
        ("1: a", "line 1: the key 1 is not a text"),
        ("? [a]\n: b", "is not a text"),
        ("a: &x 1\nb: *x", "line 2: an alias"),
        ("18446744073709551616", "beyond 64 bits"),
        ("1e999", "too large"),
        ("!!int x", "invalid literal"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: [", "line 1: expected"),
        ("[" * 150, "more than 100 levels"),
        ("a: \x00", "special characters"),
        ("!!timestamp 2020-01-01", "could not determine a constructor"),
        ("!!set {a}", "could not determine a constructor"),
        ("!!binary aGk=", "could not determine a constructor"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("x" * 1_000_001, "at most"),
    ],
)
def test_what_json_cannot_say_is_refused(text: str, reason: str) -> None:
    with pytest.raises(YamlError, match=reason):
        read(text)
