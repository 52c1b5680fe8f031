"""Which ports are free, and who holds those that are not?"""

from __future__ import annotations

import os
import socket
from pathlib import Path

LISTEN = "0A"


def free_port() -> int:
    """A loopback port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """`pid 4121 (python3)`, or what can be said when the process is not ours to see."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if _holds(process, inodes):
            try:
                return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
            except OSError:
                return f"pid {process.name}"
    return "another process that we may not see"


def _listening_inodes(port: int) -> set[str]:
    wanted = f"{port:04X}"
    inodes: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        rows = (line.split() for line in lines)
        inodes |= {row[9] for row in rows if row[3] == LISTEN and row[1].rpartition(":")[2] == wanted}
    return inodes


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return True
    return False


def free_base(first: int, count: int, host: str = "127.0.0.1") -> tuple[int, list[str]]:
    """The first base, in steps of ten, with `count` free ports, and a sentence per busy port met on the way."""
    said: list[str] = []
    for base in range(first, 65_536 - count, 10):
        busy = [port for port in range(base, base + count) if not is_free(port, host)]
        if not busy:
            return base, said
        said += [f"{port} is used by {holder(port)}" for port in busy]
    raise OSError(f"no {count} free ports in a row from {first}")
