"""Sample terms of service, published through the services, as texts in three languages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catalog.models import Operator
from orders.models import Terms
from orders.services.terms import publish_terms
from tests.factories.orders import NOW

TEXTS = {
    "text_en": "Park only while you charge.",
    "text_hi": "केवल चार्जिंग के दौरान खड़ा करें।",
    "text_kn": "ಚಾರ್ಜ್ ಮಾಡುವಾಗ ಮಾತ್ರ ನಿಲ್ಲಿಸಿ.",
}


def draft_terms(operator: Operator, kind: str = "general", *, now: datetime = NOW, **fields: Any) -> Terms:
    """A draft that holds everywhere, from now on; `fields` change it."""
    return Terms.objects.create(**{"operator": operator, "kind": kind, "valid_from": now, **TEXTS, **fields})


def published_terms(operator: Operator, kind: str = "general", *, now: datetime = NOW, **fields: Any) -> Terms:
    """Terms in force."""
    return publish_terms(draft_terms(operator, kind, now=now, **fields).pk, now=now)
