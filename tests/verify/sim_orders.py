"""Six messages about one order in every order, each perhaps told twice (T5): does any of them break the tables?"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import count, islice, permutations
from typing import Any

import django
from django.db import transaction

Deed = Callable[[str], object]


def every_order(seed: int, hand: int, step: int) -> tuple[list[str], int]:
    """Each `step`-th of the 720 histories at the real services, each rolled back; violations and how many."""
    django.setup()
    from django.db import connections

    from tests.factories import orders as factories

    factories._numbers = count(hand * 1_000_000 + 1)  # processes must not make the same ids
    violations: list[str] = []
    lived = 0
    try:
        shop = Shop(random.Random(seed))
        for order in islice(permutations(shop.deeds), hand, None, step):
            with transaction.atomic():
                violations += shop.live(order)
                transaction.set_rollback(True)
            lived += 1
    finally:
        connections.close_all()
    return violations, lived


class Shop:
    """One connector, whose orders come and go."""

    def __init__(self, dice: random.Random) -> None:
        from tests.factories.orders import NOW, connector_on_sale

        self.dice, self.connector, self.now = dice, connector_on_sale(), NOW
        self.numbers = count(1)
        self.deeds: tuple[Deed, ...] = (self._select, self._init, self._confirm, self._start, self._stop, self._cancel)

    def live(self, order: tuple[Deed, ...]) -> list[str]:
        """One history: refusals are answers, everything else must fit the tables; what does not."""
        from core.errors import DomainError

        transaction_id = f"t5-{next(self.numbers)}"
        names = [deed.__name__[1:] for deed in order]
        for deed in order:
            for _ in range(self.dice.choice([1, 2])):
                self.now += timedelta(seconds=1)
                try:
                    with transaction.atomic():
                        deed(transaction_id)
                except DomainError:
                    continue
                except Exception as err:  # noqa: BLE001 - whatever else surfaces is the finding
                    return [f"{names}: {deed.__name__[1:]} raised {type(err).__name__}: {str(err)[:200]}"]
        return [f"{names}: {text}" for text in self._wrong(transaction_id)]

    def _wrong(self, transaction_id: str) -> list[str]:
        from fulfillment.models import Session, WorkflowInstance
        from orders import states
        from orders.models import Order, OrderEvent, Reservation

        texts = []
        orders = list(Order.objects.filter(transaction_id=transaction_id))
        if len(orders) > 1:
            texts.append(f"{len(orders)} orders of one transaction")
        for order in orders:
            events = OrderEvent.objects.filter(order=order).order_by("number")
            for event in events:
                if event.from_state and not states.may_move(states.ORDER_MOVES, event.from_state, event.to_state):
                    texts.append(f"{event.from_state} became {event.to_state}")
                if order.fulfillment not in states.FITS[order.state]:
                    texts.append(f"{order.state} with {order.fulfillment}")
            confirmed = events.filter(kind="confirmed").count()
            sessions = list(Session.objects.filter(order=order))
            starts = WorkflowInstance.objects.filter(session__in=sessions, trigger__contains="start-requested").count()
            if confirmed > 1 or len(sessions) > 1 or starts > 1:
                texts.append(f"{confirmed} confirmations, {len(sessions)} sessions, {starts} starts")
            held = Reservation.objects.filter(order=order).exclude(state="released").count()
            if order.state == "cancelled" and held:
                texts.append(f"cancelled, and {held} promises are held")
        return texts

    def _select(self, transaction_id: str) -> None:
        from orders.services import select_offer
        from tests.factories.orders import a_wish

        select_offer(**self._mine(a_wish(self.connector), transaction_id))

    def _init(self, transaction_id: str) -> None:
        from orders.services import init_order
        from tests.factories.orders import an_init

        init_order(**self._mine(an_init(self.connector), transaction_id))

    def _confirm(self, transaction_id: str) -> None:
        from orders.services import confirm_order
        from tests.factories.orders import BAP, BILLING, CONTEXT

        confirm_order(
            bap_id=BAP,
            transaction_id=transaction_id,
            payment_status="PAID",
            billing=BILLING,
            customer=BILLING,
            context=CONTEXT,
            now=self.now,
        )

    def _start(self, transaction_id: str) -> None:
        from fulfillment.services import request_start

        request_start(self._order_id(transaction_id), self.now)

    def _stop(self, transaction_id: str) -> None:
        from fulfillment.services import request_stop

        request_stop(self._order_id(transaction_id), self.now)

    def _cancel(self, transaction_id: str) -> None:
        from fulfillment.services import cancel_waiting
        from orders.services import cancel_order
        from tests.factories.orders import BAP

        order_id = self._order_id(transaction_id)
        cancel_order(order_id=order_id, by="CONSUMER", reason_id="5", now=self.now, actor=BAP)
        cancel_waiting(order_id, self.now)

    def _order_id(self, transaction_id: str) -> int:
        from orders.models import Order

        return Order.objects.filter(transaction_id=transaction_id).values_list("pk", flat=True).first() or 0

    def _mine(self, wish: dict[str, Any], transaction_id: str) -> dict[str, Any]:
        return wish | {"transaction_id": transaction_id, "now": self.now}
