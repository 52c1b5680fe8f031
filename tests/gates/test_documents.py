"""Do the documents say what the code has?"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r'env(?:_bool|_int|_list)?\(\s*"([A-Z0-9_]+)"')
FOR_TESTS = {"VB_TEST_DB"}


def test_every_setting_is_described_for_operators() -> None:
    told = set(re.findall(r"`([A-Z0-9_]+)`", (ROOT / "docs/operations.md").read_text()))
    read = set(READ.findall((ROOT / "bpp/settings.py").read_text()))
    assert len(read) > 70
    assert read - FOR_TESTS - told == set()
