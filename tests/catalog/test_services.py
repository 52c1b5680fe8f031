"""Does live status only move forward, and is only a whole station published?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Connector, Evse, EvseStatusChange, Station, Tariff
from catalog.services import publish, publish_faults, set_evse_status, unpublish
from core.errors import NotAllowed, NotFound
from tests.factories.catalog import ConnectorFactory, EvseFactory, StationFactory

pytestmark = pytest.mark.django_db


def test_status_changes_are_written_and_recorded() -> None:
    evse = EvseFactory.create()
    evse.refresh_from_db()
    at = evse.status_at + timedelta(minutes=1)
    assert set_evse_status(evse.uid, "charging", at)
    evse.refresh_from_db()
    assert (evse.status, evse.status_at) == ("charging", at)
    assert list(EvseStatusChange.objects.values_list("evse", "status", "at")) == [(evse.pk, "charging", at)]


def test_status_repeated_is_no_change_but_counts_as_news() -> None:
    evse = EvseFactory.create()
    evse.refresh_from_db()
    at = evse.status_at
    assert not set_evse_status(evse.pk, "available", at + timedelta(minutes=2))
    assert not set_evse_status(evse, "faulted", at + timedelta(minutes=1))
    evse.refresh_from_db()
    assert (evse.status, evse.status_at) == ("available", at + timedelta(minutes=2))
    assert not EvseStatusChange.objects.exists()


def test_status_refuses_unknown_names() -> None:
    evse = EvseFactory.create()
    with pytest.raises(NotFound, match="no EVSE NOBODY"):
        set_evse_status("NOBODY", "charging", evse.status_at)
    with pytest.raises(ValueError, match="sleeping"):
        set_evse_status(evse, "sleeping", evse.status_at)


def test_whole_station_is_published_and_taken_back() -> None:
    connector = ConnectorFactory.create(evse__station__published=False)
    assert publish(connector.evse.station_id).published
    assert not unpublish(connector.evse.station_id).published
    with pytest.raises(NotFound):
        publish(0)


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (lambda: Station.objects.update(latitude=None), "latitude"),
        (lambda: Connector.objects.update(active=False), "active connector"),
        (lambda: Connector.objects.update(tariff=None), "a tariff"),
        (lambda: Tariff.objects.update(elements=[3]), "Correct the tariff"),
        (lambda: Station.objects.update(opening_times={"regular_hours": 1}), "Correct the opening times"),
        (lambda: Station.objects.update(time_zone="Nowhere"), "not a time zone"),
    ],
)
def test_incomplete_station_is_not_published(write: Any, fault: str) -> None:
    station_id = ConnectorFactory.create(evse__station__published=False).evse.station_id
    write()
    with pytest.raises(NotAllowed, match=fault) as refusal:
        publish(station_id)
    assert refusal.value.code == "station-incomplete"
    assert not Station.objects.get().published


def test_faults_name_an_operator_that_is_not_active() -> None:
    assert any("not active" in fault for fault in publish_faults(StationFactory.create(operator__active=False)))


def test_database_refuses_other_item_ids() -> None:
    connector = ConnectorFactory.create()
    with pytest.raises(IntegrityError, match="must be the EVSE id and the connector number"), transaction.atomic():
        Connector.objects.update(item_id="anything*1")
    with pytest.raises(IntegrityError, match="its connectors are sold under it"), transaction.atomic():
        Evse.objects.filter(pk=connector.evse_id).update(uid="other")
    EvseFactory.create(uid="free")
    Evse.objects.filter(uid="free").update(uid="renamed")
