"""What can happen to the money of one order, and what must hold after each of it?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from core.errors import DomainError
from orders import services as orders
from orders.models import Collection, Order, Quote, Refund
from orders.payments.base import Repays
from orders.pricing import MeterPoint
from orders.services import cashier, collecting, receiving
from orders.services.cancel import By
from tests.factories.orders import NOW, a_confirm, connector_on_sale, initiated_order
from tests.verify.oracle import TARIFFS, Reading, Tariff, cost
from tests.verify.purse import Psp, Rows, faults_of, pick
from tests.verify.rig import Verdict

MODES = ("BAP", "BAP", "BAP-later", "BPP", "BPP")
LEGS = (
    "SELECT leg.journal_id, whole.kind, leg.account, whole.reference, leg.paise, whole.key FROM orders_posting AS leg"
    " JOIN orders_journal AS whole ON whole.id = leg.journal_id WHERE leg.order_id = %s ORDER BY leg.id"
)
SECOND = timedelta(seconds=1)


class Undone(Exception):
    """Rolls a life back."""


@dataclass
class Life:
    """One order, its payer's side and what its meter said."""

    order_id: int
    tariff: Tariff
    psp: Psp
    now: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    readings: list[Reading] = field(default_factory=list)
    billed_wh: int | None = None
    rows: Rows = field(default_factory=list)
    state: str = "initiated"
    keep: bool = False

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)


class Lives:
    """Prepared orders, lived through in many ways; what goes wrong is told to the verdict."""

    def __init__(self, verdict: Verdict, dice: random.Random, *, pool: int) -> None:
        self.verdict, self.dice = verdict, dice
        self.steps: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.worst = self.bills = self.kept = 0
        self.psp = Psp(dice)
        self.deeds = {name: getattr(self, f"_{name}") for name in NAMES}
        settings.PAYMENT_PROVIDER = self.psp.name
        for module in (collecting, cashier):
            module.provider_named = lambda name, settings: self.psp  # type: ignore[attr-defined]  # stands outside
        self.connectors = [connector_on_sale(elements=tariff.elements()) for tariff in TARIFFS]
        self.pool = [self._initiate(number) for number in range(pool)]

    def live(self, number: int, *, steps: int, keep: bool) -> None:
        """One life of at most `steps` steps, rolled back at its end unless it is to be kept."""
        try:
            with transaction.atomic():
                order_id, tariff = self._initiate(number) if keep else self.dice.choice(self.pool)
                self.psp = Psp(self.dice)
                life = Life(order_id, tariff, self.psp, NOW, keep=keep)
                self._live(life, number, steps)
                self.kept += keep
                if not keep:
                    raise Undone
        except Undone:
            return

    def count(self) -> None:
        """The figures, and the product's own check over the lives that were kept."""
        check = orders.check_books(now=NOW + timedelta(days=400), whole=True)
        if check is None or check.breaks:
            self.verdict.fail(f"check_books: {check and check.findings[:3]}")
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(sum(paise), 0), count(*) FROM orders_posting")
            total, postings = cursor.fetchone() or (0, 0)
        if total:
            self.verdict.fail(f"I5: everything together is off by {total} paise")
        self.verdict.figures |= {
            "steps": sum(self.steps.values()),
            "bills": self.bills,
            "max_rounding_error_paise": self.worst,
            "kept_lives": self.kept,
            "kept_postings": postings,
            "by_step": dict(sorted(self.steps.items())),
            "refused": dict(sorted(self.refused.items())),
        }

    def _initiate(self, number: int) -> tuple[int, Tariff]:
        place = number % len(TARIFFS)
        mode = MODES[number // len(TARIFFS) % len(MODES)]
        kind = "POST-FULFILLMENT" if mode == "BAP-later" else "PRE-ORDER"
        connector = connector_on_sale(
            station=self.connectors[place].evse.station, elements=TARIFFS[place].elements(), power_w=60_000
        )
        order = initiated_order(
            connector, quantity=self.dice.randint(1, 40) * 1_000, collected_by=mode[:3], payment_type=kind
        )
        return order.pk, TARIFFS[place]

    def _live(self, life: Life, number: int, steps: int) -> None:
        # What earlier lives that were kept left due is not this one's.
        Collection.objects.exclude(order=life.order_id).filter(next_at__isnull=False).update(next_at=None)
        Refund.objects.exclude(order=life.order_id).filter(next_at__isnull=False).update(next_at=None)
        ours = Collection.objects.filter(order=life.order_id).exists()
        for step in range(self.dice.randint(SHORTEST, steps)):
            if life.state == Order.State.EXPIRED and step > SHORTEST:
                break
            name = pick(self.dice, WEIGHTS[life.state] | (PROVIDER if ours else {}))
            life.now += timedelta(seconds=self.dice.randint(1, 60 if life.state == "initiated" else 900))
            self._do(name, self.deeds[name], life, number)
        life.psp.faults = False
        for _ in range(3 if ours else 1):
            life.now += timedelta(hours=7)
            for name in ("sweep", "cashier", "send") if ours else ("sweep", "send"):
                self._do(name, self.deeds[name], life, number)
        self._settled(life, number)

    def _do(self, name: str, deed: Callable[[Life], None], life: Life, number: int) -> None:
        self.steps[name] += 1
        try:
            with transaction.atomic():
                deed(life)
                if name not in OUTSIDE:
                    _as_at_commit()
        except DomainError as refusal:
            self.refused[refusal.code] += 1
            return
        except Exception as surfaced:  # noqa: BLE001 - whatever else surfaces is the finding
            self.verdict.fail(f"life {number}, {name}: {type(surfaced).__name__}: {str(surfaced)[:200]}")
        if name not in OUTSIDE:
            self._check(life, f"life {number}, after {name}", settled=False)

    def _check(self, life: Life, where: str, *, settled: bool) -> None:
        with connection.cursor() as cursor:
            cursor.execute(LEGS, [life.order_id])
            rows: Rows = cursor.fetchall()
        if rows[: len(life.rows)] != life.rows:
            self.verdict.fail(f"{where}: history was rewritten")
        life.rows = rows
        refunds = list(Refund.objects.filter(order=life.order_id).values_list("key", "state", "paise"))
        life.state = life.order.state
        for fault in faults_of(rows, refund_rows=refunds, state=life.state, psp=life.psp, settled=settled):
            self.verdict.fail(f"{where}: {fault}")

    def _settled(self, life: Life, number: int) -> None:
        """After the last step, with a provider that answers: nothing is left undone."""
        self._check(life, f"life {number}, at rest", settled=life.state != Order.State.ACTIVE)

    def _pay(self, life: Life) -> None:
        for link_ref in list(life.psp.asked):
            life.psp.pay(link_ref)

    def _news(self, life: Life) -> None:
        """A webhook: an old one, a new one, one told before."""
        if life.psp.seen:
            link_ref, seen = self.dice.choice(life.psp.seen)
            row = Collection.objects.filter(link_ref=link_ref).first()
            if row is not None:
                receiving.receive(row.pk, seen, now=life.now)

    def _cashier(self, life: Life) -> None:
        cashier.collect_due(now=life.now, limit=6)

    def _confirm(self, life: Life) -> None:
        order = life.order
        status = "NOT-PAID" if order.payment.type == "POST-FULFILLMENT" else "PAID"
        orders.confirm_order(**a_confirm(order, payment_status=status, now=min(life.now, NOW + timedelta(minutes=14))))

    def _start(self, life: Life) -> None:
        orders.mark_started(life.order_id, now=life.now, actor="station")
        life.started_at = life.started_at or life.now

    def _meter(self, life: Life) -> None:
        if life.started_at is not None and life.billed_wh is None:
            last = life.readings[-1][1] if life.readings else 0
            life.readings.append((life.now, last + self._wh()))

    def _end(self, life: Life) -> None:
        if life.started_at is None or life.billed_wh is not None:
            return
        last_at, last_wh = life.readings[-1] if life.readings else (life.started_at, 0)
        ended_at, energy_wh = max(life.now, last_at + SECOND), last_wh + self._wh()
        life.now = ended_at
        arguments: dict[str, Any] = {
            "energy_wh": energy_wh,
            "started_at": life.started_at,
            "ended_at": ended_at,
            "now": ended_at,
        }
        points = tuple(MeterPoint(at, wh) for at, wh in life.readings)
        if self.dice.random() < 0.2:
            orders.mark_failed(life.order_id, reason="fault", actor="station", readings=points, **arguments)
        else:
            orders.complete_order(life.order_id, reason="full", actor="station", readings=points, **arguments)
        life.ended_at, life.billed_wh = ended_at, energy_wh
        self._compare(life)

    def _late(self, life: Life) -> None:
        """The meter says more, or less, than was billed."""
        if life.started_at is None or life.ended_at is None or life.billed_wh is None:
            return
        less = self.dice.random() < 0.5
        energy_wh = self.dice.randint(0, life.billed_wh) if less else life.billed_wh + self._wh()
        life.readings = [(at, wh) for at, wh in life.readings if wh < energy_wh] if energy_wh else []
        if life.readings or less:
            life.readings = []
        orders.correct_bill(
            life.order_id,
            energy_wh=energy_wh,
            started_at=life.started_at,
            ended_at=life.ended_at,
            readings=tuple(MeterPoint(at, wh) for at, wh in life.readings),
            now=life.now,
            actor="meter",
            reason="late",
        )
        life.billed_wh = energy_wh
        self._compare(life)

    def _cancel(self, life: Life) -> None:
        by: By = "PROVIDER" if self.dice.random() < 0.4 else "CONSUMER"
        orders.cancel_order(order_id=life.order_id, by=by, reason_id="5", now=life.now, actor="test")

    def _goodwill(self, life: Life) -> None:
        cause = f"ticket {self.dice.randint(1, 3)}"
        orders.ask_refund(life.order_id, self.dice.randint(1, 9_000), cause=cause, now=life.now, actor="staff")

    def _told(self, life: Life) -> None:
        """A person or the buyer app says that the money arrived, or that it is to be tried again."""
        refund = Refund.objects.filter(order=life.order_id).order_by("?").first()
        if refund is not None and refund.way == Refund.Way.BAP:
            orders.finish_refund(refund.pk, reference="UTR", now=life.now, actor="staff")
        elif refund is not None:
            orders.retry_refund(refund.pk, now=life.now, actor="staff")

    def _send(self, life: Life) -> None:
        orders.refunds_due(now=life.now, limit=10, find=lambda refund: self._provider(life, refund))

    def _sweep(self, life: Life) -> None:
        orders.settle_due(now=life.now)

    def _wait(self, life: Life) -> None:
        life.now += timedelta(minutes=self.dice.randint(5, 90))
        if not life.keep:  # these work on whatever is due, and must leave the prepared orders as they are
            orders.expire_due(life.now)
            orders.energy_due(now=life.now, limit=1)

    def _settle(self, life: Life) -> None:
        order = life.order
        if life.rows and self.dice.random() < 0.5:
            orders.settle_with(
                order.operator,
                order.bap_id,
                paise=self.dice.randint(1, 5_000),
                reference=f"UTR{self.dice.randint(1, 9)}-{order.pk}",
                until=life.now,
                now=life.now,
                actor="staff",
            )

    def _provider(self, life: Life, refund: Refund) -> Repays | None:
        return life.psp if refund.payment_ref else None

    def _wh(self) -> int:
        """Whole kWh as often as not: there the tax is often half a paisa."""
        return self.dice.randint(1, 30) * 1_000 if self.dice.random() < 0.5 else self.dice.randint(1, 30_000)

    def _compare(self, life: Life) -> None:
        """I9: the energy billed is the meter's, and the price is what the second arithmetic says."""
        assert life.started_at is not None
        assert life.ended_at is not None
        quote = Quote.objects.get(order=life.order_id, current=True)
        energy_wh = life.billed_wh or 0
        expected = cost(life.tariff, life.started_at, life.ended_at, energy_wh, life.readings)
        self.bills += 1
        self.worst = max(self.worst, abs(quote.total_paise - expected))
        if (quote.total_paise, quote.energy_wh) != (expected, energy_wh):
            seen = f"{quote.total_paise} paise for {quote.energy_wh} Wh"
            self.verdict.fail(f"I9: billed {seen}, it must be {expected} for {energy_wh}")


def _as_at_commit() -> None:
    """Let the deferred constraints speak now, as a commit would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


OUTSIDE = {"pay", "meter"}
# What can happen in each state of the order, by weight; with a provider of ours more can.
BEFORE = {"confirm": 30, "wait": 1, "cancel": 1}
RUNNING = {"start": 12, "meter": 8, "end": 14, "cancel": 1, "send": 1, "wait": 1, "confirm": 1}
CLOSED = {"late": 10, "goodwill": 6, "told": 6, "send": 8, "sweep": 4, "settle": 3, "wait": 1, "end": 1}
WEIGHTS = {"active": RUNNING, "complete": CLOSED, "cancelled": CLOSED, "initiated": BEFORE, "expired": BEFORE}
PROVIDER = {"pay": 10, "news": 8, "cashier": 14}
NAMES = sorted(BEFORE | RUNNING | CLOSED | PROVIDER)
SHORTEST = 8
