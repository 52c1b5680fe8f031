"""How does a month end: refunds sent, buyer apps settled with, and every figure held against the others?"""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import product
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet, Sum

from catalog.models import Operator
from orders import services as orders
from orders.balances import balance, purse_of
from orders.models import Account, Invoice, PaperKind, Refund
from orders.payments.base import Refunded
from orders.services.invoices import all_gaps
from tests.verify.purse import Psp
from tests.verify.rig import Verdict
from tests.verify.trade import BUYERS, MONTH

END = MONTH + timedelta(days=35)
EARNED = ("revenue", "fees", "cgst", "sgst", "utgst", "igst")
# What came in, what was earned less what the customer still owes, what is to go back, what is held: for each order.
PURSES = """
SELECT leg.order_id,
  coalesce(sum(paise) FILTER (WHERE account IN ('cash', 'bap-receivable', 'authorised')
    AND kind IN ('charge', 'hold', 'release')), 0),
  -coalesce(sum(paise) FILTER (WHERE account IN
    ('revenue', 'fees', 'cgst', 'sgst', 'utgst', 'igst', 'goodwill', 'customer-receivable')), 0),
  -coalesce(sum(paise) FILTER (WHERE account = 'refunds-due' AND kind = 'refund'), 0),
  -coalesce(sum(paise) FILTER (WHERE account = 'held'), 0)
FROM orders_posting AS leg JOIN orders_journal AS whole ON whole.id = leg.journal_id
WHERE leg.order_id IS NOT NULL GROUP BY 1
"""


class Bank(Psp):
    """A provider that returns whatever it is asked to."""

    def refund(self, payment_ref: str, paise: int, *, key: str, again: bool = False) -> Refunded:
        return Refunded(f"rfnd_{key}", paise, done=True)


def close_month(verdict: Verdict) -> None:
    """Send, settle and check; the figures and what does not fit go to the verdict.

    The last buyer app settles only after a person had to ask for each of its refunds.
    """
    bank, operators = Bank(random.Random(0)), list(Operator.objects.order_by("pk"))
    for operator, bap_id in product(operators, BUYERS[:-1]):
        _settle(operator, bap_id)
    while orders.settle_due(now=END, limit=500) + orders.refunds_due(now=END, limit=500, find=lambda _: bank):
        pass
    for operator in operators:
        _settle(operator, BUYERS[-1])
    while orders.notes_due(now=END, limit=500):
        pass
    check = orders.check_books(now=END + timedelta(days=1), whole=True)
    if check is None or check.breaks:
        verdict.fail(f"check_books found {check and check.breaks}: {check and check.findings[:3]}")
    _ledger(verdict)
    _papers(verdict)


def _settle(operator: Operator, bap_id: str) -> None:
    """The buyer app pays what it owes less the refunds it gives back."""
    told = Refund.objects.filter(order__operator=operator, order__bap_id=bap_id, way=Refund.Way.BAP)
    given = told.filter(state__in=["sent", "person"]).aggregate(sum=Sum("paise"))["sum"] or 0
    for refund_id in told.filter(state="person").values_list("pk", flat=True):
        orders.finish_refund(refund_id, reference="month", now=END, actor="month")
    owed = balance(operator.pk, bap_id, Account.BAP)
    open_paise = told.filter(state="sent").aggregate(sum=Sum("paise"))["sum"] or 0
    if given >= 0 and owed - open_paise > 0:
        arguments: dict[str, Any] = {
            "paise": owed - open_paise,
            "reference": "UTR-month",
            "until": END,
            "now": END,
            "actor": "month",
        }
        orders.settle_with(operator, bap_id, **arguments)


def _ledger(verdict: Verdict) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT leg.account, whole.kind, sum(leg.paise) FROM orders_posting AS leg"
            " JOIN orders_journal AS whole ON whole.id = leg.journal_id GROUP BY 1, 2"
        )
        rows = [(account, kind, int(paise)) for account, kind, paise in cursor.fetchall()]
        cursor.execute(
            "SELECT sum(paise) FILTER (WHERE paise > 0), -sum(paise) FILTER (WHERE paise < 0), count(*),"
            " count(DISTINCT journal_id) FROM orders_posting"
        )
        debits, credits, postings, journals = (int(value or 0) for value in cursor.fetchone() or (0, 0, 0, 0))
    stand = purse_of(rows)
    _each_order(verdict)
    owed = sum(paise for account, _, paise in rows if account == Account.BAP)
    if debits != credits:
        verdict.fail(f"debits {debits} are not credits {credits}")
    if stand.paid != stand.captured + stand.refunded + stand.held or stand.held or stand.returned != stand.refunded:
        verdict.fail(f"{stand}: paid must be captured and refunded, all of it returned, nothing held")
    if owed:
        verdict.fail(f"buyer apps still owe {owed} paise after their settlement")
    verdict.figures |= {
        "debits_paise": debits,
        "credits_paise": credits,
        "journals": journals,
        "postings": postings,
        "paid_paise": stand.paid,
        "captured_paise": stand.captured,
        "refunded_paise": stand.refunded,
        "held_paise": stand.held,
        "due_paise": stand.due,
        "refunds": Refund.objects.count(),
        "earned_paise": -sum(paise for account, _, paise in rows if account in EARNED),
        "goodwill_paise": sum(paise for account, _, paise in rows if account == Account.GOODWILL),
    }


def _each_order(verdict: Verdict) -> None:
    """paid = captured + refunded + held for every order by itself, from the postings alone."""
    with connection.cursor() as cursor:
        cursor.execute(PURSES)
        rows = cursor.fetchall()
    for order_id, paid, captured, refunded, held in rows:
        if paid != captured + refunded + held or held:
            verdict.fail(f"order {order_id}: paid {paid} is not captured {captured} + refunded {refunded}, {held} held")
    verdict.figures["orders_with_money"] = len(rows)


def _papers(verdict: Verdict) -> None:
    """Invoices have no gaps and come to what was earned; goodwill notes come to the goodwill that was refunded."""
    papers = Invoice.objects.order_by()
    sums = {kind: (number, paise) for kind, number, paise in _by_kind(papers.filter(refund=None))}
    gifts = papers.filter(refund__isnull=False).aggregate(sum=Sum("total_paise"))["sum"] or 0
    gone = Refund.objects.filter(reason="goodwill", state="done").aggregate(sum=Sum("paise"))["sum"] or 0
    billed = sum(sums.get(kind, (0, 0))[1] for kind in (PaperKind.INVOICE, PaperKind.DEBIT_NOTE))
    noted = sums.get(PaperKind.CREDIT_NOTE, (0, 0))[1]
    gaps = all_gaps()
    if gaps:
        verdict.fail(f"numbers are missing: {gaps}")
    if billed - noted != verdict.figures["earned_paise"]:
        verdict.fail(f"papers come to {billed - noted}, the books to {verdict.figures['earned_paise']}")
    if not gifts == gone == verdict.figures["goodwill_paise"]:
        verdict.fail(f"goodwill notes {gifts}, refunds {gone}, books {verdict.figures['goodwill_paise']}")
    verdict.figures |= {
        "papers": {str(kind): number for kind, (number, _) in sums.items()},
        "papers_paise": billed - noted,
        "goodwill_notes_paise": gifts,
        "numbers_missing": sum(len(numbers) for numbers in gaps.values()),
        "prices_compared": "each bill and correction",
    }


def _by_kind(papers: QuerySet[Invoice]) -> list[tuple[str, int, int]]:
    rows = papers.values_list("kind").annotate(number=Count("pk"), sum=Sum("total_paise"))
    return [(kind, int(number), int(paise)) for kind, number, paise in rows]
