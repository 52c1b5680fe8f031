"""A whole operator for tests: one row of every kind, its word in every text a page could show."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import orjson
from django.contrib.auth.models import User
from django.db.models import Model

from bpp.models import DeliveryAttempt, InboxMessage, OutboxMessage
from catalog.models import Connector, Evse, EvseStatusChange, Operator, OperatorStaff, Station, Tariff
from fulfillment.models import (
    Card,
    CardAccount,
    CardEntry,
    LinkDeed,
    LinkRules,
    Notice,
    NoticeSettings,
    Outage,
    Reading,
    Session,
    StationEvent,
    TaskRun,
    TrackLink,
    WalkIn,
    WalkInReading,
    WorkflowDefinition,
    WorkflowInstance,
)
from fulfillment.services.instances import START, station_workflow
from orders.models import (
    CancellationRule,
    Collection,
    Consent,
    CouponUse,
    Deadline,
    MoneyRules,
    Order,
    Overlay,
    PaymentReference,
    QuoteRules,
    Refund,
    ReservationRules,
)
from orders.services import confirm_order, init_order
from orders.services.invoices import issue_paper
from support.models import Rating, Ticket
from tests.factories.orders import ELEMENTS, a_confirm, an_init
from tests.factories.terms import draft_terms, published_terms


@dataclass
class Tenant:
    """One operator with its rows; `word` stands in every one of them and nowhere else."""

    word: str
    operator: Operator
    order: Order
    station: Station
    connector: Connector
    session: Session
    ticket: Ticket
    inbox: InboxMessage
    outbox: OutboxMessage
    rows: list[Model] = field(default_factory=list)

    def staff(self, role: str = "operations") -> User:
        """A plain staff user of this operator; no Django permission or group."""
        user = User.objects.create_user(f"{role}-{self.operator.pk}", password="right-password-1", is_staff=True)
        OperatorStaff.objects.create(user=user, operator=self.operator, role=role)
        return user


def make_tenant(word: str, now: datetime) -> Tenant:
    operator = Operator.objects.create(code=f"{word}-op", name=f"{word} Operator", support_email=f"{word}@example.org")
    tariff = Tariff.objects.create(operator=operator, code=f"{word}-t", name=f"{word} tariff", elements=ELEMENTS)
    station = Station.objects.create(
        operator=operator,
        code=f"{word}-st",
        name=f"{word} station",
        city=f"{word} city",
        latitude=Decimal("12.97"),
        longitude=Decimal("77.59"),
        published=True,
    )
    evse = Evse.objects.create(station=station, uid=f"{word}-E1", slot_number=1, status_at=now - timedelta(days=1))
    connector = Connector.objects.create(
        evse=evse, number="1", item_id=f"{evse.uid}*1", standard=f"{word}-plug", current="DC", max_power_w=30_000,
        tariff=tariff,
    )  # fmt: skip
    order = _order(connector, word, now)
    session, inbox, outbox, ticket, others = _around(order, word, now)
    change = EvseStatusChange.objects.create(evse=evse, status="charging", at=now)
    tenant = Tenant(word, operator, order, station, connector, session, ticket, inbox, outbox)
    tenant.rows = [operator, tariff, station, evse, connector, change, order, session, inbox, outbox, ticket, *others]
    tenant.rows += [order.quotes.get(), order.payment, order.reservations.get(), *order.events.all()]
    tenant.rows += _contract(order, word, now)
    tenant.rows += [tariff.versions.get(), *_overlays(order, word, now)]
    paper = issue_paper(order, order.quotes.get(), now=now)
    assert paper is not None
    tenant.rows.append(paper)
    return tenant


def _contract(order: Order, word: str, now: datetime) -> list[Model]:
    terms = published_terms(order.operator, now=now, text_en=f"{word} terms")
    draft = draft_terms(order.operator, "refund", now=now, text_en=f"{word} draft", city=f"{word} city")
    consent = Consent.objects.create(
        order=order, terms=terms, sha256=terms.sha256, at=now, channel="form", bap_id=order.bap_id
    )
    return [terms, draft, consent, *_paid(order, word, now), *_booked(order, word, now), *_ruled(order, now)]


def _ruled(order: Order, now: datetime) -> list[Model]:
    rules = ReservationRules.objects.create(operator=order.operator, station=order.connector.evse.station)
    fee = CancellationRule.objects.create(operator=order.operator, fee_percent=10)
    due = Deadline.objects.create(order=order, kind=Deadline.Kind.REMINDER, at=now)
    return [rules, fee, due]


def _booked(order: Order, word: str, now: datetime) -> list[Model]:
    rules = MoneyRules.objects.create(operator=order.operator, approve_above_paise=1)
    refund = Refund.objects.create(
        order=order, number=1, cause=f"{word} cause", reason="goodwill", way="BAP", paise=100, state="requested",
        key=f"{word}-refund", requested_at=now, deadline_at=now, problem=f"{word} problem",
    )  # fmt: skip
    return [rules, refund, *order.journals.all()]


def _paid(order: Order, word: str, now: datetime) -> list[Model]:
    collection = Collection.objects.create(
        order=order, number=1, provider="razorpay", reference=f"{word}-collection", state="captured",
        price_paise=100, amount_paise=100, captured_paise=100, link_ref=f"{word}-link", payment_ref=f"{word}-pay",
        created_at=now, updated_at=now,
    )  # fmt: skip
    reference = PaymentReference.objects.create(
        payer=order.bap_id, reference=f"{word}-utr", order=order, claimed_at=now
    )
    return [collection, reference]


def _overlays(order: Order, word: str, now: datetime) -> list[Model]:
    operator = order.operator
    coupon = Overlay.objects.create(operator=operator, kind="coupon", code=f"{word}-10", name=f"{word} ten", value=-10)
    use = CouponUse.objects.create(
        overlay=coupon, order=order, number=1, customer=f"{word}-customer", customer_number=1, at=now
    )
    return [coupon, use, QuoteRules.objects.create(operator=operator)]


def _order(connector: Connector, word: str, now: datetime) -> Order:
    billing = {"name": f"{word} Driver"}
    asked = {"transaction_id": f"{word}-tx", "bap_id": f"{word}.example.org", "now": now, "billing": billing}
    order = init_order(**an_init(connector, **asked))
    return confirm_order(**a_confirm(order, now=now, billing=billing))


def _around(order: Order, word: str, now: datetime) -> tuple[Session, InboxMessage, OutboxMessage, Ticket, list[Model]]:
    session = Session.objects.create(
        order=order, evse=order.connector.evse, state="charging", card=f"{word}-card", remote_id=f"{word}-remote",
        started_at=now, meter_start_wh=1000, meter_wh=3300, power_w=29_500, fault=f"{word} fault",
    )  # fmt: skip
    body = orjson.dumps({"context": {"action": "confirm"}, "message": {"note": f"{word} body"}})
    inbox = InboxMessage.objects.create(
        bap_id=order.bap_id, action="confirm", message_id=f"{word}-m1", transaction_id=order.transaction_id,
        digest=b"\0" * 64, raw=body, authorization=f'Signature keyId="{word}"', received_at=now,
        signer={"subscriber_id": order.bap_id, "key_id": "k1", "type": "BAP"}, state="done", done_at=now,
        verdicts=[{"path": "$.context.ttl", "seen": f"{word} ttl", "note": "no ttl"}],
        deadline_at=now + timedelta(minutes=10), order_id=order.pk, operator=order.operator,
    )  # fmt: skip
    outbox = OutboxMessage.objects.create(
        bap_id=order.bap_id, action="on_confirm", message_id=f"{word}-m1", transaction_id=order.transaction_id,
        url=f"https://{word}.example.org/beckn/on_confirm", body=body, answers=inbox, order_id=order.pk,
        operator=order.operator, created_at=now, deadline_at=now + timedelta(minutes=10), state="dead",
        reason=f"{word} reason", attempts=3,
    )  # fmt: skip
    ticket = Ticket.objects.create(
        code=f"{word}-T1", operator=order.operator, order=order, subject=f"{word} subject", notes=f"{word} notes",
        reply_due_at=now + timedelta(hours=4),
    )  # fmt: skip
    others = _heard(session, outbox, ticket, word, now)
    return session, inbox, outbox, ticket, others


def _heard(session: Session, outbox: OutboxMessage, ticket: Ticket, word: str, now: datetime) -> list[Model]:
    """What came of an order's session: tries of a callback, a reading, an event, an outage, a rating, cards beside."""
    order, station = session.order, session.evse.station
    return [
        DeliveryAttempt.objects.create(
            message=outbox, at=now, wait_ms=12, status=500, outcome="error", response=f"{word} answer"
        ),
        Reading.objects.create(session=session, at=now, energy_wh=3300, power_w=29_500, reason=f"{word} reading"),
        StationEvent.objects.create(
            source=f"{word}-source", event_id=f"{word}-1", type="faulted.v1", time=now, data={"note": word},
            station=station,
        ),
        Outage.objects.create(
            station=station, evse=order.connector.evse, since=now, error=f"{word} error", orders={word: "cancelled"},
            ticket=ticket.code,
        ),
        _instance(session, word, now),
        Rating.objects.create(order=order, category="Order", target=f"{word}-o", value=4, comment=f"{word} comment"),
        *_linked(order, word, now),
        *_carded(station, word, now),
        *_notified(order, word, now),
    ]  # fmt: skip


def _linked(order: Order, word: str, now: datetime) -> list[Model]:
    """A link to the live page with a deed that was done by it, and the operator's switches."""
    link = TrackLink.objects.create(order=order, token_hash=f"{word}-hash", expires_at=now + timedelta(days=1))
    deed = LinkDeed.objects.create(link=link, name="report", number=0, at=now, said=f"{word}-said")
    return [link, deed, LinkRules.objects.create(operator=order.operator)]


def _notified(order: Order, word: str, now: datetime) -> list[Model]:
    """What the operator tells its drivers, and a notice that was given up."""
    told = NoticeSettings.objects.create(operator=order.operator, webhook_url=f"https://{word}.example.org/hook")
    notice = Notice.objects.create(
        order=order, kind="started", place=1, way="webhook", at=now, state="dead", reason=f"{word} reason",
        sent_to=f"{word}.example.org",
    )  # fmt: skip
    return [told, notice]


def _carded(station: Station, word: str, now: datetime) -> list[Model]:
    """A card, its account with an entry, and a walk-in of it that failed."""
    account = CardAccount.objects.create(operator=station.operator, name=f"{word} account", kind="prepaid")
    card = Card.objects.create(
        operator=station.operator, account=account, uid=f"{word}-UID".replace("-", "").upper(), label=f"{word} label"
    )
    entry = CardEntry.objects.create(
        account=account, kind="topup", paise=100, reason=f"{word} reason", actor=f"{word}-actor", at=now
    )
    walk_in = WalkIn.objects.create(
        card=card, account=account, station=station, state="failed", scanned_as=f"{word}-uid", asked_at=now,
        ended_at=now, remote_id=f"{word}-ses", fault=f"{word} fault",
    )  # fmt: skip
    reading = WalkInReading.objects.create(walk_in=walk_in, at=now, energy_wh=1000, reason=f"{word} reading")
    return [account, card, entry, walk_in, reading]


def _instance(session: Session, word: str, now: datetime) -> WorkflowInstance:
    """A faulted run of the shipped definition with one step on record."""
    shipped = station_workflow()
    definition, _ = WorkflowDefinition.objects.get_or_create(
        hash=shipped.hash, defaults={"name": shipped.name, "version": shipped.version, "text": shipped.text}
    )
    fault = {"type": "about:blank", "status": 500, "detail": f"{word} fault", "instance": "/do/0/initialize"}
    instance = WorkflowInstance.objects.create(
        uid=uuid.uuid4(), definition=definition, status="faulted", trigger=START, station=session.evse.station,
        card=session.card, session=session, ended_at=now, fault=fault, reason=f"{word} reason",
        input=[{"type": START, "data": {"stationId": f"{word}-st", "cardId": session.card}}],
    )  # fmt: skip
    TaskRun.objects.create(
        instance=instance, pointer="/do/0/initialize", visit="1", name="initialize", kind="set", state="faulted",
        input={"note": word, "card": session.card}, fault=fault, started_at=now, ended_at=now,
    )  # fmt: skip
    return instance
