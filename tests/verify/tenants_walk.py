"""Does anything of another show in a long random walk of two buyer apps and two operators' staff?"""

from __future__ import annotations

import logging
import random
import statistics
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone

from bpp import celery, inbox
from bpp.models import InboxMessage, OutboxMessage, Subscriber
from catalog.models import OperatorStaff, Station
from fulfillment.services import open_sessions_due
from orders.models import Order
from sandbox.signing import Identity
from tests.factories.orders import CONTEXT, active_order, connector_on_sale
from tests.verify.rig import Verdict
from tests.verify.senders import context, document, message

GAP_MS = 10.0
SAMPLES = 150
TRIES = 3
LISTS = ("orders", "messages/in", "messages/out", "tickets", "ratings", "sessions", "stations", "evses", "tariffs")
PAGES = ("orders/order", "fulfillment/session", "bpp/inboxmessage", "bpp/outboxmessage", "support/ticket")
OWN, FOREIGN = ("status", "track", "support", "rating"), ("status", "track", "support", "rating", "cancel", "update")


@dataclass
class World:
    """Two buyer apps, two operators with one member of staff each, and every order with what only its own may see."""

    verdict: Verdict
    dice: random.Random
    buyers: list[str]
    stations: list[Station] = field(default_factory=list)
    staff: list[Client] = field(default_factory=list)
    orders: list[tuple[Order, int, int]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    def secrets_of(self, *, buyer: int | None = None, operator: int | None = None) -> set[str]:
        """What stands in orders that are not this buyer app's or operator's."""
        found: set[str] = set()
        for order, owner, seller in self.orders:
            if (buyer is not None and owner != buyer) or (operator is not None and seller != operator):
                found |= {order.code or "", order.transaction_id, order.billing["name"]}
        if operator is not None:
            found.add(self.stations[1 - operator].operator.name)
        return found

    def pick(self, *, buyer: int | None = None, operator: int | None = None, own: bool) -> Order | None:
        fitting = [
            order
            for order, owner, seller in self.orders
            if (owner == buyer if buyer is not None else seller == operator) is own
        ]
        return self.dice.choice(fitting) if fitting else None


def walk(verdict: Verdict, buyers: list[Identity], steps: int) -> None:
    """Take that many steps; whatever shows of another becomes a failure. Then compare how long refusals take."""
    celery.app.set_default()
    # Refusals are what is asked for here.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    try:
        world = World(verdict, random.Random(verdict.seed), [buyer.subscriber_id for buyer in buyers])
        _people(world)
        for _ in range(4):
            _buy(world)
        samples = max(40, min(SAMPLES, steps // 10))
        deeds = (_buy, _ask_about_own, _ask_about_foreign, _read_by_api, _act_by_api, _open_page)
        for _ in range(steps):
            deed = world.dice.choices(deeds, weights=(3, 22, 40, 20, 10, 5))[0]
            deed(world)
            world.done[deed.__name__.strip("_")] = world.done.get(deed.__name__.strip("_"), 0) + 1
        verdict.n += steps
        verdict.figures["walk"] = world.done
        _timing(world, samples)
    finally:
        connections.close_all()


def _people(world: World) -> None:
    for buyer in world.buyers:
        Subscriber.objects.update_or_create(
            subscriber_id=buyer,
            key_id="k1",
            defaults={
                "type": "BAP",
                "url": f"http://127.0.0.1:9/{buyer}",
                "signing_public_key": "",
                "status": "SUBSCRIBED",
                "fetched_at": timezone.now(),
            },
        )
    for number in range(2):
        station = connector_on_sale().evse.station
        user = User.objects.create_user(f"staff-{number}", password="right-password-1", is_staff=True)
        OperatorStaff.objects.create(user=user, operator=station.operator, role="owner")
        client = Client()
        client.force_login(user)
        world.stations.append(station)
        world.staff.append(client)


def _buy(world: World) -> None:
    """A new paid order of one buyer app at one operator, with names of its own in it."""
    buyer, seller = world.dice.randrange(2), world.dice.randrange(2)
    now, bap_id = timezone.now(), world.buyers[buyer]
    billing = {"name": f"Test Driver {uuid.uuid4().hex[:12]}"}
    connector = connector_on_sale(station=world.stations[seller])
    asked = {"bap_id": bap_id, "transaction_id": str(uuid.uuid4()), "context": CONTEXT | {"bap_id": bap_id}}
    order = active_order(connector, now=now, billing=billing, customer=billing, **asked)
    order.billing = billing
    Order.objects.filter(pk=order.pk).update(billing=billing, customer=billing)
    open_sessions_due(now)
    world.orders.append((order, buyer, seller))


def ask(world: World, buyer: int, action: str, name: str, *, transaction: str = "") -> tuple[str, float]:
    """One message decided as a worker would; its callback's text, and how long deciding took in ms."""
    identity = Identity(world.buyers[buyer], "k1", b"", b"")
    ids = {"transaction_id": transaction} if transaction else {}
    head = context(identity, f"http://127.0.0.1:9/{identity.subscriber_id}", action, **ids)
    now = timezone.now()
    row = InboxMessage.objects.create(
        bap_id=head["bap_id"],
        action=action,
        message_id=head["message_id"],
        transaction_id=head["transaction_id"],
        digest=b"\0" * 64,
        raw=document(head, message(action, order=name)),
        authorization="",
        received_at=now,
        deadline_at=now + timedelta(minutes=10),
    )
    started = time.perf_counter()
    inbox.process_next(now=timezone.now())
    took_ms = (time.perf_counter() - started) * 1000
    reply = OutboxMessage.objects.filter(answers=row).first()
    return bytes(reply.body).decode() if reply else "", took_ms


def _ask_about_own(world: World) -> None:
    buyer = world.dice.randrange(2)
    order = world.pick(buyer=buyer, own=True)
    if order is None:
        return
    action = world.dice.choice(OWN)
    text, _ = ask(world, buyer, action, order.code or "")
    if not text or '"error"' in text:
        world.verdict.fail(f"{action} of one's own order was refused: {text[:300]}")
    _look(world, f"{action} of one's own", text, world.secrets_of(buyer=buyer), said=())


def _ask_about_foreign(world: World) -> None:
    buyer = world.dice.randrange(2)
    order = world.pick(buyer=buyer, own=False)
    if order is None:
        return
    action = world.dice.choice(FOREIGN)
    name = world.dice.choice([order.code or "", order.transaction_id, order.connector.evse.uid, str(order.pk)])
    transaction = world.dice.choice(["", order.transaction_id])
    before = _standing(order)
    text, _ = ask(world, buyer, action, name, transaction=transaction)
    _look(world, f"{action} of another's", text, world.secrets_of(buyer=buyer), said=(name, transaction))
    _unmoved(world, f"{action} of another's", order, before)
    if action in {"status", "track", "cancel"} and '"error"' not in text:
        world.verdict.fail(f"{action} of another's order was answered: {text[:300]}")


def _read_by_api(world: World) -> None:
    operator = world.dice.randrange(2)
    name = world.dice.choice(LISTS)
    foreign = world.pick(operator=operator, own=False)
    asked = f"/api/{name}/?limit=20&offset={world.dice.choice([0, 0, 20])}"
    said: tuple[str, ...] = ()
    if foreign is not None and world.dice.random() < 0.5:
        asked = world.dice.choice(
            [f"/api/orders/{foreign.pk}/", f"/api/orders/?code={foreign.code}", f"/api/orders/?bap_id={foreign.bap_id}"]
        )
        said = (foreign.code or "",)
    answer = world.staff[operator].get(asked)
    # What is refused shows nothing, and proves nothing: one's own lists must be open.
    if answer.status_code != (404 if "/?" not in asked else 200):
        world.verdict.fail(f"GET {asked}: {answer.status_code}")
    own = world.pick(operator=operator, own=True)
    if asked == "/api/orders/?limit=20&offset=0" and own is not None and own.bap_id not in answer.content.decode():
        world.verdict.fail(f"GET {asked} does not show one's own orders")
    _look(world, f"GET {asked}", answer.content.decode(), world.secrets_of(operator=operator), said=said)


def _act_by_api(world: World) -> None:
    """A foreign order can be neither cancelled nor stopped; one's own now and then is."""
    operator = world.dice.randrange(2)
    own = world.dice.random() < 0.15
    order = world.pick(operator=operator, own=own)
    if order is None:
        return
    before, deed = _standing(order), world.dice.choice(["cancel", "stop"])
    answer = world.staff[operator].post(f"/api/orders/{order.pk}/{deed}/", {}, content_type="application/json")
    text = answer.content.decode()
    _look(world, f"POST {deed}", text, world.secrets_of(operator=operator), said=())
    if not own:
        _unmoved(world, f"POST {deed} by another operator", order, before)
        if answer.status_code not in {403, 404}:
            world.verdict.fail(f"POST {deed} on another operator's order: {answer.status_code} {text[:200]}")
    elif answer.status_code not in {200, 409}:
        world.verdict.fail(f"POST {deed} on one's own order: {answer.status_code} {text[:200]}")


def _open_page(world: World) -> None:
    operator = world.dice.randrange(2)
    foreign = world.pick(operator=operator, own=False)
    path = f"/admin/{world.dice.choice(PAGES)}/"
    if foreign is not None and world.dice.random() < 0.5:
        path = f"/admin/orders/order/{foreign.pk}/change/"
    answer = world.staff[operator].get(path)
    if answer.status_code not in ({302, 403, 404} if path.endswith("/change/") else {200}):
        world.verdict.fail(f"GET {path}: {answer.status_code}")
    _look(world, f"GET {path}", answer.content.decode(), world.secrets_of(operator=operator), said=())


def _look(world: World, what: str, text: str, hidden: set[str], *, said: tuple[str, ...]) -> None:
    """A name the asker said himself may come back; no other name of another's may."""
    for word in hidden - set(said):
        if word and word in text:
            world.verdict.fail(f"{what} shows {word!r}: {text[:300]}")
            return


def _standing(order: Order) -> tuple[Any, ...]:
    return Order.objects.filter(pk=order.pk).values_list("state", "fulfillment", "last_event").get()


def _unmoved(world: World, what: str, order: Order, before: tuple[Any, ...]) -> None:
    after = _standing(order)
    if after != before:
        world.verdict.fail(f"{what} moved order {order} from {before} to {after}")


def _timing(world: World, samples: int) -> None:
    """A refusal takes as long for another's order as for one that never was; the least disturbed try counts."""
    gaps: list[tuple[float, dict[str, Any]]] = []
    for _ in range(TRIES):
        found: dict[str, list[float]] = {"foreign": [], "unknown": []}
        for number in range(samples):
            order = world.pick(buyer=number % 2, own=False)
            assert order is not None
            pair = [("foreign", order.code or ""), ("unknown", f"VB-{uuid.uuid4().hex[:8].upper()}")]
            for kind, name in world.dice.sample(pair, 2):
                found[kind].append(ask(world, number % 2, ("status", "cancel", "track")[number % 3], name)[1])
        shown = {
            kind: {"median": round(statistics.median(ms), 2), "p95": round(statistics.quantiles(ms, n=20)[18], 2)}
            for kind, ms in found.items()
        }
        gaps.append((abs(shown["foreign"]["p95"] - shown["unknown"]["p95"]), shown))
        if gaps[-1][0] < GAP_MS:
            break
    gap, shown = min(gaps, key=lambda entry: entry[0])
    world.verdict.figures |= {"decide_ms": shown, "gap_p95_ms": round(gap, 2)}
    if gap >= GAP_MS:
        world.verdict.fail(f"another's order is told from an unknown one by {gap:.1f} ms: {shown}")
