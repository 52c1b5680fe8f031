"""How is the local data removed, once nobody uses it?"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

from launcher import places, running
from launcher.places import Places
from launcher.problems import USAGE, ProblemError
from launcher.running import HomeLock

STOP_S = 60.0
OURS = ("pg", "pg.new", "run", "log", "secrets", "static", "sandbox", "vb.json", "lock")


def reset(*, yes: bool) -> int:
    """Stop the group that runs in this home and delete its data. Raises: ProblemError (exit 2) without a clear yes."""
    where = places.places_for(places.default_home())
    if not where.home.exists() and not where.pg_data.exists():
        print(f"nothing to remove in {where.home}")
        return 0
    if not yes:
        _ask(where)
    if where.home.exists():
        _stop(where)
    _remove(where)
    print(f"removed {where.home}" + (f" and {where.pg_data.parent}" if where.pg_user else ""))
    return 0


def _remove(where: Places) -> None:
    """Only what we made ourselves: VB_HOME may name a directory that holds other things too."""
    for name in OURS:
        path = where.home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in where.home.glob("celerybeat-schedule*"):
        path.unlink()
    with contextlib.suppress(OSError):
        where.home.rmdir()
    for path in (where.pg_data, where.sockets):
        shutil.rmtree(path, ignore_errors=True)
    if where.pg_user is not None:
        with contextlib.suppress(OSError):  # the venv may stand there too
            where.pg_data.parent.rmdir()


def _ask(where: Places) -> None:
    if not sys.stdin.isatty():
        raise ProblemError(
            "reset deletes the local database and keys", fix="confirm with ./vb reset --yes", exit_code=USAGE
        )
    answer = input(f"Delete the local database, keys and logs in {where.home}? [y/N] ")
    if answer.strip().lower() not in {"y", "yes"}:
        raise ProblemError("nothing was removed", fix="answer y to remove", exit_code=USAGE)


def _stop(where: Places) -> None:
    """Ask the holder of the home to end and wait for its lock."""
    with HomeLock(where) as lock:
        if lock.take():
            return
        state = running.read(where)
        if state is not None:
            os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            if lock.take():
                return
            time.sleep(0.2)
    raise ProblemError(running.describe(where) + ", and does not end", fix="end it, then try again", exit_code=USAGE)
