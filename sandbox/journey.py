"""Does a whole journey hold? search → select → init → confirm → track → start → charge → end → rating → support.

Drives a running buyer app over its API, prints each step, and checks what the provider says. With a JSON file, every
message of the journey is written, one object a line: `direction` (`out`: sent by the buyer, `in`: received by it),
`action`, `url`, `headers`, `body` (the exact text), `status`, `response`.
"""

import asyncio
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from sandbox import expectations, forms
from sandbox.offers import Offer
from sandbox.wishes import Amount

WISH = Amount("20", "kWh")
ANSWER_WITHIN_S = 30.0
STARTED_WITHIN_S = 60.0
CHARGE_FOR_S = 60.0
LOOKS_WANTED = 4
LOOK_EVERY_S = 1.5
STARTED, ENDED = ("charging-started", "charging-resumed"), ("charging-ended", "charger-error", "order-cancelled")
BARS = "▁▂▃▄▅▆▇█"


class JourneyError(Exception):
    """The journey cannot go on; the text says which expectation failed."""


@dataclass
class Journey:
    """One journey: what was agreed so far, and what did not hold."""

    http: aiohttp.ClientSession
    buyer_url: str
    faults: list[str] = field(default_factory=list)
    transaction_id: str = ""
    order: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    timestamps: list[tuple[str, str]] = field(default_factory=list)

    async def step(self, action: str, wishes: dict[str, Any] | None = None, *, via: str = "BPP") -> dict[str, Any]:
        """Send one action, print how it was answered, and return the callback's body. Raises JourneyError."""
        body = {"transaction_id": self.transaction_id, "wait_s": ANSWER_WITHIN_S} | (wishes or {})
        since = time.perf_counter()
        async with self.http.post(f"{self.buyer_url}/api/{action}", json=body) as response:
            content: dict[str, Any] = await response.json(content_type=None)
        if response.status != 200:
            raise JourneyError(f"{action}: the buyer app refused: {content.get('error')}")
        sent, answer = content["sent"], content["answer"]
        self.steps += 1
        self.transaction_id = sent["transaction_id"]
        say(f"  BAP → {via}  {sent['action']:<24} {sent['ack'] or sent['status']:<5} {sent['latency_ms']:6.0f} ms")
        if sent["ack"] != "ACK":
            raise JourneyError(f"{action}: no ACK but HTTP {sent['status']} {sent['response'][:300]}")
        if answer is None:
            raise JourneyError(f"{action}: no callback within {ANSWER_WITHIN_S:g} s of the ACK")
        took_ms = (time.perf_counter() - since) * 1000
        mark = "signature ✓" if answer["genuine"] else f"signature ✗ {answer['verdict']}"
        say(f"  BPP → BAP  {answer['action']:<24} {mark}  after {took_ms:.0f} ms")
        await self._check_context(sent, answer["body"], action=answer["action"])
        if error := answer["body"].get("error"):
            raise JourneyError(f"{answer['action']}: the provider refused: {error.get('code')} {error.get('message')}")
        return content

    async def _check_context(self, sent: dict[str, Any], body: dict[str, Any], *, action: str) -> None:
        for item in reversed(await self.exchanges()):
            if item["direction"] == "out" and item["message_id"] == sent["message_id"]:
                asked = orjson.loads(item["body"])["context"]
                self.timestamps.append((asked["timestamp"], str((body.get("context") or {}).get("timestamp"))))
                self.faults += expectations.context_faults(asked, body.get("context") or {}, where=action)
                return
        raise JourneyError(f"{action}: the buyer app kept no record of message {sent['message_id']}")

    async def exchanges(self) -> list[dict[str, Any]]:
        """Every message of this journey so far."""
        return list(await self.get("/api/exchanges", transaction_id=self.transaction_id))

    async def get(self, path: str, **query: str) -> Any:
        """JSON of one of the buyer app's pages."""
        async with self.http.get(f"{self.buyer_url}{path}", params=query) as response:
            return await response.json(content_type=None)

    def order_in(self, content: dict[str, Any], *, where: str) -> dict[str, Any]:
        """The order of a callback, checked for its sums and, once confirmed, for its ids."""
        order: dict[str, Any] = (content["answer"]["body"].get("message") or {}).get("order") or {}
        if not order:
            raise JourneyError(f"{where}: the message has no order")
        self.faults += expectations.quote_faults(order, where=where)
        if self.order:
            self.faults += expectations.same_order_faults(self.order, order, where=where)
        return order


async def travel(buyer_url: str, *, json_file: Path | None, near: str, direct: bool) -> int:
    """Make one journey and return the exit code: 0 if every expectation held."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S + 120)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        journey = Journey(http, buyer_url)
        try:
            await _story(journey, near=near, direct=direct)
        except JourneyError as err:
            journey.faults.append(str(err))
        except (aiohttp.ClientError, TimeoutError) as err:
            journey.faults.append(f"the buyer app at {buyer_url} does not answer: {err}")
            return _end(journey, [])
        journey.faults += expectations.timestamp_faults(journey.timestamps)
        exchanges = await journey.exchanges()
        journey.faults += [f"{it['action']}: {it['verdict']}" for it in exchanges if not it["genuine"]]
        if json_file is not None:
            async with http.get(f"{buyer_url}/api/lines?transaction_id={journey.transaction_id}") as response:
                await asyncio.to_thread(json_file.write_bytes, await response.read())
    return _end(journey, exchanges)


async def _story(journey: Journey, *, near: str, direct: bool) -> None:
    offer = await _choose(journey, near=near, direct=direct)
    quoted = journey.order_in(
        await journey.step("select", {"offer": offer.as_dict(), "value": WISH.value, "unit": WISH.unit}),
        where="on_select",
    )
    _say_quote(quoted)
    initiated = journey.order_in(await journey.step("init"), where="on_init")
    _say_terms(initiated)
    confirmed = journey.order_in(await journey.step("confirm"), where="on_confirm")
    if confirmed.get("status") != "ACTIVE" or not confirmed.get("id"):
        raise JourneyError(f"on_confirm: the order is {confirmed.get('status')!r} with id {confirmed.get('id')!r}")
    journey.order = confirmed
    say(f"             order {confirmed['id']}  {confirmed['status']}")
    await _track(journey)
    journey.order_in(await journey.step("update_start"), where="on_update")
    ended = await _charge(journey)
    if not ended:
        journey.order_in(await journey.step("update_end"), where="on_update")
    await _bill(journey)
    await _afterwards(journey)


async def _choose(journey: Journey, *, near: str, direct: bool) -> Offer:
    lat, lon = (float(part) for part in near.split(","))
    via = "BPP" if direct else "GW "
    content = await journey.step("search", {"near": f"{lat:.6f},{lon:.6f}", "direct": direct}, via=via)
    if not direct:
        await _say_forwards(journey, content["sent"]["message_id"])
    offers = [Offer(**fields) for fields in content["offers"]]
    nearest = sorted((offer for offer in offers if offer.available), key=lambda offer: offer.distance_m((lat, lon)))
    if not nearest:
        raise JourneyError(f"on_search: {len(offers)} chargers within 5 km of {near}, none available")
    offer = nearest[0]
    far = offer.distance_m((lat, lon))
    place = f"nearest {far:.0f} m" if math.isfinite(far) else "no coordinates"
    say(f"             {len(offers)} chargers, {len(nearest)} available, {place}")
    say(f"             chosen {offer.item_id}: {offer.name} at {offer.station}, {offer.price} {offer.currency}")
    return offer


async def _say_forwards(journey: Journey, message_id: str) -> None:
    """What the gateway did with the search, where it is one that tells."""
    gateway_url = (await journey.get("/api/info")).get("gateway_url")
    url = f"{gateway_url}/control/forwards"
    async with journey.http.get(url, params={"message_id": message_id}) as response:
        forwards = await response.json() if response.status == 200 else []
    for forward in forwards:
        answered = f"{forward['status']:<5} {forward['latency_ms']:6.0f} ms"
        say(f"  GW  → BPP  {'search':<24} {answered}  {forward['bpp_id']}")


async def _track(journey: Journey) -> None:
    content = await journey.step("track")
    tracking = (content["answer"]["body"].get("message") or {}).get("tracking") or {}
    say(f"             live page {tracking.get('url')} ({tracking.get('status')})")
    if not tracking.get("url"):
        journey.faults.append("on_track: tracking.url is missing")


async def _charge(journey: Journey) -> bool:
    """Look at the session while it charges; says whether it ended by itself."""
    query = {"transaction_id": journey.transaction_id, "timeout_s": str(STARTED_WITHIN_S)}
    first = await journey.get("/api/wait", state=",".join(STARTED + ENDED), **query)
    if "error" in first:
        raise JourneyError(f"charging did not start within {STARTED_WITHIN_S:g} s: {first['error']}")
    powers_kw: list[float] = []
    until = time.monotonic() + CHARGE_FOR_S
    while len(powers_kw) < LOOKS_WANTED:
        await asyncio.sleep(LOOK_EVERY_S)
        content = await journey.step("status")
        order = journey.order_in(content, where="on_status")
        details = expectations.charging_details(order)
        kw, wh = (
            expectations.power_kw(details.get("power", "")),
            expectations.energy_wh(details.get("energy-delivered", "")),
        )
        if wh:
            powers_kw.append(kw)
            say(f"     ⚡ {kw:5.1f} kW {_bars(powers_kw):<4}  {wh / 1000:7.3f} kWh  ₹{_total(order)}")
        if content["answer"]["state"] in ENDED:
            return True
        if time.monotonic() > until:
            raise JourneyError(f"no energy was told of within {CHARGE_FOR_S:g} s of charging-started")
    return False


async def _bill(journey: Journey) -> None:
    """Wait for the completed order and hold its bill against the meter."""
    for _ in range(20):
        final = journey.order_in(await journey.step("status"), where="on_status")
        if final.get("status") == "COMPLETE":
            break
        await asyncio.sleep(LOOK_EVERY_S)
    else:
        raise JourneyError(f"the order is {final.get('status')!r} after the end of charging; COMPLETE is expected")
    details = expectations.charging_details(final)
    say(
        f"             COMPLETE  {details.get('energy-delivered')}  meter {details.get('meter-start')} → "
        f"{details.get('meter-stop')}"
    )
    _say_quote(final)
    journey.faults += expectations.bill_faults(final)
    supplier_url = (await journey.get("/api/info")).get("supplier_url")
    if supplier_url:
        async with journey.http.get(f"{supplier_url}/control/sessions") as response:
            journey.faults += expectations.meter_faults(final, await response.json())


async def _afterwards(journey: Journey) -> None:
    await journey.step("rating", {"value": "5"})
    content = await journey.step("support")
    desk = (content["answer"]["body"].get("message") or {}).get("support") or {}
    say(f"             help: {desk.get('phone')} {desk.get('email')} {desk.get('url')}")
    content = await journey.step("get_cancellation_reasons")
    reasons = (content["answer"]["body"].get("message") or {}).get("cancellation_reasons") or []
    say(f"             {len(reasons)} reasons to cancel")
    content = await journey.step("get_rating_categories")
    categories = (content["answer"]["body"].get("message") or {}).get("rating_categories") or []
    say(f"             to rate: {', '.join(map(str, categories))}")


def _end(journey: Journey, exchanges: list[dict[str, Any]]) -> int:
    received = [it for it in exchanges if it["direction"] == "in"]
    verified = sum(1 for it in received if it["genuine"])
    say("")
    say(f"  {len(exchanges)} messages · {verified} of {len(received)} signatures verified · {journey.steps} steps")
    if not exchanges:
        journey.faults.append("no message was exchanged")
    for fault in dict.fromkeys(journey.faults):
        say(f"  FAILED  {fault}")
    say("  the journey held" if not journey.faults else f"  {len(set(journey.faults))} expectations failed")
    return 1 if journey.faults else 0


def _say_quote(order: dict[str, Any]) -> None:
    lines = (order.get("quote") or {}).get("breakup") or []
    parts = [f"{line.get('title')} {(line.get('price') or {}).get('value')}" for line in lines]
    say(f"             ₹{_total(order)} = {' + '.join(parts)}")


def _say_terms(order: dict[str, Any]) -> None:
    payment: dict[str, Any] = next(iter(order.get("payments") or []), {})
    say(
        f"             payment {payment.get('type')} collected by {payment.get('collected_by')}, "
        f"quote holds for {(order.get('quote') or {}).get('ttl')}, "
        f"{len(order.get('cancellation_terms') or [])} cancellation terms"
    )
    if url := forms.asked(order):
        say(f"             the customer agrees to the terms at {url}")


def _total(order: dict[str, Any]) -> str:
    return str(((order.get("quote") or {}).get("price") or {}).get("value"))


def _bars(values: list[float]) -> str:
    highest = max(values) or 1.0
    return "".join(BARS[min(7, int(value / highest * 7))] for value in values)


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
