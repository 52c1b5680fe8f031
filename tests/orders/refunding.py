"""What tests of refunds need: a bank at the far end, an order that is billed, and books that add up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.errors import PaymentError
from orders.models import Order, Refund
from orders.payments.base import Refunded
from orders.services import check_books, complete_order, confirm_order, mark_starting, refunds_due
from tests.factories.orders import BAP, NOW, a_confirm, initiated_order

LATER = NOW + timedelta(minutes=20)
ENDED: dict[str, Any] = {"started_at": NOW, "ended_at": LATER, "now": LATER, "actor": "station"}
STAFF: dict[str, Any] = {"now": LATER, "actor": "staff:x"}


class Bank:
    """Pays money back as the contract has it: `answers` are given in turn, the last one for ever."""

    def __init__(self, *answers: Refunded | PaymentError) -> None:
        self.answers = list(answers) or [Refunded("rfnd_1", 4_248, done=True)]
        self.asked: list[tuple[str, int, str]] = []

    def refund(self, payment_ref: str, paise: int, *, key: str, again: bool = False) -> Refunded:
        self.asked.append((payment_ref, paise, key))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, PaymentError):
            raise answer
        return answer


def billed(energy_wh: int = 8_000, *, ours: bool = False, **changes: Any) -> Order:
    collected: dict[str, Any] = {"collected_by": "BPP"} if ours else {}
    order = initiated_order(**collected, **changes)
    order = confirmed(order, ours=ours)
    mark_starting(order.pk, now=NOW, actor=BAP)
    return complete_order(order.pk, energy_wh=energy_wh, reason="full", **ENDED)


def confirmed(order: Order, *, ours: bool) -> Order:
    return confirm_order(**a_confirm(order, reference="pay_1" if ours else ""))


def only(order: Order) -> Refund:
    return Refund.objects.get(order=order)


def send(bank: Bank, now: datetime = LATER) -> int:
    return refunds_due(now=now, find=lambda _: bank)


def sound() -> bool:
    check = check_books(now=LATER + timedelta(days=30), whole=True)
    return check is not None and check.findings == []
