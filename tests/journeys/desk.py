"""How does a story give the commands of an operator without waiting for Django to start before each?

Run as a module it is the other end: a `manage.py` command on each line, as JSON; its output or its trace is the answer.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


class Desk:
    """A process that carries out `manage.py` commands, one after the other, in the environment it was given."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def manage(self, *arguments: str) -> str:
        """What `manage.py` says to these arguments. Raises RuntimeError with the trace where the command fails."""
        assert self._process.stdin
        assert self._process.stdout
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(arguments) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the desk ended with {self._process.wait(30)}")
        told: dict[str, str] = json.loads(answer)
        if "failed" in told:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{told['failed']}")
        return told["said"]


def answer(arguments: list[str]) -> dict[str, str]:
    """Carry out one command; under `said` what it printed, or under `failed` its trace."""
    from django.core.management import call_command

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            call_command(*arguments, stdout=printed)
    except Exception:  # noqa: BLE001 - whatever it is, it belongs to the story that gave the command
        return {"failed": traceback.format_exc()}
    return {"said": printed.getvalue()}


def serve() -> None:
    """Answer one line after the other until there are no more."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
    django.setup()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
