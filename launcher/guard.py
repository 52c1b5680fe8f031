"""Who ends our children when we are killed outright and one of them does not heed the kernel's signal?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 8.0
POLL_S = 0.1


class Guard:
    """A process of its own at the end of a pipe: it learns each child's process group, and our death by the pipe's end.

    A worker caught between a dead broker and its own shutdown can hang for good; nobody else would be left to kill it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Count this process group among ours."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                process_group=0,
            )
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """The group is gone; its number may soon be somebody else's."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """Let it go; all it has watched must be gone."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._process = None

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()


def stand_guard() -> None:
    """Read groups from standard input until it ends, then give those left their time and kill them."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    watched: set[int] = set()
    for line in sys.stdin:
        change, group = line[0], int(line[1:])
        (watched.add if change == "+" else watched.discard)(group)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(map(_lives, watched)):
        time.sleep(POLL_S)
    for group in filter(_lives, watched):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    stand_guard()
