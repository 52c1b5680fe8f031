"""Do terms come into force from files, and the demonstration's once only?"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Operator, Station
from orders.models import Terms
from orders.seed import OPERATOR
from tests.factories.orders import connector_on_sale

pytestmark = pytest.mark.django_db


@pytest.fixture
def station() -> Station:
    return connector_on_sale().evse.station


def publish(station: Station, folder: Path, *options: str, text: str = "Ask us first.", kind: str = "dispute") -> str:
    file, out = folder / "en.txt", StringIO()
    file.write_text(text, encoding="utf-8")
    call_command(
        "publish_terms", "--operator", station.operator.code, "--kind", kind, "--en", str(file), *options, stdout=out
    )
    return out.getvalue()


def test_each_call_publishes_the_next_version(station: Station, tmp_path: Path) -> None:
    first = publish(station, tmp_path, "--station", station.code)
    second = publish(station, tmp_path, "--station", station.code, "--optional", text="Ask us twice.")
    rows = list(Terms.objects.order_by("version"))
    assert [(row.version, row.required, row.station) for row in rows] == [(1, True, station), (2, False, station)]
    assert first == f"Dispute resolution, version 1: SHA-256 {rows[0].sha256}\n"
    assert rows[1].sha256 in second


def test_languages_come_from_files_of_their_own(station: Station, tmp_path: Path) -> None:
    hindi = tmp_path / "hi.txt"
    hindi.write_text("पहले हमसे पूछें।", encoding="utf-8")
    publish(station, tmp_path, "--hi", str(hindi), "--city", "Mysuru", "--service", "reserved")
    row = Terms.objects.get()
    assert (row.text_hi, row.text_kn, row.city, row.service) == ("पहले हमसे पूछें।", "", "Mysuru", "reserved")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--operator", "nobody"), "there is no operator 'nobody'"),
        (("--station", "nowhere"), "has no station 'nowhere'"),
        (("--hi", "/no/such/file"), "cannot be read"),
        (("--kind", "poetry"), "invalid choice"),
    ],
)
def test_what_cannot_be_published_is_said(
    station: Station, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        publish(station, tmp_path, *options)
    assert not Terms.objects.exists()


def test_station_of_another_operator_is_refused(station: Station, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no station"):
        publish(station, tmp_path, "--station", connector_on_sale().evse.station.code)


def test_station_and_city_together_are_refused(station: Station, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not both"):
        publish(station, tmp_path, "--station", station.code, "--city", "Mysuru")


def test_empty_text_is_refused_and_leaves_no_draft(station: Station, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no English text"):
        publish(station, tmp_path, text=" \n")
    assert not Terms.objects.exists()


def test_demonstration_publishes_every_kind_in_every_language_once() -> None:
    Operator.objects.create(code=OPERATOR, name="Kaveri Spark")
    for _ in range(2):
        call_command("seed_terms", stdout=StringIO())
    rows = list(Terms.objects.all())
    assert sorted(row.kind for row in rows) == sorted(Terms.Kind.values)
    assert all(row.text_hi and row.text_kn and row.published_at for row in rows)


def test_demonstration_without_its_city_says_what_to_do() -> None:
    with pytest.raises(CommandError, match="run seed_city first"):
        call_command("seed_terms")
