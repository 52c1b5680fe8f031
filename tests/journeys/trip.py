"""How does one customer get from a wish to a bill? The steps of an order, each acknowledged and answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from sandbox.buyer import Buyer, Deal
from sandbox.endpoint import Sent
from sandbox.exchanges import Received
from sandbox.expectations import charging_details, energy_wh
from sandbox.offers import Offer, offers_in
from sandbox.signing import authorization
from sandbox.wishes import Amount, Window
from tests.journeys.chargers import Charger
from tests.journeys.stage import Stage

T = TypeVar("T")

ANSWER_S = 60.0
LOOK_EVERY_S = 0.05  # without a pause the looks would take the processor from those who are to act
META = {"get_cancellation_reasons": "cancellation_reasons", "get_rating_categories": "rating_categories"}


async def answer_to(buyer: Buyer, sending: Awaitable[Sent]) -> Received:
    """The callback for a request, once that was acknowledged."""
    sent = await sending
    assert sent.acked, f"{sent.action}: HTTP {sent.status} {sent.response}"
    return await buyer.wait_for(sent.message_id, META.get(sent.action, f"on_{sent.action}"), ANSWER_S)


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], what: str) -> T:
    """Look again and again until what is seen is wanted, or fail saying what did not come."""
    until = time.monotonic() + ANSWER_S
    while not wanted(seen := await look()):
        assert time.monotonic() < until, f"{what}: not within {ANSWER_S:g} s; last seen: {seen}"
        await asyncio.sleep(LOOK_EVERY_S)
    return seen


async def post_signed(buyer: Buyer, url: str, content: dict[str, Any]) -> Sent:
    """Post this very content, signed now."""
    body, context = orjson.dumps(content), content["context"]
    headers = {"Authorization": authorization(buyer.identity, body, created=int(time.time()))}
    return await buyer.post(url, body, headers=headers, action=context["action"], context=context)


async def offers_at(stage: Stage, charger: Charger, *, buyer: Buyer | None = None) -> dict[str, Offer]:
    """What a search beside a station finds, by EVSE id."""
    asking = buyer or stage.buyer
    found = await answer_to(asking, asking.search(charger.gps, peer=stage.peer, radius_km="1"))
    return {offer.fulfillment_id: offer for offer in offers_in(found.body)}


async def until_offered(stage: Stage, charger: Charger, *, available: bool, slot: int = 2) -> None:
    """Search until the charge point is offered as available, or no longer is."""
    await eventually(
        lambda: offers_at(stage, charger),
        lambda offers: offers[charger.evse_id(slot)].available is available,
        f"{charger.evse_id(slot)} offered as available: {available}",
    )


@dataclass
class Trip:
    """One order of one buyer app; `amount` and `window` are what it asks for."""

    stage: Stage
    buyer: Buyer
    charger: Charger
    offer: Offer
    transaction_id: str = ""
    may_redirect: bool = False

    @property
    def deal(self) -> Deal:
        return self.buyer.deal(self.transaction_id)

    @property
    def order_id(self) -> str:
        return self.deal.order_id

    async def answer(self, sending: Awaitable[Sent]) -> Received:
        return await answer_to(self.buyer, sending)

    async def select(self, amount: str = "20", unit: str = "kWh", window: Window | None = None) -> Received:
        wish = Amount(amount, unit)
        sent = await self.buyer.select(self.offer, wish, window=window, transaction_id=self.transaction_id)
        assert sent.acked, f"select: HTTP {sent.status} {sent.response}"
        self.transaction_id = sent.transaction_id
        return await self.buyer.wait_for(sent.message_id, "on_select", ANSWER_S)

    async def init(self) -> Received:
        return await self.answer(self.buyer.init(self.transaction_id, may_redirect=self.may_redirect))

    async def confirm(self) -> Received:
        return await self.answer(self.buyer.confirm(self.transaction_id))

    async def start(self) -> Received:
        return await self.answer(self.buyer.update_start(self.transaction_id))

    async def stop(self) -> Received:
        return await self.answer(self.buyer.update_end(self.transaction_id))

    async def status(self) -> Received:
        return await self.answer(self.buyer.status(self.transaction_id))

    async def init_with_us(self) -> str:
        """Initialise with the provider collecting before the order; the address of the page to pay on."""
        told = await self.answer(self.buyer.init(self.transaction_id, collected_by="BPP"))
        assert told.error is None, told.error
        payment = told.order["payments"][0]
        assert (payment["collected_by"], payment["status"]) == ("BPP", "NOT-PAID")
        return str(payment["url"])

    async def book(self, amount: str = "20", unit: str = "kWh", window: Window | None = None) -> Received:
        """From the wish to the confirmed order."""
        for answer in (await self.select(amount, unit, window), await self.init(), confirmed := await self.confirm()):
            assert answer.error is None, answer.error
        return confirmed

    async def charge(self, amount: str = "20") -> Received:
        """From the wish to energy that flows."""
        await self.book(amount)
        answer = await self.start()
        assert answer.error is None, answer.error
        return await self.until("charging-started")

    async def until(self, state: str) -> Received:
        """A callback that tells of this fulfilment state."""
        return await self.buyer.wait_for_state(self.transaction_id, state, timeout_s=ANSWER_S)

    async def until_energy(self) -> None:
        """Wait until the meter, as the provider tells it, has moved."""
        await eventually(self.status, lambda told: bool(_energy_wh(told.order)), "energy")

    def callbacks(self, action: str = "") -> list[Received]:
        """Everything the provider said in this transaction, oldest first."""
        return self.buyer.ledger.of_transaction(self.transaction_id, action)

    def states(self) -> list[str]:
        """The fulfilment states the buyer app was told of, repetitions left out."""
        told: list[str] = []
        for callback in self.callbacks():
            if callback.state and callback.state != (told[-1] if told else ""):
                told.append(callback.state)
        return told

    async def sessions(self) -> list[dict[str, Any]]:
        """The sessions the power supplier knows of at this trip's station."""
        return list(await self.stage.at_supplier("sessions", stationId=self.charger.station_id))


def _energy_wh(order: dict[str, Any]) -> int | None:
    return energy_wh(charging_details(order).get("energy-delivered", ""))


def lines_of(order: dict[str, Any]) -> dict[str, Decimal]:
    """The quote of an order: its lines by title, and its total under `total`."""
    quote = order["quote"]
    lines = {line["title"]: Decimal(line["price"]["value"]) for line in quote["breakup"]}
    return lines | {"total": Decimal(quote["price"]["value"])}
