"""Does a provider understand what the official collection of UEI requests says, word for word?"""

from __future__ import annotations

import json
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest

from sandbox.exchanges import Received
from sandbox.serving import utc_now, wire_time
from tests.at_hand import published
from tests.journeys.chargers import OPERATOR, Charger
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, post_signed

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

COLLECTION = "spec/uei-postman/ev-charging_uei_postman_collection.json"
# Its add-on is sold by nobody here, so its order never comes about and later requests name one that does not exist.
AS_PUBLISHED = {
    "search": "answered",
    "select": "30007",
    "init": "30007",
    "confirm": "40003",
    "update start-charging": "30010",
    "update end-charging": "30010",
    "cancel": "30010",
    "status": "30010",
    "rating": "30014",
    "support": "answered",
}
WITHOUT_THE_ADD_ON = dict.fromkeys(AS_PUBLISHED, "answered") | {"cancel": "40001"}


async def test_published_requests_are_answered_or_refused_for_a_reason(stage: Stage) -> None:
    assert await Told(stage, stage.charger()).play() == AS_PUBLISHED


async def test_published_requests_make_an_order_without_the_add_on(stage: Stage) -> None:
    assert await Told(stage, stage.charger(), add_ons=False).play() == WITHOUT_THE_ADD_ON


def collection() -> list[dict[str, Any]]:
    """The bodies of the collection, oldest step first; skips or fails where it is not at hand."""
    text = published(COLLECTION).read_text(encoding="utf-8")
    bodies = [json.loads(item["request"]["body"]["raw"]) for item in _requests(json.loads(text)["item"])]
    assert len(bodies) == 10
    return bodies


def _requests(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for item in items for found in (_requests(item["item"]) if "item" in item else [item])]


class Told:
    """The requests in their order within one transaction, with our ids, addresses and times filled in."""

    def __init__(self, stage: Stage, charger: Charger, *, add_ons: bool = True) -> None:
        self.stage, self.charger, self.add_ons = stage, charger, add_ons
        self.transaction_id = str(uuid.uuid4())
        self.order_id, self.total = "no-such-order", Decimal(0)

    async def play(self) -> dict[str, str]:
        """Send them all; the outcome of each is `answered` or the code it was refused with."""
        outcomes: dict[str, str] = {}
        for content in collection():
            name, answer = await self._ask(self._filled(content))
            outcomes[name] = str(answer.error["code"]) if answer.error else "answered"
            print(f"{name:<22} → {outcomes[name]:<9} {(answer.error or {}).get('message', '')}")
            self._learn(answer)
        return outcomes

    async def _ask(self, content: dict[str, Any]) -> tuple[str, Received]:
        context = content["context"]
        sent = await post_signed(self.stage.buyer, f"{self.stage.peer.bpp_uri}/{context['action']}", content)
        assert sent.acked, f"{sent.action}: {sent.response}"
        answer = await self.stage.buyer.wait_for(sent.message_id, f"on_{sent.action}", ANSWER_S)
        commands = re.findall(r"(start|end)-charging", json.dumps(content))
        return " ".join([sent.action, *(f"{command}-charging" for command in commands)]), answer

    def _learn(self, answer: Received) -> None:
        if answer.order:
            self.order_id = str(answer.order.get("id") or self.order_id)
            self.total = Decimal(answer.order["quote"]["price"]["value"])

    def _filled(self, content: dict[str, Any]) -> dict[str, Any]:
        buyer, peer = self.stage.buyer, self.stage.peer
        content["context"] |= {"bap_id": buyer.identity.subscriber_id, "bap_uri": buyer.uri}
        content["context"] |= {"transaction_id": self.transaction_id, "message_id": str(uuid.uuid4())}
        content["context"]["timestamp"] = wire_time(utc_now())
        if content["context"]["action"] != "search":
            content["context"] |= {"bpp_id": peer.bpp_id, "bpp_uri": peer.bpp_uri}
        self._fill_message(content["message"])
        return content

    def _fill_message(self, message: dict[str, Any]) -> None:
        if "order_id" in message:
            message["order_id"] = self.order_id
        for subject in message.get("ratings", []):
            subject["id"] = self.order_id
        if "support" in message:
            message["support"]["ref_id"] = self.order_id
        if "order" in message:
            self._fill_order(message["order"])

    def _fill_order(self, order: dict[str, Any]) -> None:
        for name in ("provider", "providers"):
            if name in order:
                order[name]["id"] = OPERATOR
        for item in order.get("items", []):
            item["id"] = self.charger.item_id()
            if not self.add_ons:
                item.pop("add_ons", None)
        for fulfillment in order["fulfillments"]:
            fulfillment["id"] = self.charger.evse_id()
        if not self.add_ons and "payments" in order:
            self._pay(order)

    def _pay(self, order: dict[str, Any]) -> None:
        """Pay what our offer costs, instead of the collection's ₹40."""
        order["payments"][0] |= {"collected_by": "BAP"}
        order["payments"][0]["params"]["amount"] = order["quote"]["price"]["value"] = f"{self.total:.2f}"
