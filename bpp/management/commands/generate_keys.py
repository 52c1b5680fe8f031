"""How does an operator make a key pair for the network?"""

from __future__ import annotations

import base64
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from nacl.bindings import crypto_scalarmult_base

from bpp import keys, signing
from bpp.models import OwnKey


class Command(BaseCommand):
    help = "Makes a signing and an encryption key, kept sealed in the database until `subscribe` has listed it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--key-id", default="", help="name of the key; by default from today's date")
        parser.add_argument("--days", type=int, default=365, help="how long it is valid")
        parser.add_argument("--activate", action="store_true", help="sign with it at once, without a registry")
        parser.add_argument("--env", action="store_true", help="store nothing; print lines for the environment instead")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        key_id: str = options["key_id"] or f"k-{now:%Y%m%d-%H%M%S}"
        if options["env"]:
            self._print_environment(key_id)
            return
        if options["days"] < 1:
            raise CommandError("--days must be 1 or more")
        if OwnKey.objects.filter(key_id=key_id).exists():
            raise CommandError(f"there is a key {key_id} already; choose another --key-id")
        key = keys.generate(key_id, now=now, days=options["days"])
        if options["activate"]:
            keys.activate(key_id)
        self.stdout.write(f"key_id                 {key.key_id}")
        self.stdout.write(f"signing_public_key     {key.signing_public_key}")
        self.stdout.write(f"encryption_public_key  {key.encryption_public_key}")
        self.stdout.write(f"valid until            {key.valid_until:%Y-%m-%d}")
        self.stdout.write("active" if options["activate"] else f"next: ./vb manage subscribe --key-id {key_id}")

    def _print_environment(self, key_id: str) -> None:
        seed, encryption = os.urandom(32), os.urandom(32)
        for name, raw in (("SIGNING", seed), ("ENCRYPTION", encryption)):
            self.stdout.write(f"BECKN_{name}_PRIVATE_KEY={base64.b64encode(raw).decode()}")
        self.stdout.write(f"BECKN_KEY_ID={key_id}")
        self.stdout.write(f"# signing public key     {base64.b64encode(signing.public_half(seed)).decode()}")
        self.stdout.write(f"# encryption public key  {base64.b64encode(crypto_scalarmult_base(encryption)).decode()}")
