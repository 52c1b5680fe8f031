"""Does the live board say what goes on at the chargers, to whom it belongs, as far as it was asked for?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from bpp.live_board import MOST_ROWS, Board, live_board
from bpp.live_filter import Wanted
from bpp.live_pages import tiles_origin
from catalog.models import Connector, Evse, Station
from catalog.tenancy import Reach
from fulfillment.models import Card, CardAccount, Outage, Reading, Session, WalkIn
from fulfillment.services.tracking import snapshot
from orders.models import Order, Quote, ReservationRules
from support.models import Ticket
from tests.admin.crowd import crowd
from tests.admin.tenants import Tenant, make_tenant
from tests.factories.orders import active_order, connector_on_sale

pytestmark = pytest.mark.django_db
LIVE, ROWS = "/admin/live/", "/admin/live/rows/"
VIEWS = ("table", "map")


def board(now: datetime, **wanted: Any) -> Board:
    return live_board(Reach(everything=True), Wanted(**wanted), now)


def text(client: Client, address: str = LIVE, **query: Any) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, address
    return unescape(answer.content.decode())


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_superuser("root", password="right-password-1")
    client.force_login(user)
    return user


@pytest.fixture
def walk_in(ours: Tenant, now: datetime) -> WalkIn:
    station = ours.station
    evse = Evse.objects.create(station=station, uid="ourslark-E2", slot_number=2, status="charging", status_at=now)
    plug = Connector.objects.create(evse=evse, number="1", item_id="ourslark-E2*1", standard="CHADEMO", current="DC",
                                    max_power_w=50_000)  # fmt: skip
    account = CardAccount.objects.create(operator=station.operator, name="Fleet", kind="contract")
    card = Card.objects.create(operator=station.operator, account=account, uid="ABCD")
    return WalkIn.objects.create(
        card=card, account=account, station=station, evse=evse, connector=plug, state="charging", scanned_as="ABCD",
        asked_at=now, started_at=now - timedelta(minutes=3), read_at=now, meter_start_wh=0, meter_wh=1_500,
        power_w=48_000, tariff={}, amount_paise=3_186,
    )  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("address", [LIVE, ROWS])
def test_foreign_rows_are_nowhere(address: str, view: str, ours: Tenant, theirs: Tenant, client: Client) -> None:
    client.force_login(ours.staff())
    hidden = (theirs.station.name, theirs.operator.name, theirs.ticket.subject, str(theirs.order), "theirsheron-E1")
    for query in ({"operator": theirs.operator.pk}, {"station": theirs.station.pk}, {"city": theirs.station.city}):
        shown = text(client, address, view=view, **query)
        assert [word for word in hidden if word in shown] == [], query
    assert ours.word in text(client, address, view=view)
    assert theirs.word not in text(client, address, view=view)


def test_only_staff_gets_in(ours: Tenant, client: Client) -> None:
    for address in (LIVE, ROWS, reverse("station-usage", args=[ours.station.pk])):
        assert client.get(address).status_code == 302
    client.force_login(User.objects.create_user("nobody"))
    for address in (LIVE, ROWS, reverse("station-usage", args=[ours.station.pk])):
        assert client.get(address).status_code == 302
        assert client.post(address).status_code in {302, 403, 405}


def test_staff_without_operator_is_told_so(ours: Tenant, client: Client) -> None:
    client.force_login(User.objects.create_user("loose", is_staff=True))
    for address in (LIVE, ROWS):
        shown = text(client, address)
        assert "no operator yet" in shown
        assert ours.word not in shown


def test_platform_sees_all(root: User, ours: Tenant, theirs: Tenant, client: Client) -> None:
    shown = text(client)
    assert ours.word in shown
    assert theirs.word in shown
    assert theirs.word not in text(client, ROWS, operator=ours.operator.pk)


def test_pages_open_where_there_is_nothing(root: User, client: Client) -> None:
    assert "There is no charger yet" in text(client)
    assert "There is no charger yet" in text(client, view="map")


def test_odd_queries_narrow_nothing(root: User, ours: Tenant, client: Client) -> None:
    odd = {"operator": "x", "station": "-1", "state": "odd", "power": "'", "view": "globe", "page": "0"}
    assert ours.word in text(client, **odd)
    for name, value in {"station": str(2**70), "page": "9" * 30, "text": "\0", "city": "<script>"}.items():
        assert client.get(LIVE, {name: value}).status_code == 200


def test_session_says_what_the_drivers_page_says(ours: Tenant, now: datetime) -> None:
    begun = now - timedelta(minutes=10)
    Session.objects.filter(pk=ours.session.pk).update(started_at=begun, read_at=now, fault="")
    Reading.objects.create(session=ours.session, at=now - timedelta(minutes=5), energy_wh=2_200, power_w=29_500)
    (row,) = board(now).rows
    page = snapshot(ours.order.pk, now)
    assert row.running.paise is not None
    assert (row.running.energy_wh, f"{row.running.paise / 100:.2f}") == (page.energy_wh, page.cost)
    assert row.running.ends_at is not None
    assert row.running.ends_at.isoformat(timespec="milliseconds") == page.ends_at
    assert (row.station, row.charger) == (ours.station.name, "ourslark-E1")


def test_end_of_a_vehicle_that_takes_less_and_less_is_the_pages(ours: Tenant, now: datetime) -> None:
    order, session, begun = ours.order, ours.session, now - timedelta(minutes=40)
    first_wh, energy_wh, power_w, rows = session.meter_start_wh or 0, 0.0, 0.0, []
    Reading.objects.filter(session=session).delete()
    for number in range(1, 481):
        power_w = 40_000 * min(1.0, 1 - 0.9 * (energy_wh - 18_000) / 12_000)
        energy_wh += power_w * 5 / 3600
        at = begun + timedelta(seconds=5 * number)
        rows.append(Reading(session=session, at=at, energy_wh=first_wh + int(energy_wh), power_w=int(power_w)))
    Reading.objects.bulk_create(rows)
    Order.objects.filter(pk=order.pk).update(energy_wh=27_000, quantity=27_000)
    Session.objects.filter(pk=session.pk).update(
        started_at=begun, read_at=now, meter_wh=rows[-1].energy_wh, power_w=rows[-1].power_w, fault=""
    )
    (row,) = board(now).rows
    page = snapshot(order.pk, now)
    assert (row.running.ends_at, page.ends_by) != (None, "")
    assert row.running.ends_at is not None
    told_s = (datetime.fromisoformat(page.ends_at) - now).total_seconds()
    level_s = (27_000 - energy_wh) * 3600 / power_w
    assert told_s > 1.1 * level_s, "not as if the newest power stayed"
    assert (row.running.ends_at - now).total_seconds() == pytest.approx(told_s, rel=0.02)


def test_sessions_by_money_and_those_that_stand_say_what_the_page_says(ours: Tenant, now: datetime) -> None:
    tariff = {"elements": [{"price_components": [{"type": "ENERGY", "price": "12"}, {"type": "TIME", "price": "60"}]}]}
    session = crowd(ours.operator, stations=1, sessions=1, now=now)[0]
    Order.objects.filter(pk=session.order_id).update(quantity_kind="money", quantity=30_000)
    offer = Quote.objects.get(order=session.order_id)
    Quote.objects.filter(pk=offer.pk).update(tariff=offer.tariff | tariff)

    def both() -> tuple[str, str]:
        (row,) = (row.running for row in board(now).rows if row.running.title == str(session.order))
        shown = row.ends_at.isoformat(timespec="milliseconds") if row.ends_at is not None else ""
        return shown, snapshot(session.order_id, now).ends_at

    shown, told = both()
    assert shown == told != ""
    Session.objects.filter(pk=session.pk).update(state="paused", power_w=0)
    Reading.objects.filter(session=session).update(energy_wh=11_000, power_w=0)
    assert both() == ("", "")


def test_prices_by_time_of_day_are_reckoned_by_the_minute(ours: Tenant, now: datetime) -> None:
    running = crowd(ours.operator, stations=2, sessions=2, now=now)
    costs = {row.running.title: row.running.paise for row in board(now, text="crowd").rows}
    costs |= {row.running.title: row.running.paise for row in board(now, text="VB-").rows}
    for session in running:
        page = snapshot(session.order_id, now)
        assert costs[str(session.order)] == round(float(page.cost) * 100)


def test_time_that_is_booked_ends_a_session_before_its_energy_does(ours: Tenant, now: datetime) -> None:
    ends_at = now + timedelta(minutes=2)
    Order.objects.filter(pk=ours.order.pk).update(starts_at=now - timedelta(minutes=20), ends_at=ends_at)
    (row,) = board(now).rows
    assert row.running.ends_at == ends_at
    Order.objects.filter(pk=ours.order.pk).update(starts_at=None, ends_at=None, quantity_kind="time", quantity=600)
    (row,) = board(now).rows
    assert row.running.ends_at == now + timedelta(seconds=600)


def test_walk_ins_stand_beside_orders(root: User, ours: Tenant, walk_in: WalkIn, client: Client, now: datetime) -> None:
    shown = text(client)
    assert "Walk-in" in shown
    assert "₹31.86" in shown
    assert "1.500 kWh" in shown
    assert {row.running.title for row in board(now).rows} == {"Walk-in", str(ours.order)}
    WalkIn.objects.filter(pk=walk_in.pk).update(state="starting", evse=None, connector=None, tariff=None)
    assert "slot not known yet" in text(client)
    assert "slot not known yet" in text(client, text="ourslark st")
    assert "slot not known yet" not in text(client, power="ac")


def test_silence_is_said_after_a_minute_and_ends_the_guess(root: User, ours: Tenant, client: Client) -> None:
    Outage.objects.all().delete()
    heard_at = datetime.now(UTC) - timedelta(seconds=75)
    Session.objects.filter(pk=ours.session.pk).update(
        read_at=heard_at, asked_at=heard_at, started_at=heard_at - timedelta(seconds=20)
    )
    Reading.objects.filter(session=ours.session).update(at=heard_at)
    found = board(heard_at + timedelta(seconds=75))
    assert [charger.look for charger in found.silent] == ["silent"]
    assert found.rows[0].running.ends_at is None
    assert "silent since" in text(client)
    assert board(heard_at + timedelta(seconds=59)).silent == []


def test_charger_unheard_for_a_day_is_silent_unless_it_is_not_on_sale(ours: Tenant, now: datetime) -> None:
    Session.objects.filter(pk=ours.session.pk).update(state="waiting", started_at=None)
    Outage.objects.all().delete()
    Evse.objects.update(status_at=now - timedelta(days=2))
    assert [place.look for place in board(now).places] == ["silent"]
    Station.objects.update(published=False)
    assert [place.look for place in board(now).places] == ["free"]


def test_outage_of_a_station_is_one_of_all_its_chargers(ours: Tenant, walk_in: WalkIn, now: datetime) -> None:
    Outage.objects.all().delete()
    Outage.objects.create(station=ours.station, since=now, error="no grid", ticket="T-9")
    found = board(now)
    assert [(charger.error, charger.ticket) for charger in found.faulted] == [("no grid", "T-9")] * 2
    assert [(place.look, place.counts) for place in found.places] == [("faulted", "2 out of order")]


def test_waiting_orders_come_approvals_first_and_not_before_their_time(ours: Tenant, now: datetime) -> None:
    connector = connector_on_sale()
    ReservationRules.objects.create(operator=connector.evse.station.operator, mode="provisional")
    asking = active_order(connector, now=now)
    assert [(each.code, each.approval) for each in board(now).waiting] == [
        (asking.code, True), (ours.order.code, False)
    ]  # fmt: skip
    times = {"starts_at": now + timedelta(hours=3), "ends_at": now + timedelta(hours=4)}
    Order.objects.update(**times)
    assert [each.code for each in board(now).waiting] == [asking.code]
    assert board(now, power="slow").waiting == []


def test_tickets_come_by_their_time_and_follow_the_place(ours: Tenant, theirs: Tenant, now: datetime) -> None:
    Ticket.objects.filter(pk=theirs.ticket.pk).update(reply_due_at=now - timedelta(minutes=1))
    assert [(due.code, due.late) for due in board(now).tickets] == [
        (theirs.ticket.code, True), (ours.ticket.code, False)
    ]  # fmt: skip
    assert board(now).counts["late"] == 1
    assert [due.code for due in board(now, station=ours.station.pk).tickets] == [ours.ticket.code]
    assert [due.code for due in board(now, text="heron subj").tickets] == [theirs.ticket.code]


def test_filter_narrows_sessions_and_places_alike(ours: Tenant, theirs: Tenant, walk_in: WalkIn, now: datetime) -> None:
    Outage.objects.all().delete()

    def seen(**wanted: Any) -> tuple[set[str], set[str]]:
        found = board(now, **wanted)
        return {row.station for row in found.rows}, {place.name for place in found.places}

    both, mine = {ours.station.name, theirs.station.name}, {ours.station.name}
    assert seen() == (both, both)
    narrow: list[dict[str, Any]] = [
        {"operator": ours.operator.pk},
        {"station": ours.station.pk},
        {"city": "ourslark city"},
        {"text": "OURSLARK ST"},
        {"text": (ours.order.code or "x").lower()},
    ]
    for wanted in narrow:
        assert seen(**wanted) == (mine, mine), wanted
    assert seen(power="ac") == (set(), set())
    assert {row.charger for row in board(now, power="dc", station=ours.station.pk).rows} == {
        "ourslark-E1", "ourslark-E2"
    }  # fmt: skip
    Session.objects.filter(pk=theirs.session.pk).update(state="paused")
    assert seen(state="paused") == ({theirs.station.name}, {theirs.station.name})
    assert seen(state="in-use") == (both, both)
    assert seen(state="free") == (set(), set())
    Evse.objects.filter(station=theirs.station).update(status="faulted")
    assert seen(state="faulted") == ({theirs.station.name}, {theirs.station.name})


def test_number_of_statements_does_not_grow(root: User, ours: Tenant, client: Client, now: datetime) -> None:
    def statements(**query: Any) -> int:
        with CaptureQueriesContext(connection) as asked:
            text(client, ROWS, **query)
        return len(asked.captured_queries)

    crowd(ours.operator, stations=3, sessions=2, now=now)
    few, few_on_map = statements(), statements(view="map")
    make = make_tenant("bigstork", now)
    crowd(make.operator, stations=300, sessions=500, now=now)
    assert (statements(), statements(view="map")) == (few, few_on_map)
    assert few <= 14
    with CaptureQueriesContext(connection) as asked:
        text(client, LIVE)
    assert len(asked.captured_queries) <= few + 1
    found = board(now)
    assert found.sessions == 504
    assert len(found.rows) == MOST_ROWS
    assert len(found.places) == 305
    last = board(now, page=found.pages)
    assert (len(last.rows), last.after) == (504 - 5 * MOST_ROWS, "")
    assert board(now, page=99).rows == []


def test_page_stands_without_script_and_carries_none_inline(root: User, ours: Tenant, client: Client) -> None:
    for view in VIEWS:
        shown = text(client, view=view)
        main = shown[shown.index('id="live"') :]
        main = main[: main.index("</main>")] if "</main>" in main else main
        assert "<script" not in main.split("noscript")[0]
        assert "onclick" not in main
        assert ours.station.name in main
        assert "As of" in main
    assert "leaflet" not in text(client)


def test_tiles_are_asked_for_only_where_configured(root: User, client: Client, settings: Settings) -> None:
    plain = client.get(LIVE, {"view": "map"})
    assert "img-src 'self' data:;" in f"{plain['Content-Security-Policy']};"
    settings.MAP_TILES_URL = "https://{s}.tiles.example.org/{z}/{x}/{y}.png"
    tiled = client.get(LIVE, {"view": "map"})
    assert "img-src 'self' data: https://*.tiles.example.org" in tiled["Content-Security-Policy"]
    assert 'data-tiles="https://{s}.tiles.example.org/{z}/{x}/{y}.png"' in tiled.content.decode()
    assert tiles_origin("tiles/{z}") == ""


def test_hostile_names_are_shown_as_text(root: User, ours: Tenant, client: Client) -> None:
    payload = '"><img src=x onerror=alert(1)>'
    Station.objects.update(name=payload, city=payload)
    Evse.objects.update(label=payload)
    Session.objects.update(fault=payload)
    Outage.objects.update(error=payload)
    Ticket.objects.update(subject=payload)
    for view in VIEWS:
        for address in (LIVE, ROWS):
            answer = client.get(address, {"view": view, "text": "ourslark", "city": payload})
            assert "<img src=x" not in answer.content.decode()
            assert "<img src=x" not in client.get(address, {"view": view}).content.decode()
