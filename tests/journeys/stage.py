"""On what do the stories play? The provider as processes, the toy network around it, and chargers nobody has used."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis

from sandbox.buyer import Buyer
from sandbox.endpoint import Peer
from sandbox.network import Addresses, Events, Payments, Provider, RunningNetwork, running
from sandbox.payments import AccountSettings
from sandbox.signing import Identity
from sandbox.supplier import SupplierSettings
from tests.journeys.chargers import OPERATOR, TARIFF, Charger
from tests.journeys.desk import Desk
from tests.journeys.hearing import Hearing
from tests.verify.rig import BPP_ID, Rig, free_port

TIME_SCALE = 120.0  # 30 kW deliver 1 kWh each second
STATIONS = 200  # more than there are stories; each uses its own
FIRST_REDIS_DATABASE, REDIS_DATABASES = 8, 8
MAIL = "notices.mail"  # every e-mail to a driver, in the stage's folder
PROCESSES = ("web", "worker", "ingest", "beat")


@dataclass
class Stage:
    """Everything a story needs; `charger()` gives a station that no other story uses."""

    rig: Rig
    network: RunningNetwork
    folder: Path
    hearing: Hearing
    desk: Desk
    unused: Iterator[Charger] = field(default_factory=lambda: (Charger(n) for n in range(1, STATIONS)))
    names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def buyer(self) -> Buyer:
        return self.network.buyer

    @property
    def peer(self) -> Peer:
        return Peer(BPP_ID, self.rig.beckn)

    def charger(self) -> Charger:
        found = next(self.unused, None)
        assert found, f"all {STATIONS} stations are used; raise STATIONS"
        return found

    @asynccontextmanager
    async def another_buyer(self) -> AsyncIterator[Buyer]:
        """A subscribed buyer app of its own, so that what it answers disturbs nobody else."""
        identity = Identity.fresh(f"buyer-{next(self.names)}.journeys.localhost")
        async with Buyer(identity, registry_url=self.network.registry_url) as buyer:
            self.network.registry.add(buyer.row())
            self.hearing.ledgers.append(buyer.ledger)
            yield buyer

    async def supplier(self, order: str, **wishes: Any) -> Any:
        """Steer the power supplier: POST /control/<order>."""
        async with self.buyer.http.post(f"{self.network.supplier_url}/control/{order}", json=wishes) as response:
            content = await response.json()
        assert response.status == 200, content
        return content

    async def at_supplier(self, what: str, **query: str) -> Any:
        """What the power supplier noted: GET /control/<what>."""
        url = f"{self.network.supplier_url}/control/{what}"
        async with self.buyer.http.get(url, params=query) as response:
            return await response.json()

    async def set_rules(self, charger: Charger, **rules: Any) -> None:
        """Put the operator's rules for one station in place: `booking` and `cancellation`."""
        file = self.folder / f"rules-{charger.station_id}.json"
        file.write_text(json.dumps(rules))
        await self.manage("set_rules", str(file), "--operator", OPERATOR, "--station", charger.station_id)

    async def operate(self, code: str) -> str:
        """Let the operator act through the product's own services: Python text for `manage.py shell`."""
        return await self.manage("shell", "-v", "0", "-c", code)

    async def manage(self, *arguments: str) -> str:
        """What `manage.py` says, in a thread: the registry and the buyer apps answer from this very loop."""
        return await asyncio.to_thread(self.desk.manage, *arguments)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the provider's own tables, for what no callback tells."""
        with self.rig.connect() as connection:
            return connection.execute(query, values).fetchall()


@asynccontextmanager
async def standing(folder: Path, *, hearing: Hearing, template: str) -> AsyncIterator[Stage]:
    """The whole stage, with files in `folder`, until the block ends; `hearing` reads what the provider says.

    The provider's database is a copy of `template`, which is migrated, empty and nobody is connected to.
    """
    hub, supplier, till = free_port(), free_port(), free_port()
    account = AccountSettings(webhook_secret="journey-hooks", partial_capture=True)
    env = {"TIME_SCALE": str(TIME_SCALE), "REDIS_URL": _own_redis(), "BECKN_EMPTY_SEARCH_ANSWER": "1"}
    env |= _collecting(account, till) | {"EMAIL_FILE": str(folder / MAIL)}
    with Rig(f"http://127.0.0.1:{hub}", supplier_url=f"http://127.0.0.1:{supplier}/api/v2", env=env) as rig:
        rig.prepare(seed_city=False, template=template)
        with Desk(rig.env) as desk:
            _open_stations(desk, folder)
            rig.start(*PROCESSES)
            async with running(
                _provider(rig),
                addresses=Addresses(registry_port=hub, supplier_port=supplier, payments_port=till),
                events=Events(url=f"{rig.url}/events", token="verify-events", supplier_token="verify-supplier"),
                settings=SupplierSettings(time_scale=TIME_SCALE, meter_every_s=0.5),
                payments=Payments(account, f"{rig.url}/payments/razorpay/webhook"),
            ) as network:
                await rig.ready()
                hearing.ledgers.append(network.buyer.ledger)
                yield Stage(rig, network, folder, hearing, desk)


def _provider(rig: Rig) -> Provider:
    row = rig.row()
    return Provider(
        row.subscriber_id, row.subscriber_url, row.signing_public_key, row.encr_public_key, key_id=row.key_id
    )


def _collecting(account: AccountSettings, port: int) -> dict[str, str]:
    """The provider's settings for collecting through the toy gateway."""
    return {
        "PAYMENT_PROVIDER": "razorpay",
        "PAYMENT_RAZORPAY_URL": f"http://127.0.0.1:{port}/v1",
        "PAYMENT_RAZORPAY_KEY_ID": account.key_id,
        "PAYMENT_RAZORPAY_KEY_SECRET": account.key_secret,
        "PAYMENT_RAZORPAY_ACCOUNT": account.account_id,
        "PAYMENT_RAZORPAY_WEBHOOK_SECRETS": account.webhook_secret,
        "PAYMENT_RAZORPAY_PARTIAL_CAPTURE": "1",
        "PAYMENT_ALLOW_PRIVATE": "1",
    }


def _open_stations(desk: Desk, folder: Path) -> None:
    locations, tariffs = folder / "locations.json", folder / "tariffs.json"
    locations.write_text(json.dumps([Charger(n).location() for n in range(STATIONS)]))
    tariffs.write_text(json.dumps([TARIFF]))
    desk.manage("createoperator", "--code", OPERATOR, "--name", "Journey Charging")
    desk.manage("import_ocpi", "--operator", OPERATOR, "--locations", str(locations), "--tariffs", str(tariffs))


def _own_redis() -> str:
    """A database of the test server's Redis that nobody else is connected to, emptied of what an earlier run left."""
    parts = urlsplit(os.environ["REDIS_URL"])
    taken = {int(client["db"]) for client in redis.Redis.from_url(parts.geturl()).client_list()}
    first = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    numbers = [FIRST_REDIS_DATABASE + (first + step) % REDIS_DATABASES for step in range(REDIS_DATABASES)]
    free = next(number for number in numbers if number not in taken)
    url = urlunsplit(parts._replace(path=f"/{free}"))
    redis.Redis.from_url(url).flushdb()
    return url
