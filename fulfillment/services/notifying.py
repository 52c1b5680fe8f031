"""How do notices get to drivers: claimed by one worker, tried again with patience, given up with a reason?"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from core.due import lock_next
from core.errors import DeliveryError, NotAllowed, NotFound
from core.nudges import nudge_on_commit
from fulfillment.models import Notice, NoticeSettings
from fulfillment.notices import WAYS
from fulfillment.services.noticing import QUEUE, told_of
from fulfillment.services.writing import Later, Pointless, prepare

log = logging.getLogger(__name__)

# Longer than the slowest mail server or webhook may take.
LEASE = timedelta(seconds=180)
LONGEST_WAIT_S = 1800
GIVE_UP_AFTER = timedelta(days=1)
ST = Notice.State
RELATED = ("order__operator", "order__connector__evse__station")


def send_due(now: datetime, *, limit: int = 20, base_url: str) -> int:
    """Send the notices that are due; returns how many were looked at. `base_url` is the scheme and host of our pages.

    Where a mail server or webhook cannot be reached, its other notices are left for the next round, and 0 is returned:
    to go on at once would be to wait for it again.
    """
    away: set[tuple[str, int]] = set()
    for done in range(limit):
        notice = _claim(now, away)
        if notice is None:
            return 0 if away else done
        try:
            _send(notice, now, base_url)
        except DeliveryError as err:
            if not err.permanent and err.status is None:
                away.add((notice.way, 0 if WAYS[notice.way].shared else notice.order.operator_id))
            _failed(notice, err.text, now, permanent=err.permanent)
        except Exception:
            log.exception("a notice could not be written", extra=_about(notice))
            _failed(notice, "it could not be written; see the log", now, permanent=False)
    return 0 if away else limit


def revive(notice_id: int, *, now: datetime) -> Notice:
    """Try a notice that was given up once more. Raises NotFound, NotAllowed `not-in-this-state`."""
    with transaction.atomic():
        notice = Notice.objects.select_for_update(no_key=True).filter(pk=notice_id).first()
        if notice is None:
            raise NotFound("notice-unknown", f"there is no notice {notice_id}", path="notice")
        if notice.state != ST.DEAD:
            raise NotAllowed(
                "not-in-this-state", f"{notice} is {notice.state}; only one that was given up is tried again",
                path="notice.state",
            )  # fmt: skip
        notice.state, notice.next_at = ST.DUE, now
        notice.save(update_fields=["state", "next_at"])
        nudge_on_commit(QUEUE)
    return notice


@transaction.atomic
def renew_secret(settings_id: int, *, now: datetime) -> NoticeSettings:
    """Give an operator's webhook a new secret; for a day the old one signs as well. Raises NotFound."""
    told = NoticeSettings.objects.select_for_update(no_key=True).filter(pk=settings_id).first()
    if told is None:
        raise NotFound("settings-unknown", f"there are no notice settings {settings_id}", path="settings")
    told.webhook_number, told.webhook_changed_at = told.webhook_number + 1, now
    told.save(update_fields=["webhook_number", "webhook_changed_at"])
    return told


def forget(now: datetime, *, limit: int = 500) -> int:
    """Delete settled notices older than NOTICES_KEPT_DAYS; returns how many."""
    old = Notice.objects.filter(at__lt=now - timedelta(days=settings.NOTICES_KEPT_DAYS), next_at__isnull=True)
    count, _ = Notice.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()
    return count


def _send(notice: Notice, now: datetime, base_url: str) -> None:
    made = prepare(notice, told_of(notice.order.operator_id), now=now, base_url=base_url)
    if isinstance(made, Pointless):
        _settle(notice, state=ST.DROPPED, next_at=None, reason=made.reason)
        return
    if isinstance(made, Later):
        _settle(notice, next_at=made.until, attempts=notice.attempts - 1)
        return
    way = WAYS[notice.way]
    way.send(made, now)
    _settle(notice, state=ST.SENT, next_at=None, sent_at=now, sent_to=way.shown(made.address)[:255], reason="")
    log.info("notice sent", extra=_about(notice))


@transaction.atomic
def _claim(now: datetime, away: set[tuple[str, int]]) -> Notice | None:
    due = Notice.objects.filter(next_at__lte=now)
    for way, operator_id in away:
        due = due.exclude(way=way, order__operator=operator_id) if operator_id else due.exclude(way=way)
    notice = lock_next(due.select_related(*RELATED).order_by("next_at", "pk"))
    if notice is not None:
        notice.attempts += 1
        # The lease: another worker looks at it again only when this one must have died.
        notice.next_at = now + LEASE
        notice.save(update_fields=["attempts", "next_at"])
    return notice


def _failed(notice: Notice, reason: str, now: datetime, *, permanent: bool) -> None:
    if permanent or now - notice.at > GIVE_UP_AFTER:
        _settle(notice, state=ST.DEAD, next_at=None, reason=reason[:500])
        log.warning("notice given up", extra=_about(notice))
        return
    wait = timedelta(seconds=min(LONGEST_WAIT_S, 5 * 2 ** min(notice.attempts, 10)))
    _settle(notice, next_at=now + wait, reason=reason[:500])


def _settle(notice: Notice, **changes: Any) -> None:
    """Write what became of a try, unless its lease ran out and somebody else tries now."""
    Notice.objects.filter(pk=notice.pk, state=ST.DUE, attempts=notice.attempts).update(**changes)


def _about(notice: Notice) -> dict[str, Any]:
    return {"notice": notice.pk, "order": notice.order_id, "kind": notice.kind, "way": notice.way}
