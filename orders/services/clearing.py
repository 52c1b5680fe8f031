"""What happens in the books when a buyer app collects, and when it pays the operator what it collected?"""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import connection, transaction

from catalog.models import Operator
from core.errors import Invalid, NotAllowed
from orders.balances import balance, purse
from orders.models import Account, Journal, Payment, Posting, Refund
from orders.services.books import charged
from orders.services.ledger import lock_order, record
from orders.services.payment import PATH as PAYMENT_PATH
from orders.services.refunds import finish_refund, settle_order

PATH = "settlement"


@transaction.atomic
def collected_late(order_id: int, *, reference: str, now: datetime, actor: str) -> Payment:
    """The buyer app has collected what a closed order still owed: its debt now, no longer the customer's.

    Told again it is the same. Raises NotAllowed `payment-kind` where the buyer app does not collect or nothing is due.
    """
    order = lock_order(order_id)
    payment = Payment.objects.select_for_update(no_key=True).get(order=order)
    due = purse(order).due
    if payment.status == Payment.Status.PAID and not due:
        return payment
    if payment.collected_by != Payment.CollectedBy.BAP or not due:
        raise NotAllowed(
            "payment-kind",
            f"order {order} is collected by {payment.collected_by} and owes {due} paise; nothing is to be taken down",
            path=PAYMENT_PATH,
        )
    reference = reference.strip()[:255]
    name = f"{reference}#{order.last_event}"
    charged(order, due, by=Payment.CollectedBy.BAP, reference=name, now=now, actor=actor)
    settle_order(order, reason=Refund.Reason.OVERPAID, now=now, actor=actor)
    payment.status, payment.paid_at, payment.updated_at = Payment.Status.PAID, now, now
    payment.reference = payment.reference or reference
    payment.save(update_fields=["status", "paid_at", "updated_at", "reference"])
    record(order, "payment-collected", now=now, actor=actor, public=True, data={"paise": due, "reference": reference})
    return payment


@transaction.atomic
def settle_with(
    operator: Operator,
    bap_id: str,
    *,
    paise: int,
    reference: str,
    until: datetime,
    now: datetime,
    actor: str,
) -> Journal:
    """Take down that a buyer app paid `paise` net of what it owes.

    Refunds it was told of before `until` count as paid out by it, its finder fees as kept. The same reference again is
    the same settlement. Raises Invalid `settlement-reference`, NotAllowed `settlement-amount` for more than it owes.
    """
    if not reference.strip():
        raise Invalid("settlement-reference", "a settlement needs the bank's reference", path=f"{PATH}.reference")
    key = f"settle:{operator.pk}:{hashlib.sha256(f'{bap_id}:{reference}'.encode()).hexdigest()[:32]}"
    _queue_up(f"settle:{operator.pk}:{bap_id}")
    known = Journal.objects.filter(key=key).first()
    if known is not None:
        return known
    told = Refund.objects.filter(
        order__operator=operator, order__bap_id=bap_id, way=Refund.Way.BAP, state=Refund.State.SENT, sent_at__lt=until
    )
    for refund_id in told.order_by("order_id", "number").values_list("pk", flat=True):
        finish_refund(refund_id, reference=reference, now=now, actor=actor)
    owed, fees = balance(operator.pk, bap_id, Account.BAP), -balance(operator.pk, bap_id, Account.SETTLEMENT)
    if not 0 < paise <= owed - fees:
        raise NotAllowed(
            "settlement-amount",
            f"{bap_id} owes {owed} paise less {fees} paise of finder fees; {paise} paise cannot be its settlement",
            path=f"{PATH}.paise",
        )
    return _write(operator, bap_id, key, paise=paise, fees=fees, reference=reference, now=now, actor=actor)


def _write(
    operator: Operator, bap_id: str, key: str, *, paise: int, fees: int, reference: str, now: datetime, actor: str
) -> Journal:
    journal = Journal.objects.create(
        key=key,
        kind=Journal.Kind.SETTLEMENT,
        operator=operator,
        bap_id=bap_id,
        reference=reference[:255],
        actor=actor[:150],
        at=now,
    )
    legs = [(Account.BANK, paise), (Account.SETTLEMENT, fees), (Account.BAP, -paise - fees)]
    Posting.objects.bulk_create(
        Posting(journal=journal, account=account, operator=operator, bap_id=bap_id, paise=amount)
        for account, amount in legs
        if amount
    )
    return journal


def _queue_up(key: str) -> None:
    """Let the settlements of one buyer app come one after the other: each looks at what the last one left owed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
