"""How does the proof of an order's consents leave the platform?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orders.models import Order
from orders.services.evidence import consent_evidence


class Command(BaseCommand):
    help = "Print, as JSON, which terms were agreed to for an order: texts, digests, times and channels."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("order", help="the order's id, such as VB-ABCDEFGH")

    def handle(self, *args: Any, order: str, **options: Any) -> None:
        found = Order.objects.select_related("operator").filter(code=order).first()
        if found is None:
            raise CommandError(f"there is no order {order!r}; give the id from on_confirm")
        evidence = consent_evidence(found, now=timezone.now())
        self.stdout.write(json.dumps(evidence, ensure_ascii=False, indent=2))
