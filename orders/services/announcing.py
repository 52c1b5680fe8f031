"""When may a promised price change, and how is that told before it applies?"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from catalog.models import TariffVersion
from core.errors import DomainError, NotAllowed
from orders.models import Order, Payment, Quote, QuoteRules
from orders.pricing import terms_from
from orders.selectors import offer_quote
from orders.services.deadlines import ACTOR
from orders.services.ledger import lock_order, record
from orders.services.repricing import reprice
from orders.services.wish import current_terms

log = logging.getLogger(__name__)

PRICE_CHANGED = "price-changed"
ANNOUNCED = QuoteRules.Change.ANNOUNCED.value
WAITING = (Order.Fulfillment.PENDING_APPROVAL, Order.Fulfillment.PAYMENT_COMPLETED)


def prices_due(now: datetime, limit: int = 100) -> int:
    """Look at bookings that were quoted by another version of their tariff and may change; returns how many.

    One transaction an order. It does not matter how the tariff came to its prices: by hand, import, API or plan.
    """
    done = 0
    for order_id in list(_outdated(now).values_list("order_id", flat=True)[:limit]):
        try:
            announce_price_change(order_id, now=now, actor=ACTOR)
            done += 1
        except DomainError as refusal:
            log.info("price change not announced", extra={"order": order_id, "code": refusal.code})
    return done


@transaction.atomic
def announce_price_change(order_id: int, *, now: datetime, actor: str) -> Order:
    """Put a confirmed booking on today's tariff for its time and tell the buyer app; the overlays stay as promised.

    A price is guaranteed unless the order was quoted by rules that let it change, and then until the notice before the
    start; what is paid already or runs keeps its price. Told again without other prices it changes nothing.
    Raises NotAllowed `price-guaranteed`, Unavailable `no-tariff`.
    """
    order = lock_order(order_id)
    offer = offer_quote(order)
    starts_at = _check(order, offer, now)
    promised = terms_from(offer.tariff)
    today = current_terms(order.connector, at=starts_at, gst_state=order.asked.get("gst_state", ""))
    terms = replace(today, adjustments=promised.adjustments)
    if replace(terms, code=promised.code, name=promised.name, version=promised.version) == promised:
        _note_version(offer, offer.tariff | terms.snapshot(starts_at))
        return order
    made = reprice(order, terms, starts_at=starts_at, now=now)
    if made is None:
        return order
    data = {"from_paise": offer.total_paise, "to_paise": made.total.paise, "applies_at": starts_at.isoformat()}
    record(order, PRICE_CHANGED, now=now, actor=actor, public=True, data=data)
    return order


def _outdated(now: datetime) -> QuerySet[Quote]:
    """Offers of unpaid bookings before their notice, by another version than will hold at their start; latest first."""
    planned = TariffVersion.objects.filter(
        tariff=OuterRef("order__connector__tariff"), planned=True, valid_from__lte=OuterRef("order__starts_at")
    )
    number = Subquery(planned.order_by("-valid_from", "-number").values("number")[:1])
    waiting = Quote.objects.filter(
        order__state=Order.State.ACTIVE,
        order__fulfillment__in=WAITING,
        order__starts_at__gt=now,
        order__payment__status=Payment.Status.NOT_PAID,
        order__connector__tariff__isnull=False,
        current=True,
        kind=Quote.Kind.OFFER,
        tariff__price_change=ANNOUNCED,
    ).annotate(
        held=Coalesce(number, F("order__connector__tariff__version")),
        quoted=Cast(KT("tariff__version"), IntegerField()),
        sold=KT("tariff__code"),
        notice=ExpressionWrapper(
            Cast(KT("tariff__notice_s"), IntegerField()) * timedelta(seconds=1), output_field=DurationField()
        ),
    )
    other = ~Q(quoted=F("held")) | ~Q(sold=F("order__connector__tariff__code"))
    return waiting.filter(other, order__starts_at__gte=now + F("notice")).order_by("-order__starts_at")


def _note_version(offer: Quote, kept: dict[str, Any]) -> None:
    """Another version with the very same prices is no change: the offer goes by its number from now on."""
    if offer.tariff != kept:
        offer.tariff = kept
        offer.save(update_fields=["tariff"])


def _check(order: Order, offer: Quote, now: datetime) -> datetime:
    """The start of a session whose price may still change. Raises NotAllowed `price-guaranteed`."""
    notice = timedelta(seconds=offer.tariff.get("notice_s", 0))
    paid = Payment.objects.filter(order=order).exclude(status=Payment.Status.NOT_PAID).exists()
    waiting = order.state == Order.State.ACTIVE and order.fulfillment in WAITING
    why = ""
    if offer.tariff.get("price_change") != ANNOUNCED:
        why = "its quote guarantees the price"
    elif not waiting or order.starts_at is None:
        why = "only a booking that has not begun can change its price"
    elif order.starts_at - now < notice:
        why = f"it begins in less than the {notice} that a change is told before"
    elif paid:
        why = "it is paid"
    if why or order.starts_at is None:
        raise NotAllowed("price-guaranteed", f"order {order} keeps its price: {why}", path="order.quote")
    return order.starts_at
