"""Does a group of ours already run in this home, where does it answer, and with which settings?"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from launcher import environ, processes
from launcher.places import Places
from launcher.problems import USAGE, ProblemError

SETTLE_S = 60.0


@dataclass(frozen=True)
class State:
    """What one group tells the next: `url` is empty while it starts, and for a group without a web server."""

    pid: int
    command: str
    url: str
    settled: bool


class HomeLock:
    """Held by the one group that owns a home; the kernel drops it when we die, so it can never be stale."""

    def __init__(self, where: Places) -> None:
        self._where = where
        self._path = where.home / "lock"
        self._descriptor: int | None = None

    def take(self) -> bool:
        """True when the home is now ours."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        for left in (state_path(self._where), env_path(self._where)):
            left.unlink(missing_ok=True)
        return True

    def __enter__(self) -> HomeLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            for left in (state_path(self._where), env_path(self._where)):
                left.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def state_path(where: Places) -> Path:
    return where.home / "vb.json"


def env_path(where: Places) -> Path:
    return where.secrets / "running.json"


def tell(where: Places, state: State, env: dict[str, str]) -> None:
    """Leave word of the running group; the settings it added to its environment go into a file only the owner reads."""
    added = {name: value for name, value in env.items() if os.environ.get(name) != value}
    _replace(env_path(where), json.dumps(added))
    _replace(state_path(where), json.dumps(asdict(state)))


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    environ.write_private(fresh, text)
    fresh.replace(path)


def read(where: Places) -> State | None:
    try:
        return State(**json.loads(state_path(where).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def wait_until_settled(where: Places) -> tuple[State, dict[str, str]]:
    """The running group's state and settings, once its servers answer. Raises: ProblemError when it does not settle."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        processes.STOP.check()
        state = read(where)
        if state is not None and state.settled:
            try:
                return state, {str(k): str(v) for k, v in json.loads(env_path(where).read_text()).items()}
            except (OSError, ValueError):
                pass  # it is just ending; the state file goes next
        time.sleep(0.2)
    raise ProblemError(
        f"another vb holds {where.home} and does not settle", fix="wait for it, or end it", exit_code=USAGE
    )


def describe(where: Places) -> str:
    """One sentence on the group that holds this home."""
    state = read(where)
    if state is None:
        return f"another vb is starting in {where.home}"
    at = f" at {state.url}" if state.url else ""
    return f"./vb {state.command} already runs{at} (pid {state.pid})"
