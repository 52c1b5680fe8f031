"""How do an operator's stations and tariffs come in from OCPI 2.2.1 files?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.management.naming import operator_named
from catalog.models import Station
from catalog.services import ImportReport, import_locations, import_tariffs


class Command(BaseCommand):
    help = "Add or change stations and tariffs from OCPI 2.2.1 arrays; safe to repeat. Exits with 1 on a refusal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--operator", required=True, metavar="ID", help="the operator's code")
        parser.add_argument("--locations", required=True, metavar="FILE", help="an array of OCPI Locations")
        parser.add_argument("--tariffs", metavar="FILE", help="an array of OCPI Tariffs, read first")
        parser.add_argument("--driver", default=Station.Driver.POWER_SUPPLIER.value, choices=Station.Driver.values)

    def handle(
        self, *args: Any, operator: str, locations: str, tariffs: str | None, driver: str, **options: Any
    ) -> None:
        seller = operator_named(operator)
        now = timezone.now()
        tariffs_read = _read(tariffs) if tariffs else []
        locations_read = _read(locations)
        reports = [(tariffs, import_tariffs(seller, tariffs_read, now=now))] if tariffs else []
        reports.append((locations, import_locations(seller, locations_read, now=now, driver=driver)))
        for path, report in reports:
            self._print(path, report)
        refused = sum(len(report.refused) for _, report in reports)
        if refused:
            raise CommandError(f"{refused} refused; correct the file and import it again", returncode=1)

    def _print(self, path: str, report: ImportReport) -> None:
        for name in report.added:
            self.stdout.write(f"added    {name}")
        for name in report.changed:
            self.stdout.write(f"changed  {name}")
        for remark in report.notes:
            self.stdout.write(f"note     {path} {remark.path}: {remark.text}")
        for remark in report.refused:
            self.stdout.write(f"refused  {path} {remark.path}: {remark.text}")
        self.stdout.write(
            f"{path}: {len(report.added)} added, {len(report.changed)} changed, {len(report.unchanged)} unchanged, "
            f"{len(report.refused)} refused"
        )


def _read(path: str) -> object:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise CommandError(f"{path} cannot be read: {err}") from err
    try:
        document: object = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as err:
        raise CommandError(f"{path} is not JSON: {err.msg} in line {err.lineno}, column {err.colno}") from err
    return document
