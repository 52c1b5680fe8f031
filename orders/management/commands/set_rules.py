"""How do an operator's rules of booking and cancelling come onto the platform from a file?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from catalog.management.naming import operator_named
from catalog.models import Operator, Station
from orders.models import CancellationRule, ReservationRules


class Command(BaseCommand):
    help = (
        "Replace the rules of an operator, or of one of its stations, by those of a JSON file: "
        '{"booking": {"mode": "provisional", …}, "cancellation": [{"state": "payment-completed", "fee_percent": 30}]}. '
        "The names are those of the admin's forms. Orders already initialised keep theirs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--operator", required=True, help="the operator's code")
        parser.add_argument("--station", default="", help="a station's code; without one the rules count for all")

    def handle(self, *args: Any, file: Path, operator: str, station: str, **options: Any) -> None:
        content = _read(file)
        owner = operator_named(operator)
        place = Station.objects.filter(code=station, operator=owner).first() if station else None
        if station and place is None:
            raise CommandError(f"{owner} has no station {station!r}")
        try:
            replace_rules(owner, place, content)
        except (ValidationError, IntegrityError, TypeError) as err:
            raise CommandError(f"{file}: {err}") from err
        self.stdout.write(f"rules of {place or owner}: {len(content.get('cancellation', []))} cancellation rules")


@transaction.atomic
def replace_rules(operator: Operator, station: Station | None, content: dict[str, Any]) -> None:
    """Put the rules of `content` in place of what stands. Raises ValidationError, IntegrityError, TypeError."""
    ReservationRules.objects.filter(operator=operator, station=station).delete()
    CancellationRule.objects.filter(operator=operator, station=station).delete()
    rules = ReservationRules(operator=operator, station=station, **content.get("booking", {}))
    rules.full_clean()
    rules.save()
    for place, row in enumerate(content.get("cancellation", []), start=1):
        rule = CancellationRule(operator=operator, station=station, **{"place": place, **row})
        rule.full_clean()
        rule.save()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise CommandError(f"{file} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise CommandError(f"{file} is not JSON: {err}") from err
    if not isinstance(content, dict):
        raise CommandError(f'{file} holds a {type(content).__name__}; write {{"booking": {{…}}, "cancellation": […]}}')
    return content
