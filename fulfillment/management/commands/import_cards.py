"""How does an operator's list of cards come in from a file?"""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.management.naming import operator_named
from fulfillment.services import import_cards
from fulfillment.services.cards import COLUMNS, NEEDED


class Command(BaseCommand):
    help = (
        f"Add or change cards from a CSV file with a heading line: {', '.join(COLUMNS)}. Accounts are made where there "
        "are none. Safe to repeat. Exits with 1 where a line is refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--operator", required=True, metavar="ID", help="the operator's code")
        parser.add_argument("--file", required=True, type=Path, metavar="CSV", help="UTF-8, separated by commas")

    def handle(self, *args: Any, operator: str, file: Path, **options: Any) -> None:
        owner = operator_named(operator)
        report = import_cards(owner, list(_rows(file)))
        for line, text in report.refused:
            self.stdout.write(f"refused  {file}, line {line}: {text}")
        self.stdout.write(
            f"{file}: {report.added} added, {report.changed} changed, {report.unchanged} unchanged, "
            f"{len(report.refused)} refused"
        )
        if report.refused:
            raise CommandError(f"{len(report.refused)} refused; correct the file and import it again", returncode=1)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line that says anything, with its number. Raises CommandError for a file that is no such list."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise CommandError(f"{file} cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise CommandError(f"{file} is not UTF-8: byte {err.start} is {err.object[err.start]:#x}") from err
    if "\0" in text:
        raise CommandError(f"{file} holds NUL characters; it is no CSV file")
    reader = csv.DictReader(StringIO(text, newline=""), strict=True)
    try:
        _check_heading(file, reader.fieldnames)
        for row in reader:
            if None in row:
                raise CommandError(f"{file}, line {reader.line_num}: more values than the heading has columns")
            yield reader.line_num, row
    except csv.Error as err:
        raise CommandError(f"{file}, line {reader.reader.line_num}: {err}") from err


def _check_heading(file: Path, names: Any) -> None:
    named = [name.strip() for name in names or ()]
    unknown = [name for name in named if name not in COLUMNS]
    missing = [name for name in NEEDED if name not in named]
    twice = sorted({name for name in named if named.count(name) > 1})
    if names != named or unknown or missing or twice:
        raise CommandError(
            f"{file}, line 1: the heading is {','.join(names or ()) or 'empty'}; allowed: {', '.join(COLUMNS)}, "
            f"each once, without spaces; needed: {', '.join(NEEDED)}"
        )
