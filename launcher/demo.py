"""How does everything come up on one machine, and how does one signed journey run over it?"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher import environ, keys, places, ports, processes, running, serve, venv
from launcher.group import Group
from launcher.keys import LocalKeys
from launcher.places import CLONE, Places
from launcher.problems import USAGE, ProblemError, StopRequestedError
from launcher.running import HomeLock, State
from launcher.telling import Teller, clock

HOST = "127.0.0.1"
STEPS = 7
SANDBOX_START_S = 30.0
SUBSCRIBER = "bpp.voltbazaar.localhost"
KEY_ID = "demo-1"


@dataclass(frozen=True)
class Options:
    """What `./vb demo` was told."""

    leave: bool
    messages: Path | None
    port_base: int
    open_browser: bool
    quiet: bool
    speed: int


@dataclass(frozen=True)
class Ports:
    """The five ports of a demo, chosen before anything is registered under them."""

    provider: int
    buyer: int
    registry: int
    supplier: int
    payments: int

    @classmethod
    def from_base(cls, base: int) -> Ports:
        return cls(base, base + 1, base + 2, base + 3, base + 4)

    def url(self, port: int) -> str:
        return f"http://{HOST}:{port}"


def options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="vb demo", description="Run everything here, with one signed journey.")
    parser.add_argument("--exit", action="store_true", help="stop after the journey, with its exit code")
    parser.add_argument("--json", metavar="FILE", help="write every message exchanged, one JSON object a line")
    parser.add_argument("--port-base", type=int, default=8040, metavar="N", help="first of five ports (default 8040)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    parser.add_argument("--quiet", action="store_true", help="say nothing but problems")
    parser.add_argument(
        "--speed", type=int, default=60, metavar="N", help="how many times faster charging runs (default 60)"
    )
    given = parser.parse_args(arguments)
    if not 1024 <= given.port_base <= 65_000:
        parser.error("--port-base must be from 1024 to 65000")
    if given.speed < 1:
        parser.error("--speed must be at least 1")
    return Options(
        leave=given.exit,
        messages=Path(given.json).absolute() if given.json else None,
        port_base=given.port_base,
        open_browser=not (given.no_open or given.exit or given.quiet),
        quiet=given.quiet,
        speed=given.speed,
    )


def demo(told: Options) -> int:
    """Set up, start, seed, run the journey; stay until Ctrl-C unless told to leave. The exit code is the journey's."""
    where = places.places_for(places.default_home())
    places.make_home(where.home)
    with HomeLock(where) as lock:
        if not lock.take():
            return _already_running(where, told)
        return _Demo(where, told).run()


def _already_running(where: Places, told: Options) -> int:
    said = running.describe(where)
    if told.leave:
        raise ProblemError(
            f"{said}; no second journey is run", fix="end it, or set VB_HOME for a second one", exit_code=USAGE
        )
    print(said)
    return 0


class _Demo:
    """One run of the demo, step by step."""

    def __init__(self, where: Places, told: Options) -> None:
        self.where = where
        self.told = told
        self.teller = Teller(quiet=told.quiet, stream=sys.stdout)
        self.step = 0
        self.ports = Ports.from_base(told.port_base)

    def run(self) -> int:
        self.teller.say(
            f"Voltbazaar · Python {platform.python_version()} · {platform.system()} {platform.machine()} "
            f"· log {self.where.log}"
        )
        self._choose_ports()
        self._say("Packages", "checking")
        ready_venv = venv.ensure(dev=False, teller=self.teller)
        env = environ.for_development(self.where)
        with Group(self.where, ready_venv, env, teller=self.teller) as group:
            try:
                return self._inside(group)
            except StopRequestedError:
                self.teller.say("stopping")
                return 128 + processes.STOP.signum

    def _inside(self, group: Group) -> int:
        self._timed("Servers", group.start_servers)
        own = keys.local(group)
        group.env.update(self._settings(own))
        self._timed("Database", lambda: self._prepare(group))
        self._timed("City", lambda: self._seed(group))
        self._timed("Network", lambda: self._network(group, own))
        provider = self.ports.url(self.ports.provider)
        running.tell(self.where, State(pid=os.getpid(), command="demo", url=provider, settled=True), group.env)
        self._say("Journey", "signed, over HTTP, from search to rating")
        code = self._journey(group)
        if self.told.leave:
            self.teller.say(f"journey ended with exit code {code}; stopping")
            return code
        self._show(group)
        group.watch()
        self.teller.say("stopping")
        return code

    def _choose_ports(self) -> None:
        try:
            base, said = ports.free_base(self.told.port_base, 5, HOST)
        except OSError as err:
            raise ProblemError(str(err), fix="name another --port-base", exit_code=USAGE) from err
        for sentence in said:
            self.teller.warn(sentence)
        self.ports = Ports.from_base(base)
        moved = "" if base == self.told.port_base else " (moved to the next free base)"
        self._say("Ports", f"{base} to {base + 4}{moved}")

    def _settings(self, own: LocalKeys) -> dict[str, str]:
        return own.settings() | {
            "DEBUG": "1",
            "ALLOWED_HOSTS": environ.LOOPBACK,
            "BECKN_SUBSCRIBER_ID": SUBSCRIBER,
            "BECKN_SUBSCRIBER_URL": f"{self.ports.url(self.ports.provider)}/beckn",
            "BECKN_KEY_ID": KEY_ID,
            "BECKN_REGISTRY_URL": self.ports.url(self.ports.registry),
            "BECKN_ALLOW_PRIVATE_CALLBACKS": "1",
            "EV_POWER_SUPPLIER_URL": f"{self.ports.url(self.ports.supplier)}/api/v2",
            "EV_POWER_SUPPLIER_TOKEN": environ.kept_secret(self.where, "demo-supplier-token"),
            "PAYMENT_PROVIDER": "razorpay",
            "PAYMENT_RAZORPAY_URL": f"{self.ports.url(self.ports.payments)}/v1",
            "PAYMENT_RAZORPAY_KEY_ID": "rzp_test_demo",
            "PAYMENT_RAZORPAY_KEY_SECRET": environ.kept_secret(self.where, "demo-payment-key"),
            "PAYMENT_RAZORPAY_WEBHOOK_SECRETS": environ.kept_secret(self.where, "demo-payment-webhooks"),
            "PAYMENT_RAZORPAY_PARTIAL_CAPTURE": "1",
            "PAYMENT_ALLOW_PRIVATE": "1",
            "EVENTS_TOKEN": environ.kept_secret(self.where, "demo-events-token"),
            "TIME_SCALE": str(self.told.speed),
            "NOTICES_DEFAULT_ON": "1",
            "NOTICES_QUIET_HOURS": "00:00-00:00",
            "NOTICES_ALLOW_PRIVATE": "1",
            "EMAIL_FILE": str(self._mail),
        }

    def _prepare(self, group: Group) -> str:
        serve.prepare(group)
        return "migrated, static files collected"

    def _seed(self, group: Group) -> str:
        group.manage("seed_city", "--powers", str(self._powers))
        said = last_line(self.where.log / "manage.log")
        group.manage("seed_terms")
        return said

    @property
    def _powers(self) -> Path:
        """What each slot of the city can deliver: the simulated vehicles draw no more."""
        return self.where.home / "powers.json"

    @property
    def _mail(self) -> Path:
        """Where every e-mail to a driver goes."""
        return self.where.home / "notices.mail"

    def _network(self, group: Group, own: LocalKeys) -> str:
        """The sandbox first: the provider asks its registry from the first message on."""
        at = self.ports
        log = self.where.log / "sandbox.log"
        offset = log.stat().st_size if log.exists() else 0
        pairs = {
            "host": HOST,
            "registry-port": str(at.registry),
            "buyer-port": str(at.buyer),
            "supplier-port": str(at.supplier),
            "bpp-id": SUBSCRIBER,
            "bpp-url": group.env["BECKN_SUBSCRIBER_URL"],
            "bpp-public-key": own.signing_public,
            "bpp-encryption-public-key": own.encryption_public,
            "bpp-key-id": KEY_ID,
            "events-url": f"{at.url(at.provider)}/events",
            "events-token": group.env["EVENTS_TOKEN"],
            "supplier-token": group.env["EV_POWER_SUPPLIER_TOKEN"],
            "payments-port": str(at.payments),
            "payments-webhook-url": f"{at.url(at.provider)}/payments/razorpay/webhook",
            "payments-key-id": group.env["PAYMENT_RAZORPAY_KEY_ID"],
            "payments-key-secret": group.env["PAYMENT_RAZORPAY_KEY_SECRET"],
            "payments-webhook-secret": group.env["PAYMENT_RAZORPAY_WEBHOOK_SECRETS"],
            "time-scale": str(self.told.speed),
            "state-dir": str(self.where.home / "sandbox"),
            "powers": str(self._powers),
        }
        flags = [f"--{name}={value}" for name, value in pairs.items()]  # a token may begin with a dash
        flags.append("--payments-partial-capture")
        group.start_app("sandbox", [group.venv.python, "-m", "sandbox", "network", *flags])
        wait_for_line(group, log, b"ready", offset)
        serve.start_provider(group, host=HOST, port=at.provider)
        group.wait_until_ready(at.url(at.provider))
        return (
            f"registry, gateway :{at.registry} · provider :{at.provider} · buyer :{at.buyer} · supplier :{at.supplier} "
            f"· payments :{at.payments}"
        )

    def _journey(self, group: Group) -> int:
        command: list[str | Path] = [
            group.venv.python,
            "-m",
            "sandbox",
            "journey",
            "--buyer",
            self.ports.url(self.ports.buyer),
        ]
        if self.told.messages is not None:
            command += ["--json", self.told.messages]
        log = self.where.log / "journey.log"
        stdout = None if self.told.quiet else sys.stdout.fileno()
        child = processes.start("journey", command, env=group.env, log=log, cwd=CLONE, stdout=stdout)
        try:
            while (code := child.exit_code()) is None:
                processes.STOP.check()
                group.check_alive()
                time.sleep(processes.POLL_S)
        finally:
            child.kill_group()
        if code != 0:
            self.teller.warn(f"the journey failed with exit code {code}\n{child.tail()}\n    log: {log}")
        return code

    def _show(self, group: Group) -> None:
        provider = self.ports.url(self.ports.provider)
        login = f"{provider}/admin/"
        if serve.has_command("demo_login"):
            group.manage("demo_login", "--base-url", provider)
            login = last_link(self.where.log / "manage.log") or login
        for name, url in (
            ("Operators", login),
            ("API docs", f"{provider}/api/docs/"),
            ("Buyer app", self.ports.url(self.ports.buyer)),
            ("Health", f"{provider}/readyz"),
            ("Notices", str(self._mail)),
        ):
            self.teller.say(f"  {name:<10} {url}")
        if os.environ.get("SSH_CONNECTION"):
            first = self.ports.provider
            forwards = " ".join(f"-L {port}:{HOST}:{port}" for port in range(first, first + 4))
            self.teller.say(f"  over SSH, from your machine: ssh {forwards} <this machine>")
        self.teller.say(f"Ctrl-C stops everything; the data stays in {self.where.home} (./vb reset removes it).")
        if self.told.open_browser and has_display():
            webbrowser.open(self.ports.url(self.ports.buyer))

    def _say(self, name: str, text: str) -> None:
        self.step += 1
        self.teller.say(f"[{self.step}/{STEPS}] {name:<9} {text}")

    def _timed(self, name: str, work: Callable[[], str]) -> None:
        started = time.monotonic()
        text = work()
        self._say(name, f"{text}  {clock(time.monotonic() - started)}")


def wait_for_line(group: Group, log: Path, line: bytes, offset: int) -> None:
    """Until this line stands in the log. Raises: ProblemError when a child ends or the wait is too long."""
    deadline = time.monotonic() + SANDBOX_START_S
    while time.monotonic() < deadline:
        processes.STOP.check()
        group.check_alive()
        if log.exists() and line in log.read_bytes()[offset:].splitlines():
            return
        time.sleep(processes.POLL_S)
    raise ProblemError(
        f"the sandbox is not ready after {SANDBOX_START_S:.0f} s\n{processes.tail(log)}", fix=f"read {log}"
    )


def last_line(log: Path) -> str:
    """What a command said last."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "" if not lines or lines[-1].startswith("--- ") else lines[-1]


def last_link(log: Path) -> str:
    """The newest address a command printed; empty where it printed none."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line.startswith(("http://", "https://"))), "")


def has_display() -> bool:
    if platform.system() == "Darwin":
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.stdout.isatty()
