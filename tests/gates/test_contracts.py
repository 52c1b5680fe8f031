"""Does each gate close? Every import contract, the types and the lint are broken once on purpose, in a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "catalog", "orders", "fulfillment", "support", "bpp", "sandbox", "bench", "launcher", "tests")

TRESPASSES = [
    ("1 Apps", "catalog/services.py", "import orders.models"),
    ("2 Domain apps", "orders/states.py", "import orders.services"),
    ("3 bpp", "bpp/signing.py", "import bpp.registry"),
    ("4 Pure code", "orders/pricing/terms.py", "import django"),
    ("5 Few modules", "orders/services/confirm.py", "import core.http"),
    ("6 Station drivers", "fulfillment/drivers/base.py", "import fulfillment.models"),
    ("7 The sandbox", "sandbox/signing.py", "import bpp.signing"),
    ("8 The launcher", "launcher/places.py", "import core.money"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_contracts_are_kept_by_the_tree_as_it_is(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout


def test_every_contract_has_a_trespass() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]
    assert len(names) == len(TRESPASSES)
    assert all(any(name.startswith(start) for start, _, _ in TRESPASSES) for name in names)


@pytest.mark.parametrize(("contract", "file", "trespass"), TRESPASSES)
def test_contract_breaks_when_it_is_trespassed(copy: Path, contract: str, file: str, trespass: str) -> None:
    place = copy / file
    before = place.read_text()
    place.write_text(
        before.replace("from __future__ import annotations\n", f"from __future__ import annotations\n{trespass}\n", 1)
    )
    if place.read_text() == before:
        place.write_text(f"{before}\n{trespass}\n")
    try:
        done = lint_imports(copy)
    finally:
        place.write_text(before)
    broken = [line for line in done.stdout.splitlines() if line.rstrip().endswith("BROKEN")]
    assert done.returncode != 0
    assert any(line.startswith(contract) for line in broken), done.stdout


def test_new_module_of_an_app_needs_a_place_in_the_layers(copy: Path) -> None:
    stranger = copy / "orders" / "helpers.py"
    stranger.write_text('"""What is this?"""\n')
    try:
        assert lint_imports(copy).returncode != 0
    finally:
        stranger.unlink()


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["mypy", "--strict", "--config-file="], "def twice(x):\n    return x + x\n"),
        (["ruff", "check", "--isolated", "--select", "F"], "import os\n"),
        (["ruff", "format", "--check", "--isolated"], "x   =  1\n"),
    ],
)
def test_types_lint_and_format_refuse_what_breaks_them(tmp_path: Path, command: list[str], text: str) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(text)
    tool, *options = command
    run = [sys.executable, "-m", tool, *options, str(bad)]
    assert subprocess.run(run, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    bad.write_text("X = 1\n")
    assert subprocess.run(run, cwd=tmp_path, capture_output=True, check=False).returncode == 0
