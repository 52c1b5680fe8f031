"""Does one paid order without energy that cannot be cancelled hold up the others?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders.models import Quote
from orders.services import energy_due
from tests.factories.orders import NOW, active_order

pytestmark = pytest.mark.django_db


def test_one_order_that_cannot_be_cancelled_holds_up_no_other() -> None:
    broken, other = active_order(), active_order()
    Quote.objects.filter(order=broken).update(lines=[{"paise": 23_600}])
    assert energy_due(now=NOW + timedelta(minutes=61), limit=1) == 1
    for order in (broken, other):
        order.refresh_from_db()
    assert (broken.state, other.state) == ("active", "cancelled")
