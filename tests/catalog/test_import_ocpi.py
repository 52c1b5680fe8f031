"""Does an import add, change and refuse what it says, and nothing when repeated?"""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from catalog.models import Connector, Evse, EvseStatusChange, Operator, Station, Tariff
from catalog.services import ImportReport, import_locations, import_tariffs
from tests.catalog.test_ocpi import LOCATION, TARIFF, changed
from tests.factories.catalog import EvseFactory, OperatorFactory, StationFactory, TariffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Operator:
    operator = OperatorFactory.create(code="SMP")
    TariffFactory.create(operator=operator, code="T1")
    return operator


def locations(operator: Operator, *documents: dict[str, Any]) -> ImportReport:
    return import_locations(operator, list(documents), now=timezone.now())


def slots() -> dict[str, int]:
    return dict(Evse.objects.values_list("uid", "slot_number"))


def test_import_adds_a_station_on_sale(operator: Operator) -> None:
    report = locations(operator, LOCATION)
    assert report.refused == []
    station = Station.objects.get(code="LOC1")
    assert station.published
    assert station.driver == "power_supplier"
    assert slots() == {"IN*SMP*E1": 1, "IN*SMP*E2": 2}
    sold = Connector.objects.get(tariff__isnull=False)
    assert (sold.item_id, sold.current, sold.tariff.code if sold.tariff else "") == ("IN*SMP*E1*1", "DC", "T1")
    assert len(report.added) == 5
    assert [remark.path for remark in report.notes] == ["$[0].evses[1].connectors[0].tariff_ids"]


def test_import_again_changes_nothing(operator: Operator) -> None:
    locations(operator, LOCATION)
    before = list(Connector.objects.values_list("updated_at", flat=True))
    report = locations(operator, LOCATION)
    assert (report.added, report.changed, report.refused) == ([], [], [])
    assert len(report.unchanged) == 5
    assert list(Connector.objects.values_list("updated_at", flat=True)) == before
    assert import_tariffs(operator, [TARIFF], now=timezone.now()).changed
    assert import_tariffs(operator, [TARIFF], now=timezone.now()).unchanged == ["tariff T1"]


def test_import_changes_what_differs(operator: Operator) -> None:
    locations(operator, LOCATION)
    report = locations(operator, changed(LOCATION, "evses.0.connectors.0.max_electric_power", 50_000))
    assert report.changed == ["connector IN*SMP*E1*1: max_power_w"]


def test_import_follows_newer_status_only(operator: Operator) -> None:
    locations(operator, LOCATION)
    older = changed(changed(LOCATION, "evses.0.status", "CHARGING"), "evses.0.last_updated", "2025-12-01T00:00:00Z")
    newer = changed(older, "evses.0.last_updated", "2026-01-03T00:00:00Z")
    assert locations(operator, older).changed == []
    assert locations(operator, newer).changed == ["status of EVSE IN*SMP*E1: charging"]
    assert EvseStatusChange.objects.count() == 1


def test_import_renumbers_slots(operator: Operator) -> None:
    locations(operator, LOCATION)
    turned = changed(LOCATION, "evses", LOCATION["evses"][::-1])
    assert locations(operator, turned).refused == []
    assert slots() == {"IN*SMP*E2": 1, "IN*SMP*E1": 2}
    fresh = changed(LOCATION, "evses", [LOCATION["evses"][0] | {"evse_id": "IN*SMP*E3"}])
    locations(operator, fresh)
    assert slots() == {"IN*SMP*E3": 1, "IN*SMP*E1": 2, "IN*SMP*E2": 3}
    assert set(Connector.objects.filter(active=True).values_list("evse__uid", flat=True)) == {"IN*SMP*E3"}


def test_import_keeps_selling_what_a_faulty_document_no_longer_describes(operator: Operator) -> None:
    locations(operator, LOCATION)
    report = locations(operator, changed(LOCATION, "evses.0.connectors.0.standard", "IEC_9"))
    assert [remark.path for remark in report.refused] == ["$[0].evses[0].connectors[0].standard"]
    assert Connector.objects.get(item_id="IN*SMP*E1*1").active


def test_import_retires_what_is_removed(operator: Operator) -> None:
    locations(operator, LOCATION)
    locations(operator, changed(LOCATION, "evses.0.status", "REMOVED"))
    assert not Connector.objects.get(item_id="IN*SMP*E1*1").active
    assert not Station.objects.get().published


def test_import_leaves_a_draft_unpublished(operator: Operator) -> None:
    locations(operator, LOCATION | {"publish": False})
    assert not Station.objects.get().published
    report = locations(operator, LOCATION)
    assert report.changed == ["station LOC1: published"]


def test_import_names_unknown_tariffs(operator: Operator) -> None:
    report = locations(operator, changed(LOCATION, "evses.0.connectors.0.tariff_ids", ["T9"]))
    assert [remark.path for remark in report.refused] == ["$[0].evses[0].connectors[0].tariff_ids"]
    report = locations(operator, changed(LOCATION, "evses.0.connectors.0.tariff_ids", ["T9", "T1"]))
    assert report.refused == []
    assert len(report.notes) == 2


def test_import_writes_nothing_of_a_station_it_refuses(operator: Operator) -> None:
    EvseFactory.create(uid="IN*SMP*E2", station__operator=operator)
    report = locations(operator, LOCATION, changed(LOCATION, "id", "LOC2") | {"evses": []})
    assert [remark.path for remark in report.refused] == ["$[0].evses[1].uid"]
    assert report.added == ["station LOC2"]
    assert not Evse.objects.filter(uid="IN*SMP*E1").exists()


def test_import_refuses_the_station_of_another_operator(operator: Operator) -> None:
    StationFactory.create(code="LOC1", name="Theirs")
    assert [remark.path for remark in locations(operator, LOCATION).refused] == ["$[0].id"]
    assert Station.objects.get().name == "Theirs"


def test_import_refuses_what_cannot_be_stored(operator: Operator) -> None:
    report = locations(operator, LOCATION | {"address": "Road \0"}, LOCATION | {"id": "LOC2", "evses": []})
    assert [remark.path for remark in report.refused] == ["$[0]"]
    assert report.added == ["station LOC2"]
    odd = TARIFF | {"tariff_alt_text": [{"language": "en", "text": "\0"}]}
    assert [remark.path for remark in import_tariffs(operator, [odd], now=timezone.now()).refused] == ["$[0]"]


def test_import_takes_numbers_of_any_kind(operator: Operator) -> None:
    text = json.dumps([TARIFF | {"id": "T2"}]).replace('"step_size": 1', '"step_size": 1.0').replace("18.5", "18.50")
    report = import_tariffs(operator, json.loads(text, parse_float=Decimal), now=timezone.now())
    assert (report.refused, report.notes) == ([], [])
    assert Tariff.objects.get(code="T2").elements[1]["price_components"][0]["price"] == "18.50"


def written(tmp_path: Path, name: str, content: object) -> str:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_command_imports_tariffs_then_locations(tmp_path: Path) -> None:
    OperatorFactory.create(code="SMP")
    tariffs = written(tmp_path, "tariffs.json", {"data": [TARIFF], "status_code": 1000})
    stations = written(tmp_path, "locations.json", [LOCATION])
    out = StringIO()
    call_command("import_ocpi", operator="SMP", locations=stations, tariffs=tariffs, stdout=out)
    assert f"{tariffs}: 1 added, 0 changed, 0 unchanged, 0 refused" in out.getvalue()
    assert "added    connector IN*SMP*E1*1" in out.getvalue()
    assert Tariff.objects.get().elements[1]["price_components"][0]["price"] == "18.5"
    assert Station.objects.get().published


def test_command_fails_where_anything_is_refused(tmp_path: Path) -> None:
    OperatorFactory.create(code="SMP")
    stations = written(tmp_path, "locations.json", [LOCATION | {"id": None}, LOCATION])
    out = StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("import_ocpi", operator="SMP", locations=stations, stdout=out)
    assert failure.value.returncode == 1
    assert f"refused  {stations} $[0].id: nothing is not an id" in out.getvalue()
    assert Station.objects.count() == 1


@pytest.mark.parametrize(("content", "text"), [("[", "is not JSON: .* line 1, column 2"), (None, "cannot be read")])
def test_command_names_unreadable_files(tmp_path: Path, content: str | None, text: str) -> None:
    OperatorFactory.create(code="SMP")
    path = written(tmp_path, "locations.json", content) if content else str(tmp_path / "none.json")
    with pytest.raises(CommandError, match=text):
        call_command("import_ocpi", operator="SMP", locations=path)


def test_command_names_the_operators_it_knows(tmp_path: Path) -> None:
    OperatorFactory.create(code="SMP")
    with pytest.raises(CommandError, match=r"no operator 'XYZ' \(known: SMP\)"):
        call_command("import_ocpi", operator="XYZ", locations="locations.json")
