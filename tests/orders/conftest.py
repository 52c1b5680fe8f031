"""Payment gateways for the tests of orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from tests.orders.payments import ToyGateway, running_gateway


@pytest.fixture
def gateway(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyGateway]:
    """A gateway that captures any part of a payment; our door reads its clock."""
    with running_gateway(settings) as toy:
        monkeypatch.setattr(timezone, "now", lambda: toy.at)
        yield toy


@pytest.fixture
def whole(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyGateway]:
    """A gateway that captures a payment for its whole amount only; our door reads its clock."""
    with running_gateway(settings, partial_capture=False) as toy:
        monkeypatch.setattr(timezone, "now", lambda: toy.at)
        yield toy
