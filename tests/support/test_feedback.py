"""Does the feedback form keep what customers write, and nothing from anybody else?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from support.models import Rating
from support.services import rate
from tests.factories.orders import NOW, active_order

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http"), pytest.mark.urls("support.urls")]


@pytest.fixture
def token() -> str:
    order = active_order()
    return rate(order.bap_id, [(order.code or "", "Order", Decimal(4))], now=NOW)[1]


def post(token: str, **fields: str) -> Any:
    return Client(enforce_csrf_checks=True).post(f"/feedback/{token}", fields)


def test_form_asks_and_keeps_comment_and_scores(token: str) -> None:
    assert b"<textarea" in Client().get(f"/feedback/{token}").content
    assert b"Thank you" in post(token, comment="Quick.\r\nClean.", Item="5", Provider="3").content
    assert Rating.objects.get(category="Order").comment == "Quick.\nClean."
    assert Rating.objects.get(category="Item").value == 5
    assert b'value="3" checked' in Client().get(f"/feedback/{token}").content


@pytest.mark.parametrize("score", ["6", "0", "-1", "five", "1e1"])
def test_impossible_score_is_refused_and_nothing_kept(token: str, score: str) -> None:
    answer = post(token, comment="x", Item=score)
    assert answer.status_code == 400
    assert b"choose a score from 1 to 5" in answer.content
    assert Rating.objects.get().comment == ""


def test_comment_is_shown_as_text(token: str) -> None:
    post(token, comment="<script>alert(1)</script>\0")
    assert b"<script>" not in Client().get(f"/feedback/{token}").content


@pytest.mark.parametrize("guess", ["x", "a" * 32, "%00"])
def test_unknown_link_opens_nothing(token: str, guess: str) -> None:
    assert Client().get(f"/feedback/{guess}").status_code == 404
    assert post(guess, comment="x").status_code == 404


def test_answer_keeps_the_link_to_itself(token: str) -> None:
    answer = Client().get(f"/feedback/{token}")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "unsafe" not in answer["Content-Security-Policy"]
