"""One stage for all stories of a worker, and a fresh charger for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from bpp.settings import database
from sandbox.buyer import Buyer
from tests.journeys.chargers import OPERATOR, Charger
from tests.journeys.hearing import Hearing
from tests.journeys.stage import Stage, standing
from tests.journeys.trip import Trip, offers_at

NewTrip = Callable[..., Awaitable[Trip]]
SetMoneyRules = Callable[..., Awaitable[None]]


@pytest.fixture(scope="package")
def migrated(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The test database, to be copied: stories come before all that leave rows in it. Empty where no test needs one."""
    with django_db_blocker.unblock():
        connection.close()
    name = str(connection.settings_dict["NAME"])
    return "" if name == database(settings.DATABASE_URL)["NAME"] else name


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory, migrated: str) -> AsyncIterator[Stage]:
    hearing = Hearing(tmp_path_factory.mktemp("messages"))
    async with standing(tmp_path_factory.mktemp("journeys"), hearing=hearing, template=migrated) as running:
        yield running
    hearing.conclude()


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def honest(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """After each story: every callback was signed by the provider and its quote adds up; all are kept for the end."""
    yield
    stage.hearing.note(request.node)


@pytest.fixture
def charger(stage: Stage) -> Charger:
    """A station that no other story uses, with two free charge points."""
    return stage.charger()


@pytest.fixture
def new_trip(stage: Stage) -> NewTrip:
    """`await new_trip(charger, slot=1, buyer=…)`: an offer found by search, nothing ordered yet."""

    async def make(charger: Charger | None = None, *, slot: int = 1, buyer: Buyer | None = None) -> Trip:
        place = charger or stage.charger()
        asking = buyer or stage.buyer
        offers = await offers_at(stage, place, buyer=asking)
        return Trip(stage, asking, place, offers[place.evse_id(slot)])

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def trip(new_trip: NewTrip, charger: Charger) -> Trip:
    return await new_trip(charger)


@pytest_asyncio.fixture(loop_scope="session")
async def other_buyer(stage: Stage) -> AsyncIterator[Buyer]:
    """A buyer app of its own."""
    async with stage.another_buyer() as buyer:
        yield buyer


@pytest.fixture
def taken_at_once(stage: Stage) -> Iterator[None]:
    """The payment gateway's account takes every payment whole, whatever was asked."""
    account = stage.network.payments.gateway.settings
    account.captures_at_once = True
    yield
    account.captures_at_once = False


@pytest_asyncio.fixture(loop_scope="session")
async def money_rules(stage: Stage) -> AsyncIterator[SetMoneyRules]:
    """`await money_rules(approve_above_paise=…)`: what the operator decides about money, until the story ends."""
    models = "from catalog.models import Operator; from orders.models import MoneyRules; "

    async def decide(**rules: int) -> None:
        whose = f"operator=Operator.objects.get(code={OPERATOR!r})"
        await stage.operate(f"{models}MoneyRules.objects.update_or_create({whose}, defaults={rules!r})")

    yield decide
    await stage.operate(f"{models}MoneyRules.objects.all().delete()")
