"""Does the page of a station's use say how it was used, and say so where nothing is known?"""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bpp.usage import DAYS, Usage, station_usage
from catalog.models import Evse, EvseStatusChange, Operator, Station
from fulfillment.models import Outage, Session, WalkIn
from orders.models import Order, Quote
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db
# Wednesday, noon in India.
NOON = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)


@pytest.fixture
def evse(ours: Tenant) -> Evse:
    """Free since long ago, without a session, an outage or a change."""
    Outage.objects.all().delete()
    EvseStatusChange.objects.all().delete()
    Session.objects.update(state="waiting", started_at=None)
    Evse.objects.update(status="available", status_at=NOON - timedelta(days=90))
    return Evse.objects.get(station=ours.station)


def charged(ours: Tenant, begin: datetime, *, minutes: int) -> None:
    """The tenant's session ran then, for 30 kW, and was billed."""
    Session.objects.filter(pk=ours.session.pk).update(
        state="ended", started_at=begin, ended_at=begin + timedelta(minutes=minutes), meter_start_wh=1_000,
        meter_wh=1_000 + 500 * minutes, meter_stop_wh=1_000 + 500 * minutes,
    )  # fmt: skip
    order = Order.objects.filter(pk=ours.order.pk)
    for step in ("charging-starting", "charging-started", "charging-ending"):
        order.update(fulfillment=step)
    order.update(state="complete", fulfillment="charging-ended")


def used(ours: Tenant) -> Usage:
    return station_usage(ours.station, NOON)


def page(client: Client, station: Station) -> str:
    answer = client.get(reverse("station-usage", args=[station.pk]))
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_free_charger_is_free_all_the_week(ours: Tenant, evse: Evse) -> None:
    usage = used(ours)
    assert {cell.free for cell in usage.cells} == {100}
    assert (usage.free, usage.unknown, usage.share, usage.sessions) == (100, 0, 0.0, 0)
    assert len(usage.days) == DAYS
    assert usage.days[-1].day.isoformat() == "2026-03-04"


def test_session_counts_in_its_hours_and_on_the_day_it_began(ours: Tenant, evse: Evse) -> None:
    charged(ours, NOON - timedelta(hours=12, minutes=30), minutes=60)  # across midnight
    usage = used(ours)
    yesterday, today = usage.days[-2:]
    paise = Quote.objects.get(order=ours.order, current=True).total_paise
    assert (yesterday.sessions, yesterday.charging_s, yesterday.energy_wh, yesterday.paise) == (1, 1800, 30_000, paise)
    assert (today.sessions, today.charging_s, today.energy_wh) == (0, 1800, 0)
    assert today.share == pytest.approx(100 / 24)  # half an hour of the twelve so far
    late, early = usage.cells[1 * 24 + 23], usage.cells[2 * 24]
    assert (late.free, early.free) == (88, 88)  # half an hour of four


def test_running_session_counts_to_now_and_is_not_billed(ours: Tenant, evse: Evse) -> None:
    begin = NOON - timedelta(minutes=30)
    Session.objects.update(state="charging", started_at=begin, ended_at=None, meter_stop_wh=None)
    usage = used(ours)
    assert (usage.days[-1].charging_s, usage.paise, usage.unbilled) == (1800, 0, 1)


def test_walk_in_counts_with_its_amount(ours: Tenant, evse: Evse) -> None:
    begin = NOON - timedelta(hours=2)
    WalkIn.objects.update(
        state="ended", evse=evse, connector=evse.connectors.get(), tariff={}, started_at=begin,
        ended_at=begin + timedelta(hours=1), meter_start_wh=0, meter_stop_wh=5_000, amount_paise=9_900,
    )  # fmt: skip
    usage = used(ours)
    assert (usage.sessions, usage.energy_wh, usage.paise, usage.days[-1].charging_s) == (1, 5_000, 9_900, 3600)


def test_time_before_the_first_status_is_not_known(ours: Tenant, evse: Evse) -> None:
    EvseStatusChange.objects.create(evse=evse, status="available", at=NOON - timedelta(hours=12))
    usage = used(ours)
    assert usage.cells[0].free is None
    assert usage.cells[2 * 24 + 3].unknown == 75
    assert (usage.unknown, usage.known) == (98, 2)
    EvseStatusChange.objects.create(evse=evse, status="faulted", at=NOON - timedelta(days=60))
    usage = used(ours)
    assert (usage.unknown, usage.cells[0].out, usage.cells[0].free) == (0, 100, 0)


def test_outage_of_the_station_takes_its_chargers_out(ours: Tenant, evse: Evse) -> None:
    Outage.objects.create(station=ours.station, since=NOON - timedelta(days=7), until=NOON - timedelta(days=6))
    cell = used(ours).cells[2 * 24 + 13]
    assert (cell.free, cell.out) == (67, 33)


def test_history_that_is_empty_is_said_in_words(ours: Tenant, client: Client, now: datetime) -> None:
    client.force_login(ours.staff())
    bare = Station.objects.create(operator=ours.operator, code="bare", name="Bare")
    assert "no charger yet" in page(client, bare)
    Evse.objects.create(station=bare, uid="bare-1", slot_number=1, status_at=now + timedelta(hours=1))
    shown = page(client, bare)
    assert "Nobody charged here in the last four weeks" in shown
    assert "Nothing is known yet" in shown


def test_page_draws_and_tabulates(ours: Tenant, evse: Evse, client: Client, now: datetime) -> None:
    charged(ours, now - timedelta(hours=3), minutes=60)
    client.force_login(ours.staff("reader"))
    shown = page(client, ours.station)
    assert shown.count("vb-cell") == 7 * 24
    assert shown.count("<rect") == 7 * 24 + DAYS
    assert "30.000 kWh" in shown
    assert "1 h" in shown
    assert reverse("station-usage", args=[ours.station.pk]) in unescape(
        client.get(reverse("admin:catalog_station_change", args=[ours.station.pk])).content.decode()
    )


def test_csv_has_every_day_and_every_hour(ours: Tenant, evse: Evse, client: Client, now: datetime) -> None:
    charged(ours, now - timedelta(minutes=90), minutes=60)
    client.force_login(ours.staff("reader"))
    days, hours = (client.get(reverse("station-usage-csv", args=[ours.station.pk, part])) for part in ("days", "hours"))
    assert days["Content-Type"] == "text/csv; charset=utf-8"
    assert days["Content-Disposition"] == 'attachment; filename="ourslark-st-days.csv"'
    rows = list(csv.DictReader(days.content.decode().splitlines()))
    assert len(rows) == DAYS
    assert sum(int(row["energy_wh"]) for row in rows) == 30_000
    assert {row["earnings_inr"] for row in rows} == {"0.00", "236.00"}
    weekly = list(csv.DictReader(hours.content.decode().splitlines()))
    assert len(weekly) == 168
    assert client.get(reverse("station-usage-csv", args=[ours.station.pk, "years"])).status_code == 404


def test_foreign_station_is_not_found(ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff("owner"))
    addresses = [reverse("station-usage", args=[theirs.station.pk]), reverse("station-usage", args=[999_999])]
    addresses += [reverse("station-usage-csv", args=[theirs.station.pk, part]) for part in ("days", "hours")]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 404
        assert theirs.word not in answer.content.decode()


def test_number_of_statements_does_not_grow(ours: Tenant, evse: Evse, now: datetime) -> None:
    def statements(station: Station) -> int:
        with CaptureQueriesContext(connection) as asked:
            station_usage(station, now)
        return len(asked.captured_queries)

    few = statements(ours.station)
    for slot in range(2, 8):
        more = Evse.objects.create(station=ours.station, uid=f"more-{slot}", slot_number=slot)
        EvseStatusChange.objects.create(evse=more, status="available", at=now - timedelta(days=slot * 5))
    assert statements(ours.station) == few == 6
    assert Operator.objects.count() == 1
