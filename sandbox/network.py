"""How does the whole toy network stand up? Registry, gateway, buyer app, power supplier and payments in one process."""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from sandbox.buyer import Buyer
from sandbox.buyer_api import BuyerApi, Surroundings
from sandbox.endpoint import Network
from sandbox.gateway import Gateway, add_gateway_routes
from sandbox.page import add_page_routes
from sandbox.payments import AccountSettings
from sandbox.payments_api import PaymentsApi, serve_payments
from sandbox.registry import Registry, Row, add_registry_routes
from sandbox.serving import Server, serve
from sandbox.signing import Identity
from sandbox.supplier import SupplierSettings
from sandbox.supplier_controls import supplier_app

GATEWAY_ID, REGISTRY_ID, BUYER_ID = "gateway.sandbox.localhost", "registry.sandbox.localhost", "buyer.sandbox.localhost"


@dataclass(frozen=True)
class Provider:
    """The provider platform that the network is built around: its registry entry."""

    bpp_id: str
    bpp_url: str
    public_key: str
    encryption_public_key: str
    key_id: str = "k1"

    def row(self, network: Network) -> Row:
        """Its row, SUBSCRIBED."""
        return Row(
            self.bpp_id,
            self.bpp_url.rstrip("/"),
            type="BPP",
            signing_public_key=self.public_key,
            encr_public_key=self.encryption_public_key,
            key_id=self.key_id,
            domain=network.domain,
            city=network.city,
            country=network.country,
        )


@dataclass(frozen=True)
class Addresses:
    """Where each part listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    registry_port: int = 0
    buyer_port: int = 0
    supplier_port: int = 0
    payments_port: int = 0


@dataclass(frozen=True)
class Events:
    """Where the supplier posts its events, and the bearer tokens in either direction."""

    url: str = ""
    token: str = ""
    supplier_token: str = ""


@dataclass(frozen=True)
class Payments:
    """Whose account the payment gateway keeps, and where its webhooks go; empty: nowhere."""

    account: AccountSettings = field(default_factory=AccountSettings)
    webhook_url: str = ""


@dataclass
class RunningNetwork:
    """The parts of a network that listens."""

    registry: Registry
    gateway: Gateway
    buyer: Buyer
    registry_url: str
    supplier_url: str
    payments: PaymentsApi


def identity_kept(state_dir: Path | None, subscriber_id: str) -> Identity:
    """A participant's identity: drawn once and kept in the state directory, or fresh where there is none."""
    if state_dir is None:
        return Identity.fresh(subscriber_id)
    state_dir.mkdir(parents=True, exist_ok=True)
    path = state_dir / f"{subscriber_id}.json"
    if path.exists():
        kept = json.loads(path.read_text())
        seeds = (base64.b64decode(kept[name]) for name in ("signing_seed", "encryption_seed"))
        return Identity(subscriber_id, kept["key_id"], *seeds)
    identity = Identity.fresh(subscriber_id)
    content = {
        "key_id": identity.key_id,
        "signing_seed": base64.b64encode(identity.signing_seed).decode(),
        "encryption_seed": base64.b64encode(identity.encryption_seed).decode(),
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    return identity


async def serve_registry(registry: Registry, gateway: Gateway, *, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Registry and gateway on one port, each with a row of its own."""
    app = web.Application()
    add_registry_routes(app, registry)
    add_gateway_routes(app, gateway)
    server = await serve(app, host=host, port=port)
    gateway.use_registry(server.url)
    for identity, kind in ((registry.identity, "BREG"), (gateway.identity, "BG")):
        keys = {"signing_public_key": identity.signing_public_key, "encr_public_key": identity.encryption_public_key}
        registry.add(
            Row(identity.subscriber_id, server.url, type=kind, key_id=identity.key_id, domain="*", city="*", **keys)
        )
    return server


async def serve_supplier(
    settings: SupplierSettings,
    events: Events,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    state_dir: Path | None = None,
) -> Server:
    """The power supplier; its API lies under /api/v2 of the server's url."""
    memory = state_dir / "supplier.json" if state_dir else None
    app = supplier_app(
        settings, token=events.supplier_token, events_url=events.url, events_token=events.token, memory=memory
    )
    return await serve(app, host=host, port=port)


def buyer_with_page(buyer: Buyer, around: Surroundings) -> Buyer:
    """The buyer with its control API and page, before it starts."""
    BuyerApi(buyer, around).add_routes(buyer.app)
    add_page_routes(buyer.app)
    return buyer


@asynccontextmanager
async def running(
    provider: Provider,
    *,
    addresses: Addresses,
    events: Events,
    settings: SupplierSettings,
    state_dir: Path | None = None,
    network: Network | None = None,
    payments: Payments | None = None,
) -> AsyncIterator[RunningNetwork]:
    """The whole network around one provider, listening until the block ends."""
    words, host = network or Network(), addresses.host
    registry = Registry(identity_kept(state_dir, REGISTRY_ID))
    gateway = Gateway("", identity_kept(state_dir, GATEWAY_ID))
    async with AsyncExitStack() as stack:
        hub = await serve_registry(registry, gateway, host=host, port=addresses.registry_port)
        stack.push_async_callback(hub.stop)
        registry.add(provider.row(words))
        supplier = await serve_supplier(settings, events, host=host, port=addresses.supplier_port, state_dir=state_dir)
        stack.push_async_callback(supplier.stop)
        around = Surroundings(hub.url, provider.bpp_id, provider.bpp_url.rstrip("/"), supplier.url)
        buyer = Buyer(identity_kept(state_dir, BUYER_ID), registry_url=hub.url, network=words)
        stack.push_async_callback(buyer.stop)
        await buyer_with_page(buyer, around).start(host=host, port=addresses.buyer_port)
        registry.add(buyer.row())
        wanted = payments or Payments()
        till, api = await serve_payments(
            wanted.account, webhook_url=wanted.webhook_url, host=host, port=addresses.payments_port
        )
        stack.push_async_callback(till.stop)
        yield RunningNetwork(
            registry,
            gateway,
            buyer,
            registry_url=hub.url,
            supplier_url=supplier.url,
            payments=api,
        )
