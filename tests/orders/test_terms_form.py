"""Can every customer read the terms and agree to them, and does the page say what is wrong?"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from django.utils import timezone, translation

from orders.models import Consent, Order
from orders.papers.labels import LANGUAGES
from orders.services import confirm_order
from orders.services.consent import form_token, standing
from orders.services.terms import next_version, publish_terms
from orders.views.terms import BOXES, CHANGED, LACKING, TITLES
from sandbox.forms import form_in
from tests.factories.orders import a_confirm, connector_on_sale, initiated_order
from tests.factories.terms import published_terms

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_http"), pytest.mark.urls("orders.urls")]
TEMPLATE = Path(project.BASE_DIR) / "orders" / "templates" / "orders" / "terms.html"


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def order(now: datetime) -> Order:
    connector = connector_on_sale()
    for kind in ("general", "refund", "privacy"):
        published_terms(connector.evse.station.operator, kind, now=now)
    return initiated_order(connector, now=now)


def get(order: Order, language: str = "en", **headers: str) -> Any:
    return Client().get(f"/terms/{form_token(order)}?lang={language}", headers=headers)


def post(order: Order, *boxes: str, **fields: str) -> Any:
    seen = standing(order, now=timezone.now())
    answer = {"digest": seen.digest, "lang": "en"} | {f"agree-{name}": "1" for name in boxes} | fields
    return Client(enforce_csrf_checks=True).post(f"/terms/{form_token(order)}", answer)


def test_form_shows_every_text_and_a_box_for_each_set(order: Order) -> None:
    answer = get(order)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("Park only while you charge.") == 3
    form = form_in(page)
    assert form is not None
    assert (form.method, form.boxes) == ("post", ["agree-service", "agree-privacy"])
    assert "<script" not in page


@pytest.mark.parametrize(
    ("language", "text", "button"),
    [("en", "Park only", "Agree"), ("hi", "केवल चार्जिंग", "सहमत हूँ"), ("kn", "ಚಾರ್ಜ್ ಮಾಡುವಾಗ", "ಒಪ್ಪುತ್ತೇನೆ")],
)
def test_form_speaks_each_language(order: Order, language: str, text: str, button: str) -> None:
    page = get(order, language).content.decode()
    assert f'<html lang="{language}">' in page
    assert text in page
    assert f'<button type="submit">{button}</button>' in page
    assert [code for code in LANGUAGES if f'hreflang="{code}"' in page] == list(LANGUAGES)


@pytest.mark.parametrize(
    ("told", "language"),
    [("kn-IN,kn;q=0.9,en;q=0.5", "kn"), ("fr,hi;q=0.4", "hi"), ("fr", "en"), ("", "en"), ("*", "en")],
)
def test_browser_chooses_the_language_where_nobody_asked(order: Order, told: str, language: str) -> None:
    page = Client().get(f"/terms/{form_token(order)}", headers={"Accept-Language": told}).content.decode()
    assert f'<html lang="{language}">' in page


def test_text_without_translation_is_marked_as_english(now: datetime) -> None:
    connector = connector_on_sale()
    published_terms(connector.evse.station.operator, now=now, text_kn="")
    page = get(initiated_order(connector, now=now), "kn").content.decode()
    assert '<div class="text" lang="en">' in page
    assert "ಇಂಗ್ಲಿಷ್‌ನಲ್ಲಿ ಮಾತ್ರ" in page


def test_text_is_shown_as_text(now: datetime) -> None:
    connector = connector_on_sale()
    published_terms(connector.evse.station.operator, now=now, text_en="<script>alert(1)</script>")
    assert "<script" not in get(initiated_order(connector, now=now)).content.decode()


def test_answer_is_kept_and_the_page_says_when(order: Order, now: datetime) -> None:
    answer = post(order, "service", "privacy", lang="kn")
    assert (answer.status_code, answer["Location"]) == (303, f"/terms/{form_token(order)}?lang=kn")
    assert {one.language for one in order.consents.all()} == {"kn"}
    page = get(order).content.decode()
    assert "You have agreed" in page
    assert f"{timezone.localtime(now):%B %Y}" in page
    assert form_in(page) is None


def test_answer_sent_twice_is_kept_once(order: Order) -> None:
    assert [post(order, "service", "privacy").status_code for _ in range(2)] == [303, 303]
    assert order.consents.count() == 3


def test_box_not_ticked_is_named_and_the_others_stay_ticked(order: Order) -> None:
    answer = post(order, "service")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'id="fault-privacy"' in page
    assert 'id="fault-service"' not in page
    assert re.search(r'name="agree-service"[^>]* checked', page)
    assert not Consent.objects.exists()


def test_terms_that_changed_meanwhile_are_shown_anew(order: Order, now: datetime) -> None:
    shown = standing(order, now=now).digest
    row = order.operator.terms.get(kind="general")
    publish_terms(next_version(row.pk, now=now).pk, now=now)
    answer = post(order, "service", "privacy", digest=shown)
    assert answer.status_code == 409
    assert "The terms changed while this page was open" in answer.content.decode()
    assert "Version 2" in answer.content.decode()
    assert not Consent.objects.exists()


def test_form_of_an_offer_that_ran_out_says_so(now: datetime) -> None:
    long_ago = now - timedelta(hours=2)
    connector = connector_on_sale()
    published_terms(connector.evse.station.operator, now=long_ago)
    order = initiated_order(connector, now=long_ago)
    for answer in (get(order), post(order, "service")):
        assert answer.status_code == 410
        assert "This offer has run out" in answer.content.decode()


def test_agreed_terms_can_be_read_after_the_order(order: Order, now: datetime) -> None:
    post(order, "service", "privacy")
    confirm_order(**a_confirm(order, now=now))
    page = get(order).content.decode()
    assert "You have agreed" in page
    assert page.count("Park only while you charge.") == 3


def test_operator_without_terms_asks_for_nothing(now: datetime) -> None:
    answer = get(initiated_order(now=now))
    assert answer.status_code == 200
    assert "There is nothing you must agree to." in answer.content.decode()


@pytest.mark.parametrize("guess", ["x", "a" * 44, "%00", "ü"])
def test_unknown_link_opens_nothing(guess: str) -> None:
    assert Client().get(f"/terms/{guess}").status_code == 404
    assert Client().post(f"/terms/{guess}", {"agree-service": "1"}).status_code == 404


def test_page_is_neither_kept_nor_framed_nor_scripted(order: Order) -> None:
    answer = get(order)
    assert answer["Cache-Control"] == "no-store"
    assert "script-src" not in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer.cookies == {}


@pytest.mark.parametrize("language", ["hi", "kn"])
@pytest.mark.parametrize("page", ["terms.html", "pay.html"])
def test_every_sentence_of_the_pages_is_translated(page: str, language: str) -> None:
    template = TEMPLATE.with_name(page).read_text(encoding="utf-8")
    said = re.findall(r'{% translate "([^"]+)" %}', template)
    said += [
        re.sub(r"{{ (\w+) }}", r"%(\1)s", text)
        for text in re.findall(r"{% blocktranslate [^%]*%}(.+?){% endblocktranslate %}", template)
    ]
    assert len(said) > 15
    said += [str(text) for texts in (TITLES, BOXES, LACKING) for text in texts.values()] + [str(CHANGED)]
    with translation.override(language):
        assert [text for text in said if translation.gettext(text) == text] == []
