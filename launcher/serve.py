"""How does the provider itself run: web, workers and clock as one supervised group?"""

from __future__ import annotations

import os
from pathlib import Path

from launcher import environ, keys, places, ports, processes, running, venv
from launcher.group import Group
from launcher.places import CLONE
from launcher.problems import USAGE, ProblemError, StopRequestedError
from launcher.running import HomeLock, State
from launcher.telling import Teller

LISTENERS = {"MQTT_URL": ("mqtt", "listen_mqtt"), "OCPP_PORT": ("ocpp", "listen_ocpp")}


def serve(*, teller: Teller) -> int:
    """Run in the foreground until SIGTERM or Ctrl-C; prints one line `ready http://HOST:PORT` on stdout."""
    host, port = address()
    where = places.places_for(places.default_home())
    places.make_home(where.home)
    env = environ.for_production(where, host=host)
    with HomeLock(where) as lock:
        if not lock.take():
            raise ProblemError(
                running.describe(where), fix="use it, end it, or set VB_HOME for a second one", exit_code=USAGE
            )
        if not ports.is_free(port, host):
            raise ProblemError(
                f"port {port} is used by {ports.holder(port)}", fix="end it, or set PORT to another", exit_code=USAGE
            )
        ready_venv = venv.ensure(dev=False, teller=teller)
        with Group(where, ready_venv, env, teller=teller) as group:
            try:
                _run(group, host=host, port=port)
            except StopRequestedError:
                teller.say("stopping")
    return 0


def address() -> tuple[str, int]:
    """HOST and PORT. Raises: ProblemError (exit 2) for a port that is none."""
    text = os.environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise ProblemError(f"PORT is {text!r}", fix="write a number from 1 to 65535", exit_code=USAGE)
    return os.environ.get("HOST") or "127.0.0.1", int(text)


def _run(group: Group, *, host: str, port: int) -> None:
    group.teller.say(group.start_servers())
    keys.fill_in(group)
    prepare(group)
    start_provider(group, host=host, port=port)
    url = web_url(host, port)
    group.wait_until_ready(url)
    running.tell(group.where, State(pid=os.getpid(), command="serve", url=url, settled=True), group.env)
    print(f"ready {url}", flush=True)
    group.watch()
    group.teller.say("stopping")


def web_url(host: str, port: int) -> str:
    """The address to call; a server that listens everywhere is called on the loopback."""
    called = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{called}:{port}"


def prepare(group: Group) -> None:
    """Bring the tables to head and collect the static files, both at once: they touch nothing in common."""
    static = group.start_manage("static", "collectstatic", "--noinput", "--verbosity", "0")
    try:
        group.manage("migrate", "--noinput", "--verbosity", "0")
        processes.expect_success(static, "collectstatic")
    finally:
        static.kill_group()


def start_provider(group: Group, *, host: str, port: int) -> None:
    """Start web, worker, ingest, beat and the listeners that are asked for; none of them is waited for."""
    python = group.venv.python
    group.start_app("web", web_command(group, host=host, port=port))
    celery: list[str | Path] = [python, "-m", "celery", "-A", "bpp.celery:app"]
    concurrency = str(_number(group.env, "CELERY_CONCURRENCY", 3))
    group.start_app(
        "worker",
        [
            *(*celery, "worker", "--pool", "prefork", "--concurrency", concurrency, "--loglevel", "INFO"),
            *("--hostname", "worker@vb", "--without-gossip", "--without-mingle"),
        ],
        # SIGTERM drains for worker_soft_shutdown_timeout instead of waiting for ever
        env={"REMAP_SIGTERM": "SIGQUIT"},
    )
    group.start_app("ingest", [python, "manage.py", "ingest", "--name", "vb"])
    schedule = group.where.home / "celerybeat-schedule"
    group.start_app("beat", [*celery, "beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile", ""])
    for setting, (name, command) in LISTENERS.items():
        if group.env.get(setting):
            if not has_command(command):
                raise ProblemError(
                    f"{setting} is set, but this release has no {name} listener",
                    fix=f"unset {setting}",
                    exit_code=USAGE,
                )
            group.start_app(name, [python, "manage.py", command])


def web_command(group: Group, *, host: str, port: int) -> list[str | Path]:
    """Only behind a proxy of ours may a header name the caller's address."""
    proxy = "--proxy-headers" if environ.is_on(group.env, "BEHIND_PROXY") else "--no-proxy-headers"
    workers = str(_number(group.env, "WEB_WORKERS", 1))
    # Streams are counted, and limited, by the process itself.
    most = str(1000 + _number(group.env, "LIVE_STREAMS_MAX", 5000))
    return [
        *(
            group.venv.python,
            "-m",
            "uvicorn",
            "bpp.asgi:application",
            "--host",
            host,
            "--port",
            str(port),
            "--workers",
            workers,
        ),
        *(
            "--loop",
            "uvloop",
            "--http",
            "bpp.heads:BoundedHttp",
            "--limit-concurrency",
            most,
            # Longer than clients and proxies keep theirs: who closes first must not be us, or a request is lost.
            "--timeout-keep-alive",
            "75",
            "--timeout-graceful-shutdown",
            "15",
        ),
        *("--no-access-log", "--no-server-header", proxy, "--log-level", "warning"),
    ]


def has_command(name: str) -> bool:
    """Does an app of ours bring this management command?"""
    return any(CLONE.glob(f"*/management/commands/{name}.py"))


def _number(env: dict[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise ProblemError(f"{name} is {text!r}", fix="write a whole number from 1", exit_code=USAGE)
    return int(text)
