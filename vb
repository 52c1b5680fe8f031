#!/usr/bin/env python3
"""How do you run Voltbazaar? `./vb help` lists the commands. This file must parse on any Python 3."""

import os
import shutil
import sys

OLDEST = (3, 11)


def newer_python():
    """The path of a Python on PATH that is new enough, or None."""
    for minor in range(OLDEST[1], OLDEST[1] + 4):
        found = shutil.which("python3.%d" % minor)  # noqa: UP031
        if found:
            return found
    return None


def main():
    here = os.path.dirname(os.path.realpath(__file__))
    if sys.version_info < OLDEST:
        found = newer_python()
        if found:
            os.execv(found, [found, os.path.join(here, "vb"), *sys.argv[1:]])  # noqa: S606
        sys.stderr.write(
            "vb: this is Python %d.%d and 3.11 is the oldest that will do. " % sys.version_info[:2]  # noqa: UP031
            + "Install python3.11 or newer and run it as `python3.11 vb`.\n"
        )
        return 3
    sys.path.insert(0, here)
    from launcher.cli import run  # noqa: PLC0415 - an older Python could not read it

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
