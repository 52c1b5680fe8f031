"""Does anything get lost when everything is killed? Orders of eight buyer apps under kill -9, then every invariant.

N sets the number of orders (2,000), SABOTAGE=no_outbox posts callbacks without keeping them, which must lose some.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter

from aiohttp import web

from sandbox.buyer import Buyer
from sandbox.endpoint import Peer
from sandbox.network import Events, serve_supplier
from sandbox.registry import Registry, add_registry_routes
from sandbox.serving import serve
from sandbox.signing import Identity
from sandbox.supplier import SupplierSettings
from tests.verify.invariants import check, open_work
from tests.verify.killing import KILLED, Killer, Servers
from tests.verify.rig import BPP_ID, Rig, Verdict, free_port, run
from tests.verify.story import Account, Customer, Late

BUYERS = 8
AT_ONCE = 3
STRIKE_EVERY_S = 2.0
DATABASE_EVERY_S = 30.0
DRAIN_S = 60.0
LONGEST_S = float(os.environ.get("LONGEST_S", "1800"))


async def proof(verdict: Verdict, sabotage: str) -> None:
    servers = Servers()
    try:
        servers.create()
        os.environ |= {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
        await _with_network(verdict, sabotage, servers)
    finally:
        servers.remove()


async def _with_network(verdict: Verdict, sabotage: str, servers: Servers) -> None:
    registry = Registry()
    app = web.Application()
    add_registry_routes(app, registry)
    listening = await serve(app)
    port = free_port()
    with Rig(listening.url, supplier_url=f"http://127.0.0.1:{port}/api/v2", sabotage=sabotage) as rig:
        events = Events(url=f"{rig.url}/events", token="verify-events", supplier_token="verify-supplier")
        station_side = await serve_supplier(SupplierSettings(time_scale=600), events, port=port)
        registry.add(rig.row())
        rig.prepare()
        rig.start(*KILLED)
        await rig.ready()
        buyers = [Buyer(Identity.fresh(f"bap{n}.verify.localhost"), registry_url=listening.url) for n in range(BUYERS)]
        for buyer in buyers:
            await buyer.start()
            registry.add(buyer.row())
        account = Account()
        try:
            await _under_fire(verdict, rig, servers, buyers, account)
            await _drain(verdict, rig)
            _judge(verdict, rig, buyers, account)
        finally:
            for buyer in buyers:
                await buyer.stop()
            await station_side.stop()
    await listening.stop()


async def _under_fire(verdict: Verdict, rig: Rig, servers: Servers, buyers: list[Buyer], account: Account) -> None:
    wanted = int(os.environ.get("N") or (2000 if not rig.env["SABOTAGE"] else 200))
    dice = random.Random(verdict.seed)
    killer = Killer(rig, servers, dice)
    until = time.monotonic() + LONGEST_S
    peer = Peer(BPP_ID, rig.beckn)
    customers = [
        Customer(buyer, peer, account, random.Random(f"{verdict.seed}-{place}-{n}"), (place, BUYERS))
        for place, buyer in enumerate(buyers)
        for n in range(AT_ONCE)
    ]
    shopping = [asyncio.create_task(_shop(customer, wanted, until)) for customer in customers]
    killing = asyncio.create_task(_kill(killer))
    while not all(task.done() for task in shopping):
        await asyncio.wait(shopping, timeout=15)
        print(
            f"  {len(account.complete)} of {wanted} orders, kills {killer.kills}, still awaited {len(account.lost())}",
            file=sys.stderr,
        )
    killing.cancel()
    await asyncio.gather(killing, return_exceptions=True)
    for task in shopping:
        if err := task.exception():
            verdict.fail(f"a customer broke off: {err!r}")
    killer.revive()
    verdict.n = len(account.complete)
    verdict.figures |= {"kills": killer.kills, "acked": len(account.acked), "refusals": account.refusals}
    if verdict.n < wanted:
        verdict.fail(f"only {verdict.n} of {wanted} orders completed in {LONGEST_S:.0f} s")


async def _shop(customer: Customer, wanted: int, until: float) -> None:
    account, dice = customer.account, customer.dice
    while len(account.complete) < wanted and time.monotonic() < until:
        try:
            if not await customer.shop():
                await asyncio.sleep(dice.uniform(0.05, 0.3))
        except Late as err:
            account.refusals["late"] = account.refusals.get("late", 0) + 1
            print(f"  late: {err}", file=sys.stderr)


async def _kill(killer: Killer) -> None:
    database_at = time.monotonic() + DATABASE_EVERY_S
    while True:
        await asyncio.sleep(STRIKE_EVERY_S)
        await asyncio.to_thread(killer.strike)
        await asyncio.to_thread(killer.revive)
        if time.monotonic() > database_at:
            database_at = time.monotonic() + DATABASE_EVERY_S
            await asyncio.to_thread(killer.strike_database)


async def _drain(verdict: Verdict, rig: Rig) -> None:
    """Wait until nothing is open any more; DRAIN_S is the mark."""
    started = time.monotonic()
    await rig.ready()
    left: dict[str, int] = {}
    while time.monotonic() - started < DRAIN_S:
        with rig.connect() as connection:
            left = open_work(connection)
        if not any(left.values()):
            verdict.figures["drained_s"] = round(time.monotonic() - started, 1)
            return
        await asyncio.sleep(1)
    verdict.fail(f"not drained after {DRAIN_S:.0f} s: {left}")


def _judge(verdict: Verdict, rig: Rig, buyers: list[Buyer], account: Account) -> None:
    with rig.connect() as connection:
        check(connection, account, verdict)
        sent = connection.execute(
            "SELECT bap_id, message_id, action FROM bpp_outboxmessage WHERE state = 'sent'"
        ).fetchall()
        dead = connection.execute("SELECT count(*) FROM bpp_outboxmessage WHERE state = 'dead'").fetchone()
    seen = {
        (buyer.identity.subscriber_id, exchange.message_id, exchange.action)
        for buyer in buyers
        for exchange in buyer.ledger.exchanges
        if exchange.direction == "in" and exchange.genuine
    }
    missing = [row for row in sent if tuple(row) not in seen]
    for row in missing[:5]:
        verdict.fail(f"I8 marked as delivered, never seen by the buyer app: {row}")
    for text in (*account.lost(), *account.wrong):
        verdict.fail(text)
    received = sum(1 for buyer in buyers for e in buyer.ledger.exchanges if e.direction == "in")
    again = Counter(e.action for buyer in buyers for e in buyer.ledger.exchanges if e.duplicate)
    twice = again.total()
    forged = sum(buyer.ledger.counts["bad signature"] for buyer in buyers)
    verdict.figures |= {
        "callbacks": received,
        "twice": twice,
        "twice_by_action": dict(again.most_common()),
        "twice_percent": round(100 * twice / max(received, 1), 2),
        "lost": len(account.lost()),
        "unacked": account.unacked,
        "dead": dead[0] if dead else 0,
    }
    if twice > received * 0.01:
        verdict.fail(f"{twice} of {received} callbacks were delivered twice; at most 1 % is allowed")
    if forged:
        verdict.fail(f"{forged} callbacks came with a signature that does not hold")


if __name__ == "__main__":
    sys.exit(run("chaos", proof))
