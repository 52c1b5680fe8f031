"""What does an open page need so as to follow an order: what to show, how new it is, and whether there is news?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from fulfillment.models import Session
from fulfillment.services.leaving import still_stands
from fulfillment.services.tracking import snapshot
from orders.models import Order

# A row's xmin is the transaction that wrote it last: it tells a change whatever columns it was in.
_VERSIONS = """
SELECT o.id, concat_ws('.', o.xmin, s.xmin, e.xmin, q.xmin, p.xmin,
    (SELECT max(r.xmin::text::bigint) FROM orders_refund r WHERE r.order_id = o.id))
FROM orders_order o
LEFT JOIN fulfillment_session s ON s.order_id = o.id
LEFT JOIN catalog_evse e ON e.id = s.evse_id
LEFT JOIN orders_quote q ON q.order_id = o.id AND q.current
LEFT JOIN orders_payment p ON p.order_id = o.id
WHERE o.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the live page of an order shows: `shown` as its JSON, `seq` the milliseconds of its newest news.

    `live` while figures move by themselves, `over` where the last word is said and nothing more is to come.
    """

    seq: int
    shown: dict[str, Any]
    live: bool
    over: bool


def picture(order_id: int, now: datetime) -> Picture:
    """What an order's live page shows now. Raises Order.DoesNotExist."""
    session = Session.objects.filter(order_id=order_id).first()
    seen = snapshot(order_id, now)
    shown = seen.as_dict()
    standing = session is not None and still_stands(session)
    return Picture(
        seq=shown.get("seq") or _newest_ms(order_id, session),
        shown=shown,
        live=seen.live or standing,
        over=bool(seen.lines) and not standing,
    )


def versions(order_ids: Collection[int]) -> dict[int, str]:
    """A text for each of the orders that changes whenever something their pages show does; one statement."""
    if not order_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, [list(order_ids)])
        return dict(cursor.fetchall())


def _newest_ms(order_id: int, session: Session | None) -> int:
    """When the newest of what the page shows became so."""
    moments = [Order.objects.values_list("updated_at", flat=True).get(pk=order_id)]
    if session is not None:
        moments += [at for at in (session.updated_at, session.read_at, session.ended_at, session.left_at) if at]
    return max(int(at.timestamp() * 1000) for at in moments)
