"""Who may open the stream of the operators' board, and does each hear of their own rows only?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from bpp import live, news
from bpp.news import Change, Row
from catalog.models import Evse, OperatorStaff
from fulfillment.models import Outage, Session
from support.services import open_station_ticket
from tests.bpp.conftest import apart
from tests.bpp.shop import empty_catalogue, run
from tests.bpp.streaming import Ear, House, ask, charge, open_house
from tests.factories.fulfillment import waiting_session

BOARD = live.BOARD


@pytest.fixture
def emptied_catalogue(tables: None) -> Iterator[None]:
    yield
    empty_catalogue()
    run("DELETE FROM django_session")
    run("DELETE FROM auth_user")


@pytest.fixture
async def house(
    emptied_catalogue: None, settings: Any, plain_http: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    monkeypatch.setattr(live, "BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(live, "SWEEP_EVERY_S", 0.2)
    async with open_house() as found:
        yield found


@pytest.fixture
async def ours(house: House) -> Session:
    found: Session = await apart(waiting_session)
    return found


@pytest.fixture
async def theirs(house: House) -> Session:
    found: Session = await apart(waiting_session)
    return found


def signed_in(name: str, **changes: Any) -> str:
    """The cookie of a new user's session."""
    user = User.objects.create_user(name, password="right-password-1", **{"is_staff": True, **changes})
    client = Client()
    client.force_login(user)
    return f"{django_settings.SESSION_COOKIE_NAME}={client.cookies[django_settings.SESSION_COOKIE_NAME].value}"


def staff_of(session: Session, name: str = "ours") -> Callable[[], str]:
    def make() -> str:
        cookie = signed_in(name)
        operator_id = session.order.operator_id
        OperatorStaff.objects.create(user=User.objects.get(username=name), operator_id=operator_id, role="reader")
        return cookie

    return make


async def board(house: House, make: Callable[[], str]) -> Ear:
    """The stream of the board, its first event heard."""
    ear = await ask(house.port, BOARD, cookie=await apart(make))
    heard = await ear.event()
    assert heard is not None
    assert (heard.name, heard.data) == ("change", {"orders": [], "kinds": []})
    # So that there is a first look with which later ones are compared.
    await asyncio.sleep(0.5)
    return ear


async def change(ear: Ear) -> tuple[list[int], list[str]]:
    heard = await ear.event()
    assert heard is not None
    assert set(heard.data) == {"orders", "kinds"}
    return heard.data["orders"], heard.data["kinds"]


@pytest.mark.parametrize(
    "who",
    [
        lambda: "",
        lambda: f"{django_settings.SESSION_COOKIE_NAME}=forged",
        lambda: signed_in("customer", is_staff=False),
        lambda: signed_in("homeless"),
        lambda: signed_in("left", is_active=False),
        lambda: signed_in("boss", is_staff=False, is_superuser=True),
    ],
)
async def test_board_is_for_signed_in_staff_of_an_operator(house: House, who: Callable[[], str]) -> None:
    answer = await ask(house.port, BOARD, cookie=await apart(who))
    assert (answer.status, answer.headers["cache-control"]) == (403, "no-store")


async def test_staff_hear_of_their_orders_and_of_no_others(house: House, ours: Session, theirs: Session) -> None:
    ear = await board(house, staff_of(ours))
    await apart(lambda: charge(theirs.order_id, 100))
    with pytest.raises(TimeoutError):
        await ear.event(within_s=1.0)
    await apart(lambda: charge(ours.order_id, 100))
    assert await change(ear) == ([ours.order_id], ["session"])


async def test_platform_hears_of_all(house: House, ours: Session, theirs: Session) -> None:
    ear = await board(house, lambda: signed_in("boss", is_superuser=True))
    for session in (ours, theirs):
        await apart(partial(charge, session.order_id, 100, told=False))
    orders: set[int] = set()
    while orders != {ours.order_id, theirs.order_id}:
        found, kinds = await change(ear)
        assert kinds == ["session"]
        orders |= set(found)


async def test_faults_and_tickets_are_news_too(house: House, ours: Session) -> None:
    ear = await board(house, staff_of(ours))
    now = timezone.now()
    station = await apart(lambda: ours.evse.station)
    await apart(lambda: Evse.objects.filter(pk=ours.evse_id).update(status="faulted", status_at=now))
    assert await change(ear) == ([], ["station"])
    await apart(lambda: Outage.objects.create(station=station, since=now, error="dead"))
    assert await change(ear) == ([], ["outage"])
    await apart(lambda: Outage.objects.update(until=now))
    assert await change(ear) == ([], ["outage"])
    await apart(lambda: open_station_ticket(station.operator_id, subject="dead", text="", now=now))
    assert await change(ear) == ([], ["ticket"])


@pytest.mark.parametrize(
    "leave",
    [
        lambda: User.objects.update(is_staff=False),
        lambda: OperatorStaff.objects.all().delete(),
        lambda: run("DELETE FROM django_session"),
    ],
)
async def test_board_ends_for_who_may_no_longer_see_it(
    house: House, ours: Session, monkeypatch: pytest.MonkeyPatch, leave: Callable[[], Any]
) -> None:
    monkeypatch.setattr(live, "CHECK_EVERY_S", 0.1)
    ear = await board(house, staff_of(ours))
    await apart(leave)
    assert await ear.ended()


def test_changes_are_rows_that_came_went_or_became_another() -> None:
    before = {
        ("session", 1): Row(7, 11, "100"),
        ("session", 2): Row(7, 12, "100"),
        ("ticket", 1): Row(8, None, "100"),
        ("station", 5): Row(8, None, "100"),
    }
    after = {
        ("session", 1): Row(7, 11, "101"),
        ("session", 2): Row(7, 12, "100"),
        ("order", 1): Row(9, 1, "101"),
    }
    assert news.changes(before, after) == [
        Change("session", 7, 11),
        Change("order", 9, 1),
        Change("ticket", 8, None),
    ]


@pytest.mark.parametrize("said", [b"", b"{", b'{"a":1}', b'"x"', b"[null]", b'["1"]', b"7"])
def test_nonsense_on_the_channel_is_no_news(said: bytes) -> None:
    assert news._ids(said) == []
