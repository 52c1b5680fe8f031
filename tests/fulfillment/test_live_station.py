"""Do platform and supplier play together over real HTTP and a real clock, events included?"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.models import Reading, Session, StationEvent
from fulfillment.services.instances import in_hand
from sandbox.serving import serve
from sandbox.supplier import SupplierSettings
from sandbox.supplier_controls import supplier_app
from tests.factories.fulfillment import waiting_session
from tests.fulfillment.supplier import TOKEN

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("fulfillment.urls")]

EVENTS_TOKEN = "events-token"
SPEED = 120


@contextmanager
def live_supplier(events_url: str) -> Iterator[str]:
    """The sandbox's supplier with its clockwork and its events; yields the base of its API."""
    loop, ready, stop, urls = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), list[str]()
    rules = SupplierSettings(time_scale=SPEED, meter_every_s=0.3)

    async def life() -> None:
        app = supplier_app(rules, token=TOKEN, events_url=events_url, events_token=EVENTS_TOKEN)
        server = await serve(app)
        urls.append(f"{server.url}/api/v2")
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(life()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def work_until(done: Callable[[], bool], *, most_s: float = 20.0) -> None:
    """Do what workers do until something is so."""
    until = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < until, "it did not come about in time"
        fulfillment.process_events_due(timezone.now())
        if not fulfillment.advance_due():
            threading.Event().wait(0.02)


def test_session_runs_by_events_and_ends_at_the_ordered_energy(live_server: LiveServer, settings: Settings) -> None:
    settings.EVENTS_TOKEN, settings.EV_POWER_SUPPLIER_TOKEN, settings.TIME_SCALE = EVENTS_TOKEN, TOKEN, SPEED
    with live_supplier(f"{live_server.url}/events") as settings.EV_POWER_SUPPLIER_URL:
        session = waiting_session(now=timezone.now(), quantity=2_000)
        fulfillment.request_start(session.order_id, timezone.now())

        def over() -> bool:
            session.refresh_from_db()
            told = not StationEvent.objects.filter(state="new").exists()
            return session.state == Session.State.ENDED and not in_hand(session) and told

        work_until(over)
    assert (session.state, session.stop_reason) == (Session.State.ENDED, "ordered energy reached")
    assert session.fault == ""
    assert 2_000 <= session.energy_wh < 3_000
    assert Reading.objects.filter(session=session, accepted=True).exists()
    assert not Reading.objects.filter(session=session, reason__startswith="implausible").exists()
    # Only what overtakes our knowledge of the start, or is told after the end, is left aside.
    refused = StationEvent.objects.filter(state="refused").values_list("reason", flat=True)
    benign = ("out of order", "is starting", "is ended")
    assert [reason for reason in refused if not any(word in reason for word in benign)] == []
    assert Evse.objects.get(pk=session.evse_id).status == Evse.Status.AVAILABLE
