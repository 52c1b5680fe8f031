"""What is a payment provider, and what must hold of the money of one order, seen from outside the product?"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import PaymentError
from orders.payments.base import Ask, Link, Received, Refunded, State


@dataclass
class Payment:
    """One payment at the provider, paise."""

    ref: str
    amount: int
    authorised: int = 0
    captured: int = 0
    refunds: dict[str, int] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)


@dataclass
class Psp:
    """A payment provider that takes, holds and returns money exactly, and answers badly now and then."""

    dice: random.Random
    name: str = "psp"
    can_hold: bool = True
    can_capture_part: bool = True
    can_fetch: bool = True
    payments: dict[str, Payment] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    asked: dict[str, Ask] = field(default_factory=dict)
    faults: bool = True
    seen: list[tuple[str, Received]] = field(default_factory=list)

    def pay(self, link_ref: str) -> None:
        """The customer pays what a link asks for."""
        ask = self.asked[link_ref]
        if link_ref in self.payments or link_ref in self.closed:
            return
        payment = Payment(f"pay_{link_ref}", ask.amount_paise)
        if ask.hold:
            payment.authorised = ask.amount_paise
        else:
            payment.captured = ask.amount_paise
        self.payments[link_ref] = payment
        self.seen.append((link_ref, self._state(link_ref)))

    def create(self, ask: Ask) -> Link:
        ref = f"plink_{ask.reference}"
        self.asked.setdefault(ref, ask)
        return Link(ref, url=f"https://psp.example.org/{ref}")

    def cancel(self, link_ref: str) -> None:
        self.closed.add(link_ref)

    def fetch(self, link_ref: str) -> Received:
        self._stumble()
        self.seen.append((link_ref, self._state(link_ref)))
        return self.seen[-1][1]

    def capture(self, payment_ref: str, paise: int, currency: str) -> Received:
        link_ref, payment = self._find(payment_ref)
        self._stumble()
        if not payment.captured:
            payment.captured, payment.authorised = paise, 0
        self._stumble()
        self.seen.append((link_ref, self._state(link_ref)))
        return self.seen[-1][1]

    def refund(self, payment_ref: str, paise: int, *, key: str, again: bool = False) -> Refunded:
        _, payment = self._find(payment_ref)
        self._stumble()
        if key not in payment.refunds:
            if sum(payment.refunds.values()) + paise > payment.captured:
                raise PaymentError(f"{paise} paise are more than is left of {payment_ref}", permanent=True)
            payment.refunds[key] = paise
            if self.dice.random() < 0.2:
                payment.slow.add(key)
        self._stumble()
        slow = key in payment.slow and self.dice.random() < 0.5 and self.faults
        return Refunded(f"rfnd_{key}", payment.refunds[key], done=not slow)

    def _state(self, link_ref: str) -> Received:
        payment = self.payments.get(link_ref)
        currency = self.asked[link_ref].currency
        if payment is None:
            return Received(State.EXPIRED if link_ref in self.closed else State.OPEN)
        return Received(
            State.CAPTURED if payment.captured else State.AUTHORISED,
            payment_ref=payment.ref,
            order_ref=f"order_{link_ref}",
            amount_paise=payment.amount,
            currency=currency,
            captured_paise=payment.captured,
        )

    def _find(self, payment_ref: str) -> tuple[str, Payment]:
        for link_ref, payment in self.payments.items():
            if payment.ref == payment_ref:
                return link_ref, payment
        raise PaymentError(f"{payment_ref} is unknown here", permanent=True)

    def _stumble(self) -> None:
        if self.faults and self.dice.random() < 0.08:
            raise PaymentError("the line broke", permanent=False, unknown=True)


Rows = list[tuple[int, str, str, str, int, str]]


def faults_of(rows: Rows, *, refund_rows: list[tuple[str, str, int]], state: str, psp: Psp, settled: bool) -> list[str]:
    """What is wrong with one order's postings: (journal, kind, account, reference, paise, key); empty where sound.

    I5: each journal sums to zero. I6: paid = captured + refunded + held; refunded ≤ paid; nothing held once closed.
    I7: what the provider took and returned is what the books say; equal once `settled`.
    """
    found = []
    sums: dict[int, int] = {}
    for journal, _, _, _, paise, _ in rows:
        sums[journal] = sums.get(journal, 0) + paise
    found += [f"I5: journal {journal} is off by {paise}" for journal, paise in sums.items() if paise]
    came = sum(row[4] for row in rows if row[2] in {"cash", "bap-receivable", "authorised"} and row[1] in CAME)
    earned = -sum(row[4] for row in rows if row[2] in EARNED)
    due = sum(row[4] for row in rows if row[2] == "customer-receivable")
    owed = -sum(row[4] for row in rows if row[2] == "refunds-due" and row[1] == "refund")
    back = sum(row[4] for row in rows if row[2] == "refunds-due" and row[1] == "payout")
    held = -sum(row[4] for row in rows if row[2] == "held")
    authorised = sum(row[4] for row in rows if row[2] == "authorised")
    if came != (earned - due) + owed + held:
        found.append(f"I6: paid {came} is not captured {earned - due} + refunded {owed} + held {held}")
    if not 0 <= back <= owed <= came or min(held, due, authorised) < 0:
        found.append(f"I6: paid {came}, refunded {owed}, returned {back}, held {held}, due {due}")
    if settled and state in {"complete", "cancelled", "expired"} and held != 0:
        found.append(f"I6: {state}, and {held} are still held")
    live = sum(paise for _, state_, paise in refund_rows if state_ not in {"declined", "withdrawn"})
    if live != owed:
        found.append(f"I6: refunds of {live} are under way, {owed} are owed")
    return found + _against(psp, rows, settled=settled)


CAME = {"charge", "hold", "release"}
EARNED = {"revenue", "fees", "cgst", "sgst", "utgst", "igst", "goodwill"}


def _against(psp: Psp, rows: Rows, *, settled: bool) -> list[str]:
    found: list[str] = []
    theirs: dict[str, int] = {payment.ref: payment.captured for payment in psp.payments.values() if payment.captured}
    ours: dict[str, int] = {}
    for _, kind, account, reference, paise, _ in rows:
        if account == "cash" and kind == "charge":
            ours[reference] = ours.get(reference, 0) + paise
    back_theirs: dict[str, int] = {}
    for payment in psp.payments.values():
        back_theirs |= payment.refunds
    back_ours = {
        key.removeprefix("payout:"): -paise
        for _, kind, account, _, paise, key in rows
        if account == "cash" and kind == "payout"
    }
    for name, mine, other in (("captures", ours, theirs), ("refunds", back_ours, back_theirs)):
        if mine != other if settled else not _within(mine, other):
            found.append(f"I7: {name} are {mine} here and {other} at the provider")
    return found


def _within(mine: dict[str, int], other: dict[str, int]) -> bool:
    return all(other.get(name) == paise for name, paise in mine.items())


def pick(dice: random.Random, weights: Mapping[str, int]) -> str:
    """One of the names, by weight."""
    return dice.choices(list(weights), list(weights.values()))[0]
