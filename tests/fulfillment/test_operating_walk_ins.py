"""May an operator end or retry what a scanned card began, without leaving anything held or unpaid?"""

from __future__ import annotations

import pytest

from core.errors import NotAllowed
from fulfillment import services as fulfillment
from fulfillment.models import WalkIn, WorkflowInstance
from tests.factories.fulfillment import drive_to
from tests.fulfillment.cards import a_card, a_station, charging_walk_in, scan
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token")]

W = WorkflowInstance.Status


def test_cancelled_start_of_a_card_gives_its_slot_back(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    scan(station, card.uid, supplier.at)
    drive_to("lockSlot", supplier.at)
    instance = WorkflowInstance.objects.get()
    fulfillment.cancel_instance(instance.pk, now=supplier.at, reason="the driver left")
    fulfillment.advance_due(supplier.after(1), limit=20)
    instance.refresh_from_db()
    assert (instance.status, instance.reason) == (W.CANCELLED, "the driver left")
    assert WalkIn.objects.get().state == WalkIn.State.FAILED
    assert {slot.status for slot in supplier.rules.station(station.code).slots.values()} == {"free"}


def test_cancelled_end_of_a_card_is_billed_and_its_slot_given_back(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    walk_in = charging_walk_in(station, card, supplier.at)
    fulfillment.stop_by_hand(walk_in.pk, now=supplier.after(60))
    drive_to("end", supplier.at)
    instance = walk_in.workflows.get(status__in=WorkflowInstance.LIVE)
    fulfillment.cancel_instance(instance.pk, now=supplier.at, reason="the station is being repaired")
    for _ in range(2):
        fulfillment.advance_due(supplier.after(31), limit=20)
    walk_in.refresh_from_db()
    assert walk_in.state == WalkIn.State.ENDED
    assert supplier.session.status == "closed"
    assert supplier.session.paid


def test_start_of_a_card_is_not_retried_once_its_session_has_failed(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    card = a_card(station.operator)
    scan(station, card.uid, supplier.at)
    fulfillment.advance_due(supplier.at, limit=20)
    instance = WorkflowInstance.objects.get()
    WorkflowInstance.objects.update(status=W.FAULTED, fault={"status": 500})
    WalkIn.objects.update(state=WalkIn.State.FAILED, ended_at=supplier.at)
    with pytest.raises(NotAllowed, match="its session is failed"):
        fulfillment.retry_instance(instance.pk, "/do/0/initialize", now=supplier.at)
