"""Which tests run first and on the same worker, which are measured, and what is said once all have run?"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import Settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it publishes no types

from tests import migrated

STORIES = "tests/journeys/"
STAGES = 2  # workers that play stories; what they need of the processors while they wait is left to the others
# Files whose tests share what takes long to set up.
TOGETHER = (STORIES, "tests/launcher/test_serve.py", "tests/verify/test_proofs.py")
# Tests under which nothing of the product runs in the tests' own process.
UNMEASURED = ("tests/gates/", "tests/journeys/", "tests/launcher/", "tests/sandbox/")
# As a web process sets it: not 700 new objects, but so many until the collector looks at them.
GARBAGE = (50_000, 20, 50)
# The property of a report under which figures travel to the end of the run: (messages checked, faults).
CHECKED = "messages of the provider"


def pytest_configure() -> None:
    """What the product does once a start or once a sign-in, tests would do by the hundred."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # instead of 0.3 s a password
    settings.WHITENOISE_AUTOREFRESH = True  # instead of looking through all static files for each test's client
    gc.disable()  # until the tests are collected: hardly anything of what that makes is garbage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and measure coverage only where there is some: traced, Python takes twice as long.

    Each worker then keeps the stage of its first story until there are no more.
    """
    lengths = Counter(item.path for item in items)
    items.sort(key=lambda item: _turn(item, lengths[item.path]))
    for item in items:
        if item.nodeid.startswith(UNMEASURED):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """What stands now stays, as in a web process: whoever collects garbage need not look at 400,000 objects again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


def _turn(item: pytest.Item, tests_in_file: int) -> tuple[int, int]:
    """Stories before all others, those of long files first; then what stays together; then the rest as collected."""
    place = next((number for number, place in enumerate(TOGETHER) if item.nodeid.startswith(place)), len(TOGETHER))
    return place, -tests_in_file if item.nodeid.startswith(STORIES) else 0


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # for the same reason
    """In their order, each test goes to whichever worker is free, a file in TOGETHER as a whole.

    Stories go to the first STAGES workers, and to others only where nothing else is left.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(TOGETHER) else nodeid

    def _assign_work_unit(self, node: Any) -> None:
        if node not in self.nodes[:STAGES]:
            other = next((scope for scope in self.workqueue if not scope.startswith(STORIES)), None)
            if other is not None:
                self.workqueue.move_to_end(other, last=False)
        super()._assign_work_unit(node)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """Let the workers of a run copy one migrated database instead of migrating one each; one process makes its own."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    with migrated.template(settings.DATABASE_URL, run=run) as name:
        connection.settings_dict["TEST"]["TEMPLATE"] = name
        yield


@pytest.fixture
def plain_http(settings: Settings) -> None:
    """Pages answer over plain HTTP, wherever the platform is registered."""
    settings.SECURE_SSL_REDIRECT = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup | None:
    # Under pytest 9.2 `--dist loadgroup` no longer sees the marks: github.com/pytest-dev/pytest-xdist/issues/1386
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return ByGroup(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many messages the stories held against the official schemas, and with how many faults."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    ends = [report.user_properties for report in reports if getattr(report, "when", "") == "teardown"]
    found = [value for properties in ends for name, value in properties if name == CHECKED]
    if found:
        messages, faults = (sum(each) for each in zip(*found, strict=True))
        terminalreporter.write_line(f"journeys: {messages} {CHECKED}, {faults} faults")
