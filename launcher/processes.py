"""How is a child process started so that it never outlives us, and how is it stopped?"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from launcher.guard import Guard
from launcher.problems import ProblemError, StopRequestedError

PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 10_000_000
POLL_S = 0.05
TAIL_LINES = 20

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StopFlag:
    """Remembers stop signals; work asks at safe points, so that no child is lost between fork and bookkeeping."""

    def __init__(self) -> None:
        self.count = 0
        self.signum = 0
        self.deaf = False

    def install(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._heard)

    def _heard(self, signum: int, _frame: object) -> None:
        self.count += 1
        self.signum = signum

    def check(self) -> None:
        """Raises: StopRequestedError once a stop was asked for, unless we are already stopping."""
        if self.count and not self.deaf:
            raise StopRequestedError


STOP = StopFlag()
GUARD = Guard()


def die_with_parent(signum: int) -> Callable[[], None]:
    """What the child does before exec: ask the kernel for `signum` when we die, even by kill -9."""
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


@dataclass
class Child:
    """A running server of ours: its own process group, its output in `log`, `stop_signal` asks it to drain."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: int

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        return self.process.poll()

    def ask_to_stop(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(self.stop_signal)

    def wait(self, deadline: float) -> bool:
        while self.process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True

    def kill_group(self) -> None:
        """End whatever is left of the child and of the processes it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
            GUARD.forget(self.process.pid)

    def tail(self) -> str:
        return tail(self.log)


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    cwd: Path,
    stop_signal: int = signal.SIGTERM,
    user: str | None = None,
    stdout: IO[bytes] | int | None = None,
) -> Child:
    """Start a long-lived child in a process group of its own, so that Ctrl-C reaches us alone and we stop it in order.

    The kernel sends it `stop_signal` should we die first. `stdout` replaces the log for standard output.
    Raises: ProblemError when it cannot be started.
    """
    roll(log)
    with log.open("ab") as output:
        output.write(f"--- {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} starting {name}\n".encode())
        output.flush()
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                process_group=0,
                preexec_fn=die_with_parent(stop_signal),  # noqa: PLW1509 - we run no threads
                user=user,
                group=None if user is None else group_of(user),
                extra_groups=None if user is None else [],
            )
        except (OSError, subprocess.SubprocessError) as err:
            raise ProblemError(f"{name} cannot be started ({command[0]}): {err}", fix="run ./vb doctor") from err
    GUARD.watch(process.pid)
    return Child(name=name, process=process, log=log, stop_signal=stop_signal)


def group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def run_logged(
    name: str, command: Sequence[str | Path], *, env: Mapping[str, str], log: Path, cwd: Path, user: str | None = None
) -> None:
    """Run a command to its end with its output in `log`. Raises: ProblemError with the last lines when it fails."""
    shown = " ".join(str(part) for part in command[1:])
    expect_success(start(name, command, env=env, log=log, cwd=cwd, user=user), shown)


def expect_success(child: Child, shown: str) -> None:
    """Wait for the child's end. Raises: ProblemError with its last lines when it fails."""
    code = finish(child)
    if code != 0:
        raise ProblemError(
            f"{child.name} failed with exit code {code} ({shown})\n{child.tail()}",
            fix=f"read {child.log}, then try again",
        )


def finish(child: Child) -> int:
    """Wait for the child, ending it when we are asked to stop."""
    try:
        while (code := child.exit_code()) is None:
            STOP.check()
            time.sleep(POLL_S)
    except StopRequestedError:
        child.kill_group()
        raise
    child.kill_group()
    return code


def run_in_foreground(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> int:
    """Run a command that owns the terminal: Ctrl-C reaches it directly, SIGTERM is passed on."""
    process = subprocess.Popen(
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - we run no threads
    )
    passed = STOP.count
    while process.poll() is None:
        if STOP.count > passed:
            passed = STOP.count
            if STOP.signum != signal.SIGINT or not sys.stdin.isatty():
                process.send_signal(STOP.signum)
        time.sleep(POLL_S)
    code = process.returncode
    return code if code >= 0 else 128 - code


def roll(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))


def tail(log: Path) -> str:
    """The last lines of a log, indented."""
    try:
        lines = log.read_bytes()[-20_000:].decode(errors="replace").splitlines()
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:]) or "    (nothing was written)"
