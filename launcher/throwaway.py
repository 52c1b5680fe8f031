"""How do tests get servers of their own that vanish with them?"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher import environ, places
from launcher.group import Group
from launcher.places import Places
from launcher.running import HomeLock
from launcher.telling import Teller
from launcher.venv import Venv

PREFIX = "vb-throwaway-"
SETTINGS_PREFIXES = ("BECKN_", "EV_POWER_", "EVENTS_", "MQTT_", "OCPP_", "SECURE_", "CSRF_")
# Where our tools look, not how the platform behaves.
NO_SETTINGS = ("VB_HOME", "BECKN_SPECS")
SETTINGS_NAMES = {
    *(
        "SECRET_KEY",
        "SECRET_KEY_FILE",
        "DEBUG",
        "ALLOWED_HOSTS",
        "HOST",
        "PORT",
        "TIME_SCALE",
        "VB_HOME",
        "BEHIND_PROXY",
    ),
    *(
        "DATABASE_URL",
        "DATABASE_URL_FILE",
        "REDIS_URL",
        "REDIS_URL_FILE",
        "WEB_WORKERS",
        "CELERY_CONCURRENCY",
        "LOG_LEVEL",
    ),
}


@contextmanager
def servers(ready_venv: Venv, *, teller: Teller) -> Iterator[Group]:
    """A group of only a fresh PostgreSQL and Redis, in an environment without settings of the caller's platform.

    VB_TEST_DATABASE_URL and VB_TEST_REDIS_URL name servers to use instead, where no embedded ones exist.
    """
    _sweep()
    where = places.places_for(Path(tempfile.mkdtemp(prefix=PREFIX)))
    try:
        places.make_home(where.home)
        with HomeLock(where) as lock:
            lock.take()
            with Group(where, ready_venv, _environment(where), teller=teller) as group:
                teller.say(f"throw-away servers: {group.start_servers()}")
                yield group
    finally:
        remove(where)


def _environment(where: Places) -> dict[str, str]:
    env = environ.base(where)
    for name in list(env):
        if name not in NO_SETTINGS and (name in SETTINGS_NAMES or name.startswith(SETTINGS_PREFIXES)):
            del env[name]
    for name in ("DATABASE_URL", "REDIS_URL"):
        if os.environ.get(f"VB_TEST_{name}"):
            env[name] = os.environ[f"VB_TEST_{name}"]
    env["SECRET_KEY"] = environ.kept_secret(where, "secret_key")
    env["DEBUG"] = "1"
    return env


def remove(where: Places) -> None:
    """Delete a home and, where PostgreSQL's data stands elsewhere, that too."""
    shutil.rmtree(where.home, ignore_errors=True)
    if where.pg_user is not None:
        shutil.rmtree(where.pg_data.parent, ignore_errors=True)
    elif where.sockets.parent != where.home:
        shutil.rmtree(where.sockets, ignore_errors=True)


def _sweep() -> None:
    """Remove what a killed run left behind: a home of ours whose lock nobody holds."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = left / "lock"
        try:
            if left.is_symlink() or left.stat().st_uid != os.geteuid():
                continue
            with lock.open("r+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(places.places_for(left))
        except OSError:
            continue  # held by a running one, or just being made
