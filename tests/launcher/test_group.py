"""Do the children of one group live and die together?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import places, processes
from launcher.group import Group
from launcher.places import CLONE
from launcher.problems import ProblemError
from launcher.telling import Teller
from launcher.venv import Venv

PYTHON = sys.executable
STAYS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{STAYS}"
DIES = "import sys; print('the disk of the moon is full'); sys.exit(7)"
HOLDER = """
import os, sys, time
from pathlib import Path
from launcher import processes
log = Path(sys.argv[1])
command = [sys.executable, "-c", sys.argv[2]]
child = processes.start("child", command, env=os.environ, log=log, cwd=Path("/"))
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    places.make_home(tmp_path)
    with Group(
        places.places_for(tmp_path), Venv(Path(sys.prefix)), dict(os.environ), teller=Teller(quiet=True)
    ) as running:
        yield running


def wait_for(text: str, log: Path) -> None:
    deadline = time.monotonic() + 10
    while text not in log.read_text():
        assert time.monotonic() < deadline
        os.sched_yield()


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while not gone(pid):
        assert time.monotonic() < deadline
        os.sched_yield()


def gone(pid: int) -> bool:
    """Ended, or ended and only waiting for its parent to notice."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_child_that_ends_is_reported_with_code_and_last_words(group: Group) -> None:
    group.start_app("worker", [PYTHON, "-c", STAYS])
    group.start_app("web", [PYTHON, "-c", DIES])
    with pytest.raises(ProblemError, match="web ended with exit code 7") as caught:
        group.watch()
    assert "the disk of the moon is full" in caught.value.cause


def test_stop_ends_every_child(group: Group) -> None:
    children = [group.start_app(name, [PYTHON, "-c", STAYS]) for name in ("web", "worker")]
    for child in children:
        wait_for("up", child.log)
    group.stop()
    assert [child.exit_code() for child in children] == [-signal.SIGTERM, -signal.SIGTERM]


def test_child_that_will_not_drain_is_killed(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.group.DRAIN_S", 0.3)
    child = group.start_app("web", [PYTHON, "-c", STUBBORN])
    wait_for("up", child.log)
    group.stop()
    assert child.exit_code() == -signal.SIGKILL


def test_grandchildren_go_with_their_group(group: Group) -> None:
    child = group.start_app(
        "web", [PYTHON, "-c", f"import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n{STAYS}"]
    )
    wait_for("up", child.log)
    grandchild = int(child.log.read_text().splitlines()[-2])
    group.stop()
    wait_until_gone(grandchild)


@pytest.mark.parametrize("behaviour", [STAYS, STUBBORN], ids=["willing", "stubborn"])
def test_children_end_when_the_launcher_is_killed(tmp_path: Path, behaviour: str) -> None:
    command = [PYTHON, "-c", HOLDER, str(tmp_path / "log"), behaviour]
    env = dict(os.environ) | {"PYTHONPATH": str(CLONE)}
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    wait_for("up", tmp_path / "log")
    holder.kill()
    holder.wait()
    wait_until_gone(child)


def test_log_that_grew_too_long_is_rolled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "web.log"
    log.write_text("old lines of a long log")
    processes.roll(log)
    assert not log.exists()
    assert (tmp_path / "web.log.1").exists()
