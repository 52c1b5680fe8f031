"""What do the tests of sessions share?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.fulfillment import telling
from tests.fulfillment.supplier import TOKEN, FakeSupplier, running_supplier


@pytest.fixture
def supplier(settings: Settings) -> Iterator[FakeSupplier]:
    """A supplier that the platform is set up to call."""
    with running_supplier() as fake:
        settings.EV_POWER_SUPPLIER_URL = fake.url
        settings.EV_POWER_SUPPLIER_TOKEN = TOKEN
        settings.TIME_SCALE = 1.0
        yield fake


@pytest.fixture
def events_token(settings: Settings) -> None:
    """Station events carry the token of `telling`."""
    settings.EVENTS_TOKEN = telling.TOKEN
    settings.TIME_SCALE = 1.0
