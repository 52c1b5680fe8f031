"""Does anybody learn of another's order? Every action and form of id by the wrong buyer app, then a random walk.

N sets the steps of the walk (3,000). SABOTAGE=no_bap_filter finds orders by their id alone.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import re
import secrets
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import django
import orjson

from sandbox.signing import Identity
from tests.verify.rig import QUIET, Rig, Verdict, run, wanted
from tests.verify.senders import Line, Peers, authorized, context, document, message, parameters, request, written

if TYPE_CHECKING:
    from orders.models import Order

# A run made small waits less for what does not come, and asks in the two forms that most often leak.
SMALL = wanted(3000) < 1000
CALLBACK_S = 6.0 if SMALL else 15.0
ASKS = (*("select", "init", "confirm", "status", "track", "update start", "update end", "cancel", "rating", "support"),)
FORMS = ("order id", "transaction id", "order id in its transaction", "charger", "track token")
WITHOUT_ORDER_ID = ("select", "init", "confirm")
SETTINGS = {**QUIET, "LOG_LEVEL": "ERROR"}


@dataclass(frozen=True, slots=True)
class Names:
    """By what an order may be called; `item` is the connector it is for."""

    code: str
    transaction: str
    evse: str
    token: str
    item: str

    def value(self, form: str) -> str:
        if form == "charger":
            return self.evse
        if form == "track token":
            return self.token
        return self.transaction if form == "transaction id" else self.code


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the asker got: the callback without what differs in any two, its size, and the wait after the ACK."""

    text: str
    size: int
    wait_ms: float


async def proof(verdict: Verdict, sabotage: str) -> None:
    async with Peers() as peers:
        with Rig(peers.url, sabotage=sabotage, env=SETTINGS) as rig:
            buyers = [peers.join("alice"), peers.join("bobby")]
            peers.registry.add(rig.row())
            rig.prepare(seed_city=False)
            (rig.log / "static").mkdir()
            os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
            django.setup()
            if sabotage:
                from tests.verify import sabotage as switches

                await asyncio.to_thread(switches.apply, sabotage)
            rig.start("web", "worker", "beat")
            victims = [await asyncio.to_thread(_victim, buyer, peers.uri(buyer)) for buyer in buyers]
            await rig.ready()
            await _matrix(rig, peers, buyers, victims, verdict)
            for name in list(rig.processes):
                rig.kill(name)
            from tests.verify import tenants_walk

            await asyncio.to_thread(tenants_walk.walk, verdict, buyers, wanted(3000))


def _victim(owner: Identity, uri: str) -> tuple[Order, Names]:
    """A paid order of this buyer app, and its names."""
    from django.db import connections
    from django.utils import timezone

    from fulfillment.services import open_link
    from tests.factories.orders import active_order, connector_on_sale

    now = timezone.now()
    asked = {"bap_id": owner.subscriber_id, "transaction_id": str(uuid.uuid4())}
    order = active_order(connector_on_sale(), now=now, context=context(owner, uri, "confirm"), **asked)
    try:
        evse = order.connector.evse.uid
        names = Names(order.code or "", order.transaction_id, evse, open_link(order.pk, now), order.connector.item_id)
        return order, names
    finally:
        connections.close_all()


def _decoy(order: Order, real: Names) -> Names:
    """Names of the same shape that belong to no order; the charger is another one of the same station."""
    from django.db import connections

    from tests.factories.orders import connector_on_sale

    try:
        spare = connector_on_sale(station=order.connector.evse.station)
    finally:
        connections.close_all()
    code = "VB-" + base64.b32encode(secrets.token_bytes(5)).decode()
    token = secrets.token_urlsafe(48)[: len(real.token)]
    return Names(code, str(uuid.uuid4()), spare.evse.uid, token, real.item)


async def _matrix(
    rig: Rig, peers: Peers, buyers: list[Identity], victims: list[tuple[Order, Names]], verdict: Verdict
) -> None:
    """Each buyer app asks about the other's order in every form, and beside it about one that is nobody's."""
    waits: dict[str, list[float]] = {"foreign": [], "unknown": []}
    line = Line(rig.port)
    for place, asker in enumerate(buyers):
        order, real = victims[1 - place]
        decoy = await asyncio.to_thread(_decoy, order, real)
        for ask, form in _cases():
            pair = [("foreign", real), ("unknown", decoy)]
            outcomes: dict[str, Outcome] = {}
            for kind, names in random.sample(pair, 2):
                outcomes[kind] = await _asked(line, peers, asker, ask, form=form, names=names)
                waits[kind].append(outcomes[kind].wait_ms)
            verdict.n += 1
            _compare(verdict, f"{ask} by {form}", outcomes["foreign"], outcomes["unknown"])
    await line.close()
    await asyncio.to_thread(_untouched, [order for order, _ in victims], verdict)
    verdict.figures["wire_median_ms"] = {name: round(statistics.median(found), 1) for name, found in waits.items()}


def _cases() -> Iterator[tuple[str, str]]:
    for ask in ASKS:
        for form in FORMS[:2] if SMALL else FORMS:
            yield ask, form


async def _asked(line: Line, peers: Peers, asker: Identity, ask: str, *, form: str, names: Names) -> Outcome:
    action = ask.partition(" ")[0]
    value = names.value(form)
    transaction = names.transaction if form == "order id in its transaction" else str(uuid.uuid4())
    if action in WITHOUT_ORDER_ID and form != "order id in its transaction":
        transaction = value
    head = context(asker, peers.uri(asker), action, transaction_id=transaction)
    body = document(head, _content(ask, form, value, names))
    waiting = peers.expect(head["message_id"])
    answer = await line.ask(request(f"/beckn/{action}", body, authorized(written(parameters(asker, body)))))
    acked_at = time.monotonic()
    if not answer.acked:
        return Outcome(f"{answer.status} {answer.body!r}", len(answer.body), 0.0)
    try:
        callback = await asyncio.wait_for(waiting, CALLBACK_S)
    except TimeoutError:
        return Outcome("no callback", 0, CALLBACK_S * 1000)
    raw = orjson.dumps(callback.body, option=orjson.OPT_SORT_KEYS)
    return Outcome(_plain(raw.decode(), names, head), len(raw), (callback.at - acked_at) * 1000)


def _content(ask: str, form: str, value: str, names: Names) -> dict[str, Any]:
    content = message(ask.partition(" ")[0], item=names.item, order=value)
    assert content is not None
    order = content.get("order", {})
    if ask == "update end":
        order["fulfillments"][0]["state"]["descriptor"]["code"] = "end-charging"
    if ask.startswith("update") and form == "charger":
        del order["id"]
        order["fulfillments"][0]["id"] = value
    if ask in WITHOUT_ORDER_ID:
        del order["provider"]
        order["provider"] = {"id": ""}
        order["id"] = names.code
    return content


def _plain(text: str, names: Names, head: dict[str, Any]) -> str:
    """The callback without ids and times, so that two of them can be compared."""
    for word in (names.code, names.transaction, names.evse, names.token, head["transaction_id"], head["message_id"]):
        text = text.replace(word, "<id>")
    return re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?", "<time>", text)


def _compare(verdict: Verdict, name: str, foreign: Outcome, unknown: Outcome) -> None:
    if foreign.text != unknown.text:
        verdict.fail(f"{name}: another's order is answered otherwise: {foreign.text[:300]} / {unknown.text[:300]}")
    elif foreign.size != unknown.size:
        verdict.fail(f"{name}: the answer has {foreign.size} bytes, for an unknown one {unknown.size}")


def _untouched(orders: list[Order], verdict: Verdict) -> None:
    """Nothing of what the wrong buyer app asked has left a trace at the order."""
    from django.db import connections

    from support.models import Rating, Ticket

    for order in orders:
        before = (order.state, order.fulfillment, order.last_event)
        order.refresh_from_db()
        after = (order.state, order.fulfillment, order.last_event)
        traces = Rating.objects.filter(order=order).count() + Ticket.objects.filter(order=order).count()
        if before != after or traces:
            verdict.fail(f"order {order} was {before} and is {after}, with {traces} ratings and tickets of a stranger")
    connections.close_all()


if __name__ == "__main__":
    sys.exit(run("tenants", proof))
