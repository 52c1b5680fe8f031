"""What does a notice say now, and is it still worth saying? Rows become a parcel that a way can take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.crypto import salted_hmac

from fulfillment.models import Notice, NoticeSettings, Session, TrackLink
from fulfillment.notices import WAYS, Parcel
from fulfillment.notices.letters import ABOUT_MONEY, Facts, written
from fulfillment.services.deriving import standing_costs_from
from fulfillment.services.links import open_link
from fulfillment.services.noticing import DONE, FAILED, SILENT
from fulfillment.services.spotting import heard, silent_since
from fulfillment.services.tracking import Snapshot, snapshot
from fulfillment.services.unsubscribing import off_token, wants_none
from orders.filing import papers_of
from orders.models import Invoice, Order, Refund
from orders.papers.labels import LANGUAGES
from orders.selectors import offer_quote

K = Notice.Kind
S = Session.State
RUNNING = (S.CHARGING, S.PAUSED, S.ENDING)
# A driver who was told of one interruption is not told of the next ones for so long.
PEACE = timedelta(minutes=15)
OLD_SECRET_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pointless:
    """The notice has lost its point; the text says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """The notice waits until then: nobody is to be woken for it."""

    until: datetime


def prepare(notice: Notice, told: NoticeSettings, *, now: datetime, base_url: str) -> Parcel | Pointless | Later:
    """The notice as it is to go out now, or why it does not.

    `base_url` is the scheme and host of our pages.
    """
    order = notice.order
    session = Session.objects.filter(order=order).first()
    reason = _unwanted(notice, told) or _pointless(notice, session, now)
    if reason:
        return Pointless(reason)
    zone = order.connector.evse.station.time_zone
    until = quiet_until(told, now, zone) if notice.kind in told.quiet_kinds else None
    if until is not None:
        return Later(until)
    return _parcel(notice, told, session, now, base_url)


def quiet_until(told: NoticeSettings, now: datetime, zone: str) -> datetime | None:
    """When the quiet hours end that it is by the station's clock; None where it is none of them."""
    here = now.astimezone(ZoneInfo(zone))
    clock, begin, end = here.time(), told.quiet_from, told.quiet_until
    over_midnight = begin > end
    quiet = begin <= clock or clock < end if over_midnight else begin <= clock < end
    if not quiet:
        return None
    day = here.date() + timedelta(days=1 if over_midnight and clock >= begin else 0)
    return datetime.combine(day, end, tzinfo=ZoneInfo(zone))


def webhook_secret(told: NoticeSettings, number: int) -> bytes:
    """The key that an operator's webhook checks our signature with; made anew each time, so that none is kept."""
    return salted_hmac("fulfillment.notices.webhook", f"{told.operator_id}/{number}", algorithm="sha256").digest()


def language_of(order: Order, told: NoticeSettings) -> str:
    """The language that the order names, else the one in which its terms were agreed to, else the operator's."""
    named = [str(part.get("lang") or "")[:2].lower() for part in (order.billing, order.customer)]
    agreed = order.consents.exclude(language="").order_by("-pk").values_list("language", flat=True).first()
    return next((code for code in (*named, agreed, told.language) if code in LANGUAGES), "en")


def _unwanted(notice: Notice, told: NoticeSettings) -> str:
    way = WAYS.get(notice.way)
    if not told.active or way is None or f"{notice.way}:{notice.kind}" not in told.switches:
        return "switched off by the operator"
    if not way.address(notice.order, told):
        return "there is no address for it any more"
    reader = str(notice.order.billing.get("email") or "")
    if notice.kind not in ABOUT_MONEY and reader and wants_none(notice.order.operator_id, reader):
        return "switched off by its reader"
    return ""


def _pointless(notice: Notice, session: Session | None, now: datetime) -> str:
    kind = notice.kind
    if kind in {K.STARTED, K.EIGHTY} and (session is None or session.state not in RUNNING):
        return "the charging is over"
    if kind == K.INTERRUPTED:
        return _uninterrupted(notice, session) or _just_told(notice, now)
    if kind == K.RESUMED:
        return _resumed_for_nothing(notice, session)
    if kind == K.IDLE_SOON and _costs_at(notice.order, session, now) is None:
        return "standing costs nothing any more"
    if kind == K.REFUND and not notice.cause:
        state = _refund(notice).state
        if state not in Refund.OPEN:
            return f"the refund is {state} by now"
    return ""


def _uninterrupted(notice: Notice, session: Session | None) -> str:
    if session is None or session.state not in {S.CHARGING, S.PAUSED}:
        return "the charging is over"
    if notice.cause == SILENT:
        heard_at = heard(session)
        again = heard_at is not None and int(heard_at.timestamp()) > notice.place
        return "the charger was heard again" if again else ""
    return "" if session.state == S.PAUSED else "the charging goes on"


def _just_told(notice: Notice, now: datetime) -> str:
    told = Notice.objects.filter(order=notice.order, kind=K.INTERRUPTED, way=notice.way, sent_at__gt=now - PEACE)
    return "an interruption was told a short while ago" if told.exists() else ""


def _resumed_for_nothing(notice: Notice, session: Session | None) -> str:
    if session is None or session.state != S.CHARGING:
        return "the charging does not go on any more"
    sent = Notice.objects.filter(order=notice.order, way=notice.way, state=Notice.State.SENT)
    told_at = sent.filter(kind=K.INTERRUPTED).order_by("-sent_at").values_list("sent_at", flat=True).first()
    if told_at is None or sent.filter(kind=K.RESUMED, sent_at__gte=told_at).exists():
        return "the interruption was not told"
    return ""


def _costs_at(order: Order, session: Session | None, now: datetime) -> datetime | None:
    return standing_costs_from(order, session, offer_quote(order), now=now)


def _refund(notice: Notice) -> Refund:
    return Refund.objects.get(order=notice.order, number=notice.place // 2)


def _parcel(
    notice: Notice, told: NoticeSettings, session: Session | None, now: datetime, base_url: str
) -> Parcel | Pointless:
    order, way = notice.order, WAYS[notice.way]
    seen = snapshot(order.pk, now)
    language, address = language_of(order, told), way.address(order, told)
    token = _token(order, now) if notice.way in told.links else ""
    reader = str(order.billing.get("email") or "")
    off = "" if notice.kind in ABOUT_MONEY or not reader else off_token(order.operator_id, reader)
    # Only who reads the mail itself may switch it off.
    off_url = f"{base_url}/notices/{off}" if off and address == reader.strip() else ""
    live_url = f"{base_url}/track/{token}?lang={language}" if token else ""
    paper_url = f"{base_url}/track/{token}/papers/{notice.place}.pdf?lang={language}" if token else ""
    facts = _facts(notice, session, seen, now, (live_url, paper_url, off_url))
    letter = written(facts, language)
    return Parcel(
        name=f"notice-{notice.pk}",
        kind=notice.kind,
        at=notice.at,
        language=language,
        letter=letter,
        operator=order.operator.name,
        reply_to=order.operator.support_email,
        address=address,
        unsubscribe_url=off_url,
        data=_data(notice, facts),
        secrets=_secrets(told, now),
    )


def _token(order: Order, now: datetime) -> str:
    """The token of the live page, to look only; empty where somebody closed the order's links: none is opened anew."""
    if TrackLink.objects.filter(order=order, revoked_at__isnull=False).exists():
        return ""
    return open_link(order.pk, now, rights=False)


def _secrets(told: NoticeSettings, now: datetime) -> tuple[bytes, ...]:
    number, changed_at = told.webhook_number, told.webhook_changed_at
    old = number > 1 and changed_at is not None and now - changed_at < OLD_SECRET_FOR
    return tuple(webhook_secret(told, one) for one in (number, *([number - 1] if old else [])))


def _facts(notice: Notice, session: Session | None, seen: Snapshot, now: datetime, urls: tuple[str, str, str]) -> Facts:
    order = notice.order
    station, operator = order.connector.evse.station, order.operator
    contact = " · ".join(part for part in (operator.support_phone, operator.support_email) if part)
    about = _about(notice, session, seen, now)
    return Facts(
        kind=notice.kind,
        cause=str(about.pop("cause", notice.cause)),
        order=order.code or "",
        operator=operator.name,
        contact=contact,
        station=station.name,
        address=seen.address,
        charger=seen.connector,
        zone=station.time_zone,
        now=now,
        live_url=urls[0],
        paper_url=urls[1] if notice.kind == K.RECEIPT else "",
        unsubscribe_url=urls[2],
        **about,
    )


def _about(notice: Notice, session: Session | None, seen: Snapshot, now: datetime) -> dict[str, Any]:
    """What this kind of notice is about."""
    if notice.kind == K.RECEIPT:
        paper: Invoice = papers_of(notice.order_id)[notice.place - 1]
        named = {"invoice": "tax-invoice" if paper.supplier.get("gstin") else "invoice"}
        return {"paper": named.get(paper.kind, paper.kind), "number": paper.number, "paise": paper.total_paise}
    if notice.kind == K.REFUND:
        refund = _refund(notice)
        cause = DONE if refund.state == Refund.State.DONE else notice.cause
        return {"paise": refund.paise, "since": refund.deadline_at, "cause": cause}
    if notice.cause == FAILED:
        return {}
    about: dict[str, Any] = {
        "energy_wh": seen.energy_wh,
        "target_wh": seen.target_wh,
        "soc_percent": seen.soc_percent,
        "minutes": seen.minutes,
        "paise": int(Decimal(seen.cost).scaleb(2)),
    }
    if notice.kind == K.INTERRUPTED:
        about["since"] = silent_since(notice.place) if notice.cause == SILENT else notice.at
    if notice.kind == K.IDLE_SOON:
        costs_at = _costs_at(notice.order, session, now)
        about |= {"since": costs_at, "cause": "now" if costs_at is not None and costs_at <= now else ""}
    return about


def _data(notice: Notice, facts: Facts) -> dict[str, Any]:
    """The figures of a notice for programs: energy in Wh, money in paise; no person in it."""
    connector = notice.order.connector
    found = {
        "order": facts.order,
        "kind": notice.kind,
        "cause": facts.cause,
        "station": connector.evse.station.code,
        "evse": connector.evse.uid,
        "energy_wh": facts.energy_wh,
        "soc_percent": facts.soc_percent,
        "paise": facts.paise,
        "number": facts.number,
        "url": facts.paper_url or facts.live_url,
    }
    return {name: value for name, value in found.items() if value not in {None, ""}}
