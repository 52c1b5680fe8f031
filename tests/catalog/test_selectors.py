"""Does the index hold what is on sale, and follow what changes?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Connector, Evse, Operator, Station, Tariff
from catalog.search import Index, Query
from catalog.selectors import OVERLAP, OfferData, Write, load, offers_of, recent_writes, refresh, repriced_stations
from tests.factories.catalog import TIME_OF_DAY, ConnectorFactory, EvseFactory, StationFactory, TariffFactory

pytestmark = pytest.mark.django_db

# 06:00 UTC is 11:30 in Bengaluru: the cheap hours of TIME_OF_DAY.
NOW = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)


def render(data: OfferData) -> object:
    return data.price_per_kwh.amount


def loaded(now: datetime = NOW) -> Index:
    index = Index()
    load(index, render, now)
    return index


def on_sale(index: Index) -> set[str]:
    return {hit.offer.item_id for hit in index.find(Query(), NOW)}


def backdate() -> datetime:
    """Make every row look old, as if written long ago; returns a moment since which nothing was written."""
    long_ago = timezone.now() - timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("operator", "tariff", "station", "evse", "connector"):
            cursor.execute(f"ALTER TABLE catalog_{table} DISABLE TRIGGER USER")
            cursor.execute(f"UPDATE catalog_{table} SET updated_at = %s", [long_ago])
            cursor.execute(f"ALTER TABLE catalog_{table} ENABLE TRIGGER USER")
    return timezone.now()


def test_load_shows_what_is_on_sale() -> None:
    connector = ConnectorFactory.create(evse__status="faulted", evse__station__address="12 Example Road")
    (hit,) = loaded().find(Query(text="example ccs2"), NOW)
    assert hit.offer.connector_id == connector.pk
    assert hit.offer.item_id == f"{connector.evse.uid}*1"
    assert hit.offer.status == "faulted"
    assert hit.offer.payload == 18


@pytest.mark.parametrize("text", ["EV charging in Bangalore", "type 2", "Type2", "sample operator", "560001"])
def test_load_knows_what_places_and_plugs_are_called(text: str) -> None:
    ConnectorFactory.create(standard="IEC_62196_T2", evse__station__postal_code="560001")
    assert loaded().find(Query(text=text), NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"active": False},
        {"tariff": None},
        {"evse__station__published": False},
        {"evse__station__operator__active": False},
        {"evse__station__published": False, "evse__station__latitude": None},
        {"evse__station__opening_times": {"regular_hours": [{"weekday": 9}]}},
        {"evse__station__time_zone": "Nowhere/Land"},
    ],
)
def test_load_leaves_out_what_is_not_on_sale(fields: dict[str, Any]) -> None:
    ConnectorFactory.create(**fields)
    assert len(loaded()) == 0


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [{"price_components": [{"type": "FLAT", "price": 5}]}],
        [TIME_OF_DAY[0] | {"restrictions": {"start_time": "20:00", "end_time": "21:00"}}],
    ],
)
def test_load_leaves_out_what_has_no_price_now(elements: list[Any]) -> None:
    connector = ConnectorFactory.create()
    Tariff.objects.filter(connectors=connector).update(elements=elements)
    assert len(loaded()) == 0


def test_offers_cost_few_queries_however_many(django_assert_num_queries: Any) -> None:
    station = StationFactory.create()
    tariff = TariffFactory.create(operator=station.operator)
    for _ in range(4):
        ConnectorFactory.create_batch(3, evse=EvseFactory.create(station=station), tariff=tariff)
    with django_assert_num_queries(6):
        assert len(list(offers_of(None, NOW))) == 12


def test_nothing_changed_since_the_last_write() -> None:
    ConnectorFactory.create()
    assert recent_writes(backdate() + OVERLAP) == set()


@pytest.mark.parametrize(
    "write",
    [
        lambda: Operator.objects.update(summary="New"),
        lambda: Tariff.objects.update(description="New"),
        lambda: Station.objects.update(directions="New"),
        lambda: Evse.objects.update(status="faulted"),
        lambda: Connector.objects.update(max_power_w=50_000),
        lambda: Connector.objects.all().delete(),
        lambda: Evse.objects.all().delete(),
        lambda: Connector.objects.bulk_update(Connector.objects.all(), ["active"]),
    ],
)
def test_every_write_counts_as_a_change(write: Any) -> None:
    connector = ConnectorFactory.create()
    since = backdate() + OVERLAP
    write()
    assert {station for _, _, station, _ in recent_writes(since)} == {connector.evse.station_id}


def test_a_newer_report_of_the_same_status_is_no_change() -> None:
    ConnectorFactory.create()
    since = backdate() + OVERLAP
    Evse.objects.update(status_at=timezone.now())
    assert recent_writes(since) == set()


def test_a_write_is_followed_once() -> None:
    kept, other = ConnectorFactory.create(), ConnectorFactory.create()
    index, followed = loaded(), set[Write]()
    since = backdate() + OVERLAP
    Evse.objects.filter(pk=other.evse_id).update(status="charging")
    assert refresh(index, render, since, now=NOW, followed=followed) == {other.evse.station_id}
    assert refresh(index, render, since, now=NOW, followed=followed) == set()
    Evse.objects.filter(pk=kept.evse_id).update(status="charging")
    assert refresh(index, render, since, now=NOW, followed=followed) == {kept.evse.station_id}


def test_refresh_follows_changes() -> None:
    kept, other = ConnectorFactory.create(), ConnectorFactory.create()
    index = loaded()
    since = backdate() + OVERLAP
    Evse.objects.filter(pk=other.evse_id).update(status="charging")
    assert refresh(index, render, since, now=since) == {other.evse.station_id}
    found = index.item(other.item_id)
    assert found is not None
    assert found.status == "charging"
    added = ConnectorFactory.create(evse=kept.evse, tariff=kept.tariff)
    refresh(index, render, since, now=since)
    assert on_sale(index) == {kept.item_id, other.item_id, added.item_id}


def test_refresh_takes_out_what_is_unpublished_or_deleted() -> None:
    unpublished, deleted = ConnectorFactory.create(), ConnectorFactory.create()
    index = loaded()
    since = backdate() + OVERLAP
    Station.objects.filter(pk=unpublished.evse.station_id).update(published=False)
    Station.objects.filter(pk=deleted.evse.station_id).delete()
    refresh(index, render, since, now=since)
    assert len(index) == 0


def test_refresh_without_changes_reads_no_offers(django_assert_num_queries: Any) -> None:
    ConnectorFactory.create()
    index = loaded()
    since = backdate() + OVERLAP
    with django_assert_num_queries(2):
        assert refresh(index, render, since, now=since) == set()


def test_refresh_follows_the_price_of_the_hour() -> None:
    connector = ConnectorFactory.create(tariff__elements=TIME_OF_DAY)
    ConnectorFactory.create()
    before, after = NOW.replace(hour=10, minute=29), NOW.replace(hour=10, minute=30)
    assert repriced_stations(before, before) == set()
    assert repriced_stations(NOW, before) == set()
    assert repriced_stations(before, after) == {connector.evse.station_id}
    index = loaded(before)
    offer = index.item(connector.item_id)
    assert offer is not None
    assert offer.payload == 14
    refresh(index, render, before, now=after)
    offer = index.item(connector.item_id)
    assert offer is not None
    assert offer.payload == 18


def test_nothing_is_repriced_where_no_tariff_knows_the_clock() -> None:
    ConnectorFactory.create()
    assert repriced_stations(NOW, NOW + timedelta(hours=5)) == set()
