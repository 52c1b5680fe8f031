"""How do an operator's terms come into force, get their next version, and end?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from core.errors import Invalid, NotAllowed
from orders.models import Terms
from orders.services.consent import digest_of

SCOPE = ("operator", "kind", "service", "state", "city", "station")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain(text: str) -> str:
    """The text as it is kept: line ends `\\n`, no control characters, nothing around it."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


@transaction.atomic
def publish_terms(terms_id: int, *, now: datetime) -> Terms:
    """Put a draft into force, from its own date on but never before now; its texts are fixed from here on.

    Orders agreed before keep what they agreed to; drafts are asked again. Raises Invalid `terms-empty`, NotAllowed
    `not-in-this-state`.
    """
    row = _locked(terms_id)
    if row.published_at is not None:
        raise NotAllowed("not-in-this-state", f"{row} is published already; make a new version", path="terms")
    row.text_en, row.text_hi, row.text_kn = plain(row.text_en), plain(row.text_hi), plain(row.text_kn)
    if not row.text_en:
        raise Invalid("terms-empty", f"{row} has no English text; write one before it is published", path="text_en")
    row.sha256, row.published_at, row.valid_from = digest_of(row), now, max(row.valid_from, now)
    row.save(update_fields=["text_en", "text_hi", "text_kn", "sha256", "published_at", "valid_from"])
    return row


@transaction.atomic
def withdraw_terms(terms_id: int, *, now: datetime) -> Terms:
    """End a published text: nobody is asked to agree to it any more; the version before it holds again, if any.

    Raises NotAllowed `not-in-this-state`.
    """
    row = _locked(terms_id)
    if row.published_at is None or row.withdrawn_at is not None:
        said = "withdrawn already" if row.withdrawn_at else "a draft; delete it instead"
        raise NotAllowed("not-in-this-state", f"{row} is {said}", path="terms")
    row.withdrawn_at = now
    row.save(update_fields=["withdrawn_at"])
    return row


@transaction.atomic
def next_version(terms_id: int, *, now: datetime) -> Terms:
    """A draft with the same texts and the next number; the present version holds until the draft is published."""
    old = _locked(terms_id)
    scope = {name: getattr(old, name) for name in SCOPE}
    texts = {name: getattr(old, name) for name in ("text_en", "text_hi", "text_kn", "required", "form_only")}
    return Terms.objects.create(**scope, **texts, version=next_number(scope), valid_from=now)


def next_number(scope: Mapping[str, Any], *, but: int = 0) -> int:
    """The number of the next version for a kind, service and place (the names of SCOPE), the row `but` left out."""
    others = Terms.objects.exclude(pk=but).filter(**scope)
    return int(others.aggregate(newest=Max("version"))["newest"] or 0) + 1


def _locked(terms_id: int) -> Terms:
    return Terms.objects.select_for_update(no_key=True, of=("self",)).get(pk=terms_id)
