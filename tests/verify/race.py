"""Who wins when many ask for the same at once? Orders and money over parallel database connections.

N sets the number of rounds (200); the rush of many buyers on many connectors has a quarter of them, cancellations,
webhooks and refunds a tenth.
SABOTAGE=no_constraint drops the exclusion constraint and the lock in front of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import django

from tests.verify.rig import QUIET, Rig, Verdict, run, wanted
from tests.verify.runners import Runners

MOST_CONNECTIONS = 90
RIVALS = 50
CANCELLERS = 50
CONNECTORS, SPARE, BUYERS = 20, 3, 200
HOUR = timedelta(hours=1)


async def proof(verdict: Verdict, sabotage: str) -> None:
    with Rig("http://127.0.0.1:1", sabotage=sabotage, env=QUIET) as rig:
        rig.prepare(seed_city=False)
        await asyncio.to_thread(_race, rig, verdict, sabotage)


def _race(rig: Rig, verdict: Verdict, sabotage: str) -> None:
    os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    django.setup()
    from django.db import connections

    from tests.verify.race_money import money_at_once

    if sabotage:
        from tests.verify import sabotage as switches

        switches.apply(sabotage)
    rounds = wanted(200)
    try:
        with Runners() as runners:
            _confirms_on_one_slot(runners, verdict, rounds)
            _confirms_of_one_transaction(runners, verdict, rounds)
            _rush_on_many_connectors(runners, verdict, max(1, rounds // 4))
            _cancellations_of_one_order(runners, verdict, max(1, rounds // 10))
            money_at_once(runners, verdict, max(1, rounds // 10))
            _count(rig, runners, verdict)
    finally:
        connections.close_all()


def _confirms_on_one_slot(runners: Runners, verdict: Verdict, rounds: int) -> None:
    """Many orders of one connector are confirmed at once; the winner is cancelled and the next round begins."""
    from orders.models import Order, Reservation
    from orders.services import cancel_order, confirm_order
    from orders.services.holds import release
    from tests.factories.orders import NOW, a_confirm, connector_on_sale, initiated_order

    connector = connector_on_sale()
    orders: list[Order] = []
    started = time.monotonic()
    for number in range(rounds):
        while len(orders) < RIVALS:
            orders.append(initiated_order(connector, bap_id=f"bap{len(orders) % 8}.verify.localhost"))
            release(orders[-1], now=NOW)
        outcomes = runners.together([partial(confirm_order, **a_confirm(order)) for order in orders])
        winners = list(Order.objects.filter(connector=connector, state="active"))
        live = Reservation.objects.filter(connector=connector).exclude(state="released").count()
        if (len(winners), live) != (1, 1) or outcomes != {"done": 1, "connector-busy": RIVALS - 1}:
            verdict.fail(f"round {number}: {len(winners)} winners, {live} promises, outcomes {dict(outcomes)}")
        for winner in winners:
            cancel_order(order_id=winner.pk, by="CONSUMER", reason_id="1", now=NOW, actor=winner.bap_id)
        won = {winner.pk for winner in winners}
        orders = [order for order in orders if order.pk not in won]
        verdict.n += 1
    verdict.figures |= {"confirms": rounds * RIVALS, "confirms_s": round(time.monotonic() - started, 1)}


def _confirms_of_one_transaction(runners: Runners, verdict: Verdict, rounds: int) -> None:
    """Two confirms of one transaction at once make one order with one event; both are told of the same."""
    from orders.models import Order, OrderEvent, Reservation
    from tests.factories.orders import NOW, a_confirm, connector_on_sale, initiated_order

    connector = connector_on_sale()
    for number in range(rounds):
        begins = NOW + (number + 1) * HOUR
        order = initiated_order(connector, starts_at=begins, ends_at=begins + HOUR)
        codes: list[str | None] = []

        confirm = partial(_confirm_and_note, a_confirm(order), codes)
        outcomes = runners.together([confirm, confirm])
        found = Order.objects.filter(bap_id=order.bap_id, transaction_id=order.transaction_id)
        seen = (
            found.count(),
            OrderEvent.objects.filter(order=order, kind="confirmed").count(),
            Reservation.objects.filter(order=order).exclude(state="released").count(),
            len(set(codes)),
        )
        if outcomes != {"done": 2} or seen != (1, 1, 1, 1):
            verdict.fail(
                f"two confirms, transaction {number}: {dict(outcomes)}, (orders, events, promises, ids) {seen}"
            )
    verdict.figures["double_confirms"] = rounds


def _confirm_and_note(arguments: dict[str, Any], codes: list[str | None]) -> None:
    from orders.services import confirm_order

    codes.append(confirm_order(**arguments).code)


def _rush_on_many_connectors(runners: Runners, verdict: Verdict, rounds: int) -> None:
    """Many buyers want overlapping times at few connectors: no two promises overlap, every loser is told of others."""
    from orders.models import Reservation
    from tests.factories.orders import NOW, connector_on_sale

    first = connector_on_sale()
    station = first.evse.station
    wanted_ones = [first, *(connector_on_sale(station=station) for _ in range(CONNECTORS - 1))]
    for _ in range(SPARE):
        connector_on_sale(station=station)
    dice = random.Random(int(os.environ.get("SEED") or 1))
    told: Counter[str] = Counter()
    started = time.monotonic()
    for number in range(rounds):
        day = NOW + (number + 1) * 6 * HOUR
        rivals = [
            _Rival(f"rush-{number}-{each}", dice.choice(wanted_ones), *_stay(day, dice)) for each in range(BUYERS)
        ]
        outcomes = runners.together([partial(rival.order, told) for rival in rivals])
        live = Reservation.objects.filter(
            order__transaction_id__startswith=f"rush-{number}-", state="confirmed"
        ).count()
        if set(outcomes) != {"done", "connector-busy"} or outcomes["done"] != live:
            verdict.fail(f"rush {number}: outcomes {dict(outcomes)}, {live} promises")
    if told["alone"]:
        verdict.fail(f"{told['alone']} losers were told of no free connector, or not by 40002")
    verdict.figures |= {
        "rush_rounds": rounds,
        "rush_buyers": rounds * BUYERS,
        "rush_won": rounds * BUYERS - told["losers"],
        "rush_losers_with_alternatives": told["losers"] - told["alone"],
        "rush_s": round(time.monotonic() - started, 1),
    }


def _stay(day: datetime, dice: random.Random) -> tuple[datetime, datetime]:
    begins = day + timedelta(minutes=dice.randrange(0, 180))
    return begins, begins + timedelta(minutes=dice.randrange(30, 120))


@dataclass(frozen=True)
class _Rival:
    """A buyer app that initialises and confirms one order as its messages would."""

    transaction_id: str
    connector: Any
    starts_at: datetime
    ends_at: datetime

    def order(self, told: Counter[str]) -> None:
        """Place the order; a refusal is counted as it would be told."""
        from django.db import transaction

        from bpp import handlers, messages
        from bpp.dialects.v1.errors import ERROR_CODES
        from core.errors import DomainError
        from tests.factories.orders import CONTEXT, NOW

        window = messages.Window(self.starts_at, self.ends_at)
        item = messages.ItemWish(self.connector.item_id, messages.Quantity("energy", 5_000))
        seller = self.connector.evse.station.operator.code
        payer = messages.Contact(name="Test Driver", phone="+910000000000")
        caller = messages.Caller(
            "bap.verify.localhost", "http://127.0.0.1:1", self.transaction_id, self.transaction_id, dict(CONTEXT)
        )
        wish = messages.Select(seller, (item,), window=window)
        paid = messages.PaymentProof(status="PAID", reference=self.transaction_id)
        try:
            with transaction.atomic():
                handlers.handle(messages.Init(wish, payer, payer, messages.PaymentProof()), caller, now=NOW)
            with transaction.atomic():
                handlers.handle(messages.Confirm(wish, payer, payer, paid), caller, now=NOW)
        except DomainError as err:
            told["losers"] += 1
            told["alone"] += ERROR_CODES.get(err.code) != "40002" or "Free instead:" not in err.text
            raise


def _cancellations_of_one_order(runners: Runners, verdict: Verdict, rounds: int) -> None:
    """Many cancellations of one order at once: one takes effect, with one refund in one current quote."""
    from orders.models import OrderEvent, Quote
    from orders.services import cancel_order
    from tests.factories.orders import NOW, active_order

    for number in range(rounds):
        order = active_order()
        cancel = partial(cancel_order, order_id=order.pk, by="CONSUMER", reason_id="1", now=NOW, actor=order.bap_id)
        outcomes = runners.together([cancel] * CANCELLERS)
        seen = (
            OrderEvent.objects.filter(order=order, kind="cancelled").count(),
            Quote.objects.filter(order=order, kind="cancellation").count(),
            Quote.objects.filter(order=order, current=True).count(),
        )
        if outcomes != {"done": 1, "not-in-this-state": CANCELLERS - 1} or seen != (1, 1, 1):
            verdict.fail(f"cancellations, order {number}: {dict(outcomes)}, (events, refunds, current quotes) {seen}")
    verdict.figures["cancellations"] = rounds * CANCELLERS


def _count(rig: Rig, runners: Runners, verdict: Verdict) -> None:
    with rig.connect() as connection:
        row = connection.execute(
            "SELECT (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()),"
            " (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())"
        ).fetchone()
        overlaps = connection.execute(
            "SELECT count(*) FROM orders_reservation a JOIN orders_reservation b"
            " ON a.evse_id = b.evse_id AND a.id < b.id AND a.blocked && b.blocked"
            " WHERE a.state <> 'released' AND b.state <> 'released'"
        ).fetchone()
    deadlocks, used = row or (0, 0)
    verdict.figures |= {"deadlocks": deadlocks, "connections": used, "surfaced": dict(runners.surfaced)}
    for name, count in runners.surfaced.items():
        verdict.fail(f"surfaced {count} times: {name[1:]}")
    if overlaps and overlaps[0]:
        verdict.fail(f"{overlaps[0]} pairs of promises overlap on one EVSE")
    if not 10 <= used < MOST_CONNECTIONS:
        verdict.fail(f"{used} connections; 10 to {MOST_CONNECTIONS} make a race that a server can bear")


if __name__ == "__main__":
    sys.exit(run("race", proof))
