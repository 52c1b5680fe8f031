"""How does what is true of a session look on a page: its line, its gaps, its times, the refund and the newest news?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from core.money import from_paise
from fulfillment.models import Session
from fulfillment.truths import Curve, Remark
from orders.models import Order, Quote, Refund

CURVE_WIDTH, CURVE_HEIGHT = 60, 20


def power_curve(curve: Curve) -> tuple[str, int]:
    """The power over the session as points of an SVG line in a box of 60 × 20, and its peak, W; empty without one."""
    places = defaultdict(list)
    for at_s, point in zip(curve.seconds, curve.points, strict=True):
        if point.power_w is not None:
            places[int(at_s * (CURVE_WIDTH - 1) / (curve.seconds[-1] or 1)) + 1].append(point.power_w)
    means = {place: sum(powers_w) / len(powers_w) for place, powers_w in places.items()}
    peak_w = int(max(means.values(), default=0))
    if len(means) < 2 or not peak_w:
        return "", 0
    points = [
        f"{place},{CURVE_HEIGHT - 0.5 - mean_w / peak_w * (CURVE_HEIGHT - 1):.1f}" for place, mean_w in means.items()
    ]
    return " ".join(points), peak_w


def gaps_s(curve: Curve) -> tuple[tuple[int, int], ...]:
    """The gaps of the curve in s since its begin."""
    return tuple((_since_s(begin, curve), _since_s(end, curve)) for begin, end in curve.gaps)


def refund_open(refunds: Iterable[Refund]) -> dict[str, str]:
    """What is on its way back and when the last of it was promised."""
    open_ = [refund for refund in refunds if refund.state in Refund.OPEN]
    if not open_:
        return {}
    whole = from_paise(sum(refund.paise for refund in open_), open_[0].currency)
    return {"refund": whole.wire, "refund_by": iso(max(refund.deadline_at for refund in open_))}


def newest_ms(
    order: Order, session: Session | None, quote: Quote, refunds: Iterable[Refund], remarks: Iterable[Remark]
) -> int:
    """When the newest of all that the page shows became so, ms since 1970."""
    moments = [order.updated_at, order.closed_at, quote.created_at, order.connector.evse.status_at]
    if session is not None:
        moments += [session.updated_at, session.read_at, session.ended_at, session.standing_at, session.left_at]
    for refund in refunds:
        moments += [refund.requested_at, refund.approved_at, refund.sent_at, refund.closed_at]
    moments += [remark.told_at for remark in remarks]
    return int(max(moment for moment in moments if moment is not None).timestamp() * 1000)


def iso(moment: datetime | None) -> str:
    """A moment in UTC to the millisecond; empty for none."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment is not None else ""


def _since_s(moment: datetime, curve: Curve) -> int:
    return int((moment - curve.points[0].at).total_seconds())
