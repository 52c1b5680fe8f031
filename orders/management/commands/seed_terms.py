"""How do the demonstration city's terms of service come into force?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.models import Operator
from orders.models import Terms
from orders.seed import OPERATOR, demo_terms
from orders.services.terms import publish_terms


class Command(BaseCommand):
    help = "Publish terms of service in three languages for one operator of the demonstration city; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        operator = Operator.objects.filter(code=OPERATOR).first()
        if operator is None:
            raise CommandError(f"there is no operator {OPERATOR}; run seed_city first")
        now = timezone.now()
        published = 0
        for kind, texts in demo_terms().items():
            if Terms.objects.filter(operator=operator, kind=kind).exists():
                continue
            words = {f"text_{language}": text for language, text in texts.items()}
            publish_terms(Terms.objects.create(operator=operator, kind=kind, valid_from=now, **words).pk, now=now)
            published += 1
        self.stdout.write(f"terms of {operator.name}: {published} published")
