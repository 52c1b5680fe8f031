"""A running network around a small provider, all on free loopback ports."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.network import Addresses, Events, Provider, RunningNetwork, running
from sandbox.serving import serve
from sandbox.supplier import SupplierSettings
from tests.sandbox.provider import ToyProvider


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def provider() -> AsyncIterator[ToyProvider]:
    toy = ToyProvider()
    server = await serve(toy.app())
    toy.url = f"{server.url}/beckn"
    yield toy
    await server.stop()


@pytest.fixture
async def network(provider: ToyProvider) -> AsyncIterator[RunningNetwork]:
    who = provider.identity
    row = Provider(
        who.subscriber_id, provider.url, who.signing_public_key, who.encryption_public_key, key_id=who.key_id
    )
    settings = SupplierSettings(time_scale=600.0)
    async with running(
        row, addresses=Addresses(), events=Events(supplier_token="supplier-token"), settings=settings
    ) as net:
        provider.supplier_url = net.supplier_url
        yield net
