"""How does the session of a registered card change state: opened, begun, ending, ended, failed?

Whoever changes a walk-in locks its card account first and the walk-in second, everywhere; instances and EVSEs come
after.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from catalog.models import Evse, Station
from catalog.services import set_evse_status
from core.errors import DomainError, NotAllowed, NotFound
from core.nudges import nudge_on_commit
from fulfillment import states
from fulfillment.drivers.base import Ack
from fulfillment.models import Card, CardAccount, Session, WalkIn
from fulfillment.services.cards import available, lock_account
from fulfillment.services.instances import RELEASE, STOP, ask_for_card, call_off_card
from fulfillment.services.running import FAULT, SILENT, believable, final_registers, first_register
from fulfillment.services.walk_in_bill import agree_terms, priced_connector, reprice, settle_walk_in
from orders.models import Reservation

W = WalkIn.State
SCANNED_AGAIN = "card scanned again"
SPENT = "prepaid balance used up"
PROMISED = "promised to an order"
# All readings so far make a price: not with each that comes.
PRICED_EVERY = timedelta(seconds=30)
READ = ("meter_start_wh", "meter_wh", "read_at", "power_w", "soc_percent", "next_at")
# A place that an order was promised within this time is not given to a card.
KEPT_FREE = timedelta(minutes=15)
AT_STATION = ["starting", "charging", "paused", "ending"]


def lock_walk_in(walk_in_id: int) -> WalkIn:
    """The walk-in with its account, both locked until the transaction ends. Raises NotFound `walk-in-unknown`."""
    account_id = WalkIn.objects.filter(pk=walk_in_id).values_list("account_id", flat=True).first()
    if account_id is None:
        raise NotFound("walk-in-unknown", f"there is no walk-in {walk_in_id}")
    lock_account(account_id)
    rows = WalkIn.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("card", "account", "evse", "connector", "station").get(pk=walk_in_id)


def open_walk_in(card: Card, station: Station, *, scanned_as: str, account: CardAccount, now: datetime) -> WalkIn:
    """A walk-in whose start is asked for; `account` is the card's, locked."""
    return WalkIn.objects.create(
        card=card, account=account, station=station, scanned_as=scanned_as, asked_at=now, created_at=now, updated_at=now
    )


def hindrance(evse: Evse, *, now: datetime) -> str:
    """Why no card may charge at an EVSE now, in words; empty where one may, were it free of other cards."""
    if evse.status in Evse.OUT_OF_SERVICE:
        return f"{evse} is {evse.status}"
    if priced_connector(evse) is None:
        return f"no connector of {evse} has a tariff"
    running = Session.objects.filter(evse=evse, state__in=AT_STATION)
    if running.exists() or _promises(evse, now, now + KEPT_FREE).exists():
        return f"{evse} is promised to an order"
    return ""


def take_slot(walk_in: WalkIn, *, remote_id: str, slot_number: int, now: datetime) -> str:
    """The station gave a starting walk-in a slot; returns why it may not charge there, empty where it may. Saves."""
    evse = walk_in.station.evses.filter(slot_number=slot_number).first()
    walk_in.remote_id, walk_in.slot_number, walk_in.updated_at = remote_id, slot_number, now
    problem = f"the catalogue has no slot {slot_number} of {walk_in.station}"
    if evse is not None:
        problem = hindrance(evse, now=now)
        if not problem and WalkIn.objects.filter(evse=evse, state__in=WalkIn.LIVE).exclude(pk=walk_in.pk).exists():
            problem = f"{evse} is in use by another card"
        try:
            agree_terms(walk_in, evse, now=now)
        except DomainError as err:
            problem = problem or err.text
    if evse is not None and not problem:
        walk_in.evse = evse
        set_evse_status(evse, Evse.Status.PREPARING, now)
    walk_in.save()
    return problem


def begin(walk_in: WalkIn, ack: Ack, *, now: datetime) -> None:
    """Energy flows. Saves the walk-in."""
    walk_in.state = W.CHARGING
    walk_in.started_at = believable(ack.started_at, walk_in.asked_at, now)
    walk_in.meter_start_wh = walk_in.meter_wh = first_register(ack)
    walk_in.power_w, walk_in.soc_percent = ack.power_w or 0, ack.soc_percent
    walk_in.amount_paise, walk_in.attempts, walk_in.updated_at = 0, 0, now
    walk_in.next_at = now + timedelta(seconds=states.SILENT_AFTER_S)
    walk_in.save()
    if walk_in.evse is not None:
        set_evse_status(walk_in.evse, Evse.Status.CHARGING, now)
    nudge_on_commit("advance")


def mark_ending(walk_in: WalkIn, *, reason: str, now: datetime, fault: str = "") -> None:
    """Charging shall end; whoever calls this asks the workflow for it. Saves the walk-in."""
    walk_in.state, walk_in.stop_reason = W.ENDING, reason[:40]
    walk_in.fault = "; ".join(part for part in (walk_in.fault, fault) if part)[:2000]
    walk_in.asked_at = walk_in.updated_at = now
    walk_in.next_at, walk_in.attempts = None, 0
    walk_in.save()


def stop(walk_in: WalkIn, *, reason: str, now: datetime, fault: str = "") -> None:
    """End a charging walk-in for another reason than its card. Saves the walk-in."""
    mark_ending(walk_in, reason=reason, now=now, fault=fault)
    ask_for_card(STOP, walk_in, now=now, broken=walk_in.stop_reason == FAULT, reason=reason)
    nudge_on_commit("advance")


def finish(walk_in: WalkIn, ack: Ack | None, *, now: datetime, release: bool = False) -> None:
    """Charging has ended: bill what the meter shows, and charge the account. Saves the walk-in.

    Without an Ack the newest believed register counts, until a later one is told; `release` has the station give back
    what it may hold.
    """
    start_wh, stop_wh, doubt = final_registers(walk_in, ack)
    walk_in.meter_start_wh, walk_in.meter_wh, walk_in.meter_stop_wh = start_wh, stop_wh, stop_wh
    walk_in.power_w, walk_in.provisional = 0, ack is None
    if ack is not None and ack.soc_percent is not None:
        walk_in.soc_percent = ack.soc_percent
    walk_in.fault = "; ".join(part for part in (walk_in.fault, doubt) if part)[:2000]
    walk_in.started_at = walk_in.started_at or now
    said = ack.ended_at if ack else None
    walk_in.ended_at = max(walk_in.started_at, believable(said, walk_in.started_at, now))
    walk_in.state, walk_in.asked_at, walk_in.updated_at = W.ENDED, now, now
    walk_in.next_at, walk_in.attempts = None, 0
    settle_walk_in(walk_in, now=now)
    if release:
        start_release(walk_in, now=now)
    _show_finishing(walk_in, now)


def fail(walk_in: WalkIn, *, reason: str, now: datetime, release: bool = True) -> None:
    """The start did not come about: nothing is billed. Saves the walk-in.

    `release` has the station give back what it may hold; a workflow that failed does so itself.
    """
    walk_in.state, walk_in.fault = W.FAILED, reason[:2000]
    walk_in.ended_at = walk_in.asked_at = walk_in.updated_at = now
    walk_in.next_at = None
    walk_in.save()
    if release:
        start_release(walk_in, now=now, broken=True)


def start_release(walk_in: WalkIn, *, now: datetime, broken: bool = False, late: bool = False) -> None:
    """Have the station give back whatever the card holds there, instead of what was asked of it.

    `late` has it look again after a minute, for what was asked may still be done by then.
    """
    late = call_off_card(walk_in, reason="what the card holds is to be given back", now=now) or late
    broken = broken or walk_in.stop_reason in {FAULT, SILENT}
    ask_for_card(RELEASE, walk_in, now=now, lookAgain=late, broken=broken, reason=walk_in.fault[:500])
    nudge_on_commit("advance")


def follow(walk_in: WalkIn, *, now: datetime) -> None:
    """After news of a charging walk-in: what it costs so far, and whether it is to end now. Saves the walk-in."""
    walk_in.next_at = now + timedelta(seconds=states.SILENT_AFTER_S)
    if _price_is_due(walk_in, now):
        reprice(walk_in, until=min(now, walk_in.read_at or now))
        walk_in.updated_at = now
        walk_in.save()
    else:
        walk_in.save(update_fields=READ)
    reason = _enough(walk_in, now)
    if reason:
        stop(walk_in, reason=reason, now=now)


@transaction.atomic
def stop_by_hand(walk_in_id: int, *, now: datetime) -> WalkIn:
    """An operator ends a walk-in that charges. Raises NotFound, NotAllowed `not-in-this-state`."""
    walk_in = lock_walk_in(walk_in_id)
    if walk_in.state == W.CHARGING:
        stop(walk_in, reason="operator", now=now)
    elif walk_in.state == W.STARTING:
        fail(walk_in, reason="ended by the operator before energy flowed", now=now)
    else:
        raise NotAllowed("not-in-this-state", f"the session is {walk_in.state}; there is nothing to stop")
    return walk_in


def _show_finishing(walk_in: WalkIn, now: datetime) -> None:
    """The place is not free yet; what is out of service stays so."""
    if walk_in.evse is not None:
        walk_in.evse.refresh_from_db(fields=["status", "status_at"])
        if walk_in.evse.status not in Evse.OUT_OF_SERVICE:
            set_evse_status(walk_in.evse, Evse.Status.FINISHING, now)


def _price_is_due(walk_in: WalkIn, now: datetime) -> bool:
    """Whether what a charging walk-in costs so far is to be known now; `updated_at` says when it was known last.

    Of a prepaid account it always is, for its money may be used up; a contract account's is only shown.
    """
    prepaid = walk_in.account.kind == CardAccount.Kind.PREPAID
    return prepaid or not walk_in.lines or now - walk_in.updated_at >= PRICED_EVERY


def _enough(walk_in: WalkIn, now: datetime) -> str:
    """Why a charging walk-in ends now; empty where it goes on."""
    if walk_in.account.kind == CardAccount.Kind.PREPAID and available(walk_in.account_id) <= 0:
        return SPENT
    if walk_in.evse is not None and walk_in.started_at is not None:
        # Booked before; whoever wants to charge at once is not offered a charger that is in use.
        booked = _promises(walk_in.evse, now, now + timedelta(seconds=1)).filter(
            state__in=[Reservation.State.CONFIRMED, Reservation.State.ACTIVE],
            during__startswith__gt=walk_in.started_at,
        )
        return PROMISED if booked.exists() else ""
    return ""


def _promises(evse: Evse, since: datetime, until: datetime) -> QuerySet[Reservation]:
    """What was promised to orders at an EVSE in a time."""
    live = Reservation.objects.filter(evse_id=evse.pk, state__in=Reservation.LIVE, blocked__overlap=(since, until))
    return live.exclude(state=Reservation.State.HELD, held_until__lte=since)
