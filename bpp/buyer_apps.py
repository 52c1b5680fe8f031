"""What has the platform settled with each buyer app: how often it hears of progress, and where beside its own URL?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from bpp import registry
from bpp.messages import Note
from bpp.models import BuyerApp, ProgressPush
from core.errors import OutsideError
from orders.models import Order

PATH = "$.message.callback_url"
LOOKED_AT = 500


def progress_every() -> dict[str, int]:
    """Seconds between two tellings of progress for the buyer apps that have a figure of their own."""
    apart = BuyerApp.objects.filter(progress_every_s__isnull=False)
    return {bap_id: every_s for bap_id, every_s in apart.values_list("bap_id", "progress_every_s") if every_s}


def want_pushes(order: Order, url: str, *, now: datetime) -> tuple[Note, ...]:
    """Note that the buyer app wants the order's progress pushed to `url`; where it may not, the remark on its message.

    A URL must have the scheme, host and port of the one that the registry names for the app. Source: BECKN-003, track.
    """
    if not url:
        return ()
    why = _why_not(order.bap_id, url)
    if why:
        return (Note(PATH, url[:200], f"ignored: {why}"),)
    wanted = {"bap_id": order.bap_id, "url": url, "asked_at": now}
    ProgressPush.objects.update_or_create(order_id=order.pk, defaults=wanted)
    return ()


def push_url(order: Order) -> str:
    """Where the order's progress is pushed to, "" where the app did not ask or it was switched off since."""
    found = ProgressPush.objects.filter(order_id=order.pk, bap_id=order.bap_id).first()
    return found.url if found is not None and _may_push(order.bap_id) else ""


def forget_pushes(now: datetime) -> int:
    """Delete wishes for pushes READINGS_KEPT_DAYS after they were told, once their order is over; returns how many.

    The oldest LOOKED_AT are looked at, by their key: those that stay are too few to fill that.
    """
    oldest = list(ProgressPush.objects.order_by("pk").values_list("pk", "order_id", "asked_at")[:LOOKED_AT])
    before = now - timedelta(days=settings.READINGS_KEPT_DAYS)
    old = {pk: order_id for pk, order_id, asked_at in oldest if asked_at < before}
    over = set(Order.objects.filter(pk__in=old.values(), state__in=Order.ENDED).values_list("pk", flat=True))
    gone = [pk for pk, order_id in old.items() if order_id in over]
    return ProgressPush.objects.filter(pk__in=gone, asked_at__lt=before).delete()[0] if gone else 0


def _why_not(bap_id: str, url: str) -> str:
    if not _may_push(bap_id):
        return "pushes to a callback_url are switched off for this buyer app; progress comes by on_status"
    try:
        base = registry.callback_url(bap_id)
    except OutsideError as err:
        return f"the registry names no URL to hold it against: {err.text}"
    if not registry.same_place(base, url) or "#" in url:
        return f"it is not under {base}, the URL of {bap_id} in the registry; name one with that scheme, host and port"
    return ""


def _may_push(bap_id: str) -> bool:
    return not BuyerApp.objects.filter(bap_id=bap_id, callback_pushes=False).exists()
