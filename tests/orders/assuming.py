"""What does an assumed session cost, and when may it begin?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from orders.pricing import Price, Terms, assumed
from orders.pricing import price as price_of

NOON = datetime(2026, 2, 1, 6, 30, tzinfo=UTC)
MOMENTS = st.integers(0, 7 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds))


def price(under: Terms, *, energy_wh: int, starts_at: datetime, power_w: int, idle_s: int = 0) -> Price:
    """The price under these terms of a session at this power, and of standing afterwards."""
    return price_of(under, assumed(energy_wh=energy_wh, starts_at=starts_at, power_w=power_w, idle_s=idle_s))
