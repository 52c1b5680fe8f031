"""With what does `./vb test` start pytest, and when does it hold the coverage gates?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from launcher.places import CLONE
from launcher.problems import USAGE


def test_part_of_the_suite_has_no_coverage_to_hold(tmp_path: Path) -> None:
    command = [sys.executable, str(CLONE / "vb"), "test", "--coverage", "tests/core"]
    env = os.environ | {"VB_HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == USAGE
    assert "tests/core asks for a part" in done.stderr
    assert "--cov" in done.stderr


def test_continuous_integration_measures() -> None:
    asked = (CLONE / ".ci" / "run").read_text().splitlines()
    assert "./vb test --coverage" in asked
    assert "./vb test -m slow" in asked
