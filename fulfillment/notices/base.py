"""What must a way of telling drivers be able to do?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fulfillment.models import NoticeSettings
from fulfillment.notices.letters import Letter
from orders.models import Order

MASK = "•••"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One notice ready to go: `name` is the same however often it is sent; `data` holds its figures and no person."""

    name: str
    kind: str
    at: datetime
    language: str
    letter: Letter
    operator: str
    reply_to: str
    address: str
    unsubscribe_url: str
    data: Mapping[str, Any]
    secrets: tuple[bytes, ...] = ()


class Way(Protocol):
    """One way of telling drivers."""

    name: str
    title: str
    shared: bool
    """Whether one server takes the notices of all operators: where it is away, it is so for all of them."""

    def address(self, order: Order, told: NoticeSettings) -> str:
        """Where notices of this order go by this way; empty where they cannot."""
        ...

    def shown(self, address: str) -> str:
        """The address as staff may see it."""
        ...

    def send(self, parcel: Parcel, now: datetime) -> None:
        """Hand the parcel over. Raises DeliveryError: permanent where another try cannot help."""
        ...
