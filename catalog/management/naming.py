"""Which operator does a command mean?"""

from __future__ import annotations

from django.core.management.base import CommandError

from catalog.models import Operator

MOST_NAMED = 10


def operator_named(code: str) -> Operator:
    """The operator with this code. Raises CommandError, which names the known ones."""
    found = Operator.objects.filter(code=code).first()
    if found is not None:
        return found
    known = ", ".join(Operator.objects.order_by("code").values_list("code", flat=True)[:MOST_NAMED]) or "none"
    raise CommandError(
        f"there is no operator {code!r} (known: {known}); add it with `createoperator --code {code} --name NAME`"
    )
