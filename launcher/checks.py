"""What runs before a change is merged: tests on throw-away servers, and every static gate?"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from launcher import processes, throwaway, venv
from launcher.group import Group
from launcher.places import CLONE
from launcher.problems import USAGE, ProblemError
from launcher.telling import Teller

COVERAGE = "--coverage"  # our own; all other arguments are pytest's
MEASURING = ("--cov", "--cov-branch", "--cov-report=")
WORKERS = "4"  # for two processors: two play the stories, which mostly wait, while two run the rest
OWN_CONCURRENCY = re.compile(r"-n\d*|-n=?\w+|--numprocesses.*|--pdb|--trace|-p")


def test(arguments: Sequence[str], *, teller: Teller) -> int:
    """Run pytest on throw-away servers; its exit code is ours.

    With `--coverage` alone the whole suite is measured, which takes half as long again, and must also pass the coverage
    gates. Raises: ProblemError (exit 2) for `--coverage` of a part.
    """
    measured, part = COVERAGE in arguments, [text for text in arguments if text != COVERAGE]
    if measured and part:
        raise ProblemError(
            f"{COVERAGE} measures the whole suite, and {' '.join(part)} asks for a part",
            fix="for a part use pytest's own --cov and --cov-report=term-missing",
            exit_code=USAGE,
        )
    ready_venv = venv.ensure(dev=True, teller=teller)
    asked = MEASURING if measured else arguments
    spread = [] if any(OWN_CONCURRENCY.fullmatch(text) for text in asked) else ["-n", WORKERS, "--dist", "loadgroup"]
    with throwaway.servers(ready_venv, teller=teller) as group:
        env = group.env | {"COVERAGE_FILE": str(group.where.home / "coverage")}
        command: list[str | Path] = [ready_venv.python, "-m", "pytest", "-rs", *spread, *asked]
        code = processes.run_in_foreground(command, env=env, cwd=CLONE)
        if code or not measured:
            return code
        return processes.run_in_foreground([ready_venv.python, "-m", "tests.coverage_gates"], env=env, cwd=CLONE)


def check(*, teller: Teller) -> int:
    """Run every gate, name each with its result and time; non-zero when one failed."""
    ready_venv = venv.ensure(dev=True, teller=teller)
    with throwaway.servers(ready_venv, teller=teller) as group:
        results = [_gate(name, command, env) for name, command, env in _gates(group)]
    failed = results.count(False)
    print("all gates passed" if not failed else f"{failed} of {len(results)} gates failed", flush=True)
    return 1 if failed else 0


def _gates(group: Group) -> list[tuple[str, list[str], dict[str, str]]]:
    python = str(group.venv.python)
    env = group.env
    return [
        ("format", [python, "-m", "ruff", "format", "--check", "."], env),
        ("lint", [python, "-m", "ruff", "check", "."], env),
        ("import contracts", [str(group.venv.root / "bin" / "lint-imports")], env),
        ("types", [python, "-m", "mypy"], env),
        ("migrations", [python, "manage.py", "makemigrations", "--check", "--dry-run"], env),
        ("deployment", [python, "manage.py", "check", "--deploy", "--fail-level", "WARNING"], production_like(group)),
    ]


def production_like(group: Group) -> dict[str, str]:
    """The environment of a real installation: DEBUG off, keys of its own."""
    signing, _, encryption, _ = group.ask_inside("make-keys").split()
    return group.env | {
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "bpp.voltbazaar.example",
        "BECKN_SUBSCRIBER_ID": "bpp.voltbazaar.example",
        "BECKN_SUBSCRIBER_URL": "https://bpp.voltbazaar.example/beckn",
        "BECKN_REGISTRY_URL": "https://registry.voltbazaar.example",
        "BECKN_SIGNING_PRIVATE_KEY": signing,
        "BECKN_ENCRYPTION_PRIVATE_KEY": encryption,
        "EV_POWER_SUPPLIER_URL": "https://supplier.voltbazaar.example/api/v2",
        "EV_POWER_SUPPLIER_TOKEN": secrets.token_urlsafe(24),
        "EVENTS_TOKEN": secrets.token_urlsafe(24),
    }


def _gate(name: str, command: Sequence[str], env: dict[str, str]) -> bool:
    started = time.monotonic()
    processes.STOP.check()
    done = subprocess.run(
        command,
        env=env,
        cwd=CLONE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    passed = done.returncode == 0
    print(f"{'ok    ' if passed else 'FAILED'} {name:<17} {time.monotonic() - started:6.1f} s", flush=True)
    if not passed:
        sys.stdout.write(done.stdout.decode(errors="replace") + "\n")
    return passed


def run_modules(package: str, names: Sequence[str], *, teller: Teller) -> int:
    """Run `python -m PACKAGE.NAME` for each name (all when none is given) on throw-away servers.

    The exit code is that of the first that failed. Raises: ProblemError (exit 2) with the list when a name is unknown.
    """
    known = modules(package)
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        raise ProblemError(
            f"there is no {package}.{unknown[0]}" if unknown else f"{package} holds nothing to run",
            fix=f"name one of: {', '.join(known) or 'none yet'}",
            exit_code=USAGE,
        )
    ready_venv = venv.ensure(dev=True, teller=teller)
    codes: list[int] = []
    with throwaway.servers(ready_venv, teller=teller) as group:
        group.manage("migrate", "--noinput", "--verbosity", "0")
        for name in names or known:
            processes.STOP.check()
            command: list[str | Path] = [group.venv.python, "-m", f"{package}.{name}"]
            codes.append(processes.run_in_foreground(command, env=group.env, cwd=CLONE))
    return next((code for code in codes if code), 0)


def modules(package: str) -> list[str]:
    """The runnable modules of a package: those with a `__main__` guard."""
    directory = CLONE / Path(*package.split("."))
    return sorted(
        path.stem
        for path in directory.glob("*.py")
        if not path.stem.startswith("_") and "__main__" in path.read_text(encoding="utf-8")
    )
