"""What does an open page need so as to follow an order: what to show, how new it is, and whether there is news?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from fulfillment.services.tracking import snapshot

# A row's xmin is the transaction that wrote it last: it tells a change whatever columns it was in.
_STANDS = """
SELECT o.id,
    concat_ws('.', o.xmin, s.xmin, e.xmin, q.xmin, p.xmin,
        (SELECT max(r.xmin::text::bigint) FROM orders_refund r WHERE r.order_id = o.id)),
    floor(extract(epoch FROM greatest(o.updated_at, s.updated_at, s.read_at, s.ended_at, s.left_at)) * 1000)::bigint,
    coalesce(s.state = 'ended' AND s.standing_at IS NOT NULL AND s.left_at IS NULL, false)
FROM orders_order o
LEFT JOIN fulfillment_session s ON s.order_id = o.id
LEFT JOIN catalog_evse e ON e.id = s.evse_id
LEFT JOIN orders_quote q ON q.order_id = o.id AND q.current
LEFT JOIN orders_payment p ON p.order_id = o.id
WHERE o.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """How far an order is: `version` changes with all that its page shows, `newest_ms` is when it last did.

    `standing` where the vehicle is still there although its charging has ended.
    """

    version: str
    newest_ms: int
    standing: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What the live page of an order shows: `shown` as its JSON, `seq` the milliseconds of its newest news.

    `live` while figures move by themselves, `over` where the last word is said and nothing more is to come.
    """

    seq: int
    shown: dict[str, Any]
    live: bool
    over: bool


def stands(order_ids: Collection[int]) -> dict[int, Stand]:
    """How far each of these orders is, by its id; one statement however many they are."""
    if not order_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_STANDS, [list(order_ids)])
        return {order_id: Stand(*rest) for order_id, *rest in cursor.fetchall()}


def picture(order_id: int, stand: Stand, now: datetime) -> Picture:
    """What an order's live page shows now; `stand` was read before. Raises Order.DoesNotExist."""
    seen = snapshot(order_id, now)
    shown = seen.as_dict()
    return Picture(
        seq=shown.get("seq") or stand.newest_ms,
        shown=shown,
        live=seen.live or stand.standing,
        over=bool(seen.lines) and not stand.standing,
    )
