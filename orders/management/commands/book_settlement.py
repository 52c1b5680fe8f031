"""Which payment of a buyer app to an operator arrived?"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.management.naming import operator_named
from catalog.wording import rupees as written
from core.errors import DomainError
from core.money import Money
from orders.balances import balance
from orders.models import Account
from orders.services import settle_with


class Command(BaseCommand):
    help = "Book what a buyer app paid an operator, less the refunds it gave back and its finder fees."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--operator", required=True, help="the operator's code")
        parser.add_argument("--bap", required=True, help="the buyer app's subscriber id")
        parser.add_argument("--rupees", required=True, type=Decimal, help="what arrived, for instance 12345.60")
        parser.add_argument("--reference", required=True, help="the bank's id of the transfer")
        parser.add_argument("--until", required=True, type=date.fromisoformat, help="refunds told before it count")

    def handle(
        self, *args: Any, operator: str, bap: str, rupees: Decimal, reference: str, until: date, **options: Any
    ) -> None:
        seller = operator_named(operator)
        try:
            journal = settle_with(
                seller,
                bap,
                paise=Money(rupees).paise,
                reference=reference,
                until=timezone.make_aware(datetime.combine(until, time())),
                now=timezone.now(),
                actor="command",
            )
        except ValueError as err:
            raise CommandError(str(err)) from err
        except DomainError as refusal:
            raise CommandError(refusal.text) from refusal
        left = balance(seller.pk, bap, Account.BAP)
        self.stdout.write(f"{journal}: {written(Money(rupees).paise)} of {bap}; it still owes {written(left)}")
