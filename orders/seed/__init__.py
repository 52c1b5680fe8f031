"""Which terms does an operator of the demonstration city publish?"""

from __future__ import annotations

import json
from pathlib import Path

OPERATOR = "KSP"


def demo_terms() -> dict[str, dict[str, str]]:
    """The texts by kind and language; fictional, and no model for a real contract."""
    texts: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("terms.json").read_text(encoding="utf-8"))
    return texts
