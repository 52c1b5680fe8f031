"""The commands: a network that says ready and ends on SIGTERM, and keys that fit each other."""

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from sandbox.signing import Identity, read_base64

ROOT = Path(__file__).resolve().parents[2]


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@asynccontextmanager
async def ready(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that has said `ready`; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sandbox", *command, cwd=ROOT, stdout=-1)
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_network_says_ready_and_ends_on_sigterm(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    registry, buyer, supplier, payments = free_ports(4)
    who = Identity.fresh("bpp.test")
    options = {
        "registry-port": registry,
        "buyer-port": buyer,
        "supplier-port": supplier,
        "payments-port": payments,
        "bpp-id": "bpp.test",
        "bpp-url": "http://127.0.0.1:9/beckn",
        "bpp-public-key": who.signing_public_key,
        "bpp-encryption-public-key": who.encryption_public_key,
        "bpp-key-id": "k9",
        "events-url": "http://127.0.0.1:9/events",
        "events-token": "e",
        "supplier-token": "s",
        "time-scale": "60",
        "state-dir": str(tmp_path),
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    async with ready("network", "--host", "127.0.0.1", *arguments) as process:
        async with http.get(f"http://127.0.0.1:{buyer}/") as response:
            assert "Sandbox buyer app" in await response.text()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    secrets = [name for name in os.listdir(tmp_path) if name.endswith(".localhost.json")]
    assert len(secrets) == 3
    assert all(stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600 for name in secrets)


async def test_parts_run_alone_and_the_buyer_subscribes(http: aiohttp.ClientSession) -> None:
    registry, buyer, supplier, payments = free_ports(4)
    url = f"http://127.0.0.1:{registry}"
    commands = [
        ["registry", "--registry-port", registry],
        ["buyer", "--buyer-port", buyer, "--registry-url", url, "--gateway-url", url, "--subscribe"],
        ["supplier", "--supplier-port", supplier, "--supplier-token", "s"],
        ["payments", "--payments-port", payments, "--payments-key-secret", "p"],
    ]
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(ready(*command)) for command in commands]
        async with http.get(f"{url}/rows") as response:
            rows = {row["type"]: row["status"] for row in await response.json()}
        assert rows == {"BREG": "SUBSCRIBED", "BG": "SUBSCRIBED", "BAP": "SUBSCRIBED"}
        for process in started:
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_keys_fit_each_other() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sandbox", "keys", cwd=ROOT, stdout=-1)
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    keys = dict(line.split("=", 1) for line in out.decode().splitlines())
    seeds = [read_base64(keys[f"{kind}_private_key"], what=kind) for kind in ("signing", "encryption")]
    identity = Identity("", "", *seeds)
    assert identity.signing_public_key == keys["signing_public_key"]
    assert identity.encryption_public_key == keys["encryption_public_key"]
