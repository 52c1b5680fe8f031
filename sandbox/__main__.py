"""How is the sandbox started? `python -m sandbox network|journey|registry|buyer|supplier|payments|keys`."""

import argparse
import asyncio
import base64
import json
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path

from sandbox.buyer import Buyer
from sandbox.buyer_api import Surroundings
from sandbox.endpoint import Network
from sandbox.gateway import Gateway
from sandbox.journey import travel
from sandbox.network import (
    BUYER_ID,
    GATEWAY_ID,
    REGISTRY_ID,
    Addresses,
    Events,
    Payments,
    Provider,
    buyer_with_page,
    identity_kept,
    running,
    serve_registry,
    serve_supplier,
)
from sandbox.payments import AccountSettings
from sandbox.payments_api import serve_payments
from sandbox.registry import Registry
from sandbox.signing import Identity
from sandbox.supplier import SupplierSettings


def main() -> int:
    """Run one command; returns its exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=arguments.log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    try:
        code: int = asyncio.run(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except OSError as err:
        print(f"sandbox: cannot listen or connect: {err}", file=sys.stderr)
        return 1
    return code


async def _network(arguments: argparse.Namespace) -> int:
    provider = Provider(
        arguments.bpp_id,
        arguments.bpp_url,
        public_key=arguments.bpp_public_key,
        encryption_public_key=arguments.bpp_encryption_public_key,
        key_id=arguments.bpp_key_id,
    )
    addresses = Addresses(
        arguments.host,
        arguments.registry_port,
        arguments.buyer_port,
        arguments.supplier_port,
        arguments.payments_port,
    )
    async with running(
        provider,
        addresses=addresses,
        events=_events(arguments),
        settings=_supplier_settings(arguments),
        state_dir=arguments.state_dir,
        network=_words(arguments),
        payments=_payments_account(arguments),
    ):
        await _until_stopped()
    return 0


async def _registry(arguments: argparse.Namespace) -> int:
    registry = Registry(identity_kept(arguments.state_dir, REGISTRY_ID))
    gateway = Gateway("", identity_kept(arguments.state_dir, GATEWAY_ID))
    server = await serve_registry(registry, gateway, host=arguments.host, port=arguments.registry_port)
    await _until_stopped()
    await server.stop()
    return 0


async def _buyer(arguments: argparse.Namespace) -> int:
    identity = identity_kept(arguments.state_dir, arguments.subscriber_id)
    buyer = Buyer(identity, registry_url=arguments.registry_url, network=_words(arguments))
    around = Surroundings(arguments.gateway_url, arguments.bpp_id, arguments.bpp_url)
    try:
        await buyer_with_page(buyer, around).start(host=arguments.host, port=arguments.buyer_port)
        if arguments.subscribe:
            await buyer.subscribe()
        await _until_stopped()
    except (TimeoutError, ValueError) as err:
        print(f"sandbox: the buyer app could not subscribe: {err}", file=sys.stderr)
        return 1
    finally:
        await buyer.stop()
    return 0


async def _supplier(arguments: argparse.Namespace) -> int:
    server = await serve_supplier(
        _supplier_settings(arguments),
        _events(arguments),
        host=arguments.host,
        port=arguments.supplier_port,
        state_dir=arguments.state_dir,
    )
    await _until_stopped()
    await server.stop()
    return 0


async def _payments(arguments: argparse.Namespace) -> int:
    wanted = _payments_account(arguments)
    server, _ = await serve_payments(
        wanted.account, webhook_url=wanted.webhook_url, host=arguments.host, port=arguments.payments_port
    )
    await _until_stopped()
    await server.stop()
    return 0


async def _journey(arguments: argparse.Namespace) -> int:
    return await travel(
        arguments.buyer.rstrip("/"), json_file=arguments.json, near=arguments.near, direct=arguments.direct
    )


async def _keys(arguments: argparse.Namespace) -> int:
    identity = Identity.fresh("")
    print(f"signing_private_key={base64.b64encode(identity.signing_seed).decode()}")
    print(f"signing_public_key={identity.signing_public_key}")
    print(f"encryption_private_key={base64.b64encode(identity.encryption_seed).decode()}")
    print(f"encryption_public_key={identity.encryption_public_key}")
    return 0


async def _until_stopped() -> None:
    """Say `ready` and wait for SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with suppress(BrokenPipeError):
        print("ready", flush=True)
    await stopped.wait()


def _events(arguments: argparse.Namespace) -> Events:
    return Events(arguments.events_url, arguments.events_token, arguments.supplier_token)


def _payments_account(arguments: argparse.Namespace) -> Payments:
    account = AccountSettings(
        key_id=arguments.payments_key_id,
        key_secret=arguments.payments_key_secret,
        webhook_secret=arguments.payments_webhook_secret,
        partial_capture=arguments.payments_partial_capture,
    )
    return Payments(account, arguments.payments_webhook_url)


def _supplier_settings(arguments: argparse.Namespace) -> SupplierSettings:
    return SupplierSettings(
        time_scale=arguments.time_scale,
        meter_every_s=arguments.meter_every_s,
        slots_per_station=arguments.slots,
        known_stations_only=arguments.known_stations_only,
        grow_slots=not arguments.fixed_slots,
        powers=_powers(arguments.powers),
    )


def _powers(file: Path | None) -> dict[str, dict[int, int]]:
    """What each slot delivers at most, from a JSON file; nothing without one."""
    if file is None:
        return {}
    content = json.loads(file.read_text())
    return {station: {int(slot): int(power) for slot, power in slots.items()} for station, slots in content.items()}


def _words(arguments: argparse.Namespace) -> Network:
    return Network(domain=arguments.domain, country=arguments.country, city=arguments.city, version=arguments.version)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A toy Beckn network for EV charging.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_network(commands)
    registry = commands.add_parser("registry", help="registry and gateway on one port")
    for add in (_place, _registry_place):
        add(registry)
    registry.set_defaults(run=_registry)
    _add_buyer(commands)

    supplier = commands.add_parser("supplier", help="an EV power supplier")
    for add in (_place, _supplier_place):
        add(supplier)
    supplier.set_defaults(run=_supplier)

    payments = commands.add_parser("payments", help="a payment gateway of Razorpay's kind")
    for add in (_place, _payments_place):
        add(payments)
    payments.set_defaults(run=_payments)

    journey = commands.add_parser("journey", help="one scripted journey through a running buyer app")
    journey.add_argument("--buyer", required=True, metavar="URL")
    journey.add_argument("--json", type=Path, default=None, metavar="FILE", help="write every message, one a line")
    journey.add_argument("--near", default="12.9716,77.5946", metavar="LAT,LON")
    journey.add_argument("--direct", action="store_true", help="search at the provider, not through the gateway")
    journey.add_argument("--log-level", default="warning")
    journey.set_defaults(run=_journey)

    keys = commands.add_parser("keys", help="print a fresh key pair for signing and one for encryption")
    keys.add_argument("--log-level", default="warning")
    keys.set_defaults(run=_keys)
    return parser


def _add_network(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    network = commands.add_parser("network", help="the whole network in one process")
    for add in (_place, _context_words, _registry_place, _buyer_place, _supplier_place, _payments_place):
        add(network)
    network.add_argument("--bpp-id", required=True)
    network.add_argument("--bpp-url", required=True, help="the provider's subscriber url")
    network.add_argument("--bpp-public-key", required=True, metavar="B64")
    network.add_argument("--bpp-encryption-public-key", required=True, metavar="B64")
    network.add_argument("--bpp-key-id", required=True)
    network.set_defaults(run=_network)


def _add_buyer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    buyer = commands.add_parser("buyer", help="a buyer app with its page")
    for add in (_place, _context_words, _buyer_place):
        add(buyer)
    buyer.add_argument("--registry-url", required=True)
    buyer.add_argument("--gateway-url", default="", help="where searches go; empty: straight to the provider")
    buyer.add_argument("--bpp-id", default="")
    buyer.add_argument("--bpp-url", default="")
    buyer.add_argument("--subscriber-id", default=BUYER_ID)
    buyer.add_argument("--subscribe", action="store_true", help="subscribe at the registry before being ready")
    buyer.set_defaults(run=_buyer)


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--state-dir", type=Path, default=None, help="where keys are kept over restarts")
    parser.add_argument("--log-level", default="warning")


def _context_words(parser: argparse.ArgumentParser) -> None:
    for name, value in (("domain", "ev-charging:uei"), ("country", "IND"), ("city", "std:080"), ("version", "1.1.0")):
        parser.add_argument(f"--{name}", default=value)


def _registry_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry-port", type=int, default=8042)


def _buyer_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--buyer-port", type=int, default=8041)


def _supplier_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--supplier-port", type=int, default=8043)
    parser.add_argument("--events-url", default="", help="where station events are posted; empty: nowhere")
    parser.add_argument("--events-token", default="")
    parser.add_argument("--supplier-token", default="", help="the bearer token that callers must carry")
    parser.add_argument("--time-scale", type=float, default=1.0, help="60 charges a minute in a second")
    parser.add_argument("--meter-every-s", type=float, default=2.0)
    parser.add_argument("--slots", type=int, default=2, help="slots of a station at first")
    parser.add_argument("--fixed-slots", action="store_true", help="do not add a slot because one was wished")
    parser.add_argument("--powers", type=Path, default=None, help="JSON file: station id → slot → most W it delivers")
    parser.add_argument("--known-stations-only", action="store_true", help="only seeded stations exist")


def _payments_place(parser: argparse.ArgumentParser) -> None:
    defaults = AccountSettings()
    parser.add_argument("--payments-port", type=int, default=8044)
    parser.add_argument("--payments-webhook-url", default="", help="where payment news is posted; empty: nowhere")
    parser.add_argument("--payments-key-id", default=defaults.key_id)
    parser.add_argument("--payments-key-secret", default=defaults.key_secret)
    parser.add_argument("--payments-webhook-secret", default=defaults.webhook_secret)
    parser.add_argument("--payments-partial-capture", action="store_true", help="less than the whole may be captured")


if __name__ == "__main__":
    sys.exit(main())
