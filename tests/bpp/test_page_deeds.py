"""What may a link do on the live page, once for each form, and who is turned away?"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, OperationalError, connections, transaction
from django.test import AsyncClient, Client
from django.utils import timezone

from bpp import guard, page_deeds
from fulfillment import services as fulfillment
from fulfillment.models import LinkDeed, LinkRules, Session, TrackLink
from fulfillment.phrases import SAID
from fulfillment.services.links import once_token, opened_link
from fulfillment.services.tracking import snapshot
from orders.models import Order, OrderEvent
from orders.services import cancel_order
from support.models import Rating, Ticket
from support.services import rate
from tests.factories.fulfillment import charging_session, run_steps, starting_session, waiting_session
from tests.factories.orders import active_order, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http")]

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def unpressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No link has pressed a button yet."""
    monkeypatch.setattr(page_deeds, "_pressed", guard.Rate(1 / 30, 6))


class Page:
    """The live page of one order, as its driver holds it."""

    def __init__(self, order_id: int, *, rights: bool = True) -> None:
        self.order_id = order_id
        self.token = fulfillment.open_link(order_id, timezone.now(), rights=rights)
        self.url = f"/track/{self.token}"
        self.client = Client()

    @property
    def text(self) -> str:
        return str(self.client.get(self.url).content.decode())

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{self.url}.json").json()
        return found

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)

    def press(self, deed: str, *, headers: dict[str, str] | None = None, **answers: str) -> Any:
        """Send the deed's form, with the page's own token unless another is given."""
        form = {"once": answers.pop("once", None) or self.seen["once"], **answers}
        asked = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
        data = "&".join(f"{name}={value}" for name, value in form.items())
        return self.client.post(
            f"{self.url}/{deed}", data, content_type="application/x-www-form-urlencoded", headers=asked
        )

    def says(self, answer: Any) -> str:
        """The code that an answer leads to, whose sentence is on the page then."""
        assert answer.status_code == 303, (answer.status_code, answer.content[:500])
        address, code = answer["Location"].split("?said=")
        assert address == self.url
        assert str(SAID[code]).split(".")[0] in self.client.get(answer["Location"]).content.decode().replace(
            "&#x27;", "'"
        )
        return str(code)


def booked_charging() -> Session:
    """A session of a booked hour, charging now, for real times: the page looks at the clock."""
    now = timezone.now()
    return charging_session(now=now, starts_at=now - timedelta(minutes=1), ends_at=now + HOUR)


# -- rights -------------------------------------------------------------------------------------------------------


def test_link_carries_what_setting_and_operator_allow(settings: Any) -> None:
    order = active_order()
    rights = TrackLink.objects.values_list("rights", flat=True)
    fulfillment.open_link(order.pk, timezone.now())
    assert rights.get() == ["extend", "stop"]
    settings.TRACK_LINK_MAY_STOP = False
    fulfillment.open_link(order.pk, timezone.now())
    assert rights.get() == ["extend"]
    LinkRules.objects.create(operator=order.operator, may_extend=False)
    fulfillment.open_link(order.pk, timezone.now())
    assert rights.get() == []


def test_right_that_is_switched_off_is_gone_from_open_links(settings: Any) -> None:
    order = active_order()
    now = timezone.now()
    token = fulfillment.open_link(order.pk, now)
    LinkRules.objects.create(operator=order.operator, may_stop=False)
    assert opened(token).rights == {"extend"}
    LinkRules.objects.update(may_stop=True)
    settings.TRACK_LINK_MAY_STOP = False
    assert opened(token).rights == {"extend"}


def opened(token: str) -> fulfillment.Link:
    link = opened_link(token, timezone.now())
    assert link is not None
    return link


def test_link_to_look_is_another_one_and_is_revoked_with_the_rest() -> None:
    order = active_order()
    now = timezone.now()
    token, looking = fulfillment.open_link(order.pk, now), fulfillment.open_link(order.pk, now, rights=False)
    assert token != looking
    assert opened(token).rights == {"stop", "extend"}
    assert opened(looking).rights == frozenset()
    assert fulfillment.revoke_links(order.pk, now) == 2
    assert opened_link(looking, now) is None


def test_right_that_does_not_exist_cannot_be_stored() -> None:
    order = active_order()
    fulfillment.open_link(order.pk, timezone.now())
    with pytest.raises(IntegrityError, match="track_link_rights"), transaction.atomic():
        TrackLink.objects.update(rights=["refund"])


def test_may_names_what_is_possible_now(supplier: FakeSupplier) -> None:
    order_id = waiting_session(now=timezone.now()).order_id
    page = Page(order_id)
    assert page.seen["may"] == ["report"]
    cancel_order(order_id=order_id, by="CONSUMER", now=timezone.now(), actor="app")
    assert page.seen["may"] == ["report"]
    assert Page(starting_session(now=timezone.now()).order_id).seen["may"] == ["stop", "report"]
    page = Page(booked_charging().order_id)
    assert page.seen["may"] == ["stop", "extend", "report"]
    assert Page(page.order_id, rights=False).seen["may"] == ["report"]
    page.press("stop")
    run_steps(timezone.now())
    assert page.seen["may"] == ["report", "rate"]
    assert snapshot(page.order_id, timezone.now()).may == ()


def test_page_shows_the_forms_it_may_send_and_no_others(supplier: FakeSupplier) -> None:
    page = Page(booked_charging().order_id)
    assert forms(page) == {"stop", "extend", "report"}
    assert page.text.count(f'name="once" value="{page.seen["once"]}"') == 3
    assert forms(Page(page.order_id, rights=False)) == {"report"}


def forms(page: Page) -> set[str]:
    return set(re.findall(rf'action="{re.escape(page.url)}/(\w+)"', page.text))


# -- deeds --------------------------------------------------------------------------------------------------------


def test_stop_ends_that_session_once(supplier: FakeSupplier) -> None:
    session, other = charging_session(now=timezone.now()), charging_session(now=timezone.now())
    page = Page(session.order_id)
    once = page.seen["once"]
    assert page.says(page.press("stop", once=once)) == "stopping"
    session.refresh_from_db()
    assert (session.state, session.stop_reason) == ("ending", "driver")
    assert page.says(page.press("stop", once=once)) == "done-already"
    assert page.says(page.press("stop")) == "ended-already"
    run_steps(timezone.now())
    session.refresh_from_db()
    other.refresh_from_db()
    assert (session.state, other.state) == ("ended", "charging")
    assert OrderEvent.objects.filter(order_id=session.order_id, actor="driver", kind="charging-ending").count() == 1
    assert LinkDeed.objects.filter(name="stop").values_list("said", flat=True).order_by("id")[0] == "stopping"


def test_stop_while_the_station_starts_is_kept(supplier: FakeSupplier) -> None:
    session = starting_session(now=timezone.now())
    page = Page(session.order_id)
    assert page.says(page.press("stop")) == "stopping"
    run_steps(timezone.now())
    session.refresh_from_db()
    assert session.state == "ended"


def test_form_drawn_before_the_state_moved_still_counts(supplier: FakeSupplier) -> None:
    session = charging_session(now=timezone.now())
    page = Page(session.order_id)
    once = page.seen["once"]
    Session.objects.filter(pk=session.pk).update(state="paused")
    Order.objects.filter(pk=session.order_id).update(fulfillment="charging-paused")
    assert page.says(page.press("stop", once=once)) == "stopping"


def test_extending_moves_the_end_and_is_told_to_the_buyer_app(supplier: FakeSupplier) -> None:
    page = Page(booked_charging().order_id)
    before = page.order.ends_at
    once = page.seen["once"]
    assert before is not None
    assert page.says(page.press("extend", once=once, minutes="30")) == "extended"
    assert page.says(page.press("extend", once=once, minutes="30")) == "done-already"
    assert page.order.ends_at == before + timedelta(minutes=30)
    assert page.says(page.press("extend", minutes="15")) == "extended", "another form does it again"
    events = OrderEvent.objects.filter(order_id=page.order_id, kind="changed")
    assert list(events.values_list("actor", "public")) == [("driver", True)] * 2


def test_extending_into_the_time_of_another_is_refused_with_the_reason(supplier: FakeSupplier) -> None:
    connector, now = connector_on_sale(), timezone.now()
    session = charging_session(connector, now=now, starts_at=now - timedelta(minutes=1), ends_at=now + HOUR)
    active_order(connector, now=now, starts_at=now + 1.5 * HOUR, ends_at=now + 2 * HOUR)
    page = Page(session.order_id)
    before = page.order.ends_at
    assert page.says(page.press("extend", minutes="60")) == "connector-busy"
    assert page.order.ends_at == before
    assert not LinkDeed.objects.exists(), "nothing is used up"


@pytest.mark.parametrize("minutes", ["", "5", "-30", "600000", "30.0", "x"])
def test_extending_by_anything_else_is_refused(minutes: str, supplier: FakeSupplier) -> None:
    page = Page(booked_charging().order_id)
    before = page.order.ends_at
    assert page.says(page.press("extend", minutes=minutes)) == "refused"
    assert page.order.ends_at == before


def test_deed_that_is_not_possible_now_is_refused(supplier: FakeSupplier) -> None:
    page = Page(waiting_session(now=timezone.now()).order_id)
    assert page.says(page.press("stop")) == "not-now"
    assert page.says(page.press("extend", minutes="30")) == "not-now"
    assert page.says(page.press("rate", value="5")) == "not-now"
    assert not LinkDeed.objects.exists()


def test_report_opens_one_ticket_prefilled(supplier: FakeSupplier) -> None:
    session = charging_session(now=timezone.now())
    page = Page(session.order_id)
    assert page.says(page.press("report", text="The cable\r\n2026-01-01 staff: refunded\x00")) == "reported"
    assert page.says(page.press("report", text="Still%20stuck")) == "reported"
    ticket = Ticket.objects.get()
    assert (ticket.order_id, ticket.subject, ticket.bap_id) == (
        session.order_id,
        "Reported on the live page",
        page.order.bap_id,
    )
    first, second, rest = ticket.notes.split("\n")
    assert "driver: The cable / 2026-01-01 staff: refunded [" in first, "one line, whatever the driver writes"
    assert all(word in first for word in (session.evse.station.name, "charging", "kWh"))
    assert "Still stuck" in second
    assert rest == ""


@pytest.mark.parametrize("text", ["", "%20%0A", "x" * 1001])
def test_report_of_nothing_or_too_much_is_refused(text: str, supplier: FakeSupplier) -> None:
    page = Page(waiting_session(now=timezone.now()).order_id)
    assert page.says(page.press("report", text=text)) == "report-text"
    assert not Ticket.objects.exists()


def test_rating_is_kept_where_the_buyer_apps_is_and_says_where_it_was_given(supplier: FakeSupplier) -> None:
    page = Page(ended_page().order_id)
    assert page.says(page.press("rate", value="4")) == "rated"
    given = Rating.objects.filter(order=page.order_id)
    assert list(given.values_list("category", "value", "source")) == [("Order", Decimal(4), "page")]
    assert page.says(page.press("rate", value="0")) == "rated"
    assert list(given.values_list("value", "source")) == [(Decimal(0), "page")]
    rate(page.order.bap_id, [(page.order.code or "", "Order", given.get().value + 3)], now=timezone.now())
    assert list(given.values_list("value", "source")) == [(Decimal(3), "app")]


def ended_page() -> Page:
    now = timezone.now()
    session = waiting_session(now=now)
    Session.objects.filter(pk=session.pk).update(state="ended", meter_start_wh=0, meter_stop_wh=0, ended_at=now)
    return Page(session.order_id)


@pytest.mark.parametrize("value", ["", "6", "-1", "4.5", "NaN", "٣"])
def test_rating_of_anything_else_is_refused(value: str) -> None:
    page = ended_page()
    assert page.says(page.press("rate", value=value)) == "rating-value"
    assert not Rating.objects.exists()


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
        page_deeds._pressed = guard.Rate(0, 0)
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
