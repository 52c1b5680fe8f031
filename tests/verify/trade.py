"""What does an operator sell in a month, and what goes wrong with it now and then?"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, transaction

from catalog.models import Connector, Operator
from core.errors import DomainError
from orders import services as orders
from orders.models import Order, Quote
from orders.pricing import MeterPoint
from orders.services.cancel import By
from tests.factories.orders import a_confirm, an_init, connector_on_sale
from tests.verify.oracle import TARIFFS, Reading, Tariff, cost

MONTH = datetime(2026, 2, 1, 0, 10, tzinfo=UTC)
DAYS = 27
BATCH = 50
TARIFFS_EACH = 10
BUYERS = ("bap-one.example.org", "bap-two.example.org", "bap-three.example.org")
ENDINGS = {
    "whole": 50,
    "less": 30,
    "more": 5,
    "fault": 4,
    "late-less": 3,
    "late-more": 3,
    "goodwill": 3,
    "cancelled": 5,
    "closed": 2,
    "absent": 2,
}
Facts = tuple[datetime, datetime, int, list[Reading]]


class Trade:
    """One operator with ten tariffs and a connector for each; a session after the other on every connector."""

    def __init__(self, seed: int, place: int) -> None:
        self.dice, self.place = random.Random(seed), place
        operator = Operator.objects.create(code=f"month-{place}", name=f"Month {place}")
        self.shops: list[tuple[Connector, Tariff]] = []
        for number in range(TARIFFS_EACH):
            tariff = _dearer(TARIFFS[number % len(TARIFFS)], 37 * (place * TARIFFS_EACH + number))
            station = self.shops[0][0].evse.station if self.shops else None
            connector = connector_on_sale(
                operator=operator, station=station, elements=tariff.elements(), power_w=120_000
            )
            self.shops.append((connector, tariff))
        self.operator, self.failures = operator, []  # type: tuple[Operator, list[str]]

    def month(self, count: int) -> list[str]:
        """`count` sessions spread over the month; what went wrong."""
        step = timedelta(days=DAYS) / max(count // TARIFFS_EACH, 1)
        for first in range(0, count, BATCH):
            try:
                with transaction.atomic():
                    for number in range(first, min(first + BATCH, count)):
                        self._lived(number, MONTH + step * (number // TARIFFS_EACH))
            except DatabaseError as refusal:  # what the database sees only at the commit
                self.failures.append(f"sessions from {first}: {str(refusal).splitlines()[0]}")
        return self.failures

    def _lived(self, number: int, now: datetime) -> None:
        try:
            with transaction.atomic():
                self._session(number, now)
        except DomainError as refusal:
            self.failures.append(f"session {number}: {refusal.code}: {refusal.text}")

    def _session(self, number: int, now: datetime) -> None:
        connector, tariff = self.shops[number % TARIFFS_EACH]
        later = self.dice.random() < 0.05
        ours = not later and self.dice.random() < 0.2
        collected = {"collected_by": "BPP" if ours else "BAP", "payment_type": "POST-FULFILLMENT" if later else ""}
        order = orders.init_order(
            **an_init(
                connector,
                bap_id=self.dice.choice(BUYERS),
                transaction_id=f"month-{self.place}-{number}",
                quantity=self.dice.randint(4, 30) * 1_000,
                now=now,
                **collected,
            )
        )
        reference = f"pay-{self.place}-{number}" if ours else ""
        status = "NOT-PAID" if later else "PAID"
        order = orders.confirm_order(**a_confirm(order, payment_status=status, reference=reference, now=now))
        ending = self.dice.choices(list(ENDINGS), list(ENDINGS.values()))[0]
        if later and ending == "goodwill":
            ending = "whole"  # a gift goes back from what was paid, and nothing was
        if ending in {"cancelled", "closed"}:
            by: By = "CONSUMER" if ending == "cancelled" else "PROVIDER"
            orders.cancel_order(order_id=order.pk, by=by, reason_id="5", now=now + timedelta(minutes=3), actor="month")
        elif ending == "absent":
            orders.energy_due(now=now + timedelta(minutes=61), limit=1)
        else:
            self._charge(order, tariff, ending, now)

    def _charge(self, order: Order, tariff: Tariff, ending: str, now: datetime) -> None:
        share = self.dice.uniform(1.01, 1.2) if ending == "more" else self.dice.uniform(0.2, 0.95)
        energy_wh = order.energy_wh if ending in {"whole", "goodwill"} else max(1, int(order.energy_wh * share))
        started_at = now + timedelta(seconds=self.dice.randint(30, 200))
        facts = self._metered(started_at, energy_wh)
        orders.mark_started(order.pk, now=started_at, actor="station")
        self._bill(order, facts, failed=ending == "fault")
        self._compare(order, tariff, facts)
        if ending.startswith("late"):
            factor = 0.9 if ending == "late-less" else 1.1
            facts = (facts[0], facts[1], max(1, int(energy_wh * factor)), [])
            self._correct(order, facts)
            self._compare(order, tariff, facts)
        elif ending == "goodwill":
            orders.ask_refund(order.pk, 500, cause="ticket", now=facts[1], actor="month")

    def _metered(self, started_at: datetime, energy_wh: int) -> Facts:
        """Four readings on the way, at uneven power."""
        seconds = energy_wh * 3_600 // 60_000 + self.dice.randint(60, 400)
        marks = sorted(self.dice.sample(range(1, 100), 4))
        readings = [(started_at + timedelta(seconds=seconds * mark // 100), energy_wh * mark // 110) for mark in marks]
        return started_at, started_at + timedelta(seconds=seconds), energy_wh, readings

    def _bill(self, order: Order, facts: Facts, *, failed: bool) -> None:
        started_at, ended_at, energy_wh, readings = facts
        close = orders.mark_failed if failed else orders.complete_order
        close(
            order.pk,
            energy_wh=energy_wh,
            started_at=started_at,
            ended_at=ended_at,
            now=ended_at,
            reason="month",
            actor="station",
            readings=tuple(MeterPoint(at, wh) for at, wh in readings),
        )

    def _correct(self, order: Order, facts: Facts) -> None:
        started_at, ended_at, energy_wh, _ = facts
        orders.correct_bill(
            order.pk,
            energy_wh=energy_wh,
            started_at=started_at,
            ended_at=ended_at,
            now=ended_at + timedelta(hours=2),
            actor="meter",
            reason="late",
        )

    def _compare(self, order: Order, tariff: Tariff, facts: Facts) -> None:
        started_at, ended_at, energy_wh, readings = facts
        quote = Quote.objects.get(order=order, current=True)
        expected = cost(tariff, started_at, ended_at, energy_wh, readings)
        if (quote.total_paise, quote.energy_wh) != (expected, energy_wh):
            self.failures.append(f"{order}: {quote.total_paise} for {quote.energy_wh} Wh, must be {expected}")


def _dearer(tariff: Tariff, paise: int) -> Tariff:
    return replace(tariff, bands=tuple((begin, end, price + paise) for begin, end, price in tariff.bands))
