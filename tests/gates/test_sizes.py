"""Is every function and every file short enough to be read at once?"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "catalog", "orders", "fulfillment", "support", "bpp", "sandbox", "bench", "launcher", "tests")
LONGEST_FUNCTION, LONGEST_FILE = 40, 400


def too_long(path: Path) -> Iterator[str]:
    """The file's name where it is too long, and the name of each of its functions that is."""
    name, text = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name, path.read_text()
    if text.count("\n") > LONGEST_FILE:
        yield name
    nodes = ast.walk(ast.parse(text))
    for function in [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
        if (function.end_lineno or 0) - function.lineno >= LONGEST_FUNCTION:
            yield f"{name}: {function.name}"


def test_functions_and_files_are_short() -> None:
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    written = [path for path in sources if "migrations" not in path.parts]
    assert len(written) > 400
    assert {fault for path in written for fault in too_long(path)} == set()


@pytest.mark.parametrize(
    ("head", "lines", "faults"),
    [
        ("def f():", 39, []),
        ("def f():", 40, ["some.py: f"]),
        ("async def f():", 40, ["some.py: f"]),
        ("class C:\n  def f(self):", 40, ["some.py: f"]),
        ("class C:", 399, []),
        ("class C:", 400, ["some.py"]),
    ],
)
def test_longer_one_is_named(tmp_path: Path, head: str, lines: int, faults: list[str]) -> None:
    file = tmp_path / "some.py"
    file.write_text(head + "\n" + "    x = 1\n" * lines)
    assert list(too_long(file)) == faults
