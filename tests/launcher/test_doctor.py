"""Does the doctor find a wrong clock and leave everything as it was?"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from launcher import doctor
from launcher.places import CLONE


class LateClock(BaseHTTPRequestHandler):
    """A registry whose clock stands in 2001."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(1_000_000_000)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def late_registry() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), LateClock) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_clock_far_from_the_registrys_is_a_failure(late_registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BECKN_REGISTRY_URL", late_registry)
    finding = doctor.clock()
    assert finding.grade == doctor.BAD
    assert "signatures will fail" in finding.text


def test_doctor_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = dict(os.environ) | {"VB_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, CLONE / "vb", "doctor"], env=env, capture_output=True, text=True, check=False
    )
    assert "Python" in done.stdout
    assert "Traceback" not in done.stderr
    assert not home.exists()
