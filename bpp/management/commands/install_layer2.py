"""How does a network's layer 2 file get installed?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bpp import layer2
from bpp.models import Layer2


class Command(BaseCommand):
    """Installs a layer 2 OpenAPI file; messages of its domain and version are held against it in both directions."""

    help = "Installs a network's layer 2 OpenAPI file (YAML or JSON) for a domain and version; idempotent."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's own --version (of Django) gives way to ours (of the core)."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the OpenAPI file")
        parser.add_argument("--domain", default=settings.BECKN_DOMAINS[0], help="default: %(default)s")
        parser.add_argument("--version", dest="core_version", help="core version, default: the file's x-core-version")
        parser.add_argument(
            "--incoming",
            choices=Layer2.Incoming.values,
            default=Layer2.Incoming.WARN.value,
            help="record deviating requests as warnings, or refuse them with a NACK; default: %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            document = layer2.load(path)
            row, changed = layer2.install(
                document,
                name=path.name,
                domain=options["domain"],
                version=options["core_version"] or layer2.core_version(document),
                incoming=options["incoming"],
            )
        except layer2.AgreementError as err:
            raise CommandError(str(err)) from err
        done = "installed" if changed else "already installed"
        self.stdout.write(
            f"{done}: {row.name} for {row.domain} {row.version}, {len(row.document['paths'])} actions, "
            f"deviating requests: {row.get_incoming_display().lower()}"
        )
