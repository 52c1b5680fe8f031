"""Is a station that is imported while the platform runs found at once?"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.journeys.chargers import OPERATOR, Charger
from tests.journeys.stage import STATIONS, Stage
from tests.journeys.trip import eventually, offers_at

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

FOUND_WITHIN_S = 15.0  # it takes one or two; the rest is for a machine with other work


async def test_imported_station_is_found_within_seconds(stage: Stage, tmp_path: Path) -> None:
    charger = Charger(STATIONS + 1)
    assert await offers_at(stage, charger) == {}
    file = tmp_path / "locations.json"
    file.write_text(json.dumps([charger.location()]))
    said = await stage.manage("import_ocpi", "--operator", OPERATOR, "--locations", str(file))
    assert charger.station_id in said
    imported = time.monotonic()
    found = await eventually(lambda: offers_at(stage, charger), bool, "the new station")
    assert time.monotonic() - imported < FOUND_WITHIN_S
    assert set(found) == {charger.evse_id(1), charger.evse_id(2)}
