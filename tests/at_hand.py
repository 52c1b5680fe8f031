"""What do tests need that is no part of the project, and when is it a failure that it is not at hand?

The published specifications and their checker lie in the folder that BECKN_SPECS names, else in `shared` beside the
project; where BECKN_SPECS is set or there is that folder, everything in it is required. Programs are required where
VB_REQUIRE_TOOLS is 1.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared"


def specs() -> Path:
    """The folder of the published specifications, which need not be there."""
    return Path(os.environ.get("BECKN_SPECS") or BESIDE)


def published(path: str) -> Path:
    """A file or folder of the published specifications; without it the test is skipped, or fails where it is required.

    `path` is relative to their folder, with slashes.
    """
    place = specs() / path
    if not place.exists():
        missing(str(place), "name the folder with spec/ and tools/ in BECKN_SPECS", required=_specs_required())
    return place


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is installed; without any the test is skipped, or fails."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        missing(names[0], f"apt-get install {package}", required=os.environ.get("VB_REQUIRE_TOOLS") == "1")
    return found


def missing(what: str, fix: str, *, required: bool) -> NoReturn:
    """Skip the test and say why; fail it where the thing is required."""
    text = f"{what} is not at hand; {fix}"
    if required:
        pytest.fail(text)
    pytest.skip(text)


def _specs_required() -> bool:
    return "BECKN_SPECS" in os.environ or BESIDE.is_dir()
