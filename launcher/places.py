"""Where do things live: the clone, its data, the venv, PostgreSQL's data and the short paths sockets need?"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from launcher.problems import DISK, ProblemError

CLONE = Path(__file__).resolve().parent.parent
FREE_BYTES_NEEDED = 1_000_000_000
SOCKET_PATH_LIMIT = 80  # a Unix socket's path ends at 107 bytes, and PostgreSQL appends /.s.PGSQL.5432
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")
ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Places:
    """Every directory one group of processes uses. `pg_user` is the account PostgreSQL runs as, None for our own."""

    home: Path
    pg_data: Path
    sockets: Path
    pg_user: str | None

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def static(self) -> Path:
        return self.home / "static"


def default_home() -> Path:
    """VB_HOME, else `.vb` in the clone, else (read-only clone) a directory in the user's cache."""
    given = os.environ.get("VB_HOME")
    if given:
        return Path(given).expanduser().absolute()
    if os.access(CLONE, os.W_OK):
        return CLONE / ".vb"
    return user_cache() / digest(CLONE) / "home"


def user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "voltbazaar"


def digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:10]


def places_for(home: Path) -> Places:
    """Choose the directories for this home without creating any.

    As root, PostgreSQL must be another user, and that user must reach its data: then data and socket stand under
    /var/tmp, which everyone may traverse, and no parent directory is ever chmodded.
    """
    if os.geteuid() == 0:
        base = shared_base(home)
        return Places(home=home, pg_data=base / "pg", sockets=base / "run", pg_user=unprivileged_account())
    plain = PLAIN_PATH.fullmatch(str(home)) is not None
    sockets = home / "run"
    if not plain or len(str(sockets)) > SOCKET_PATH_LIMIT:
        sockets = Path(tempfile.gettempdir()) / f"vb-{os.geteuid()}-{digest(home)}"
        if len(str(sockets)) > SOCKET_PATH_LIMIT:
            sockets = Path("/tmp") / sockets.name  # noqa: S108 - created 0700 and its owner checked
    return Places(home=home, pg_data=home / "pg", sockets=sockets, pg_user=None)


def shared_base(home: Path) -> Path:
    return Path("/var/tmp") / f"vb-{digest(home)}"  # noqa: S108 - created exclusively and its owner checked


def unprivileged_account() -> str | None:
    for name in ACCOUNTS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def make_home(home: Path) -> None:
    """Create the home and its parts; Raises: ProblemError (exit 4) for a read-only or nearly full file system."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / "log").mkdir(exist_ok=True)
        (home / "secrets").mkdir(mode=0o700, exist_ok=True)
    except OSError as err:
        raise ProblemError(
            f"{home} cannot be written: {err.strerror}",
            fix="set VB_HOME to a directory you can write, or make this one writable",
            exit_code=DISK,
        ) from err
    check_free_space(home)


def check_free_space(path: Path) -> None:
    free = free_bytes(path)
    if free < FREE_BYTES_NEEDED:
        raise ProblemError(
            f"only {free // 1_000_000} MB are free under {path}; {FREE_BYTES_NEEDED // 1_000_000} MB are needed",
            fix="free some space, or set VB_HOME to a directory on a larger disk",
            exit_code=DISK,
        )


def free_bytes(path: Path) -> int:
    """Free bytes where `path` is or would be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def make_private(path: Path, *, owner: str | None) -> None:
    """Create a 0700 directory for `owner` (None: us), refusing one that somebody else prepared at this path."""
    uid, gid = os.geteuid(), os.getegid()
    if owner is not None:
        entry = pwd.getpwnam(owner)
        uid, gid = entry.pw_uid, entry.pw_gid
    if owner is not None and path.parent.name.startswith("vb-"):
        make_shared_base(path.parent)
    try:
        path.mkdir(mode=0o700)
        os.chown(path, uid, gid)
    except FileExistsError:
        refuse_foreign(path, {uid, os.geteuid()})


def make_shared_base(base: Path) -> None:
    try:
        base.mkdir(mode=0o755)
        base.chmod(0o755)  # a strict umask must not hide it from PostgreSQL's account
    except FileExistsError:
        refuse_foreign(base, {os.geteuid()})


def refuse_foreign(path: Path, owners: set[int]) -> None:
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid not in owners or seen.st_mode & 0o022:
        raise ProblemError(
            f"{path} exists with uid {seen.st_uid} and mode {stat.filemode(seen.st_mode)}; we do not trust it",
            fix="look who made it, remove it, or set VB_HOME to another directory",
            exit_code=DISK,
        )


def reachable_by_others(path: Path) -> bool:
    """May any account traverse every directory down to `path`? What does not exist yet is not counted."""
    return all(not part.exists() or part.stat().st_mode & 0o001 for part in [path, *path.parents])
