"""What does an order look like to a buyer app? Rows of the apps become the neutral views of `bpp.replies`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist

from bpp import messages as m
from bpp import replies
from catalog.models import Connector, Evse, Operator, Station
from core.money import Money, from_paise, total
from fulfillment.models import Session
from fulfillment.selectors import meter_points
from orders import selectors as order_selectors
from orders import services as orders
from orders.balances import Purse, purse
from orders.models import Collection, Deadline, Order, Payment, Quote, Refund, Terms
from orders.overlays import COUPON
from orders.services import fitting, start_code
from orders.services.consent import declarable, form_token, standing, terms_id

F = Order.Fulfillment
REFUND_WORDS = {state: state for state in ("requested", "approved", "sent", "done")}
RUNNING = {F.CHARGING_STARTED, F.CHARGING_PAUSED, F.CHARGING_RESUMED, F.CHARGING_ENDING}
STARTED = RUNNING | {F.CHARGING_ENDED}


def order_view(order: Order, *, now: datetime, quote: Quote | None = None) -> replies.OrderView:
    """The whole order as callbacks show it: draft or promise, with its quote, payment, terms and session.

    `quote` stands in for the order's current one where the question is what something would cost.
    """
    connector = Connector.objects.select_related("evse__station__operator", "tariff").get(id=order.connector_id)
    quote = quote or Quote.objects.get(order_id=order.id, current=True)
    session = Session.objects.filter(order_id=order.id, meter_start_wh__isnull=False).first()
    draft = order.code is None
    initiated = order.state != Order.State.DRAFT
    terms = _terms(order, now) if initiated else None
    payment, topups = _payments(order) if initiated else (None, ())
    return replies.OrderView(
        draft=draft,
        plug=plug(connector, price=_energy_price(quote), availability=_availability(connector, order)),
        quantity=m.Quantity(order.quantity_kind, order.quantity),
        quote=_running_quote(order, quote, session, now) or quote_view(quote, now=now),
        code=order.code or "",
        status="" if draft else order.state,
        fulfillment="" if order.fulfillment == F.NONE else order.fulfillment,
        fulfillment_at=order.updated_at,
        window=m.Window(order.starts_at, order.ends_at) if order.starts_at else None,
        billing=_contact(order.billing),
        customer=_contact(order.customer),
        payment=payment,
        topups=topups,
        fees=_linked(_fees(order, quote.currency), terms) if initiated else (),
        refunds=_refunds(order) if initiated else (),
        terms=terms,
        start_code=start_code(order),
        offers=_offers(quote),
        remarks=(*_estimate(order, quote), *_remarks(order)),
        charging=_charging(session),
        cancellation=_cancellation(order),
        created_at=order.confirmed_at or order.created_at,
        updated_at=order.updated_at,
    )


def plug(connector: Connector, *, price: Money, availability: str) -> replies.Plug:
    """A connector as messages show it; its evse, station and operator must have been selected with it."""
    evse = connector.evse
    return replies.Plug(
        item_id=connector.item_id,
        number=connector.number,
        standard=connector.standard,
        current=connector.current,
        max_power_w=connector.max_power_w,
        vehicle=connector.vehicle,
        availability=availability,
        price_per_kwh=price,
        green=bool(connector.tariff and connector.tariff.green),
        charger=replies.Charger(
            evse.uid, str(evse), evse.manufacturer, evse.status not in Evse.OUT_OF_SERVICE, place(evse.station)
        ),
        provider=provider(evse.station.operator),
    )


def provider(operator: Operator) -> replies.Provider:
    return replies.Provider(operator.code, operator.name, operator.summary)


def place(station: Station) -> replies.Place:
    """A station as messages show it; only stations with coordinates are ever offered."""
    return replies.Place(
        id=station.code,
        name=station.name,
        latitude=station.latitude or Decimal(0),
        longitude=station.longitude or Decimal(0),
        address=", ".join(part for part in (station.address, f"{station.city} {station.postal_code}".strip()) if part),
        city=station.city,
        city_code=station.city_code,
        country=station.country,
        postal_code=station.postal_code,
        directions=station.directions,
    )


def quote_view(quote: Quote, *, now: datetime) -> replies.QuoteView:
    """The quote with its lines; ttl in whole seconds still left, None for a bill."""
    lines = tuple(
        replies.Line(
            line["code"], from_paise(line["paise"], quote.currency), line.get("energy_wh"), line.get("note", "")
        )
        for line in quote.lines
    )
    left = None if quote.valid_until is None else max(0, int((quote.valid_until - now).total_seconds()))
    return replies.QuoteView(str(quote.number), from_paise(quote.total_paise, quote.currency), lines, left)


def others(order: Order, *, now: datetime) -> tuple[replies.Plug, ...]:
    """Where an order could move, at the promised price: free connectors that fit, nearest first."""
    return tuple(
        plug(other, price=_energy_price(order_selectors.offer_quote(order)), availability=other.evse.status)
        for other in fitting(order, now=now)
    )


def adverts(now: datetime) -> tuple[replies.Advert, ...]:
    """The coupons that search results show."""
    return tuple(
        replies.Advert(found.operator, found.code, found.name, found.words, found.station, found.until)
        for found in orders.advertised(now)
    )


def _offers(quote: Quote) -> tuple[replies.OfferView, ...]:
    """The coupons that count for the quote."""
    applied = quote.tariff.get("overlays", ())
    return tuple(replies.OfferView(row["code"], row["name"]) for row in applied if row["kind"] == COUPON)


def _estimate(order: Order, quote: Quote) -> tuple[replies.Remark, ...]:
    """How long the charging takes and, where the energy was estimated or assumed, on which basis; until it begins."""
    if quote.kind != Quote.Kind.OFFER or order.fulfillment in STARTED:
        return ()
    said = {"estimated-duration": _duration(quote.tariff.get("duration_s")), "basis": quote.tariff.get("basis", "")}
    return tuple(replies.Remark(code, value) for code, value in said.items() if value)


def _duration(seconds: int | None) -> str:
    return f"PT{-(-seconds // 60)}M" if seconds else ""


def _remarks(order: Order) -> tuple[replies.Remark, ...]:
    """Until when somebody has to decide something about the order."""
    names = {Deadline.Kind.APPROVAL: "approval-by", Deadline.Kind.ANSWER: "answer-by"}
    if order.state != Order.State.ACTIVE or order.fulfillment not in {F.PENDING_APPROVAL, F.PAYMENT_COMPLETED}:
        return ()
    open_ones = Deadline.objects.filter(order=order, done_at__isnull=True, kind__in=names).order_by("kind")
    return tuple(
        replies.Remark(names[Deadline.Kind(row.kind)], row.at.isoformat(timespec="seconds")) for row in open_ones
    )


def caller_of(order: Order, message_id: str) -> m.Caller:
    """Whom to call about an order: its buyer app, in its transaction."""
    return m.Caller(
        bap_id=order.bap_id,
        bap_uri=str(order.context.get("bap_uri", "")),
        transaction_id=order.transaction_id,
        message_id=message_id,
        context=order.context,
    )


def public_base() -> str:
    """Scheme and host under which drivers reach our pages."""
    parts = urlsplit(settings.BECKN_SUBSCRIBER_URL)
    return f"{parts.scheme}://{parts.netloc}"


def track_url(token: str) -> str:
    """The live page that a link's token opens."""
    return f"{public_base()}/track/{token}"


def terms_url(order: Order) -> str:
    """The page on which the customer reads the terms of an order and agrees to them."""
    return f"{public_base()}/terms/{form_token(order)}"


def instead(item_id: str, window: m.Window | None, energy_wh: int, *, now: datetime) -> tuple[replies.Plug, ...]:
    """Connectors that fit and are free at that time where one is taken: of its station, then the nearest."""
    starts_at, ends_at = (window.starts_at, window.ends_at) if window else (None, None)
    found = order_selectors.alternatives(item_id, starts_at=starts_at, ends_at=ends_at, energy_wh=energy_wh, now=now)
    prices = [(other, order_selectors.price_per_kwh(other, starts_at or now)) for other in found]
    return tuple(plug(other, price=price, availability=other.evse.status) for other, price in prices if price)


def _availability(connector: Connector, order: Order) -> str:
    """The EVSE's status, but what this very order reserved or uses is available to it until it charges."""
    status = connector.evse.status
    if status == Evse.Status.RESERVED and order.fulfillment in {F.NONE, F.ORDER_INITIATED, F.PAYMENT_COMPLETED}:
        return Evse.Status.AVAILABLE
    return status


def _energy_price(quote: Quote) -> Money:
    return Money(Decimal(quote.tariff["price_per_kwh"]), quote.currency)


def _contact(data: dict[str, str]) -> m.Contact | None:
    return m.Contact(**data) if data else None


def _payments(order: Order) -> tuple[replies.PaymentView | None, tuple[replies.PaymentView, ...]]:
    """The payment that was agreed, and what a corrected bill asks for beyond it; None before there is one."""
    try:
        payment: Payment = order.payment
    except ObjectDoesNotExist:
        return None, ()
    ours = payment.collected_by == Payment.CollectedBy.BPP
    stand = purse(order) if order.closed_at else Purse()
    asked, more = orders.asked_for(order, payment) if ours else (None, [])
    shown = replies.PaymentView(
        id=f"pay-{payment.id}",
        collected_by=payment.collected_by,
        type=payment.type,
        status=payment.status,
        amount=from_paise(_to_pay(order, payment, asked, stand), payment.currency),
        reference=payment.reference,
        paid_at=payment.paid_at,
        url=_pay_url(asked),
        address=settings.PAYMENT_UPI_ADDRESS if ours and settings.PAYMENT_PROVIDER == "upi" else "",
        finder_fee_type=payment.finder_fee_type,
        finder_fee=payment.finder_fee,
        refunds=_money_back(order),
    )
    if ours:
        return shown, tuple(_on_a_link(payment, row) for row in more)
    more_due = payment.status == Payment.Status.PAID and stand.due > 0
    return shown, (_by_buyer_app(payment, stand.due),) if more_due else ()


def _to_pay(order: Order, payment: Payment, asked: Collection | None, stand: Purse) -> int:
    """What the payment comes to, paise: as quoted; where it follows the charging, by the bill once there is one."""
    if order.closed_at is None or payment.type == Payment.Type.PRE_ORDER:
        return payment.amount_paise
    if payment.status != Payment.Status.PAID:
        return stand.due
    return asked.price_paise if asked is not None else stand.paid


def _on_a_link(payment: Payment, row: Collection) -> replies.PaymentView:
    """What the customer pays us on a page of its own."""
    secured = row.state in Collection.SECURED
    return replies.PaymentView(
        id=f"pay-{payment.id}-{row.number}",
        collected_by=payment.collected_by,
        type=Payment.Type.POST_FULFILLMENT.value,
        status=(Payment.Status.PAID if secured else Payment.Status.NOT_PAID).value,
        amount=from_paise(row.amount_paise, row.currency),
        reference=row.payment_ref,
        url=_pay_url(row),
    )


def _by_buyer_app(payment: Payment, due_paise: int) -> replies.PaymentView:
    """What the buyer app is still to collect for us from a customer who paid before the meter was known."""
    return replies.PaymentView(
        id=f"pay-{payment.id}-rest",
        collected_by=payment.collected_by,
        type=Payment.Type.POST_FULFILLMENT.value,
        status=Payment.Status.NOT_PAID.value,
        amount=from_paise(due_paise, payment.currency),
    )


def _money_back(order: Order) -> tuple[replies.RefundView, ...]:
    """The refunds of an order that are wanted, with the clock that the customer sees."""
    rows = Refund.objects.filter(order=order).exclude(state__in=[Refund.State.DECLINED, Refund.State.WITHDRAWN])
    return tuple(
        replies.RefundView(
            id=refund.key,
            amount=from_paise(refund.paise, refund.currency),
            # Who works on it is our matter: for the customer it is on its way until it is there.
            state=REFUND_WORDS.get(refund.state, Refund.State.SENT.value),
            reason=refund.reason,
            at=refund.requested_at,
            until=refund.deadline_at,
            reference=refund.reference,
        )
        for refund in rows.order_by("number")
    )


def _pay_url(row: Collection | None) -> str:
    """The page on which the customer pays us; empty where we do not collect this payment through a provider."""
    return f"{public_base()}{orders.pay_path(row)}" if row is not None else ""


def _fees(order: Order, currency: str) -> tuple[replies.FeeTerm, ...]:
    return tuple(_fee(order, term, currency) for term in order_selectors.cancellation_terms(order))


def _fee(order: Order, term: dict[str, Any], currency: str) -> replies.FeeTerm:
    until_s = None if not term["from_min"] else term["from_min"] * 60
    return replies.FeeTerm(
        term["state"],
        term["percent"],
        reason_required=term["reason_required"],
        amount=None if term["paise"] is None else from_paise(term["paise"], currency),
        until_s=until_s,
        until=order.starts_at - timedelta(seconds=until_s) if until_s and order.starts_at else None,
    )


def _linked(fees: tuple[replies.FeeTerm, ...], terms: replies.TermsView | None) -> tuple[replies.FeeTerm, ...]:
    """The fees, with the page of the cancellation terms where the operator has published some."""
    if terms is None or all(document.kind != Terms.Kind.CANCELLATION for document in terms.documents):
        return fees
    return tuple(replace(fee, url=f"{terms.url}#{Terms.Kind.CANCELLATION}") for fee in fees)


def _terms(order: Order, now: datetime) -> replies.TermsView | None:
    seen = standing(order, now=now)
    if not seen.terms:
        return None
    given = {consent.terms_id: consent for consent in seen.consents}
    documents = tuple(
        replies.TermsDocument(
            id=terms_id(row),
            kind=row.kind,
            name=row.get_kind_display(),
            version=row.version,
            sha256=row.sha256,
            required=row.required,
            declarable=declarable(row),
            accepted_at=given[row.pk].at if row.pk in given else None,
            accepted_by=given[row.pk].channel if row.pk in given else "",
        )
        for row in seen.terms
    )
    return replies.TermsView(terms_url(order), documents, asking=order.code is None, outstanding=bool(seen.missing))


def _refunds(order: Order) -> tuple[replies.RefundTerm, ...]:
    return tuple(replies.RefundTerm(**term) for term in order_selectors.refund_terms(order))


def _running_quote(order: Order, quote: Quote, session: Session | None, now: datetime) -> replies.QuoteView | None:
    """The cost so far of a session that runs, by the bill's own rule; None where nothing was delivered yet."""
    if session is None or order.state != Order.State.ACTIVE or session.started_at is None or not session.energy_wh:
        return None
    lines = order_selectors.running_total(
        order, session.energy_wh, started_at=session.started_at, now=now, readings=meter_points(session)
    )
    shown = tuple(replies.Line(line.code, line.amount, line.energy_wh, line.note) for line in lines)
    return replies.QuoteView(str(quote.number), total((line.amount for line in lines), quote.currency), shown)


def _charging(session: Session | None) -> replies.ChargingDetails | None:
    if session is None:
        return None
    running = session.ended_at is None
    return replies.ChargingDetails(
        energy_wh=session.energy_wh,
        meter_start_wh=session.meter_start_wh,
        meter_stop_wh=session.meter_stop_wh,
        power_w=session.power_w if running else None,
        current_a=session.current_a if running else None,
        voltage_v=session.voltage_v if running else None,
        soc_percent=session.soc_percent,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )


def _cancellation(order: Order) -> replies.Cancellation | None:
    data = order.cancellation
    if not data:
        return None
    return replies.Cancellation(
        at=datetime.fromisoformat(data["at"]), by=data["by"], reason_id=data["reason_id"], text=data["text"]
    )
