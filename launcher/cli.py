"""Which command was asked for, and with which exit code does it end?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher import checks, demo, doctor, environ, places, processes, reset, running, serve, venv
from launcher.group import Group
from launcher.places import CLONE
from launcher.problems import OTHER, PYTHON, ProblemError, StopRequestedError
from launcher.running import HomeLock, State
from launcher.telling import Teller

USAGE = """\
Voltbazaar, a Beckn provider platform for EV charging.

  ./vb demo [--exit] [--json FILE] [--port-base N] [--no-open] [--quiet] [--speed N]
                       everything on this machine: one signed journey, then the dashboards until Ctrl-C
  ./vb test [ARGS]     the test suite on throw-away servers; ARGS go to pytest
  ./vb test --coverage the same, measured and held to the coverage gates
  ./vb serve           the provider alone: web, workers, clock (settings from the environment)
  ./vb manage ...      manage.py in the same environment
  ./vb check           format, lint, import contracts, types, migrations, deployment
  ./vb verify [NAME]   the reliability suite        ./vb bench [NAME]   benchmarks
  ./vb doctor          every self-check with its fix, changing nothing
  ./vb reset [--yes]   stop and remove the local data
"""


def run(arguments: Sequence[str]) -> int:
    """The whole of `./vb`: a problem becomes its sentence and its exit code, never a traceback."""
    if sys.platform == "win32":
        print("vb: Windows has no wheel of the embedded servers. Run it inside WSL (`wsl --install`).", file=sys.stderr)
        return PYTHON
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("help", [])
    if command == "manage":
        rest, command = ["--", *rest], "manage"
    teller = Teller()
    processes.STOP.install()
    try:
        return _dispatch(command, rest, teller)
    except ProblemError as problem:
        teller.warn(str(problem))
        return problem.exit_code
    except StopRequestedError:
        return 128 + processes.STOP.signum
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OTHER
    finally:
        processes.GUARD.close()


def _dispatch(command: str, rest: list[str], teller: Teller) -> int:
    commands = {
        "demo": lambda: demo.demo(demo.options(rest)),
        "serve": lambda: _plain(rest, "serve") or serve.serve(teller=teller),
        "test": lambda: checks.test(_after_dashes(rest), teller=teller),
        "check": lambda: _plain(rest, "check") or checks.check(teller=teller),
        "manage": lambda: manage(_after_dashes(rest), teller=teller),
        "verify": lambda: checks.run_modules("tests.verify", rest, teller=teller),
        "bench": lambda: checks.run_modules("bench", rest, teller=teller),
        "doctor": lambda: _plain(rest, "doctor") or doctor.doctor(),
        "reset": lambda: reset.reset(yes=_reset_options(rest)),
    }
    if command in {"help", "-h", "--help"}:
        print(USAGE, end="")
        return 0
    if command not in commands:
        print(f"vb: there is no command {command!r}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return commands[command]()


def _plain(rest: list[str], name: str) -> int:
    """Refuse arguments a command does not take."""
    argparse.ArgumentParser(prog=f"vb {name}").parse_args(rest)
    return 0


def _reset_options(rest: list[str]) -> bool:
    parser = argparse.ArgumentParser(prog="vb reset", description="Stop and remove the local data.")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return bool(parser.parse_args(rest).yes)


def _after_dashes(rest: list[str]) -> list[str]:
    return rest[1:] if rest[:1] == ["--"] else rest


def manage(arguments: Sequence[str], *, teller: Teller) -> int:
    """Run manage.py with the servers and settings of the group that runs here, or with servers started for this."""
    where = places.places_for(places.default_home())
    places.make_home(where.home)
    ready_venv = venv.ensure(dev=False, teller=teller)
    command: list[str | Path] = [ready_venv.python, "manage.py", *arguments]
    with HomeLock(where) as lock:
        if not lock.take():
            _, added = running.wait_until_settled(where)
            return processes.run_in_foreground(command, env=environ.base(where) | added, cwd=CLONE)
        with Group(where, ready_venv, environ.for_development(where), teller=Teller(quiet=True)) as group:
            group.start_servers()
            running.tell(where, State(pid=os.getpid(), command="manage", url="", settled=True), group.env)
            return processes.run_in_foreground(command, env=group.env, cwd=CLONE)
