"""What would a platform do that gave each meter value a Celery task? The naive worker of `bench.telemetry`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
django.setup()

from celery import Celery  # noqa: E402 - after django.setup
from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from redis import Redis  # noqa: E402

from fulfillment.drivers.supplier_json import station_event  # noqa: E402
from fulfillment.models import Reading, Session  # noqa: E402
from fulfillment.services import record_reading  # noqa: E402
from fulfillment.services.sessions import lock_session  # noqa: E402

TYPE = "com.ev-power-supplier.charging-station.meter-values.v1"
QUEUE = "bench-telemetry"

app = Celery("bench", set_as_current=False)
app.conf.update(settings.CELERY)
_redis = Redis.from_url(settings.REDIS_URL)


def task(name: str) -> Callable[[Callable[..., None]], Any]:
    """Make a function the task `name`; Celery's own decorator carries no types."""

    def register(function: Callable[..., None]) -> Any:
        return app.task(name=name)(function)

    return register


@task("bench-whole")
def whole(source: str, event_id: str, time: str, data: dict[str, Any]) -> None:
    """Take one value in as the platform did: under the locks of order and session, and follow it."""
    fact = station_event(TYPE, data, at=datetime.fromisoformat(time))
    assert fact is not None
    assert fact.reading is not None
    with transaction.atomic():
        found = Session.objects.get(remote_id=fact.session_id, evse__station__code=fact.station)
        order, session = lock_session(found.order_id)
        record_reading(order, session, fact.reading, now=timezone.now())
    _redis.incr(f"{QUEUE}:done")


@task("bench-plain")
def plain(source: str, event_id: str, time: str, data: dict[str, Any]) -> None:
    """Insert one row and do nothing else."""
    session_id = Session.objects.values_list("pk", flat=True).get(remote_id=data["sessionId"])
    Reading.objects.create(session_id=session_id, at=time, energy_wh=data["energyWh"], power_w=data["powerW"])
    _redis.incr(f"{QUEUE}:done")
