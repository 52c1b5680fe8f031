"""What do the tests of sessions share?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.fulfillment import telling
from tests.fulfillment.mailroom import MailServer, mail_server
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


@pytest.fixture
def post(settings: Settings) -> Iterator[MailServer]:
    """A mail server that the platform is set up to use."""
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", server.port, False
        settings.EMAIL_TIMEOUT = 10
        settings.DEFAULT_FROM_EMAIL = "notices@bpp.example.org"
        yield server
