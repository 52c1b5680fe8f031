"""Who may open the live page, and what does it show?"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from fulfillment import services as fulfillment
from fulfillment.models import Session, TrackLink
from fulfillment.services.framing import frame_of
from fulfillment.services.tracking import snapshot
from orders.services import cancel_order
from tests.factories.fulfillment import charging_session, run_steps, waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.pages import get
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http"), pytest.mark.urls("fulfillment.urls")]

BASE = "/track"


def test_link_stays_the_same_and_only_its_hash_is_kept() -> None:
    order_id = waiting_session().order_id
    token = fulfillment.open_link(order_id, NOW)
    assert fulfillment.open_link(order_id, NOW) == token
    assert len(token) >= 43, "256 bits"
    link = TrackLink.objects.get()
    assert link.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in json.dumps(TrackLink.objects.values().get(), default=str)


def test_revoked_link_is_closed_and_another_given() -> None:
    order_id = waiting_session().order_id
    old = fulfillment.open_link(order_id, timezone.now())
    assert fulfillment.revoke_links(order_id, timezone.now()) == 1
    new = fulfillment.open_link(order_id, timezone.now())
    assert new != old
    assert get(f"{BASE}/{old}").status_code == 404
    assert get(f"{BASE}/{new}").status_code == 200


def test_unknown_expired_and_revoked_links_answer_alike() -> None:
    session = waiting_session()
    expired = fulfillment.open_link(session.order_id, timezone.now() - timedelta(days=365))
    answers = [get(f"{BASE}/{expired}")]
    TrackLink.objects.update(expires_at=timezone.now() + timedelta(days=1), revoked_at=timezone.now())
    answers.append(get(f"{BASE}/{expired}"))
    order = session.order
    tokens = ["x" * 43, "x", "y" * 500, order.code, order.transaction_id, str(order.pk), "%00"]
    answers += [get(f"{BASE}/{token}") for token in tokens]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("path", ["", ".json"])
def test_every_answer_keeps_the_link_to_itself(path: str) -> None:
    token = fulfillment.open_link(waiting_session().order_id, timezone.now())
    for address in (f"{BASE}/{token}{path}", f"{BASE}/unknown{path}"):
        answer = get(address)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert "noindex" in answer["X-Robots-Tag"]
        assert answer["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in answer["Content-Security-Policy"]


def test_page_shows_the_session_and_no_person(supplier: FakeSupplier) -> None:
    session = charging_session()
    run_steps(supplier.after(30))
    token = fulfillment.open_link(session.order_id, timezone.now())
    page = get(f"{BASE}/{token}").content.decode()
    assert "0.25" in page
    assert "30.0" in page
    assert session.evse.station.name in page
    assert "₹18.00 per kWh" in page
    for secret in ("Test Driver", "driver@example.org", "+91", session.card, session.order.transaction_id):
        assert secret not in page


def test_page_needs_nothing_from_elsewhere_and_little_in_all(supplier: FakeSupplier) -> None:
    token = fulfillment.open_link(charging_session().order_id, timezone.now())
    page = get(f"{BASE}/{token}").content
    chart = ("vendor/uplot/uPlot.iife.min.js", "vendor/uplot/uPlot.min.css")
    files = [Path(finders.find(f"fulfillment/{name}") or "") for name in ("track.css", "track.js", "bolt.svg", *chart)]
    assert len(page) + sum(file.stat().st_size for file in files) < 120_000
    assert b"http://" not in page
    assert b"https://" not in page
    assert b"style=" not in page
    assert b"<noscript><meta http-equiv" in page


def test_snapshot_follows_the_session_to_its_receipt(supplier: FakeSupplier) -> None:
    session = waiting_session()
    assert snapshot(session.order_id, NOW).state == "waiting"
    fulfillment.request_start(session.order_id, NOW)
    run_steps(NOW)
    run_steps(supplier.after(300))
    seen = snapshot(session.order_id, supplier.at)
    assert (seen.state, seen.energy_kwh, seen.power_kw, seen.minutes) == ("charging", "2.50", "30.0", 5)
    assert (seen.minutes_left, seen.age_s, seen.stale, seen.percent) == (15, 0, False, 25)
    assert seen.cost == "76.70"
    assert snapshot(session.order_id, supplier.at + timedelta(seconds=16)).stale
    fulfillment.request_stop(session.order_id, supplier.at)
    run_steps(supplier.at)
    seen = snapshot(session.order_id, supplier.at)
    assert (seen.state, seen.live, seen.power_w) == ("ended", False, 0)
    assert seen.total == seen.cost == "76.70"
    assert [line.amount for line in seen.lines] == ["45.00", "20.00", "11.70"]


def test_power_curve_shows_the_taper(supplier: FakeSupplier) -> None:
    session = charging_session(quantity=40_000)
    for _ in range(16):
        run_steps(supplier.after(300))
    seen = snapshot(session.order_id, supplier.at)
    heights = [float(point.split(",")[1]) for point in seen.curve.split()]
    assert seen.peak_kw == "30.0"
    assert heights[0] == 0.5
    assert heights[-1] > 5, "down is less power"
    assert seen.as_dict()["curve"] == seen.curve


def test_page_speaks_the_language_asked_for(supplier: FakeSupplier) -> None:
    token = fulfillment.open_link(charging_session().order_id, timezone.now())
    for query, header in (("?lang=hi", ""), ("", "hi-IN,hi;q=0.9,en;q=0.5")):
        page = Client().get(f"{BASE}/{token}{query}", headers={"Accept-Language": header}).content.decode()
        assert '<html lang="hi">' in page
        assert "प्रति kWh ₹18.00" in page
    gone = Client().get(f"{BASE}/unknown?lang=kn").content.decode()
    assert "ಈ ಲಿಂಕ್‌ನಿಂದ ಏನೂ ತೆರೆಯುವುದಿಲ್ಲ" in gone


def test_page_frames_the_order_while_it_waits() -> None:
    session = waiting_session()
    frame = frame_of(session.order_id)
    assert (frame.zone, frame.started_at, frame.ended_at) == ("Asia/Kolkata", None, None)
    assert frame.promised.order == session.order.code
    assert (frame.promised.payment_type, frame.promised.payment_status) == ("PRE-ORDER", "PAID")
    token = fulfillment.open_link(session.order_id, timezone.now())
    page = get(f"{BASE}/{token}").content.decode()
    assert session.order.code in page
    assert "paid, before the session" in page


def test_cancelled_order_says_so() -> None:
    session = waiting_session()
    cancel_order(order_id=session.order_id, by="CONSUMER", reason_id="", text="", soft=False, now=NOW, actor="app")
    fulfillment.cancel_waiting(session.order_id, NOW)
    assert snapshot(session.order_id, NOW).state == "cancelled"


def test_json_carries_what_the_page_shows(supplier: FakeSupplier) -> None:
    session = charging_session()
    token = fulfillment.open_link(session.order_id, timezone.now())
    seen = get(f"{BASE}/{token}.json").json()
    assert (seen["state"], seen["energy_kwh"], seen["live"]) == ("charging", "0.00", True)


def test_order_without_a_session_can_be_tracked() -> None:
    session = waiting_session()
    Session.objects.filter(pk=session.pk).delete()
    assert snapshot(session.order_id, NOW).state == "waiting"
