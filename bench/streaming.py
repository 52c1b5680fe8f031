"""What do the measurements of meter values stand on? Sessions that charge, and the events their meters send."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.sql import SQL, Identifier
from redis import Redis

from bench import door  # noqa: F401 - sets Django up

from django.conf import settings  # isort: skip
from django.core.management import call_command  # isort: skip
from django.db import connection, connections, transaction  # isort: skip
from django.db.models import DateTimeField, ExpressionWrapper, Value  # isort: skip
from django.db.models.functions import Random  # isort: skip
from django.utils import timezone  # isort: skip

from bpp.storing import conninfo  # isort: skip

from catalog.models import Connector, Evse, Operator, Station, Tariff  # isort: skip
from fulfillment.drivers.base import Ack  # isort: skip
from fulfillment.models import Session  # isort: skip
from fulfillment.services.running import begin  # isort: skip
from fulfillment.services.sessions import lock_session, open_sessions_due  # isort: skip
from orders import services as orders  # isort: skip

OPERATOR = "bench-meters"
BUYER = "bench.example.org"
TYPE = "com.ev-power-supplier.charging-station.meter-values.v1"
SLOTS = 10
POWER_W = 60_000
# What is ordered: more than is delivered while anything is measured.
ORDER_WH = 80_000
BILLING = {"name": "Bench Driver", "email": "driver@example.org", "phone": "+910000000000"}
ELEMENTS = [{"price_components": [{"type": "ENERGY", "price": "18.00"}, {"type": "FLAT", "price": "20.00"}]}]


@dataclass(slots=True)
class Meter:
    """A session's meter: whose it is, and what it shows, Wh."""

    session_id: int
    order_id: int
    remote_id: str
    station: str
    slot: int
    wh: int = 1_000

    def tell(self, at: datetime, gain_wh: int, number: str) -> dict[str, Any]:
        """The CloudEvent of its next value."""
        self.wh += gain_wh
        data = {
            "stationId": self.station,
            "slotNumber": self.slot,
            "sessionId": self.remote_id,
            "timestamp": at.isoformat(),
            "energyWh": self.wh,
            "powerW": POWER_W - 20_000 + self.wh % 1_000,
            "currentA": 62.5,
            "voltageV": 400.1,
            "soc": 40,
        }
        source = f"https://supplier.example/stations/{self.station}"
        head = {"specversion": "1.0", "id": number, "source": source, "type": TYPE, "time": data["timestamp"]}
        return head | {"data": data}


@contextmanager
def own_database() -> Iterator[None]:
    """A migrated database for what is made here, also for processes that are started; it vanishes at the end."""
    server, url, name = conninfo(), settings.DATABASE_URL, f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    before = connections["default"].settings_dict["NAME"]
    os.environ["DATABASE_URL"] = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    connections["default"].settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections.close_all()
        os.environ["DATABASE_URL"] = url
        connections["default"].settings_dict["NAME"] = before
        with psycopg.connect(server, autocommit=True) as link:
            link.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def family(pid: int) -> list[int]:
    """A process and all that it started; none where it is gone."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for child in children for each in family(int(child)))]


def backends() -> list[int]:
    """The processes of PostgreSQL that serve connections to this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return [pid for (pid,) in cursor.fetchall()]


def redis_pid() -> int:
    """The process of Redis, where it runs on this machine."""
    with Redis.from_url(settings.REDIS_URL) as client:
        pid = int(client.info("server")["process_id"])
    return pid if "redis" in Path(f"/proc/{pid}/cmdline").read_text() else os.getpid()


def meters(count: int, *, bap_uri: str = "https://bench.example.org/beckn") -> list[Meter]:
    """So many orders whose sessions charge since a minute ago, made by the services that make them."""
    made = [_charging(connector, number, bap_uri) for number, connector in enumerate(_connectors(count))]
    # Nobody shall ask their stations before they tell by themselves.
    Session.objects.update(next_at=timezone.now() + timedelta(hours=1))
    return made


def ready() -> None:
    """The sessions began just now, and their buyer app was told at different moments: making them took a while."""
    now = timezone.now()
    began_at = now - timedelta(seconds=10)
    told_at = ExpressionWrapper(Value(now) - Random() * Value(timedelta(seconds=30)), output_field=DateTimeField())
    Session.objects.update(next_at=now + timedelta(seconds=30), started_at=began_at, progress_at=told_at)


def _connectors(count: int) -> Iterator[Connector]:
    operator = Operator.objects.create(code=OPERATOR, name="Bench", support_phone="18001080")
    tariff = Tariff.objects.create(operator=operator, code="T", name="Day", elements=ELEMENTS)
    for place in range(count):
        if place % SLOTS == 0:
            station = Station.objects.create(
                operator=operator,
                code=f"{OPERATOR}-{place // SLOTS}",
                name=f"Hub {place // SLOTS}",
                latitude=Decimal("12.971600"),
                longitude=Decimal("77.594600"),
                published=True,
            )
        evse = Evse.objects.create(station=station, uid=f"IN*BEN*E{place:05}", slot_number=place % SLOTS + 1)
        yield Connector.objects.create(
            evse=evse,
            number="1",
            item_id=f"{evse.uid}*1",
            standard="IEC_62196_T2_COMBO",
            current="DC",
            max_power_w=POWER_W,
            tariff=tariff,
        )


def _charging(connector: Connector, number: int, bap_uri: str) -> Meter:
    now = timezone.now() - timedelta(minutes=1)
    context = {"domain": "ev-charging:uei", "bap_id": BUYER, "bap_uri": bap_uri, "version": "1.1.0"}
    wish: dict[str, Any] = {"bap_id": BUYER, "transaction_id": f"bench-{number}", "context": context, "now": now}
    orders.init_order(
        **wish,
        operator_code=OPERATOR,
        item_id=connector.item_id,
        quantity_kind="energy",
        quantity=ORDER_WH,
        billing=BILLING,
        customer=BILLING,
    )
    order = orders.confirm_order(**wish, payment_status="PAID", billing=BILLING, customer=BILLING)
    Evse.objects.filter(pk=connector.evse_id).update(status_at=now - timedelta(days=1))
    open_sessions_due(now)
    with transaction.atomic():
        locked, session = lock_session(order.pk)
        orders.mark_starting(order.pk, now=now, actor="bench")
        meter = Meter(
            session.pk, order.pk, f"ses-{session.pk}", connector.evse.station.code, connector.evse.slot_number
        )
        session.state, session.remote_id, session.slot_number = Session.State.STARTING, meter.remote_id, meter.slot
        begin(locked, session, Ack(session_id=meter.remote_id, started_at=now, meter_start_wh=meter.wh), now=now)
        session.save()
    return meter
