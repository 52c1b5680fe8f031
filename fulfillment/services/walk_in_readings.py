"""What do a station's readings, states and faults do to the walk-ins that charge there?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from catalog.models import Evse
from core.nudges import nudge_on_commit
from fulfillment import metering
from fulfillment.drivers.base import MeterValue
from fulfillment.drivers.base import StationEvent as Fact
from fulfillment.metering import DUPLICATE, Limits, Register
from fulfillment.models import StationEvent, WalkIn
from fulfillment.services.correcting import LATE_WITHIN
from fulfillment.services.instances import card_in_hand
from fulfillment.services.keeping import LONGEST_REASON
from fulfillment.services.running import BY_STATION, FAULT
from fulfillment.services.verdicts import Verdict, refused
from fulfillment.services.walk_in_bill import settle_walk_in
from fulfillment.services.walk_ins import fail, follow, lock_walk_in, start_release, stop

W = WalkIn.State
# A fault older than this against the start of a session is told late and is not about it.
OLD_NEWS = timedelta(seconds=10)
TOLD_LATE = "the meter told it after the end"
INSERT = """
INSERT INTO fulfillment_walkinreading (walk_in_id, at, energy_wh, power_w, current_a, accepted, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (walk_in_id, at, energy_wh) DO UPDATE SET accepted = true, reason = ''
WHERE EXCLUDED.accepted AND NOT fulfillment_walkinreading.accepted
"""


def read_walk_in(row: StationEvent, fact: Fact, *, now: datetime) -> Verdict | None:
    """Take in a reading of a walk-in; None where the session it names is none."""
    assert fact.reading is not None, "station_event gives meter values their reading"
    found = WalkIn.objects.filter(remote_id=fact.session_id, station=row.station).order_by("-pk").first()
    if found is None:
        return None
    walk_in = lock_walk_in(found.pk)
    if walk_in.slot_number != fact.slot_number:
        return refused(f"slot {fact.slot_number} sent a reading of a session at slot {walk_in.slot_number}")
    if walk_in.state == W.FAILED and not card_in_hand(walk_in):
        # Energy flows although we gave up: whatever began late is stopped at once.
        start_release(walk_in, now=now)
    reason = record_walk_in_reading(walk_in, fact.reading, now=now)
    return refused(reason) if reason and reason != DUPLICATE else Verdict(StationEvent.State.DONE, reason)


def record_walk_in_reading(walk_in: WalkIn, value: MeterValue, *, now: datetime) -> str:
    """Take one reading into a locked walk-in, and do what follows; returns why it was refused, empty if not. Saves."""
    if walk_in.state == W.ENDED:
        return _take_late(walk_in, value, now=now)
    reason = _take(walk_in, value, now)
    if not reason:
        _go_on(walk_in, now)
    return reason


@transaction.atomic
def record_walk_in_readings(walk_in_id: int, values: Sequence[MeterValue], *, now: datetime) -> dict[str, int]:
    """Take readings into a walk-in in their order, and do what follows once; returns how many came to what.

    Values told again change nothing.
    """
    walk_in = lock_walk_in(walk_in_id)
    if walk_in.state not in WalkIn.LIVE:
        reasons = [record_walk_in_reading(walk_in, value, now=now) for value in values]
    else:
        reasons = [_take(walk_in, value, now) for value in values]
        if "" in reasons:
            _go_on(walk_in, now)
    repeated = reasons.count(DUPLICATE)
    return {
        "believed": reasons.count(""),
        "repeated": repeated,
        "refused": len(reasons) - reasons.count("") - repeated,
    }


def _take(walk_in: WalkIn, value: MeterValue, now: datetime) -> str:
    """Judge and keep a reading of a walk-in that is not ended; why it is refused, empty where it counts."""
    reason = "" if walk_in.state in {W.CHARGING, W.ENDING} else f"the session is {walk_in.state}"
    reason = reason or _refusal(walk_in, value, now)
    if reason == DUPLICATE or not _keep(walk_in, value, reason):
        return DUPLICATE
    if reason:
        return reason
    if walk_in.meter_start_wh is None:
        walk_in.meter_start_wh = value.energy_wh
    walk_in.meter_wh, walk_in.read_at = value.energy_wh, value.at
    walk_in.power_w = value.power_w if value.power_w is not None else walk_in.power_w
    walk_in.soc_percent = value.soc_percent if value.soc_percent is not None else walk_in.soc_percent
    return ""


def _go_on(walk_in: WalkIn, now: datetime) -> None:
    if walk_in.state == W.CHARGING:
        follow(walk_in, now=now)
    else:
        walk_in.save()


def look_at_walk_ins(evses: Iterable[Evse], fact: Fact, *, now: datetime) -> None:
    """A slot's word does not name a session: where it does not charge, the station is asked what became of ours."""
    if fact.status != Evse.Status.CHARGING:
        due = WalkIn.objects.filter(evse__in=evses, state=W.CHARGING)
        if due.update(next_at=now):
            nudge_on_commit("advance")


def fault_walk_ins(evses: Iterable[Evse], text: str, *, at: datetime, now: datetime) -> None:
    """End the walk-ins that charge at charge points which broke down at `at`; those that start there fail."""
    hit = WalkIn.objects.filter(evse__in=evses, state__in=WalkIn.LIVE).order_by("account_id", "pk")
    for walk_in_id in list(hit.values_list("pk", flat=True)):
        walk_in = lock_walk_in(walk_in_id)
        if at < (walk_in.started_at or walk_in.asked_at) - OLD_NEWS:
            continue
        if walk_in.state == W.CHARGING:
            stop(walk_in, reason=FAULT, now=now, fault=text)
        elif walk_in.state == W.STARTING:
            fail(walk_in, reason=text, now=now)
        elif walk_in.state == W.ENDING:
            walk_in.fault = walk_in.fault or text
            if walk_in.stop_reason == BY_STATION:
                walk_in.stop_reason = FAULT  # the poll was quicker than the news of why it ended
            walk_in.save(update_fields=["fault", "stop_reason"])


def bill_late(walk_in_id: int, now: datetime) -> bool:
    """Bill anew what a station told of a walk-in after it was settled without its last register."""
    walk_in = lock_walk_in(walk_in_id)
    if walk_in.state != W.ENDED or (walk_in.meter_wh or 0) <= (walk_in.meter_stop_wh or 0):
        return False
    walk_in.meter_stop_wh, walk_in.updated_at = walk_in.meter_wh, now
    settle_walk_in(walk_in, now=now, why=TOLD_LATE)
    return True


def _take_late(walk_in: WalkIn, value: MeterValue, *, now: datetime) -> str:
    """A register told after the end counts where the walk-in was settled without its last one."""
    stop_wh = walk_in.meter_stop_wh or 0
    if value.energy_wh in {stop_wh, walk_in.meter_wh}:
        return DUPLICATE
    if not walk_in.provisional:
        reason = "the session is ended, and its last register is known"
    elif value.energy_wh < stop_wh:
        reason = f"{value.energy_wh} Wh are below the {stop_wh} Wh that were billed"
    elif walk_in.ended_at is not None and now > walk_in.ended_at + LATE_WITHIN:
        reason = f"the session ended more than {LATE_WITHIN.days} days ago"
    else:
        reason = _refusal(walk_in, value, now)
    if not _keep(walk_in, value, reason):
        return DUPLICATE
    if reason:
        return reason
    walk_in.meter_wh, walk_in.read_at, walk_in.updated_at = value.energy_wh, value.at, now
    walk_in.provisional = not value.final
    walk_in.save()
    if value.final:
        bill_late(walk_in.pk, now)
    return ""


def _refusal(walk_in: WalkIn, value: MeterValue, now: datetime) -> str:
    last = None
    if walk_in.meter_wh is not None and walk_in.started_at is not None:
        last = Register(walk_in.read_at or walk_in.started_at, walk_in.meter_wh)
    power_w = walk_in.connector.max_power_w if walk_in.connector is not None else 0
    limits = Limits(power_w=power_w, speed=max(1.0, settings.TIME_SCALE))
    return metering.refusal(Register(value.at, value.energy_wh), last, limits, now=now)


def _keep(walk_in: WalkIn, value: MeterValue, reason: str) -> bool:
    """Append a reading to a walk-in's history, once; returns whether anything changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT,
            [
                *(walk_in.pk, value.at, value.energy_wh, value.power_w, value.current_a),
                *(not reason, reason[:LONGEST_REASON]),
            ],
        )
        return bool(cursor.rowcount)
