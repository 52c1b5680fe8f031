"""What do the official schemas say of a message? The published checker, where it lies beside the project."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.at_hand import published, specs

PLACE = "tools/check_messages.py"
CHECKER = specs() / PLACE
SCHEMAS = ("core", "uei-3.0")

Faults = Callable[[dict[str, Any], str], list[str]]


@cache
def checker() -> Faults | None:
    """Its function from a message and the name of a schema to faults; None where it is not at hand."""
    if not CHECKER.exists():
        return None
    spec = importlib.util.spec_from_file_location("check_messages", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Faults = module.faults
    return found


def needed() -> Faults:
    """The checker's function; skips or fails where it is not at hand."""
    published(PLACE)
    found = checker()
    assert found is not None
    return found


def schema_faults(message: dict[str, Any]) -> list[str]:
    """What the schemas hold against a message, each as a sentence; skips or fails where the checker is not at hand."""
    faults = needed()
    action = message["context"]["action"]
    return [f"{action} {schema}: {fault}" for schema in SCHEMAS for fault in faults(message, schema)]


def faults_in(folder: Path) -> tuple[int, list[str]]:
    """How many messages the published checker saw in a folder of .jsonl files, and what it holds against them.

    It runs on its own, where no coverage is measured. A fault is a line: file, number of the message, schema, fault.
    """
    done = subprocess.run([sys.executable, CHECKER, folder], capture_output=True, text=True, check=False)
    *faults, last = done.stdout.splitlines() or [done.stderr]
    assert last.endswith(" with faults"), f"{CHECKER.name} ended with {done.returncode}: {done.stderr}"
    return int(last.split()[0]), faults
