"""The supplier over HTTP: bearer token, idempotency keys, problems, faults on request, events."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.network import Events, serve_supplier
from sandbox.serving import Server, serve
from sandbox.supplier import SupplierSettings

TOKEN = {"Authorization": "Bearer supplier-token"}


class Desk:
    """A running supplier, and the endpoint that hears its events."""

    def __init__(self, http: aiohttp.ClientSession, supplier: Server, heard: "asyncio.Queue[Any]") -> None:
        self.http, self.url, self.heard = http, supplier.url, heard
        self.refusals = 0

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.url}/api/v2/{path}"
        async with self.http.request(method, url, json=body, headers=TOKEN | named) as response:
            return response.status, await response.json(content_type=None) if response.status != 204 else None

    async def control(self, name: str, **order: Any) -> int:
        async with self.http.post(f"{self.url}/control/{name}", json=order) as response:
            return response.status

    async def told(self, kind: str) -> dict[str, Any]:
        """The next event of a kind."""
        async with asyncio.timeout(5):
            while True:
                headers, event = await self.heard.get()
                if event["type"].endswith(f".{kind}.v1"):
                    assert headers["Authorization"] == "Bearer events-token"
                    assert headers["Content-Type"] == "application/cloudevents+json"
                    return dict(event["data"])


@pytest.fixture
async def desk(http: aiohttp.ClientSession) -> AsyncIterator[Desk]:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    refused: list[int] = []

    async def hear(request: web.Request) -> web.Response:
        if not refused:
            refused.append(503)
            return web.Response(status=503)
        await heard.put((request.headers, await request.json()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/events", hear)
    listener = await serve(app)
    events = Events(f"{listener.url}/events", "events-token", "supplier-token")
    supplier = await serve_supplier(SupplierSettings(time_scale=600, meter_every_s=0.1), events)
    yield Desk(http, supplier, heard)
    await supplier.stop()
    await listener.stop()


async def charging(desk: Desk, card: str = "c1", slot: int = 1) -> str:
    _, given = await desk.call("POST", "stations/S", {"card": card, "slotNumber": slot})
    await desk.call("PUT", f"stations/S/slot/{slot}/lock")
    await desk.call("PUT", f"sessions/{given['session']['id']}/start")
    return str(given["session"]["id"])


async def test_call_without_the_token_is_refused(desk: Desk) -> None:
    status, answer = await desk.call("GET", "stations/S", Authorization="Bearer other")
    assert (status, answer["title"]) == (401, "Unauthorized")


async def test_station_and_session_are_told_as_agreed(desk: Desk) -> None:
    session_id = await charging(desk, slot=2)
    status, answer = await desk.call("GET", f"sessions/{session_id}")
    session = answer["session"]
    assert (status, session["status"], session["slotNumber"], session["card"]) == (200, "charging", 2, "c1")
    assert session["meterWh"] == session["meterStartWh"] + session["energyWh"]
    assert {"id", "startedAt", "endedAt", "powerW", "soc", "paid"} <= set(session)
    _, station = await desk.call("GET", "stations/S")
    assert station == {"id": "S", "slots": [{"number": 1, "status": "free"}, {"number": 2, "status": "charging"}]}
    assert (await desk.call("GET", "stations/S/session/c1"))[1]["session"]["id"] == session_id


async def test_same_key_gives_the_first_answer_and_no_second_effect(desk: Desk) -> None:
    first = await desk.call("POST", "stations/S/support", {"error": "x"}, Idempotency_Key="k")
    assert await desk.call("POST", "stations/S/support", {"error": "x"}, Idempotency_Key="k") == first
    status, answer = await desk.call("POST", "stations/S/support", {"error": "y"}, Idempotency_Key="k")
    assert (status, answer["type"].rsplit("/")[-1]) == (409, "key-reused")
    async with desk.http.get(f"{desk.url}/control/tickets") as response:
        assert len(await response.json()) == 1


async def test_key_survives_the_end_of_the_session(desk: Desk) -> None:
    _, first = await desk.call("POST", "stations/S", {"card": "c1"}, Idempotency_Key="k")
    await desk.call("PUT", "stations/S/slot/1/unlock")
    _, again = await desk.call("POST", "stations/S", {"card": "c1"}, Idempotency_Key="k")
    assert again == first


async def test_refusal_is_not_kept_under_the_key(desk: Desk) -> None:
    session_id = await charging(desk)
    await desk.call("PUT", f"sessions/{session_id}/end")
    assert await desk.control("decline", n=1) == 200
    path = f"sessions/{session_id}/pay"
    assert (await desk.call("PUT", path, Idempotency_Key="p"))[0] == 402
    status, answer = await desk.call("PUT", path, Idempotency_Key="p")
    assert (status, answer["currency"], answer["session"]["paid"]) == (200, "INR", True)
    assert (await desk.call("PUT", path))[1]["paymentId"] == answer["paymentId"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("stations/S", {"card": ""}, 400),
        ("stations/S", {"card": "c", "slotNumber": "1"}, 400),
        ("stations/S", [1], 400),
        ("stations/S/leds/main", {"action": "dance", "color": "red"}, 400),
        ("stations/S/leds/7", {"action": "on", "color": "red"}, 404),
        ("stations/S/leds/main", {"action": "flicker", "color": "red", "duration": 3000}, 204),
    ],
)
async def test_bodies_are_checked(desk: Desk, path: str, body: Any, status: int) -> None:
    assert (await desk.call("POST", path, body))[0] == status


async def test_route_fails_as_often_as_asked(desk: Desk) -> None:
    assert await desk.control("faults", route="station", n=2, status=503) == 200
    answers = [(await desk.call("GET", "stations/S"))[0] for _ in range(3)]
    assert answers == [503, 503, 200]
    assert await desk.control("faults", route="nowhere") == 400


@pytest.mark.parametrize(("reset", "sessions"), [("before-commit", 0), ("after-commit", 1)])
async def test_connection_is_cut_before_or_after_the_effect(desk: Desk, reset: str, sessions: int) -> None:
    await desk.control("faults", route="acquire", reset=reset)
    with pytest.raises(aiohttp.ClientError):
        await desk.call("POST", "stations/S", {"card": "c1"}, Idempotency_Key="k")
    async with desk.http.get(f"{desk.url}/control/sessions") as response:
        assert len(await response.json()) == sessions
    status, _ = await desk.call("POST", "stations/S", {"card": "c1"}, Idempotency_Key="k")
    assert status == 201
    async with desk.http.get(f"{desk.url}/control/sessions") as response:
        assert len(await response.json()) == 1
    async with desk.http.get(f"{desk.url}/control/calls?route=acquire") as response:
        assert [call["key"] for call in await response.json()] == ["k", "k"]


async def test_events_tell_what_happens_in_order(desk: Desk) -> None:
    session_id = await charging(desk)
    statuses = [(await desk.told("slot-status-changed"))["status"] for _ in range(3)]
    assert statuses == ["reserved", "locked", "charging"]
    first, second = await desk.told("meter-values"), await desk.told("meter-values")
    assert (first["stationId"], first["slotNumber"], first["sessionId"]) == ("S", 1, session_id)
    assert first["energyWh"] <= second["energyWh"]
    assert {"timestamp", "powerW", "currentA", "voltageV", "soc"} <= set(first)
    await desk.control("fault", stationId="S", slotNumber=1)
    assert (await desk.told("faulted"))["error"]["code"] == "GroundFault"
    await desk.control("recover", stationId="S")
    assert await desk.told("recovered") == {"stationId": "S"}
    await desk.control("scan", stationId="S", cardId="c9")
    assert await desk.told("card-scanned") == {"stationId": "S", "cardId": "c9"}


async def test_restart_keeps_meters_sessions_and_answers(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    events = Events(supplier_token="supplier-token")
    first = await serve_supplier(SupplierSettings(time_scale=600), events, state_dir=tmp_path)
    desk = Desk(http, first, asyncio.Queue())
    ended, running = await charging(desk), await charging(desk, "c2", slot=2)
    await desk.call("PUT", f"sessions/{ended}/end", Idempotency_Key="e")
    before = (await desk.call("GET", f"sessions/{ended}"))[1]
    await first.stop()
    second = await serve_supplier(SupplierSettings(time_scale=600), events, state_dir=tmp_path)
    desk = Desk(http, second, asyncio.Queue())
    assert (await desk.call("GET", f"sessions/{ended}"))[1] == before
    assert (await desk.call("PUT", f"sessions/{ended}/end", {"other": 1}, Idempotency_Key="e"))[0] == 409
    assert (await desk.call("GET", f"sessions/{running}"))[1]["session"]["status"] == "charging"
    await desk.call("PUT", "stations/S/slot/1/unlock")
    third = await charging(desk, "c3")
    register = (await desk.call("GET", f"sessions/{third}"))[1]["session"]["meterStartWh"]
    assert register == before["session"]["meterWh"]
    await second.stop()


async def test_seeded_station_charges_as_seeded(desk: Desk) -> None:
    station = {"id": "S", "slots": 3, "powerW": 7400, "capacityWh": 20000, "socStart": 50}
    assert await desk.control("seed", stations=[station], settings={"time_scale": 1.0}) == 200
    session_id = await charging(desk, slot=3)
    _, answer = await desk.call("GET", f"sessions/{session_id}")
    assert (answer["session"]["powerW"], answer["session"]["soc"]) == (7400, 50)
    assert await desk.control("seed", settings={"speed": 1}) == 400


async def test_station_is_cut_off_and_told_late_on_request(desk: Desk) -> None:
    await desk.control("cut", stationId="S")
    session_id = await charging(desk)
    assert await desk.control("late", sessionId=session_id, energyWh=5) == 409
    await desk.call("PUT", f"sessions/{session_id}/end")
    assert await desk.control("late", sessionId=session_id, energyWh=4500) == 200
    told = await desk.told("meter-values")
    assert (told["sessionId"], told["context"]) == (session_id, "Transaction.End")
    _, answer = await desk.call("GET", f"sessions/{session_id}")
    assert (answer["session"]["energyWh"], answer["session"]["meterWh"]) == (4500, told["energyWh"])
    assert await desk.control("late", energyWh=1) == 400
