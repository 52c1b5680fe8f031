"""What would stop Voltbazaar on this machine? Every self-check with its fix, and nothing is changed."""

from __future__ import annotations

import email.utils
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from launcher import environ, places, ports, postgres, redis_server, running, venv
from launcher.places import CLONE
from launcher.problems import DISK, OTHER, PYTHON, USAGE, ProblemError

CLOCK_TOLERANCE_S = 5.0
GOOD, NOTE, BAD = "ok  ", "note", "FAIL"


@dataclass(frozen=True)
class Finding:
    """One check's result: `exit_code` counts only for a failure."""

    grade: str
    text: str
    fix: str = ""
    exit_code: int = OTHER


def doctor() -> int:
    """Print every finding; the exit code is the first failure's, 0 when nothing would stop us."""
    failures: list[int] = []
    for look in CHECKS:
        finding = look()
        print(f"{finding.grade} {finding.text}" + (f"\n       fix: {finding.fix}" if finding.fix else ""), flush=True)
        if finding.grade == BAD:
            failures.append(finding.exit_code)
    print("nothing stands in the way" if not failures else f"{len(failures)} to mend")
    return failures[0] if failures else 0


def python() -> Finding:
    return Finding(GOOD, f"Python {platform.python_version()} ({sys.executable})")


def venv_tools() -> Finding:
    if shutil.which("uv"):
        return Finding(GOOD, "uv is on PATH and makes the environment")
    if importlib.util.find_spec("ensurepip") is None:
        return Finding(BAD, "this Python has no ensurepip", "apt install python3-venv, or put uv on PATH", PYTHON)
    return Finding(GOOD, "venv and pip make the environment")


def packages() -> Finding:
    ready = venv.Venv(venv.location())
    if not ready.python.exists():
        return Finding(
            NOTE, f"packages are not installed yet (they go to {ready.root})", "the first command installs them"
        )
    if venv.stamps(ready).get("runtime") != venv.fingerprint(dev=False):
        return Finding(NOTE, f"{ready.root} differs from requirements.txt", "the next command mends it")
    return Finding(GOOD, f"packages are as requirements.txt names them ({ready.root})")


def home() -> Finding:
    where = places.default_home()
    at = next(part for part in [where, *where.parents] if part.exists())
    if not os.access(at, os.W_OK):
        return Finding(BAD, f"{at} cannot be written", "set VB_HOME to a directory you can write", DISK)
    chosen = places.places_for(where)
    apart = "" if chosen.pg_data.parent == where else f", PostgreSQL's in {chosen.pg_data}"
    return Finding(GOOD, f"data goes to {where}{apart}")


def disk() -> Finding:
    try:
        places.check_free_space(places.default_home())
    except ProblemError as problem:
        return Finding(BAD, problem.cause, problem.fix, DISK)
    return Finding(GOOD, f"{places.free_bytes(places.default_home()) // 1_000_000_000} GB are free")


def executable_home() -> Finding:
    flag = getattr(os, "ST_NOEXEC", 8)
    target = next(part for part in [venv.location(), *venv.location().parents] if part.exists())
    if os.statvfs(target).f_flag & flag:
        return Finding(
            BAD, f"{target} is mounted noexec; the embedded servers cannot run from it", "move the clone", DISK
        )
    return Finding(GOOD, f"programs may run from {target}; scratch files go to {tempfile.gettempdir()}")


def account() -> Finding:
    if os.geteuid() != 0:
        return Finding(GOOD, "runs as an ordinary user")
    name = places.unprivileged_account()
    if name is None and not os.environ.get("DATABASE_URL"):
        return Finding(
            BAD, "runs as root without an account postgres or nobody", "useradd --system postgres, or set DATABASE_URL"
        )
    return Finding(GOOD, f"runs as root; the embedded PostgreSQL runs as {name}")


def web_ports() -> Finding:
    state = running.read(places.places_for(places.default_home()))
    if state is not None:
        return Finding(NOTE, f"./vb {state.command} runs (pid {state.pid}) {state.url}".rstrip())
    wanted = [8000, 8040, 8041, 8042, 8043, 8044]
    busy = [f"{port} is used by {ports.holder(port)}" for port in wanted if not ports.is_free(port)]
    if busy:
        return Finding(NOTE, "; ".join(busy), "demo moves to other ports by itself; serve takes PORT")
    return Finding(GOOD, "ports 8000 and 8040 to 8044 are free")


def database() -> Finding:
    if os.environ.get("DATABASE_URL"):
        return _ask_inside("check-database", "DATABASE_URL")
    ready = venv.Venv(venv.location())
    if not ready.python.exists():
        return Finding(NOTE, "the embedded PostgreSQL comes with the packages")
    try:
        return Finding(GOOD, f"embedded PostgreSQL in {postgres.binaries(ready.site_packages).parent}")
    except ProblemError as problem:
        return Finding(BAD, problem.cause, problem.fix, problem.exit_code)


def redis() -> Finding:
    if os.environ.get("REDIS_URL"):
        return _ask_inside("check-redis", "REDIS_URL")
    ready = venv.Venv(venv.location())
    found = redis_server.binary(ready.site_packages)
    if found is None and ready.python.exists():
        return Finding(
            NOTE, "no redis-server: a slow imitation will be used", "apt install redis-server, or set REDIS_URL"
        )
    return Finding(GOOD, f"Redis: {found[0]}" if found else "the embedded Redis comes with the packages")


def _ask_inside(question: str, setting: str) -> Finding:
    ready = venv.Venv(venv.location())
    if not ready.python.exists():
        return Finding(NOTE, f"{setting} is set; it is tried once the packages are installed")
    command = [str(ready.python), "-m", "launcher.inside", question]
    done = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        return Finding(
            BAD, said[0] if said else f"{setting} cannot be tried", f"correct {setting} or its server", USAGE
        )
    return Finding(GOOD, f"{setting} answers")


def settings() -> Finding:
    env = dict(os.environ)
    if not environ.is_on(env, "DEBUG") and not environ.is_given(env, "SECRET_KEY"):
        return Finding(
            NOTE, "serve needs SECRET_KEY (or DEBUG=1); demo and test do not", "set SECRET_KEY before ./vb serve"
        )
    missing = [name for name in ("BECKN_SIGNING_PRIVATE_KEY", "BECKN_REGISTRY_URL") if not environ.is_given(env, name)]
    if missing:
        return Finding(
            NOTE, f"not set: {', '.join(missing)}", "./vb manage generate_keys makes keys; docs/operations.md lists all"
        )
    return Finding(GOOD, "SECRET_KEY, keys and registry are set")


def proxies() -> Finding:
    found = [
        name for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY") if os.environ.get(name)
    ]
    if found:
        return Finding(NOTE, f"{', '.join(found)} set: used to fetch packages, bypassed for loopback calls")
    return Finding(GOOD, "no proxy variables")


def clock() -> Finding:
    """Signatures carry times: a clock that is off is refused by every peer."""
    registry = os.environ.get("BECKN_REGISTRY_URL")
    if not registry:
        return Finding(NOTE, "the clock is compared with the registry's once BECKN_REGISTRY_URL is set")
    try:
        skew_s = skew(registry)
    except (OSError, ValueError, TypeError) as err:
        return Finding(NOTE, f"the registry's clock cannot be read: {err}", "check BECKN_REGISTRY_URL")
    if abs(skew_s) > CLOCK_TOLERANCE_S:
        return Finding(
            BAD,
            f"our clock is {skew_s:+.0f} s off the registry's: signatures will fail",
            "switch on NTP (timedatectl set-ntp true)",
        )
    return Finding(GOOD, f"the clock is within {CLOCK_TOLERANCE_S:.0f} s of the registry's")


def skew(url: str) -> float:
    """Our time minus the peer's, from its Date header."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no http address")
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the scheme is checked above
            date = answer.headers["Date"]
    except urllib.error.HTTPError as err:
        date = err.headers["Date"]
    return time.time() - email.utils.parsedate_to_datetime(date).timestamp()


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    venv_tools,
    packages,
    home,
    disk,
    executable_home,
    account,
    web_ports,
    database,
    redis,
    settings,
    proxies,
    clock,
)
