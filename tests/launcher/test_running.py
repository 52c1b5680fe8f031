"""Is a second start noticed, and told where the first one answers?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher import places, running
from launcher.places import Places
from launcher.running import HomeLock, State


@pytest.fixture
def where(tmp_path: Path) -> Places:
    places.make_home(tmp_path)
    return places.places_for(tmp_path)


def test_second_lock_on_a_home_is_not_given(where: Places) -> None:
    with HomeLock(where) as first, HomeLock(where) as second:
        assert first.take()
        assert not second.take()


def test_lock_is_free_again_after_its_holder_left(where: Places) -> None:
    with HomeLock(where) as first:
        assert first.take()
    with HomeLock(where) as second:
        assert second.take()


def test_running_group_tells_where_it_answers_and_with_what(where: Places) -> None:
    with HomeLock(where) as lock:
        lock.take()
        state = State(pid=os.getpid(), command="demo", url="http://127.0.0.1:8040", settled=True)
        running.tell(where, state, dict(os.environ) | {"REDIS_URL": "redis://127.0.0.1:1/0"})
        assert running.describe(where) == f"./vb demo already runs at http://127.0.0.1:8040 (pid {os.getpid()})"
        assert running.wait_until_settled(where)[1]["REDIS_URL"] == "redis://127.0.0.1:1/0"
        assert running.env_path(where).stat().st_mode & 0o777 == 0o600


def test_word_of_a_group_goes_with_it(where: Places) -> None:
    with HomeLock(where) as lock:
        lock.take()
        running.tell(where, State(pid=1, command="serve", url="", settled=True), {})
    assert running.read(where) is None


def test_word_left_by_a_killed_group_is_not_believed(where: Places) -> None:
    running.tell(where, State(pid=1, command="serve", url="http://127.0.0.1:1", settled=True), {})
    with HomeLock(where) as lock:
        assert lock.take()
        assert running.read(where) is None
