"""Which states can the driver's page be in? Each one made without a database, and addresses that serve them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import translation

from core.pages import sealed
from core.qr import qr_svg
from fulfillment.live_page import page_of
from fulfillment.services.framing import BillLine, Frame, Promised
from fulfillment.services.tracking import WORDS, Notice, ReceiptLine, Snapshot
from fulfillment.views import POLICY
from orders.papers.labels import label
from orders.views.terms import NAMES, asked_language

BEGAN = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
NOW = BEGAN + timedelta(minutes=24)
STEP_S = 6
TARIFF: list[dict[str, Any]] = [
    {
        "price_components": [
            {"type": "ENERGY", "price": 18},
            {"type": "FLAT", "price": 20},
            {"type": "PARKING_TIME", "price": 60, "grace": 600},
        ]
    },
    {
        "price_components": [{"type": "ENERGY", "price": 14}],
        "restrictions": {"start_time": "09:00", "end_time": "16:00"},
    },
]
BILL = (
    BillLine("energy-cost", "14.00 INR/kWh", 15_644, 11_174),
    BillLine("service-charge", "per session", 2_000),
    BillLine("gst", "18 %", 3_176),
)
UNUSED = (BillLine("cancellation-fee", "", 2_000), BillLine("gst", "18 %", 360))
NOTHING = (BillLine("energy-cost", "14.00 INR/kWh", 0),)


def without(rows: tuple[tuple[int, int, int], ...], *gaps: tuple[int, int]) -> tuple[tuple[int, int, int], ...]:
    """The curve of a station that was silent during the gaps."""
    return tuple(row for row in rows if not any(begin < row[0] < end for begin, end in gaps))


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def series(until_s: int, power: Callable[[int], int]) -> tuple[tuple[int, int, int], ...]:
    """A curve at a value each six seconds; the energy is what the power comes to."""
    rows, energy = [], 0.0
    for at_s in range(0, until_s + 1, STEP_S):
        rows.append((at_s, power(at_s), int(energy)))
        energy += power(at_s) * STEP_S / 3600
    return tuple(rows)


def steady(at_s: int) -> int:
    """Ramps up, holds 28 to 30 kW, and tapers from the twentieth minute on."""
    return min(30_000, 500 + at_s * 400) - (at_s % 60) * 25 - max(0, at_s - 1_200) * 30


def paused(at_s: int) -> int:
    return 0 if 600 <= at_s < 840 or at_s >= 1_320 else steady(at_s)


def unsteady(at_s: int) -> int:
    return steady(at_s) if at_s // 48 % 2 else steady(at_s) // 2


FRAME = Frame(
    zone="Asia/Kolkata",
    started_at=BEGAN,
    ended_at=None,
    elements=TARIFF,
    currency="INR",
    lines=BILL,
    promised=Promised(
        "VB-ABCDEFGH", BEGAN, BEGAN + timedelta(hours=1), 23_600, "PRE-ORDER", "PAID", awaits_approval=False
    ),
)
RUNNING = Snapshot(
    state="charging",
    words=WORDS["charging"],
    live=True,
    station="Kaveri Spark Indiranagar",
    address="100 Feet Road, Bengaluru",
    connector="IN*KAV*E0042 · 60 kW DC",
    tariff="₹18.00 per kWh",
    energy_wh=series(1_440, steady)[-1][2],
    target_wh=14_000,
    power_w=22_400,
    soc_percent=64,
    cost="208.20",
    minutes=24,
    minutes_left=11,
    age_s=3,
    stale=False,
    problem="",
    lines=(),
    total="",
    curve="",
    peak_w=29_900,
    seq=1_769_936_000_000,
    at=iso(NOW - timedelta(seconds=3)),
    ends_at=iso(NOW + timedelta(minutes=11)),
    ends_by="energy",
    soc_target=80,
    series=series(1_440, steady),
    may=("stop", "extend", "report"),
    once="0.charging.mac",
)
IDLE = Snapshot(
    state="waiting",
    words=WORDS["waiting"],
    live=False,
    station=RUNNING.station,
    address=RUNNING.address,
    connector=RUNNING.connector,
    tariff=RUNNING.tariff,
    energy_wh=0,
    target_wh=14_000,
    power_w=0,
    soc_percent=None,
    cost="0.00",
    minutes=0,
    minutes_left=None,
    age_s=None,
    stale=False,
    problem="",
    lines=(),
    total="",
    curve="",
    peak_w=0,
    start_code="4821",
    start_qr=qr_svg("VB-ABCDEFGH 4821", scale=6),
    may=("report",),
    once="0.waiting.mac",
)
ENDED = replace(
    RUNNING,
    state="ended",
    words=WORDS["ended"],
    live=False,
    power_w=0,
    age_s=None,
    minutes_left=None,
    ends_at="",
    ends_by="",
    cost="208.20",
    lines=tuple(ReceiptLine(line.code, str(line.paise)) for line in BILL),
    total="208.20",
    may=("report", "rate"),
    once="1.ended.mac",
)


def notice(code: str, minutes: int = -2, *, until: int | None = None) -> Notice:
    later = iso(NOW + timedelta(minutes=until)) if until is not None else ""
    return Notice(code, iso(NOW + timedelta(minutes=minutes)), later)


RESUMED: list[str] = []
"""The Last-Event-ID of each request for the stream of `moving`."""
down = False
"""Whether the server answers no question for figures."""
mute = threading.Event()
"""Set, it ends whatever `quiet` holds back."""
beat_s = 0.0
"""How often the stream of `quiet` is heard, s; never where 0."""
unanswered = False
"""Whether `quiet` takes questions for figures and answers none."""
ASKED: list[str] = []
"""The questions for figures that `quiet` took."""

SCENES: dict[str, Snapshot] = {
    "waiting": IDLE,
    "starting": replace(IDLE, state="starting", words=WORDS["starting"], start_code="", start_qr=""),
    "running": RUNNING,
    "moving": RUNNING,
    "quiet": RUNNING,
    "plain": replace(
        RUNNING, soc_percent=None, soc_target=None, ends_at="", ends_by="", series=(), may=(), once="", minutes_left=11,
        curve="1,19.5 12,4.1 30,0.5 44,0.6 60,9.5",
    ),
    "paused": replace(
        RUNNING, state="paused", words=WORDS["paused"], power_w=0, minutes_left=None, ends_at="", ends_by="",
        series=series(1_440, paused), energy_wh=series(1_440, paused)[-1][2], notices=(notice("vehicle-paused"),),
    ),
    "stale": replace(
        RUNNING, age_s=96, stale=True, minutes_left=None, ends_at="", ends_by="", gaps=((420, 540), (1_320, 1_416)),
        series=without(series(1_320, steady), (420, 540)), notices=(notice("stale"), notice("silent")),
    ),
    "notices": replace(
        RUNNING, series=series(1_440, unsteady), ends_by="full",
        notices=(notice("fluctuating"), notice("idle-soon", until=18), notice("grid"), notice("station-paused")),
        problem="The charger's meter looks odd. The bill is checked against its final reading.",
    ),
    "ending": replace(RUNNING, state="ending", words=WORDS["ending"], minutes_left=None, ends_at="", may=("report",)),
    "ended": ENDED,
    "refund": replace(
        ENDED, refund="1023.36", refund_by=iso(NOW + timedelta(days=4, hours=3)), notices=(notice("idle-now"),),
        problem="Your vehicle still stands at the charger. Standing there costs extra, see the price; please move it.",
    ),
    "failed": replace(
        ENDED, state="failed", words=WORDS["failed"], energy_wh=0, series=(), soc_percent=None, total="0.00",
        cost="0.00", lines=ENDED.lines[:1], refund="236.00", refund_by=iso(NOW - timedelta(hours=1)),
        notices=(notice("charger-error"),),
        problem="The charger reported a fault. Only what was delivered is billed.",
    ),
    "cancelled": replace(
        IDLE, state="cancelled", words=WORDS["cancelled"], start_code="", start_qr="", lines=ENDED.lines[:2],
        total="23.60",
    ),
}  # fmt: skip


def frame_of_scene(name: str) -> Frame:
    """The frame that fits a scene."""
    if not SCENES[name].series and not SCENES[name].curve:
        return replace(FRAME, started_at=None, lines=UNUSED if SCENES[name].state == "cancelled" else NOTHING)
    return replace(FRAME, ended_at=NOW) if SCENES[name].state == "ended" else FRAME


def shown(name: str, language: str, *, said: str = "", still: bool = False) -> dict[str, Any]:
    """The context of the page in a state."""
    made = page_of(SCENES[name], frame_of_scene(name), language=language, now=NOW, said=said)
    papers = [(1, label("tax-invoice", language), "KAV/26-27/000042")] if SCENES[name].state == "ended" else []
    return made | {"token": name, "language": language, "languages": NAMES, "papers": papers, "still": still}


def track(request: HttpRequest, token: str) -> HttpResponse:
    language = asked_language(request)
    with translation.override(language):
        context = shown(token, language, said=request.GET.get("said", ""), still="still" in request.GET)
        return sealed(render(request, "fulfillment/track.html", context), POLICY)


def track_json(request: HttpRequest, token: str) -> HttpResponse:
    if token == "quiet":
        ASKED.append(token)
        if unanswered:
            mute.wait()
    if down:
        return sealed(HttpResponse("away", status=503), POLICY)
    return sealed(JsonResponse(SCENES[token].as_dict()), POLICY)


def quiet(every_s: float) -> Iterator[str]:
    """One change, then heartbeats, or nothing at all: the socket stays open."""
    text = json.dumps(replace(SCENES["quiet"], seq=RUNNING.seq + 1, energy_wh=12_340).as_dict())
    yield f"id: 77\nevent: snapshot\ndata: {text}\n\n"
    while not mute.wait(every_s or None):
        yield ": still here\n\n"


def track_events(request: HttpRequest, token: str) -> HttpResponseBase:
    """No stream but for `moving`, which tells one change, a heartbeat, and ends, and for `quiet`."""
    if token == "quiet":
        RESUMED.append(request.headers.get("Last-Event-ID", ""))
        return StreamingHttpResponse(quiet(beat_s), content_type="text/event-stream")
    if token != "moving":
        return sealed(HttpResponse("no stream here", status=503), POLICY)
    RESUMED.append(request.headers.get("Last-Event-ID", ""))
    text = json.dumps(replace(RUNNING, seq=RUNNING.seq + 1, energy_wh=12_340, cost="1300.05", power_w=21_000).as_dict())
    told = f"retry: 50\n\n: still here\n\nid: 77\r\nevent: snapshot\r\ndata: {text}\r\n\r\n"
    return sealed(HttpResponse(told, content_type="text/event-stream"), POLICY)


urlpatterns = [
    path("track/<str:token>.json", track_json, name="track-json"),
    path("track/<str:token>/events", track_events, name="track-events"),
    path("track/<str:token>/papers/<int:place>.pdf", track_json, name="track-paper"),
    path("track/<str:token>", track, name="track"),
]
