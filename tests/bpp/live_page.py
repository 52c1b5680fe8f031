"""The live page of an order as its driver holds it: what it shows, and its forms."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from fulfillment import services as fulfillment
from fulfillment.models import Session
from fulfillment.phrases import SAID
from fulfillment.services.links import opened_link
from orders.models import Order
from tests.factories.fulfillment import charging_session, waiting_session

HOUR = timedelta(hours=1)


class Page:
    """The live page of one order, as its driver holds it."""

    def __init__(self, order_id: int, *, rights: bool = True) -> None:
        self.order_id = order_id
        self.token = fulfillment.open_link(order_id, timezone.now(), rights=rights)
        self.url = f"/track/{self.token}"
        self.client = Client()

    @property
    def text(self) -> str:
        return str(self.client.get(self.url).content.decode())

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{self.url}.json").json()
        return found

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)

    def press(self, deed: str, *, headers: dict[str, str] | None = None, **answers: str) -> Any:
        """Send the deed's form, with the page's own token unless another is given."""
        form = {"once": answers.pop("once", None) or self.seen["once"], **answers}
        asked = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
        data = "&".join(f"{name}={value}" for name, value in form.items())
        return self.client.post(
            f"{self.url}/{deed}", data, content_type="application/x-www-form-urlencoded", headers=asked
        )

    def says(self, answer: Any) -> str:
        """The code that an answer leads to, whose sentence is on the page then."""
        assert answer.status_code == 303, (answer.status_code, answer.content[:500])
        address, code = answer["Location"].split("?said=")
        assert address == self.url
        assert str(SAID[code]).split(".")[0] in self.client.get(answer["Location"]).content.decode().replace(
            "&#x27;", "'"
        )
        return str(code)


def booked_charging() -> Session:
    """A session of a booked hour, charging now, for real times: the page looks at the clock."""
    now = timezone.now()
    return charging_session(now=now, starts_at=now - timedelta(minutes=1), ends_at=now + HOUR)


def opened(token: str) -> fulfillment.Link:
    link = opened_link(token, timezone.now())
    assert link is not None
    return link


def ended_page() -> Page:
    now = timezone.now()
    session = waiting_session(now=now)
    Session.objects.filter(pk=session.pk).update(state="ended", meter_start_wh=0, meter_stop_wh=0, ended_at=now)
    return Page(session.order_id)
