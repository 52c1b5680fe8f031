"""Is the Python environment there and does it hold exactly what the lock names? If not, make it so."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher import places
from launcher.installing import install
from launcher.places import CLONE
from launcher.problems import DISK, PYTHON, ProblemError
from launcher.telling import Teller

STAMP = ".vb-stamp.json"


@dataclass(frozen=True)
class Venv:
    """The environment: `python` runs third-party code, `site_packages` holds the embedded servers' wheels."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        found = sorted(self.root.glob("lib/python3*/site-packages"))
        return found[-1] if found else self.root / "lib"


def location() -> Path:
    """`.venv` in the clone; elsewhere when that is read-only or, as root, shut to the account PostgreSQL runs as."""
    if os.geteuid() == 0 and not places.reachable_by_others(CLONE):
        return places.shared_base(CLONE) / "venv"
    if os.access(CLONE, os.W_OK):
        return CLONE / ".venv"
    return places.user_cache() / places.digest(CLONE) / "venv"


def ensure(*, dev: bool, teller: Teller) -> Venv:
    """The environment with everything of the lock, made or completed where needed; instant when its stamp is right.

    Raises: ProblemError (exit 3) when no venv or package can be had, (exit 4) on a full or read-only disk.
    """
    venv = Venv(location())
    if _is_current(venv, dev=dev):
        return venv
    places.check_free_space(venv.root.parent)
    try:
        _make_parent(venv.root.parent)
        with _only_one(venv.root, teller):
            if not _is_current(venv, dev=dev):
                _create(venv)
                install(venv.python, lock_file(dev=dev), teller=teller)
                _write_stamp(venv, dev=dev)
    except OSError as err:
        raise ProblemError(
            f"{venv.root} cannot be written: {err.strerror}",
            fix="make the directory writable or free its disk",
            exit_code=DISK,
        ) from err
    return venv


def lock_file(*, dev: bool) -> Path:
    return CLONE / ("requirements-dev.txt" if dev else "requirements.txt")


def _make_parent(parent: Path) -> None:
    if parent.name.startswith("vb-"):
        places.make_shared_base(parent)
    parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def _only_one(root: Path, teller: Teller) -> Iterator[None]:
    with root.with_name(root.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            teller.say("another vb is installing packages; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(*, dev: bool) -> str:
    """Names the lock and the Python it was installed for."""
    content = lock_file(dev=dev).read_bytes() + sys.version.split()[0].rpartition(".")[0].encode()
    return hashlib.sha256(content).hexdigest()


def stamps(venv: Venv) -> dict[str, str]:
    try:
        loaded = json.loads((venv.root / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in loaded.items()} if isinstance(loaded, dict) else {}


def _is_current(venv: Venv, *, dev: bool) -> bool:
    """The development lock holds all of the runtime lock, so installing it makes both current."""
    seen = stamps(venv)
    runtime = seen.get("runtime") == fingerprint(dev=False)
    return venv.python.exists() and runtime and (not dev or seen.get("dev") == fingerprint(dev=True))


def _write_stamp(venv: Venv, *, dev: bool) -> None:
    """What was true of the other lock before need not be true now, unless the development lock was just installed."""
    written = {"runtime": fingerprint(dev=False)}
    if dev or stamps(venv).get("dev") == fingerprint(dev=True):
        written["dev"] = fingerprint(dev=True)
    (venv.root / STAMP).write_text(json.dumps(written))


def _create(venv: Venv) -> None:
    if venv.python.exists() and _works(venv.python):
        return
    if venv.root.exists():
        shutil.rmtree(venv.root)
    if shutil.which("uv"):
        command = ["uv", "venv", "--quiet", "--python", sys.executable, str(venv.root)]
    elif importlib.util.find_spec("ensurepip") is not None and importlib.util.find_spec("venv") is not None:
        command = [sys.executable, "-m", "venv", str(venv.root)]
    else:
        raise ProblemError(
            f"{sys.executable} cannot make a virtual environment: its ensurepip is missing",
            fix="apt install python3-venv, or put uv on PATH",
            exit_code=PYTHON,
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(venv.root, ignore_errors=True)
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ProblemError(
            f"the virtual environment cannot be made: {said[-1] if said else command}",
            fix="apt install python3-venv, or put uv on PATH",
            exit_code=PYTHON,
        )


def _works(python: Path) -> bool:
    return subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode == 0 or bool(
        shutil.which("uv") and subprocess.run([str(python), "-V"], capture_output=True, check=False).returncode == 0
    )
