"""What does a card that was scanned at a station want, and may it?

A one-time code of an order starts that order's charging, scanned again it ends it. A registered card charges without an
order: the workflow toggles. Whatever may not charge is told so by the event's verdict and by a red light.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from catalog.models import Evse, Station
from core.errors import DomainError
from core.nudges import nudge_on_commit
from fulfillment.drivers.base import StationEvent as Fact
from fulfillment.models import Card, CardAccount, Session, StationEvent, WalkIn, WorkflowInstance
from fulfillment.services.cards import available, lock_account, plain_uid
from fulfillment.services.running import STATION
from fulfillment.services.sessions import lock_session, request_start, request_stop
from fulfillment.services.verdicts import Verdict, ignored, refused, run
from fulfillment.services.walk_ins import SCANNED_AGAIN, hindrance, lock_walk_in, mark_ending, open_walk_in
from orders import services as orders

S, W = Session.State, WalkIn.State
# A reader reports a card that is held to it again and again; that is one scan.
DEBOUNCE = timedelta(seconds=5)
# Whoever scanned a card longer ago than this has gone: nothing is started, and nothing ended, behind his back.
LATEST = timedelta(seconds=120)
CODE_DIGITS = 6
# So many unknown codes at a station in so short a time, and none is taken there for a while.
MOST_CODES, CODES_WITHIN = 5, timedelta(minutes=10)
UNDER_WAY = {
    "starting": "the start is under way; scan again when it charges",
    "ending": "the end is under way; scan again when the slot is open",
}


def card_scanned(row: StationEvent, fact: Fact, evses: list[Evse], now: datetime) -> Verdict:
    """Act on a scanned card at a known station; `evses` are those at which it may be meant."""
    if _told_before(row, fact):
        return ignored(f"duplicate: the card was reported less than {DEBOUNCE.seconds} s before; that is one scan")
    if now - fact.at > LATEST:
        return ignored(f"told late: the card was scanned at {fact.at.isoformat()}, nobody waits there any more")
    order_id = _order_of(row, fact, now)
    verdict = _toggle_order(order_id, row, fact, now) if order_id is not None else _toggle_card(row, fact, evses, now)
    if verdict.state == StationEvent.State.REFUSED:
        run(row, {"stationId": fact.station, "cardId": fact.card, "refused": verdict.reason}, now)
    return verdict


def _told_before(row: StationEvent, fact: Fact) -> bool:
    """Whether the same card was reported at the station a moment before or after."""
    near = StationEvent.objects.filter(
        station=row.station, time__gt=fact.at - DEBOUNCE, time__lt=fact.at + DEBOUNCE, type=row.type
    ).exclude(pk=row.pk)
    said = near.exclude(state=StationEvent.State.NEW).values_list("data", flat=True)
    return any(plain_uid(str(data.get("cardId"))) == plain_uid(fact.card) for data in said if isinstance(data, dict))


def _order_of(row: StationEvent, fact: Fact, now: datetime) -> int | None:
    """The order whose one-time card or start code was scanned; start codes count at their own station only."""
    card = fact.card.strip()
    own = Session.objects.filter(card__in={card, f"{card[:2].upper()}{card[2:].lower()}"})
    found = own.values_list("order_id", flat=True).first()
    if found is not None or not _may_be_code(card) or _guessing(row, now):
        return found
    here = Session.objects.filter(evse__station=row.station, state__in=Session.LIVE).select_related("order")
    return next((session.order_id for session in here if orders.is_start_code(session.order, card)), None)


def _may_be_code(card: str) -> bool:
    return len(card) == CODE_DIGITS and card.isascii() and card.isdigit()


def _guessing(row: StationEvent, now: datetime) -> bool:
    """Whether so many unknown codes were tried at the station that somebody seems to guess."""
    tried = StationEvent.objects.filter(
        station=row.station, time__gt=now - CODES_WITHIN, type=row.type, state=StationEvent.State.REFUSED
    ).exclude(pk=row.pk)
    cards = [data.get("cardId") for data in tried.values_list("data", flat=True) if isinstance(data, dict)]
    return sum(isinstance(card, str) and _may_be_code(card) for card in cards) >= MOST_CODES


def _toggle_order(order_id: int, row: StationEvent, fact: Fact, now: datetime) -> Verdict:
    try:
        order, session = lock_session(order_id)
        if session.evse.station_id != row.station_id:
            return refused("the code is of an order at another station")
        if session.state == S.WAITING:
            request_start(order_id, now, actor=STATION)
            done = f"starts order {order}"
        elif session.state in UNDER_WAY:
            return ignored(UNDER_WAY[session.state])
        elif session.state not in {S.CHARGING, S.PAUSED}:
            return refused(f"the session of order {order} is {session.state}; its code was good for one charging")
        elif session.started_at is not None and fact.at < session.started_at:
            return ignored("older than the start of the session")
        else:
            request_stop(order_id, now, reason=SCANNED_AGAIN, actor=STATION)
            done = f"ends order {order}"
    except DomainError as err:
        return refused(err.text)
    nudge_on_commit("process")
    return Verdict(StationEvent.State.DONE, done)


def _toggle_card(row: StationEvent, fact: Fact, evses: Sequence[Evse], now: datetime) -> Verdict:
    assert row.station is not None, "events without a station are refused"
    uid = plain_uid(fact.card)
    card = Card.objects.filter(operator=row.station.operator_id, uid=uid).first()
    if card is None:
        elsewhere = Card.objects.filter(uid=uid).exists()
        return refused("the card is another operator's" if elsewhere else "the card is not registered")
    live = WalkIn.objects.filter(card=card, state__in=WalkIn.LIVE).first()
    if live is not None:
        return _end(lock_walk_in(live.pk), row, fact, now)
    account = lock_account(card.account_id)
    # The news of its end may just have come in.
    if WalkIn.objects.filter(card=card, ended_at__gt=fact.at).exists():
        return ignored("older than the end of the card's last session")
    problem = _may_not_start(card, account, row, fact)
    place = _place(row.station, evses, now)
    if problem or isinstance(place, str):
        return refused(problem or str(place))
    walk_in = open_walk_in(card, row.station, scanned_as=fact.card, account=account, now=now)
    data = {"stationId": fact.station, "cardId": fact.card, "slotNumber": place.slot_number}
    run(row, data, now, card=fact.card, walk_in=walk_in)
    return Verdict(StationEvent.State.DONE, "starts a session of the card")


def _end(walk_in: WalkIn, row: StationEvent, fact: Fact, now: datetime) -> Verdict:
    """The same card again; also a card that was blocked meanwhile may end what it began."""
    if walk_in.station_id != row.station_id:
        return refused("the card charges at another station; scan it there to end that")
    if walk_in.state in UNDER_WAY:
        return ignored(UNDER_WAY[walk_in.state])
    if walk_in.state != W.CHARGING:
        return ignored(f"the session of the card is {walk_in.state} since a moment ago; scan again")
    if walk_in.started_at is not None and fact.at < walk_in.started_at:
        return ignored("older than the start of the session")
    mark_ending(walk_in, reason=SCANNED_AGAIN, now=now)
    data = {"stationId": fact.station, "cardId": walk_in.scanned_as}
    run(row, data, now, card=walk_in.scanned_as, walk_in=walk_in)
    return Verdict(StationEvent.State.DONE, "ends the session of the card")


def _may_not_start(card: Card, account: CardAccount, row: StationEvent, fact: Fact) -> str:
    """Why a card may not begin a session anywhere, in words; empty where it may."""
    if card.state != Card.State.ACTIVE:
        return f"the card is {card.state}"
    if account.kind == CardAccount.Kind.PREPAID and available(account.pk) <= 0:
        return "the card's prepaid account is empty"
    held = WorkflowInstance.objects.filter(station=row.station, card=fact.card, status__in=WorkflowInstance.LIVE)
    if held.exists():
        return "what the card held here is still being given back; scan it again in a moment"
    return ""


def _place(station: Station, evses: Sequence[Evse], now: datetime) -> Evse | str:
    """The charge point to wish for, a free one if there is; why there is none, in words.

    What other cards use is not left out: the station itself says whether it is full.
    """
    hindered = [(evse, hindrance(evse, now=now)) for evse in evses]
    open_ = [evse for evse, why in hindered if not why]
    if not open_:
        return "; ".join(why for _, why in hindered) or f"{station} has no charge point"
    return min(open_, key=lambda evse: (evse.status != Evse.Status.AVAILABLE, evse.slot_number))
