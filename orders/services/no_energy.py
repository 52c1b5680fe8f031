"""Who paid and got no energy, and has waited long enough?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Greatest

from core.due import each_alone, lock_next
from orders.models import Deadline, Order, Payment, Refund
from orders.services.cancel import close_cancelled
from orders.services.deadlines import ACTOR

NO_ENERGY = "no-energy"


def energy_due(*, now: datetime, limit: int = 100) -> int:
    """Cancel paid orders that nobody began to charge, with all their money back; returns how many.

    The time runs from the confirmation, for a booked time from its end; the operator's rules say how long, else the
    settings. An order that is still waited for as a no-show is left to that. One transaction an order.
    """
    return each_alone(_waiting(now), lambda key: _cancel(key, now), limit=limit)


def energy_within_s(order: Order) -> int | None:
    """How long a confirmed order may be without energy until it is refunded in full, s; None where it is not paid."""
    paid = Payment.objects.filter(order=order, status=Payment.Status.PAID)
    found = paid.values_list("order__operator__money_rules__energy_within_s").first()
    if found is None:
        return None
    return settings.ENERGY_WITHIN_S if found[0] is None else int(found[0])


def _cancel(order_id: int, now: datetime) -> bool:
    order = lock_next(_waiting(now).filter(pk=order_id))
    if order is None:
        return False
    close_cancelled(
        order,
        by="PROVIDER",
        reason_id=NO_ENERGY,
        text="No energy was delivered in time",
        now=now,
        actor=ACTOR,
        fulfillment=Order.Fulfillment.ORDER_CANCELLED,
        refund_reason=Refund.Reason.NO_ENERGY,
    )
    return True


def _waiting(now: datetime) -> QuerySet[Order]:
    paid = Order.objects.select_related("operator", "connector__evse__station").filter(
        state=Order.State.ACTIVE,
        fulfillment=Order.Fulfillment.PAYMENT_COMPLETED,
        payment__status=Payment.Status.PAID,
    )
    since = Greatest(F("confirmed_at"), Coalesce(F("ends_at"), F("starts_at"), F("confirmed_at")))
    within_s = Coalesce(F("operator__money_rules__energy_within_s"), settings.ENERGY_WITHIN_S)
    within = ExpressionWrapper(within_s * timedelta(seconds=1), output_field=DurationField())
    expected = Deadline.objects.filter(order=OuterRef("pk"), kind=Deadline.Kind.NO_SHOW, done_at__isnull=True)
    return (
        paid.exclude(Exists(expected))
        .annotate(since=since, within=within)
        .filter(since__lte=now - F("within"))
        .order_by("confirmed_at", "pk")
    )
