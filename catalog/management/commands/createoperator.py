"""How does a new operator, with its first member of staff, come onto the platform?"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from catalog.models import Operator, OperatorStaff


class Command(BaseCommand):
    help = "Add an operator, or bring its name up to date; safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--code", required=True, help="the operator's id on the network")
        parser.add_argument("--name", required=True, help="the name drivers see")
        parser.add_argument("--staff-user", help="a user name to act for the operator as its owner")

    @transaction.atomic
    def handle(self, *args: Any, code: str, name: str, staff_user: str | None, **options: Any) -> None:
        operator = Operator.objects.filter(code=code).first() or Operator(code=code)
        operator.name = name
        try:
            operator.full_clean(validate_unique=False)
        except ValidationError as err:
            raise CommandError(
                "; ".join(f"{key}: {' '.join(texts)}" for key, texts in err.message_dict.items())
            ) from err
        added = operator.pk is None
        operator.save()
        self.stdout.write(f"operator {code}: {'added' if added else 'brought up to date'}")
        if staff_user:
            self.stdout.write(add_staff(operator, staff_user))


def add_staff(operator: Operator, username: str) -> str:
    """Let a user act for the operator as its owner, without a password until one is set; returns how to log in."""
    user, created = get_user_model().objects.get_or_create(username=username, defaults={"is_staff": True})
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    elif not user.is_staff:
        raise CommandError(f"the user {username} exists and is no member of staff; choose another user name")
    OperatorStaff.objects.get_or_create(user=user, operator=operator, defaults={"role": OperatorStaff.Role.OWNER})
    if user.has_usable_password():
        return f"staff {username}: log in at /admin/"
    return f"staff {username}: set a password with `./vb manage changepassword {username}`, then log in at /admin/"
