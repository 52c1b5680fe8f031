"""Do sockets, data and private directories land where they work and nobody else can prepare them?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher import environ, places
from launcher.problems import ProblemError


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.mark.usefixtures("ordinary_user")
@pytest.mark.parametrize("name", ["with a space", "quote'd", "x" * 120])
def test_socket_is_short_and_plain_for_an_awkward_home(name: str) -> None:
    sockets = str(places.places_for(Path("/srv") / name).sockets)
    assert len(sockets) <= places.SOCKET_PATH_LIMIT
    assert places.PLAIN_PATH.fullmatch(sockets)


@pytest.mark.usefixtures("ordinary_user")
def test_data_and_socket_stay_in_an_ordinary_home() -> None:
    where = places.places_for(Path("/srv/vb"))
    assert (where.pg_data, where.sockets, where.pg_user) == (Path("/srv/vb/pg"), Path("/srv/vb/run"), None)


def test_root_keeps_postgresql_where_its_account_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    where = places.places_for(Path("/root/vb"))
    assert where.pg_data.is_relative_to("/var/tmp")
    assert where.sockets.is_relative_to("/var/tmp")


def test_private_directory_is_ours_alone(tmp_path: Path) -> None:
    places.make_private(tmp_path / "run", owner=None)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    places.make_private(tmp_path / "run", owner=None)


def test_directory_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(ProblemError, match="we do not trust it"):
        places.make_private(tmp_path / "run", owner=None)


def test_symlink_in_place_of_a_private_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path)
    with pytest.raises(ProblemError, match="we do not trust it"):
        places.make_private(tmp_path / "run", owner=None)


def test_directory_shut_to_others_is_noticed(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    assert not places.reachable_by_others(shut / "clone")
    assert places.reachable_by_others(Path("/usr/bin"))


def test_processes_may_keep_their_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in environ.base(places.places_for(Path("/srv/vb")))
