"""Is a driver told by e-mail how the charging goes, from the start to the receipt?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
import pytest_asyncio

from tests.journeys.chargers import OPERATOR
from tests.journeys.stage import MAIL, Stage
from tests.journeys.trip import Trip, eventually

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]
BETWEEN = b"\n" + b"-" * 79 + b"\n"
MODELS = "from catalog.models import Operator; from fulfillment.models import Notice, NoticeSettings; "
KINDS = ("started", "eighty", "done", "receipt")


@pytest_asyncio.fixture(loop_scope="session")
async def telling(stage: Stage) -> AsyncIterator[None]:
    """The operator tells its drivers in Hindi, at any hour, until the story ends."""
    switches = [f"email:{kind}" for kind in KINDS]
    fields = f"active=True, language='hi', quiet_from='00:00', quiet_until='00:00', switches={switches}"
    since = "from django.utils import timezone; "
    await stage.operate(
        f"{MODELS}{since}NoticeSettings.objects.create(operator=Operator.objects.get(code={OPERATOR!r}), "
        f"active_since=timezone.now(), {fields})"
    )
    yield
    await stage.operate(f"{MODELS}NoticeSettings.objects.all().delete()")


async def letters(stage: Stage, order_id: str) -> list[EmailMessage]:
    """The e-mails about an order, oldest first."""
    file = stage.folder / MAIL
    raw = await asyncio.to_thread(file.read_bytes) if file.exists() else b""
    found = [message_from_bytes(part, policy=default) for part in raw.split(BETWEEN) if part.strip()]
    return [message for message in found if isinstance(message, EmailMessage) and order_id in plain(message)]


def plain(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


@pytest.mark.usefixtures("telling")
async def test_driver_is_told_from_the_start_to_the_receipt(stage: Stage, trip: Trip) -> None:
    await trip.charge("50")
    told = await eventually(lambda: letters(stage, trip.order_id), bool, "the notice of the start")
    assert told[0]["To"] == "driver@example.org"
    await eventually(lambda: letters(stage, trip.order_id), lambda seen: len(seen) >= 2, "the notice of 80 %")
    told = await eventually(lambda: letters(stage, trip.order_id), lambda seen: len(seen) >= 4, "end and receipt")
    kinds = stage.rows(
        "SELECT n.kind, n.state FROM fulfillment_notice n JOIN orders_order o ON o.id = n.order_id WHERE o.code = %s "
        "ORDER BY n.sent_at, n.id",
        trip.order_id,
    )
    assert kinds == [(kind, "sent") for kind in KINDS]
    assert len({message["Message-ID"] for message in told}) == len(told) == 4
    assert "80 %" in told[1]["Subject"]
    await links_open(trip, plain(told[3]))


async def links_open(trip: Trip, text: str) -> None:
    """The receipt's links lead to the paper and to the session's record."""
    kinds = {}
    for url in re.findall(r"https?://\S+", text):
        async with trip.buyer.http.get(url) as response:
            assert response.status == 200, url
            kinds[response.content_type] = await response.read()
    assert kinds["application/pdf"].startswith(b"%PDF")
    assert b"kWh" in kinds["text/html"]
