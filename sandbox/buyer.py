"""What does a buyer app do? It signs requests, receives signed callbacks, and keeps an account of both.

In a test or a load run:

    async with Buyer(identity, registry_url=…) as buyer:      # listens on a free loopback port
        await buyer.subscribe()                               # or put buyer.row() into a registry of your own
        sent = await buyer.search("12.97,77.59", bpp_uri=…)   # or gateway_url=…
        answer = await buyer.wait_for(sent.message_id, "on_search", 5)
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox import forms, wishes
from sandbox.endpoint import Endpoint, Network, Peer, Sent
from sandbox.exchanges import Received, Wanted
from sandbox.offers import Offer
from sandbox.signing import Identity
from sandbox.wishes import Amount, Window


@dataclass
class Deal:
    """What the buyer knows of one order: whom from, what was selected, what the provider last said."""

    transaction_id: str
    offer: Offer
    selected: dict[str, Any]
    order: dict[str, Any] = field(default_factory=dict)
    order_id: str = ""

    @property
    def peer(self) -> Peer:
        """The provider of the offer."""
        return Peer(self.offer.bpp_id, self.offer.bpp_uri)


class Buyer(Endpoint):
    """One buyer app (BAP): the actions, and the deals they belong to."""

    def __init__(
        self,
        identity: Identity | None = None,
        *,
        registry_url: str,
        network: Network | None = None,
        keep_bodies: bool = True,
        timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            identity, registry_url=registry_url, network=network, keep_bodies=keep_bodies, timeout_s=timeout_s
        )
        self.deals: dict[str, Deal] = {}

    async def search(
        self,
        gps: str,
        *,
        gateway_url: str = "",
        peer: Peer | None = None,
        radius_km: str = "5",
        connector_type: str = "",
        text: str = "",
        transaction_id: str = "",
    ) -> Sent:
        """Search around "lat,lon" through the gateway, or straight at one provider."""
        message = wishes.search(gps, radius_km=radius_km, connector_type=connector_type, text=text)
        url = f"{gateway_url.rstrip('/')}/search" if gateway_url else ""
        direct = None if gateway_url else peer
        return await self.send("search", message, peer=direct, url=url, transaction_id=transaction_id)

    async def select(
        self, offer: Offer, amount: Amount | None = None, *, window: Window | None = None, transaction_id: str = ""
    ) -> Sent:
        """Ask for a quote on an offer; opens the deal that the later calls name by its transaction_id."""
        message = wishes.select(offer, amount or Amount(), window=window or Window())
        deal = Deal(transaction_id or str(uuid.uuid4()), offer, message)
        self.deals[deal.transaction_id] = deal
        return await self._say(deal, "select", message)

    async def init(self, transaction_id: str, *, collected_by: str = "BAP", may_redirect: bool = False) -> Sent:
        """Say who drives and pays; `collected_by` proposes who takes the money, empty leaves it to the provider.

        `may_redirect`: the customer may be moved to another connector where the promised one fails.
        """
        deal = self.deal(transaction_id)
        message = wishes.init(deal.selected, collected_by=collected_by)
        return await self._say(deal, "init", wishes.redirectable(message) if may_redirect else message)

    async def agree(self, transaction_id: str, *, language: str = "en") -> list[str]:
        """Let the customer agree to the terms on the form that on_init named; returns the boxes ticked, maybe none.

        Raises FormError where the form is refused.
        """
        url = forms.asked(self.deal(transaction_id).order)
        return await forms.agree(self.http, url, language=language) if url else []

    async def confirm(
        self,
        transaction_id: str,
        *,
        reference: str = "",
        payments: list[dict[str, Any]] | None = None,
        consents: list[dict[str, Any]] | None = None,
    ) -> Sent:
        """Order, with the payment that on_init asked for made under `reference` (or with these payments).

        `consents` are tag groups that declare what the customer agreed to, as `wishes.consents` makes them.
        """
        deal = self.deal(transaction_id)
        # Whoever pays on the provider's own page has no reference but the provider's.
        theirs = any(one.get("collected_by") == "BPP" and one.get("url") for one in deal.order.get("payments") or [])
        own = "" if theirs else f"pay-{uuid.uuid4().hex[:12]}"
        made = wishes.payment(deal.order, reference=reference or own)
        message = wishes.confirm(deal.selected, payments or [made])
        if consents:
            message["order"]["tags"] = consents
        return await self._say(deal, "confirm", message)

    async def status(self, transaction_id: str) -> Sent:
        """Ask how the order stands."""
        deal = self.deal(transaction_id)
        return await self._say(deal, "status", {"order_id": deal.order_id})

    async def track(self, transaction_id: str) -> Sent:
        """Ask for the live page."""
        deal = self.deal(transaction_id)
        return await self._say(deal, "track", {"order_id": deal.order_id})

    async def update_start(self, transaction_id: str, *, code: str = "") -> Sent:
        """Ask to start charging, with the start code where the driver was given one."""
        return await self._command(transaction_id, "start-charging", code=code)

    async def update_end(self, transaction_id: str) -> Sent:
        """Ask to end charging."""
        return await self._command(transaction_id, "end-charging")

    async def update_window(self, transaction_id: str, window: Window) -> Sent:
        """Ask for another booked time."""
        deal = self.deal(transaction_id)
        message = wishes.update_window(deal.order_id, deal.offer.fulfillment_id, window=window)
        return await self._say(deal, "update", message)

    async def update_item(self, transaction_id: str, item_id: str) -> Sent:
        """Ask for another connector."""
        deal = self.deal(transaction_id)
        return await self._say(deal, "update", wishes.update_item(deal.order_id, item_id))

    async def cancel(
        self, transaction_id: str, *, reason_id: str = "1", descriptor: dict[str, str] | None = None
    ) -> Sent:
        """Cancel the order; a descriptor with code SOFT_CANCEL only asks for the fee."""
        deal = self.deal(transaction_id)
        message = wishes.cancel(deal.order_id, reason_id=reason_id, descriptor=descriptor)
        return await self._say(deal, "cancel", message)

    async def rating(self, transaction_id: str, value: str = "5", *, category: str = "Order") -> Sent:
        """Rate the order."""
        deal = self.deal(transaction_id)
        return await self._say(deal, "rating", wishes.rating(deal.order_id, value, category=category))

    async def support(self, transaction_id: str) -> Sent:
        """Ask for help about the order."""
        deal = self.deal(transaction_id)
        return await self._say(deal, "support", wishes.support(deal.order_id or transaction_id))

    async def get_cancellation_reasons(self, peer: Peer, *, transaction_id: str = "") -> Sent:
        """Ask for the provider's list of reasons."""
        return await self.send("get_cancellation_reasons", None, peer=peer, transaction_id=transaction_id)

    async def get_rating_categories(self, peer: Peer, *, transaction_id: str = "") -> Sent:
        """Ask for what can be rated."""
        return await self.send("get_rating_categories", None, peer=peer, transaction_id=transaction_id)

    async def wait_for(self, message_id: str, action: str, timeout_s: float = 10.0) -> Received:
        """The first callback for one request. Raises TimeoutError."""
        return await self.ledger.wait_for(message_id, action, timeout_s)

    async def wait_until(
        self, transaction_id: str, wanted: Wanted, *, timeout_s: float = 10.0, what: str = ""
    ) -> Received:
        """A callback of the transaction for which `wanted` is true. Raises TimeoutError naming `what`."""
        return await self.ledger.wait_until(transaction_id, wanted, timeout_s=timeout_s, what=what)

    async def wait_for_state(self, transaction_id: str, code: str, *, timeout_s: float = 10.0) -> Received:
        """A callback whose fulfilment state has this code."""
        return await self.wait_until(transaction_id, lambda it: it.state == code, timeout_s=timeout_s, what=code)

    def deal(self, transaction_id: str) -> Deal:
        """The deal of a transaction. Raises KeyError saying what to do."""
        try:
            return self.deals[transaction_id]
        except KeyError as err:
            raise KeyError(f"no deal in transaction {transaction_id!r}: select an offer first") from err

    def forget(self, transaction_id: str) -> None:
        """Drop a deal that is done, for runs of many thousands."""
        self.deals.pop(transaction_id, None)

    async def _command(self, transaction_id: str, command: str, *, code: str = "") -> Sent:
        deal = self.deal(transaction_id)
        message = wishes.update_state(deal.order_id, deal.offer.fulfillment_id, command=command, code=code)
        return await self._say(deal, "update", message)

    async def _say(self, deal: Deal, action: str, message: dict[str, Any]) -> Sent:
        return await self.send(action, message, peer=deal.peer, transaction_id=deal.transaction_id)

    def learn(self, received: Received) -> None:
        """Keep what the provider last said about a deal."""
        deal = self.deals.get(received.transaction_id)
        if deal is None or not received.order:
            return
        deal.order = received.order
        deal.order_id = str(received.order.get("id") or deal.order_id)
