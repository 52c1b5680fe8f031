"""Who is turned away from the live page, and what does every answer of its addresses keep to itself?"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections
from django.test import AsyncClient, Client
from django.utils import timezone

from bpp import page_deeds
from bpp.buckets import SharedRate
from fulfillment import services as fulfillment
from fulfillment.models import LinkDeed, LinkRules, Session, TrackLink
from fulfillment.phrases import SAID
from fulfillment.services.links import once_token
from support.models import Ticket
from tests.bpp.live_page import Page, booked_charging, ended_page, opened
from tests.factories.fulfillment import charging_session, waiting_session
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http", "unpressed")]


# -- who is turned away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["stop", "extend"])
def test_deed_without_the_right_is_refused_at_the_url(deed: str, supplier: FakeSupplier) -> None:
    session = booked_charging()
    with_right, looking = Page(session.order_id), Page(session.order_id, rights=False)
    for once in (looking.seen["once"], with_right.seen["once"]):
        answer = looking.press(deed, once=once, minutes="30")
        assert answer.status_code == 403
        assert str(SAID["no-right"]) in answer.content.decode()
    LinkRules.objects.create(operator=session.order.operator, may_stop=False, may_extend=False)
    assert with_right.press(deed, minutes="30").status_code == 403
    session.refresh_from_db()
    assert (session.state, with_right.order.ends_at) == ("charging", session.order.ends_at)


def test_form_token_of_no_page_of_this_link_is_refused(supplier: FakeSupplier) -> None:
    page, other = Page(charging_session(now=timezone.now()).order_id), Page(charging_session().order_id)
    number, state, mac = page.seen["once"].split(".")
    link = opened(page.token)
    ahead = once_token(fulfillment.Link(link.id, link.order_id, link.rights, link.deeds_done + 1), state)
    forged = (
        "", "x", "0", "..", f"{number}.{state}.", f"{number}.{state}.{mac[:-1]}", f"{number}.paused.{mac}",
        f"1.{state}.{mac}", f"-1.{state}.{mac}", f"٠.{state}.{mac}", f"{number}.{state}.{mac}.x", "9" * 5000,
        other.seen["once"], ahead,
    )  # fmt: skip
    for once in forged:
        page_deeds._pressed = SharedRate(f"test-{uuid.uuid4()}", 1 / 30, 6)
        answer = page.press("stop", once=once or "%20")
        assert answer.status_code == 403, once
    assert Session.objects.get(order_id=page.order_id).state == "charging"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({}, 303),
        ({"Origin": "null"}, 303),
        ({"Origin": "http://testserver"}, 303),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "http://testserver.evil.example.org"}, 403),
    ],
)
def test_form_of_another_site_is_refused(headers: dict[str, str], status: int) -> None:
    page = Page(waiting_session(now=timezone.now()).order_id)
    assert page.press("report", headers=headers, text="help").status_code == status
    assert Ticket.objects.exists() == (status == 303)


def test_body_that_is_no_small_form_is_refused() -> None:
    page = Page(waiting_session(now=timezone.now()).order_id)
    form = "application/x-www-form-urlencoded"
    for body, kind, status in (
        ("x" * 9000, form, 413),
        ("{}", "application/json", 415),
        ("a=1&" * 20, form, 400),
        (b"text=\xff\xfe", form, 400),
    ):
        answer = page.client.post(f"{page.url}/report", body, content_type=kind)
        assert answer.status_code == status, body[:20]
    assert not Ticket.objects.exists()


def test_link_that_presses_too_often_waits_and_others_do_not() -> None:
    page = Page(waiting_session(now=timezone.now()).order_id)
    assert [page.press("stop").status_code for _ in range(6)] == [303] * 6
    answer = page.press("report", text="help")
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    other = Page(waiting_session(now=timezone.now()).order_id)
    assert other.press("report", text="help").status_code == 303


def test_driver_can_stop_while_redis_is_away(
    supplier: FakeSupplier, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(charging_session(now=timezone.now()).order_id)
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setattr(page_deeds, "_pressed", SharedRate(f"test-{uuid.uuid4()}", 1 / 30, 6))
    assert page.press("stop").status_code == 303
    assert Session.objects.get(order_id=page.order_id).state == "ending"


def test_database_that_is_busy_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> str:
        raise OperationalError("lock timeout")

    page = Page(waiting_session(now=timezone.now()).order_id)
    monkeypatch.setattr(page_deeds, "do", busy)
    answer = page.press("report", text="help")
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "lock timeout" not in answer.content.decode()


# -- the whole family of addresses ------------------------------------------------------------------------------------

ENDS = ("", ".json", "/papers/1.pdf", "/stop", "/extend", "/report", "/rate", "/nothing")
TOLD = {
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def closed_tokens() -> list[str]:
    """Tokens that open nothing: revoked, expired, altered, forged, and other names of an order."""
    now = timezone.now()
    session = waiting_session(now=now)
    revoked = fulfillment.open_link(session.order_id, now)
    fulfillment.revoke_links(session.order_id, now)
    expired = fulfillment.open_link(waiting_session(now=now).order_id, now - timedelta(days=400))
    good = fulfillment.open_link(session.order_id, now)
    altered = [good[:-1] + ("A" if good[-1] != "A" else "B"), good[:-1], f"{good}A", good.swapcase(), f"{good}="]
    order = session.order
    names = [order.code or "", order.transaction_id, str(order.pk), TrackLink.objects.latest("pk").token_hash]
    return [revoked, expired, *altered, *names, "x" * 43, "x", "y" * 500, "%00", "%F0%9F%94%8B"]


@pytest.mark.parametrize("end", ENDS)
def test_link_that_opens_nothing_says_the_same_at_every_address(end: str) -> None:
    client, answers = Client(), []
    for token in closed_tokens():
        answers.append(client.get(f"/track/{token}{end}"))
        answers.append(client.post(f"/track/{token}{end}", "once=0.charging.0", content_type="text/plain"))
    pairs = {(answer.request["REQUEST_METHOD"], answer.status_code, answer.content) for answer in answers}
    assert {status for _, status, _ in pairs} <= {404, 405}
    assert len(pairs) <= 2, "one answer for each method"
    assert ("GET", 404) in {(method, status) for method, status, _ in pairs}
    assert not LinkDeed.objects.exists()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_every_answer_of_the_family_keeps_the_link_to_itself(end: str, method: str, supplier: FakeSupplier) -> None:
    token = fulfillment.open_link(charging_session(now=timezone.now()).order_id, timezone.now())
    for known in (token, "x" * 43):
        answer = Client().generic(method, f"/track/{known}{end}")
        assert answer.status_code in {200, 303, 403, 404, 405, 415}
        assert {name: answer.get(name) for name in TOLD} == TOLD, (answer.status_code, end)
        policy = answer["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert not answer.cookies
        assert b"Traceback" not in answer.content


@pytest.mark.django_db(transaction=True)
async def test_stream_is_closed_and_sealed_likewise() -> None:
    def prepared() -> tuple[str, list[str]]:
        return ended_page().token, [*closed_tokens()[:3], "x" * 43]

    open_one, closed = await sync_to_async(prepared)()
    answers = [await AsyncClient().get(f"/track/{token}/events") for token in (open_one, *closed)]
    for answer in answers:
        assert {name: answer.get(name) for name in TOLD} == TOLD
        assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert {(answer.status_code, answer.content) for answer in answers[1:]} == {(404, answers[-1].content)}
    await sync_to_async(connections.close_all)()
