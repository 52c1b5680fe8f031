"""Does each proof hold when run small, and does it fail when its promise is broken on purpose?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.verify.rig import ROOT, Rig

pytestmark = pytest.mark.slow

SMALL = {
    "forge": "400",
    "bytes": "3",
    "tenants": "40",
    "race": "2",
    "money": "20",
    "month": "40",
    "kill": "3",
    "sim": "60",
    "stations": "20",
    "ingest": "4",
    "eta": "40",
}
# Where what is broken shows in few of many seeds; such a run ends with the first.
BROKEN = SMALL | {"sim": "400"}
SWITCHES = [
    *(("bytes", "no_guard"), ("tenants", "no_bap_filter"), ("bytes", "stock_json"), ("forge", "accept_any")),
    *(("forge", "last_wins"), ("forge", "no_identity"), ("forge", "any_news")),
    *(("race", "no_constraint"), ("kill", "fresh_keys"), ("eta", "last_two")),
    *(("money", "float"), ("money", "edit_in_place"), ("month", "edit_in_place")),
    *(("stations", "key_per_attempt"), ("stations", "no_takeover"), ("stations", "any_token")),
    ("ingest", "ack_first"),
    *(("sim", guard) for guard in ("absent", "reserved", "locked", "charging", "ended", "started", "late")),
]
AT_ONCE = 3

Run = tuple[int, dict[str, Any], str]


@pytest.fixture(scope="module")
def template() -> Iterator[str]:
    """A migrated database that each proof copies."""
    rig = Rig("http://127.0.0.1:1")
    rig.prepare(seed_city=False)
    yield rig.database
    with psycopg.connect(rig.server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{rig.database}" WITH (FORCE)')


@pytest.fixture(scope="module")
def broken(request: pytest.FixtureRequest, template: str) -> Iterator[dict[tuple[str, str], Future[Run]]]:
    """The runs that must fail, of those that are asked for, some at a time: no figure of theirs has to be met.

    What waits when the tests end is not started any more.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    wanted = asked_for(request.session.items)
    yield {(name, switch): pool.submit(verdict_of, name, template, sabotage=switch) for name, switch in wanted}
    pool.shutdown(cancel_futures=True)


def asked_for(items: Sequence[pytest.Item]) -> list[tuple[str, str]]:
    """The sabotages whose tests are among these, in their order."""
    tests = [item for item in items if isinstance(item, pytest.Function) and "broken" in item.fixturenames]
    given = [test.callspec.params for test in tests]
    return [(str(each["name"]), str(each["switch"])) for each in given]


def verdict_of(name: str, template: str, *, sabotage: str = "") -> Run:
    """The proof's exit code, its one line and what it said on stderr."""
    size = BROKEN[name] if sabotage else SMALL[name]
    env = os.environ | {"N": size, "SEED": "7", "SABOTAGE": sabotage, "VERIFY_TEMPLATE": template}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.verify.{name}"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(lines[0]), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_proof_holds(name: str, template: str) -> None:
    code, line, said = verdict_of(name, template)
    assert (code, line["failures"]) == (0, 0), said
    assert (line["name"], line["seed"]) == (name, 7)
    assert line["n"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_proof_fails_when_its_promise_is_broken(
    name: str, switch: str, broken: dict[tuple[str, str], Future[Run]]
) -> None:
    code, line, _ = broken[name, switch].result()
    assert code == 1
    assert line["failures"] > 0
