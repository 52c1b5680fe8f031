"""How do an operator's terms come into force from files?"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from catalog.management.naming import operator_named
from catalog.models import Station
from core.errors import DomainError
from orders.models import Terms
from orders.services.terms import next_number, publish_terms


class Command(BaseCommand):
    help = "Publish one document of an operator's terms, as the next version for its place and service."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--operator", required=True, help="the operator's id on the network")
        parser.add_argument("--kind", required=True, choices=Terms.Kind.values)
        parser.add_argument("--service", default="", choices=Terms.Service.values)
        parser.add_argument("--state", default="", help="only for stations in this state of the Union")
        parser.add_argument("--city", default="", help="only for stations in this city")
        parser.add_argument("--station", default="", help="only for the station with this code")
        parser.add_argument("--en", type=Path, required=True, help="file with the English text")
        parser.add_argument("--hi", type=Path, help="file with the Hindi text")
        parser.add_argument("--kn", type=Path, help="file with the Kannada text")
        parser.add_argument("--optional", action="store_true", help="shown, but nobody has to agree to it")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        scope = _scope(options)
        texts = {f"text_{name}": _text(options[name]) for name in ("en", "hi", "kn") if options[name]}
        draft = Terms.objects.create(
            **scope, **texts, version=next_number(scope), required=not options["optional"], valid_from=now
        )
        try:
            row = publish_terms(draft.pk, now=now)
        except DomainError as err:
            raise CommandError(err.text) from err
        self.stdout.write(f"{row}: SHA-256 {row.sha256}")


def _scope(options: dict[str, Any]) -> dict[str, Any]:
    operator = operator_named(options["operator"])
    station = None
    if options["station"]:
        station = Station.objects.filter(code=options["station"], operator=operator).first()
        if station is None:
            raise CommandError(f"{operator} has no station {options['station']!r}")
        if options["state"] or options["city"]:
            raise CommandError("give a station, or a city and state, not both")
    return {"operator": operator, "station": station} | {
        name: options[name] for name in ("kind", "service", "state", "city")
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise CommandError(f"{path} cannot be read: {err}") from err
