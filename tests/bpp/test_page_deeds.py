"""What may a link do on the live page, once for each form, and who is turned away?"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from fulfillment import services as fulfillment
from fulfillment.models import LinkDeed, LinkRules, Session, TrackLink
from fulfillment.services.links import opened_link
from fulfillment.services.tracking import snapshot
from orders.models import Order, OrderEvent
from orders.services import cancel_order
from support.models import Rating, Ticket
from support.services import rate
from tests.bpp.live_page import HOUR, Page, booked_charging, ended_page, opened
from tests.factories.fulfillment import charging_session, run_steps, starting_session, waiting_session
from tests.factories.orders import active_order, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http", "unpressed")]

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


@pytest.mark.parametrize("value", ["", "6", "-1", "4.5", "NaN", "٣"])
def test_rating_of_anything_else_is_refused(value: str) -> None:
    page = ended_page()
    assert page.says(page.press("rate", value=value)) == "rating-value"
    assert not Rating.objects.exists()


# -- two at the same moment -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_form_sent_twice_at_the_same_moment_acts_once() -> None:
    page = ended_page()
    once = page.seen["once"]

    def pressed(text: str) -> str:
        try:
            return str(page.press("report", once=once, text=text)["Location"]).rpartition("=")[2]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=4) as many:
        said = sorted(many.map(pressed, ["a", "b", "c", "d"]))
    assert said == ["done-already"] * 3 + ["reported"]
    assert Ticket.objects.get().notes.count("driver:") == 1
    assert TrackLink.objects.get().deeds_done == 1
