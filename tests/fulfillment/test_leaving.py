"""Does the driver pay for standing after the charging exactly as long as the station says that the vehicle stood?"""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.cloudevents import Incoming
from fulfillment.models import Reading, Session, StationEvent
from fulfillment.selectors import meter_points
from fulfillment.services.tracking import snapshot
from orders.balances import purse
from orders.models import Order, Quote
from orders.selectors import running_total
from orders.services import check_books
from tests.factories.fulfillment import charging_session, run_steps
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

SLOT = "com.ev-power-supplier.charging-station.slot-status-changed.v1"
MINUTE = timedelta(minutes=1)
# ₹ 18 a kWh, standing ₹ 60 an hour after ten minutes.
ELEMENTS: list[dict[str, Any]] = [
    {
        "price_components": [
            {"type": "ENERGY", "price": "18.00"},
            {"type": "PARKING_TIME", "price": "60.00", "grace": 600},
        ]
    }
]
_numbers = count(1)


def says(session: Session, status: str, *, minutes: float, supplier: FakeSupplier) -> None:
    """The station tells of the slot so many minutes after the supplier's present time, and we take it in at once."""
    at = supplier.at + minutes * MINUTE
    data = {"stationId": session.evse.station.code, "slotNumber": session.evse.slot_number, "status": status}
    fulfillment.store_events([Incoming("supplier", f"slot-{next(_numbers)}", SLOT, at, data)])
    StationEvent.objects.filter(state=StationEvent.State.NEW).update(next_at=at)
    fulfillment.process_events_due(at)


def charged(supplier: FakeSupplier) -> Session:
    """A session of 5 kWh that has ended after ten minutes."""
    session = charging_session(connector_on_sale(elements=ELEMENTS))
    fulfillment.request_stop(session.order_id, supplier.after(600))
    run_steps(supplier.at)
    session.refresh_from_db()
    return session


def bills(session: Session) -> list[int]:
    made = Quote.objects.filter(order=session.order_id, kind="bill").order_by("pk")
    return list(made.values_list("total_paise", flat=True))


def test_vehicle_that_stands_after_the_charging_pays_until_the_place_is_free(supplier: FakeSupplier) -> None:
    session = charged(supplier)
    says(session, "finishing", minutes=0.1, supplier=supplier)
    says(session, "finishing", minutes=20, supplier=supplier)
    assert bills(session) == [10_620]
    says(session, "free", minutes=40, supplier=supplier)
    says(session, "free", minutes=50, supplier=supplier)
    # 5 kWh: 90.00; 40 minutes less ten of grace: 30.00; tax 21.60
    assert bills(session) == [10_620, 14_160]
    session.refresh_from_db()
    assert session.left_at == supplier.at + 40 * MINUTE
    order = Order.objects.get(pk=session.order_id)
    told = order.events.get(kind="bill-corrected")
    assert told.public
    assert "stood until" in told.data["reason"]
    stand = purse(order)
    assert stand.captured + stand.due == 14_160
    check = check_books(now=supplier.at + timedelta(hours=2), whole=True)
    assert check is not None
    assert check.findings == []


def test_standing_within_the_grace_changes_no_bill(supplier: FakeSupplier) -> None:
    session = charged(supplier)
    says(session, "finishing", minutes=0.1, supplier=supplier)
    says(session, "free", minutes=9, supplier=supplier)
    assert bills(session) == [10_620]
    assert not Order.objects.get(pk=session.order_id).events.filter(kind="bill-corrected").exists()


def test_running_cost_shows_the_standing_as_it_accrues(supplier: FakeSupplier) -> None:
    session = charging_session(connector_on_sale(elements=ELEMENTS))
    first_wh = session.meter_start_wh or 0
    for _ in range(3):
        Reading.objects.create(session=session, at=supplier.after(600), energy_wh=first_wh + 5_000, power_w=0)
    points = meter_points(session)
    lines = running_total(session.order, 5_000, started_at=NOW, now=supplier.at, readings=points)
    # 30 minutes in, 20 of them standing, 10 of those beyond the grace
    assert [(line.code, line.amount.wire) for line in lines[:2]] == [("energy-cost", "90.00"), ("parking-fee", "10.00")]


@pytest.mark.parametrize(
    "words",
    [
        [("free", 40)],
        [("locked", 0.1), ("free", 40)],
        [("finishing", 5), ("free", 40)],
        [("finishing", 0.1), ("charging", 5), ("free", 40)],
        [("finishing", 0.1), ("faulted", 5), ("free", 40)],
        [("finishing", 0.1), ("free", 60 * 25)],
    ],
    ids=["nothing said", "our own lock", "said late", "another one", "broken down", "days later"],
)
def test_without_the_stations_word_nobody_pays(words: list[tuple[str, float]], supplier: FakeSupplier) -> None:
    session = charged(supplier)
    for status, minutes in words:
        says(session, status, minutes=minutes, supplier=supplier)
    assert bills(session) == [10_620]
    session.refresh_from_db()
    assert session.left_at is None


def test_place_is_not_offered_while_the_vehicle_stands(supplier: FakeSupplier) -> None:
    session = charging_session(connector_on_sale(elements=ELEMENTS))
    fulfillment.request_stop(session.order_id, supplier.after(600))
    says(session, "finishing", minutes=0, supplier=supplier)
    run_steps(supplier.at)
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.FINISHING
    assert "still stands" in snapshot(session.order_id, supplier.at).problem
    says(session, "free", minutes=11, supplier=supplier)
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.AVAILABLE
    # one minute beyond the grace
    assert bills(session) == [10_620, 10_738]
    assert snapshot(session.order_id, supplier.at).problem == ""


def test_operators_correction_keeps_the_standing(supplier: FakeSupplier) -> None:
    session = charged(supplier)
    says(session, "finishing", minutes=0.1, supplier=supplier)
    says(session, "free", minutes=40, supplier=supplier)
    stop_wh = (session.meter_stop_wh or 0) - 1_000
    fulfillment.correct_meter(
        session.order_id, meter_stop_wh=stop_wh, now=supplier.at + 50 * MINUTE, actor="staff:x", reason="read on site"
    )
    # 4 kWh: 72.00 + 30.00 + 18.36
    assert bills(session)[-1] == 12_036


def test_vehicle_cannot_have_left_where_it_did_not_stand(supplier: FakeSupplier) -> None:
    session = charged(supplier)
    with pytest.raises(IntegrityError, match="session_stood_then_left"), transaction.atomic():
        Session.objects.filter(pk=session.pk).update(left_at=session.ended_at)
