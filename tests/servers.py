"""How does a test run the provider as its users do: `./vb serve` in a process of its own?"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from launcher import places, ports

READY_S = 120.0
END_S = 60.0
NOT_PASSED_ON = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "HOST", "PORT", "VB_HOME"}


class Provider:
    """A provider with servers and data of its own in `home`; leaving the context ends it.

    `url` is set once it is ready. Settings beyond the defaults of a try-out are given by name.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.url = ""
        self.env = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        self.env |= {"VB_HOME": str(home), "DEBUG": "1", "PORT": str(ports.free_port()), "CELERY_CONCURRENCY": "1"}
        self.env |= settings
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Provider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGTERM)

    def start(self) -> str:
        """Start it and wait for the line `ready URL`; the answer is the URL."""
        self.process = subprocess.Popen(
            [sys.executable, str(places.CLONE / "vb"), "serve"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.home.parent / "vb.err").open("w"),
            text=True,
        )
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(READY_S), f"not ready after {READY_S:.0f} s\n{self.said()}"
        line = self.process.stdout.readline()
        assert line.startswith("ready "), self.said()
        self.url = line.split()[1]
        return self.url

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another `./vb` command in the same home and environment."""
        command = [sys.executable, str(places.CLONE / "vb"), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)

    def end(self, signum: int) -> int:
        """Send the launcher this signal and wait; the answer is its exit code."""
        assert self.process is not None
        self.process.send_signal(signum)
        return self.wait()

    def wait(self) -> int:
        assert self.process is not None
        code = self.process.wait(END_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def said(self) -> str:
        return (self.home.parent / "vb.err").read_text()

    def processes(self) -> dict[int, str]:
        """The pids and command lines of everything that runs for this home, the launcher left out."""
        mark = f"VB_HOME={self.home}".encode()
        data = str(places.places_for(self.home).pg_data)
        found: dict[int, str] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                marked = mark in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            own = self.process is not None and int(entry.name) == self.process.pid
            if command and not own and (marked or data in command):
                found[int(entry.name)] = command
        return found

    def pid_of(self, word: str) -> int:
        """The oldest process of this home with the word in its command line."""
        return min(pid for pid, command in self.processes().items() if word in command)

    def wait_until_nothing_runs(self) -> None:
        deadline = time.monotonic() + END_S
        while left := self.processes():
            assert time.monotonic() < deadline, f"still running: {left}"
            with contextlib.suppress(ProcessLookupError), os.fdopen(os.pidfd_open(min(left))) as ended:
                select.select([ended], [], [], END_S)
