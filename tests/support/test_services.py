"""Are ratings kept once per category, and does a call for help reach the right desk?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from core.errors import DomainError
from orders.models import Order
from support.models import Rating, Ticket
from support.services import (
    add_feedback,
    answer_ticket,
    ask_support,
    close_ticket,
    feedback_token,
    open_ticket_for_fault,
    rate,
)
from tests.factories.orders import BAP, NOW, active_order, connector_on_sale, draft_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    return active_order()


def code_of(order: Order) -> str:
    assert order.code is not None
    return order.code


def test_later_rating_of_a_category_replaces_the_earlier(order: Order) -> None:
    for value in ("2", "4.5"):
        rated, _ = rate(BAP, [(code_of(order), "Order", Decimal(value))], now=NOW)
    assert rated == order
    assert list(Rating.objects.values_list("category", "value")) == [("Order", Decimal("4.50"))]


def test_rating_names_the_order_by_item_charger_provider_or_transaction(order: Order) -> None:
    connector = order.connector
    for target in (connector.item_id, connector.evse.uid, order.operator.code, order.transaction_id):
        assert rate(BAP, [(target, "Item", Decimal(5))], now=NOW)[0] == order


def test_rating_by_item_prefers_the_order_of_the_transaction() -> None:
    connector = connector_on_sale()
    first = active_order(connector)
    active_order(connector, now=NOW + timedelta(hours=3))
    rated, _ = rate(BAP, [(connector.item_id, "Item", Decimal(5))], now=NOW, transaction_id=first.transaction_id)
    assert rated == first


def test_rating_is_refused_for_what_is_not_the_callers(order: Order) -> None:
    draft = draft_order()
    faults = []
    for bap_id, target in (
        (BAP, "nothing"),
        ("other.example.org", code_of(order)),
        (BAP, draft.transaction_id),
        (BAP, ""),
    ):
        with pytest.raises(DomainError) as caught:
            rate(bap_id, [(target, "Order", Decimal(5))], now=NOW)
        faults.append(caught.value.code)
    assert faults == ["rating-target-unknown"] * 4


@pytest.mark.parametrize("value", ["-0.01", "5.01", "4.555", "NaN", "Infinity", "-1", "1E+3"])
def test_rating_value_is_refused_outside_the_scale(order: Order, value: str) -> None:
    with pytest.raises(DomainError) as caught:
        rate(BAP, [(code_of(order), "Order", Decimal(value))], now=NOW)
    assert (caught.value.code, caught.value.path) == ("rating-value", "ratings[0].value")


def test_no_rating_is_kept_when_one_is_refused(order: Order) -> None:
    with pytest.raises(DomainError, match="not a category") as caught:
        rate(BAP, [(code_of(order), "Order", Decimal(5)), (code_of(order), "Weather", Decimal(1))], now=NOW)
    assert caught.value.code == "rating-category"
    assert not Rating.objects.exists()
    with pytest.raises(DomainError):
        rate(BAP, [], now=NOW)


def test_feedback_keeps_comment_and_scores_under_the_token(order: Order) -> None:
    _, token = rate(BAP, [(code_of(order), "Order", Decimal(5))], now=NOW)
    assert token == feedback_token(order)
    add_feedback(token, comment=" Clean bay ", scores={"Fulfillment": Decimal(4)}, now=NOW)
    kept = dict(Rating.objects.values_list("category", "comment"))
    assert kept == {"Order": "Clean bay", "Fulfillment": ""}


def test_feedback_form_is_unknown_for_another_token(order: Order) -> None:
    rate(BAP, [(code_of(order), "Order", Decimal(5))], now=NOW)
    with pytest.raises(DomainError, match="does not exist"):
        add_feedback("guess", comment="hello", now=NOW)


def test_support_opens_one_ticket_while_it_is_open(order: Order) -> None:
    first = ask_support(BAP, code_of(order), "+910000000000", "driver@example.org", now=NOW)
    again = ask_support(BAP, order.transaction_id, now=NOW + timedelta(minutes=1))
    assert (first.phone, first.order_id, again.ticket) == ("18001080", order.pk, first.ticket)
    ticket = Ticket.objects.get()
    assert ticket.reply_due_at == NOW + timedelta(hours=4)
    close_ticket(ticket.pk, actor="desk", now=NOW)
    assert ask_support(BAP, code_of(order), now=NOW).ticket != first.ticket


def test_support_gives_the_operators_contact_for_public_names(order: Order) -> None:
    station = order.connector.evse.station
    for reference in (order.connector.item_id, order.connector.evse.uid, station.code, order.operator.code):
        contact = ask_support("anyone.example.org", reference, now=NOW)
        assert (contact.phone, contact.ticket, contact.order_id) == ("18001080", "", None)


def test_support_tells_nothing_about_anothers_order(order: Order, settings: Settings) -> None:
    settings.SUPPORT_PHONE = "1800"
    foreign = ask_support("other.example.org", code_of(order), now=NOW)
    unknown = ask_support("other.example.org", "VB-UNKNOWN", now=NOW)
    nothing = ask_support("other.example.org", "", now=NOW)
    assert foreign == unknown == nothing
    assert (foreign.phone, foreign.operator_id) == ("1800", None)
    assert not Ticket.objects.exists()


def test_support_is_refused_where_there_is_no_desk(settings: Settings) -> None:
    settings.SUPPORT_PHONE = settings.SUPPORT_EMAIL = settings.SUPPORT_URL = ""
    with pytest.raises(DomainError) as caught:
        ask_support(BAP, "unknown", now=NOW)
    assert caught.value.code == "no-support"


def test_ticket_is_answered_and_closed_with_notes(order: Order) -> None:
    ticket = open_ticket_for_fault(order.pk, text="no power", now=NOW)
    assert open_ticket_for_fault(order.pk, text="still none", now=NOW).pk == ticket.pk
    answer_ticket(ticket.pk, text="engineer is coming", actor="desk", now=NOW)
    closed = close_ticket(ticket.pk, actor="desk", now=NOW)
    assert close_ticket(ticket.pk, actor="desk", now=NOW + timedelta(hours=1)).closed_at == closed.closed_at
    assert [line.split(": ")[1] for line in closed.notes.splitlines()] == [
        "no power",
        "still none",
        "engineer is coming",
        "closed",
    ]


def test_ticket_refuses_what_cannot_be(order: Order) -> None:
    ticket = open_ticket_for_fault(order.pk, text="no power", now=NOW)
    with pytest.raises(DomainError, match="empty"):
        answer_ticket(ticket.pk, text=" ", actor="desk", now=NOW)
    close_ticket(ticket.pk, actor="desk", now=NOW)
    with pytest.raises(DomainError, match="closed"):
        answer_ticket(ticket.pk, text="too late", actor="desk", now=NOW)
    with pytest.raises(DomainError, match="no ticket"):
        close_ticket(0, actor="desk", now=NOW)
    with pytest.raises(DomainError, match="no order"):
        open_ticket_for_fault(0, text="?", now=NOW)
