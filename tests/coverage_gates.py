"""Do the tests run enough of the code? 90 % overall, 100 % where a mistake costs money or trust.

Run after the tests by `./vb test --coverage`: `python -m tests.coverage_gates`, with COVERAGE_FILE naming the data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OVERALL_PERCENT = 90.0
WHOLE = (
    "bpp/signing.py",
    "bpp/dialects/",
    "orders/states.py",
    "orders/pricing/",
    "orders/overlays.py",
    "orders/estimates.py",
    "catalog/tariffs/",
    "catalog/taxes.py",
    "fulfillment/states.py",
    "fulfillment/truths/",
    "fulfillment/workflow/",
    "core/money.py",
)


def faults(report: Mapping[str, Any]) -> list[str]:
    """What a coverage report (the JSON of coverage.py) lacks, a sentence each; empty where the gates hold."""
    found = []
    overall = float(report["totals"]["percent_covered"])
    if overall < OVERALL_PERCENT:
        found.append(f"overall {overall:.1f} %, wanted {OVERALL_PERCENT:.0f} %")
    for name, file in sorted(report["files"].items()):
        if not name.startswith(WHOLE) or file["summary"]["percent_covered"] >= 100:
            continue
        lines = ", ".join(str(line) for line in file["missing_lines"][:8])
        branches = ", ".join(f"{start}→{end}" for start, end in file.get("missing_branches", [])[:8])
        percent = file["summary"]["percent_covered"]
        found.append(f"{name} {percent:.1f} %, wanted 100 %: lines {lines or '-'}, branches {branches or '-'}")
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "coverage.json"
        subprocess.run(
            [sys.executable, "-m", "coverage", "json", "-q", "--fail-under=0", "-o", str(target)],
            check=True,
            env=os.environ,
        )
        report = json.loads(target.read_text())
    found = faults(report)
    print(f"coverage {report['totals']['percent_covered']:.1f} % of lines and branches")
    for text in found:
        print(f"coverage gate: {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
