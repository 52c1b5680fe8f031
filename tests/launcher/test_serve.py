"""Does `./vb serve` start, notice a second one, and end as a whole however it is ended?"""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import places, throwaway
from tests.servers import Provider


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set up by the first that starts: a database of its own takes longer to make than to start."""
    home = tmp_path_factory.mktemp("serve") / "home"
    yield home
    throwaway.remove(places.places_for(home))


@pytest.fixture
def provider(home: Path) -> Iterator[Provider]:
    with Provider(home) as made:
        yield made


def test_serve_answers_is_found_by_others_and_drains_on_sigterm(provider: Provider) -> None:
    url = provider.start()
    with urllib.request.urlopen(f"{url}/readyz") as answer:
        assert answer.status == 200
    second = provider.command("serve")
    manage = provider.command(
        "manage", "shell", "--verbosity", "0", "-c", "from django.conf import settings as s; print(s.DATABASE_URL)"
    )
    code = provider.end(signal.SIGTERM)
    assert second.returncode == 2
    assert f"already runs at {url}" in second.stderr
    assert manage.stdout.startswith("postgresql://voltbazaar@/")
    assert code == 0
    assert provider.processes() == {}


@pytest.mark.slow  # the same is tested of a group of small processes
def test_serve_falls_as_a_whole_when_its_worker_is_killed(provider: Provider) -> None:
    provider.start()
    os.kill(provider.pid_of("app worker"), signal.SIGKILL)
    assert provider.wait() == 1
    assert "worker ended with signal 9" in provider.said()
    provider.wait_until_nothing_runs()


@pytest.mark.slow  # the same is tested of a group of small processes
def test_serve_killed_outright_leaves_nothing_and_starts_again(provider: Provider) -> None:
    provider.start()
    provider.end(signal.SIGKILL)
    provider.wait_until_nothing_runs()
    assert provider.start()
    assert provider.end(signal.SIGINT) == 0
