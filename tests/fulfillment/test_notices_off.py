"""Can a reader switch notices off and on, and nobody else?"""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Operator
from core.errors import NotFound
from fulfillment.models import NoticeOptOut
from fulfillment.services.unsubscribing import off_token, standing_of, switch, wants_none
from orders.papers.labels import LANGUAGES
from tests.factories.catalog import OperatorFactory
from tests.factories.orders import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http")]
READER = "driver@example.org"


@pytest.fixture
def operator() -> Operator:
    return OperatorFactory.create(name="Kaveri Spark")


@pytest.fixture
def stranger() -> Client:
    """A browser that checks what ours do not send: there is no cookie behind this page."""
    return Client(enforce_csrf_checks=True)


def page(token: str, query: str = "") -> str:
    return reverse("notices-off", args=[token]) + query


def test_looking_changes_nothing(operator: Operator, stranger: Client) -> None:
    answer = stranger.get(page(off_token(operator.pk, READER)))
    assert answer.status_code == 200
    assert "Kaveri Spark sends messages" in answer.content.decode()
    assert not wants_none(operator.pk, READER)


def test_reader_switches_off_and_on_again(operator: Operator, stranger: Client) -> None:
    address = page(off_token(operator.pk, READER))
    for _ in range(2):
        answer = stranger.post(address, {"off": "1"})
        assert "sends no more messages" in answer.content.decode()
    assert wants_none(operator.pk, " Driver@Example.ORG")
    assert NoticeOptOut.objects.count() == 1
    stranger.post(address, {"on": "1"})
    assert not wants_none(operator.pk, READER)


def test_mail_program_switches_off_by_one_click(operator: Operator, stranger: Client) -> None:
    body, kind = "List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"
    assert stranger.post(page(off_token(operator.pk, READER)), body, content_type=kind).status_code == 200
    assert wants_none(operator.pk, READER)


def test_one_reader_speaks_for_one_operator(operator: Operator) -> None:
    other = OperatorFactory.create()
    switch(off_token(operator.pk, READER), off=True, now=NOW)
    assert not wants_none(other.pk, READER)
    assert not wants_none(operator.pk, "another@example.org")


@pytest.mark.parametrize("spoil", ["cut", "sign", "operator", "empty", "long", "letters", "foreign", "nul"])
def test_forged_link_opens_nothing(operator: Operator, stranger: Client, spoil: str) -> None:
    good = off_token(operator.pk, READER)
    foreign = OperatorFactory.create()
    token = {
        "cut": good[:-1],
        "sign": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "operator": good.replace(f"{operator.pk}-", f"{foreign.pk}-", 1),
        "empty": "x",
        "long": good * 9,
        "letters": "ट" * 30,
        "foreign": off_token(999_999_999, READER),
        "nul": "a\0b",
    }[spoil]
    told: list[Any] = [stranger.get(page(token)), stranger.post(page(token), {"off": "1"})]
    assert [answer.status_code for answer in told] == [404, 404]
    assert told[0].content == told[1].content
    assert b"Kaveri" not in told[0].content
    assert not NoticeOptOut.objects.exists()
    with pytest.raises(NotFound):
        standing_of(token)


def test_link_and_table_hold_no_address(operator: Operator) -> None:
    token = off_token(operator.pk, READER)
    switch(token, off=True, now=NOW)
    assert "driver" not in token
    assert NoticeOptOut.objects.get().address_hash in token


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("good", [True, False])
def test_page_speaks_each_language_behind_closed_headers(
    operator: Operator, stranger: Client, language: str, *, good: bool
) -> None:
    token = off_token(operator.pk, READER) if good else "nothing"
    answer = stranger.get(page(token, f"?lang={language}"))
    assert f'<html lang="{language}"' in answer.content.decode()
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Robots-Tag"].startswith("noindex")
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "script" not in answer.content.decode()


def test_other_verbs_are_refused(operator: Operator, stranger: Client) -> None:
    assert stranger.delete(page(off_token(operator.pk, READER))).status_code == 405
