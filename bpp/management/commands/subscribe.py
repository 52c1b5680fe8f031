"""How does an operator get the platform listed in a registry, first or with a new key?"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bpp import keys, registry, subscription

POLL_S = 1.0


class Command(BaseCommand):
    help = "Asks the registry to list us, waits until its look-up shows the key, then signs with it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--key-id", default="", help="the key to be listed with; by default the newest")
        parser.add_argument("--wait", type=int, default=60, help="seconds to wait until the registry shows the key")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.BECKN_REGISTRY_URL:
            raise CommandError("BECKN_REGISTRY_URL is not set; give the registry's base address")
        try:
            opened = subscription.subscribe(now=timezone.now(), key_id=options["key_id"])
        except (keys.NoKey, registry.RegistryUnavailable) as err:
            raise CommandError(str(err)) from err
        self.stdout.write(f"asked {opened.registry_url} with key {opened.key_id}: {opened.outcome}")
        if not self._listed(opened.key_id, options["wait"]):
            raise CommandError(
                f"the registry does not show key {opened.key_id} as SUBSCRIBED after {options['wait']} s; it must "
                f"reach {settings.BECKN_SUBSCRIBER_URL}/on_subscribe until {opened.open_until:%H:%M} UTC; "
                "run this again to ask once more"
            )
        keys.activate(opened.key_id)
        self.stdout.write(f"listed as {settings.BECKN_SUBSCRIBER_ID}; signing with {opened.key_id} within 15 s")

    def _listed(self, key_id: str, wait_s: int) -> bool:
        ends_at = time.monotonic() + wait_s
        while True:
            try:
                if subscription.is_listed(key_id, now=timezone.now()):
                    return True
            except registry.RegistryUnavailable as err:
                self.stderr.write(err.text)
            if time.monotonic() >= ends_at:
                return False
            time.sleep(POLL_S)
