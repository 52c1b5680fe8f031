"""How does the demonstration city come into the catalogue?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.management.commands.createoperator import add_staff
from catalog.models import Connector, Evse, EvseStatusChange, Operator, Station
from catalog.seed.city import Company, city_code, companies, dead_charger, history
from catalog.services import ImportReport, save_location, save_tariff

DRAFT = "SOM-BLR-900"


class Command(BaseCommand):
    help = "Add the demonstration city: operators, stations, tariffs, staff and 14 days of history; safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="another number draws another city")
        parser.add_argument("--powers", type=Path, help="write station id → slot → W there, for a simulated supplier")

    def handle(self, *args: Any, seed: int, powers: Path | None = None, **options: Any) -> None:
        now = timezone.now()
        drawn = companies(seed)
        report = ImportReport()
        for company in drawn:
            operator = _operator(company)
            for tariff in company.tariffs:
                save_tariff(operator, tariff, report)
            for station in company.stations:
                report.extend(save_location(operator, station, now=now))
            self.stdout.write(add_staff(operator, f"{company.code.lower()}-staff"))
        if report.refused:
            raise CommandError("; ".join(f"{remark.path}: {remark.text}" for remark in report.refused))
        codes = [company.code for company in drawn]
        _draft()
        _add_history(codes, seed=seed, now=now)
        if powers is not None:
            powers.write_text(json.dumps(_powers(codes)))
        stations = Station.objects.filter(operator__code__in=codes)
        connectors = Connector.objects.filter(evse__station__in=stations, active=True)
        self.stdout.write(
            f"Bengaluru: {len(codes)} operators · {stations.count()} stations · {connectors.count()} connectors · "
            "14 days of history"
        )


def _powers(codes: list[str]) -> dict[str, dict[str, int]]:
    """The strongest connector of each slot, W, by station code and slot number."""
    found: dict[str, dict[str, int]] = {}
    rows = Connector.objects.filter(evse__station__operator__code__in=codes, active=True).order_by("max_power_w")
    for station, slot, power_w in rows.values_list("evse__station__code", "evse__slot_number", "max_power_w"):
        found.setdefault(station, {})[str(slot)] = power_w
    return found


def _operator(company: Company) -> Operator:
    operator, _ = Operator.objects.get_or_create(code=company.code, defaults=company.facts)
    return operator


def _draft() -> None:
    """A station somebody began to enter: no place, no chargers, not on sale."""
    Station.objects.get_or_create(
        code=DRAFT,
        defaults={
            "operator": Operator.objects.get(code="SOM"),
            "name": "Devanahalli business park",
            "city": "Bengaluru",
            "city_code": city_code(),
            "address": "To be confirmed",
        },
    )


def _add_history(codes: list[str], *, seed: int, now: datetime) -> None:
    """Give EVSEs that have no history one; the dead charger ends out of order."""
    fresh = Evse.objects.filter(station__operator__code__in=codes, changes__isnull=True)
    dead, died_at = dead_charger(seed), now - timedelta(hours=30)
    changes: list[EvseStatusChange] = []
    for evse in fresh:
        past = list(history(evse.uid, seed=seed, now=now))
        if evse.uid == dead:
            past = [(at, status) for at, status in past if at < died_at] + [(died_at, "faulted")]
        changes += [EvseStatusChange(evse=evse, status=status, at=at) for at, status in past]
        evse.status_at, evse.status = past[-1]
    Evse.objects.bulk_update(fresh, ["status", "status_at"])
    EvseStatusChange.objects.bulk_create(changes, batch_size=5000)
