"""How does a process stand while it is measured? Started here, waited for, stopped; a web process as it is served."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

READY_S = 30.0
LOOK_AGAIN_S = 0.05
STOP_S = 20.0
OPTIONS = (
    *("--loop", "uvloop", "--http", "bpp.heads:BoundedHttp"),
    *("--no-proxy-headers", "--no-access-log", "--no-server-header", "--log-level", "error"),
)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def web_process(
    port: int, *, application: str = "bpp.asgi:application", env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """One web process that serves `application`, with `env` added to ours; gives its pid. Raises as `process_at`."""
    with process_at(port, ["-m", "uvicorn", application, "--port", str(port), *OPTIONS], env=env) as pid:
        yield pid


@contextmanager
def process_at(
    port: int, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, silent: bool = False
) -> Iterator[int]:
    """Python with these arguments, and `env` added to ours; gives its pid once it takes connections at `port`.

    Raises SystemExit where it ends before, or takes none in READY_S.
    """
    said = subprocess.DEVNULL if silent else None
    process = subprocess.Popen([sys.executable, *arguments], env=os.environ | (env or {}), stdout=said)
    try:
        _await(process, port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(STOP_S)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"process {process.pid} ended with {process.returncode} and took no connection at {port}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(LOOK_AGAIN_S)
    raise SystemExit(f"process {process.pid} takes no connection at port {port} after {READY_S:.0f} s")
