"""How does one customer shop under fire? Every request is repeated until it is acknowledged, as buyer apps do."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox import wishes
from sandbox.buyer import Buyer
from sandbox.endpoint import Peer
from sandbox.exchanges import Received
from sandbox.offers import Offer, offers_in
from sandbox.signing import authorization, digest

TRIES = 60
CALLBACK_S = 60.0


class Late(Exception):
    """An answer keeps its customer waiting too long: he goes away. At the end it must have come all the same."""


class Refused(Exception):
    """The provider answered with a business error; the customer does something else."""


@dataclass
class Account:
    """What the customers saw: every acknowledged request with its digest, every callback that was missing or wrong."""

    acked: dict[tuple[str, str, str], str] = field(default_factory=dict)
    unacked: int = 0
    awaited: list[tuple[Buyer, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    complete: dict[str, dict[str, Any]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def lost(self) -> list[str]:
        """The acknowledged requests whose answer has not come to this moment."""
        return [
            f"{action} {message}"
            for buyer, action, message in self.awaited
            if not buyer.ledger.answers(message, f"on_{action}")
        ]


@dataclass
class Customer:
    """One customer at a time of one buyer app; `mine` says which EVSEs this buyer app may use."""

    buyer: Buyer
    peer: Peer
    account: Account
    dice: random.Random
    share: tuple[int, int]
    charge_s: float = 0.3

    async def shop(self) -> bool:
        """One order from search to the bill; True when it completed. Raises Late."""
        transaction = str(uuid.uuid4())
        offer = await self._find(transaction)
        if offer is None:
            return False
        evse = offer.fulfillment_id
        self.account.taken.add(evse)
        try:
            await self._buy(transaction, offer)
        except Refused as err:
            name = str(err)
            self.account.refusals[name] = self.account.refusals.get(name, 0) + 1
            return False
        finally:
            self.account.taken.discard(evse)
        return True

    async def _find(self, transaction: str) -> Offer | None:
        gps = f"{12.97 + self.dice.uniform(-0.06, 0.06):.6f},{77.60 + self.dice.uniform(-0.06, 0.06):.6f}"
        found = await self.ask("search", wishes.search(gps, radius_km="12"), transaction)
        mine = [
            offer
            for offer in offers_in(found.body)
            if offer.available and offer.fulfillment_id not in self.account.taken and self._is_mine(offer)
        ]
        return self.dice.choice(mine) if mine else None

    def _is_mine(self, offer: Offer) -> bool:
        index, count = self.share
        return int(digest(offer.fulfillment_id.encode())[:4].encode().hex(), 16) % count == index

    async def _buy(self, transaction: str, offer: Offer) -> None:
        selected = wishes.select(offer, wishes.Amount("3", "kWh"), window=wishes.Window())
        await self.ask("select", selected, transaction)
        on_init = await self.ask("init", wishes.init(selected, collected_by="BAP"), transaction)
        payment = wishes.payment(on_init.order, reference=f"utr-{uuid.uuid4().hex[:10]}")
        on_confirm = await self.ask("confirm", wishes.confirm(selected, [payment]), transaction)
        order_id = str(on_confirm.order["id"])
        await self._command(transaction, order_id, offer, "start-charging", {"charging-started", "charging-ended"})
        await asyncio.sleep(self.charge_s)
        await self._command(transaction, order_id, offer, "end-charging", {"charging-ended"})
        last = await self._order_status(transaction, order_id, "COMPLETE")
        self.account.complete[order_id] = last.order

    async def _command(self, transaction: str, order_id: str, offer: Offer, command: str, until: set[str]) -> None:
        message = wishes.update_state(order_id, offer.fulfillment_id, command=command)
        answer = await self.ask("update", message, transaction)
        if answer.state == "charger-error":
            raise Refused("charger-error")
        limit = time.monotonic() + CALLBACK_S
        while answer.state not in until:
            if time.monotonic() > limit:
                raise Late(f"{command} of {order_id} never led to {sorted(until)}; last state {answer.state!r}")
            await asyncio.sleep(1.0)
            answer = await self.ask("status", {"order_id": order_id}, transaction)
            if answer.state in {"charger-error", "order-cancelled"}:
                raise Refused(answer.state)

    async def _order_status(self, transaction: str, order_id: str, wanted: str) -> Received:
        answer = await self.ask("status", {"order_id": order_id}, transaction)
        if answer.order.get("status") != wanted:
            self.account.wrong.append(f"{order_id} is {answer.order.get('status')} after charging-ended")
        return answer

    async def ask(self, action: str, message: dict[str, Any], transaction: str) -> Received:
        """Send until it is acknowledged, then wait for its callback. Raises Refused for an error, Late for silence."""
        context = self.buyer.context(action, peer=self.peer, transaction_id=transaction)
        body = orjson.dumps({"context": context, "message": message})
        await self._until_acked(action, body, context)
        key = (self.buyer.identity.subscriber_id, action, str(context["message_id"]))
        self.account.acked[key] = digest(body)
        try:
            received = await self.buyer.wait_for(str(context["message_id"]), f"on_{action}", CALLBACK_S)
        except TimeoutError as err:
            self.account.awaited.append((self.buyer, action, str(context["message_id"])))
            raise Late(f"no on_{action} for {context['message_id']} within {CALLBACK_S:.0f} s") from err
        if received.error:
            raise Refused(f"{action} {received.error.get('code')} {str(received.error.get('message', ''))[:60]}")
        return received

    async def _until_acked(self, action: str, body: bytes, context: dict[str, Any]) -> None:
        for attempt in range(TRIES):
            headers = {"Authorization": authorization(self.buyer.identity, body, created=int(time.time()))}
            url = f"{self.peer.bpp_uri}/{action}"
            sent = await self.buyer.post(url, body, headers=headers, action=action, context=context)
            if sent.acked:
                return
            if sent.ack == "NACK" and str(sent.error.get("code")) != "40000":
                self.account.wrong.append(f"{action} was refused: {sent.error}")
                raise Refused(f"{action} NACK")
            await asyncio.sleep(min(2.0, 0.1 * (attempt + 1)))
        self.account.unacked += 1
        raise Refused(f"{action} not acknowledged")
