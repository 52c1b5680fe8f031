"""Is every notice complete in every language, and does it say what is so?"""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.template.loader import render_to_string

from fulfillment.models import Notice
from fulfillment.notices.letters import TEXTS, Facts, written
from fulfillment.notices.words import WORDS, say
from orders.papers.labels import LANGUAGES

SCRIPTS = {"hi": ("\u0900", "\u097f"), "kn": ("\u0c80", "\u0cff")}
AT = datetime(2026, 2, 1, 19, 0, tzinfo=UTC)
FACTS = Facts(
    kind="started", cause="", order="VB-1", operator="Kaveri Spark", contact="18001080 · help@example.org",
    station="Hub 1", address="1 MG Road, Bengaluru", charger="E1 · 30 kW DC", zone="Asia/Kolkata", now=AT, since=AT,
    energy_wh=8_000, target_wh=10_000, soc_percent=80, minutes=20, paise=1_234_567, paper="tax-invoice",
    number="VB/26-27/000001", live_url="https://x.example/track/t", paper_url="https://x.example/track/t/papers/1.pdf",
    unsubscribe_url="https://x.example/notices/o",
)  # fmt: skip
EVERY = [(kind, "") for kind in Notice.Kind.values] + list(TEXTS)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(WORDS))
def test_no_string_is_missing_in_any_language(key: str) -> None:
    texts = WORDS[key]
    assert len(texts) == len(LANGUAGES)
    assert len({frozenset(places(text)) for text in texts}) == 1
    for language, text in zip(LANGUAGES, texts, strict=True):
        plain = "".join(part for part, *_ in string.Formatter().parse(text))
        assert text.strip()
        if language in SCRIPTS and plain.strip(" :"):
            low, high = SCRIPTS[language]
            assert any(low <= sign <= high for sign in plain), f"{key} is not in {language}"
            others = [span for name, span in SCRIPTS.items() if name != language]
            assert not any(low <= sign <= high for low, high in others for sign in plain if sign not in "।॥")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("kind", "cause"), EVERY)
def test_every_letter_is_whole(kind: str, cause: str, language: str) -> None:
    letter = written(replace(FACTS, kind=kind, cause=cause), language)
    html = render_to_string("fulfillment/notice.html", {"letter": letter, "language": language})
    for text in (letter.subject, letter.text, html):
        assert "{" not in text.replace("{%", "")
        assert "None" not in text
    assert "\n" not in letter.subject
    for said in (letter.body, letter.off[1], *(url for _, url in letter.links)):
        assert said in letter.text
    assert f'lang="{language}"' in html
    assert letter.links[0][1] in html


def test_times_are_the_stations() -> None:
    facts = replace(FACTS, kind="idle-soon")
    assert "2 February 2026, 00:30" in written(facts, "en").text
    assert "2 February 2026, 04:00" in written(replace(facts, zone="Asia/Tokyo"), "en").text
    assert "1 February 2026, 19:00" in written(replace(facts, zone="UTC"), "en").text
    assert "2 February" not in written(facts, "hi").text
    assert "2026, 00:30" in written(facts, "hi").text


def test_amounts_and_energy_are_grouped_as_in_india() -> None:
    text = written(replace(FACTS, kind="done"), "kn").text
    assert "₹12,345.67" in text
    assert "8.000 kWh" in text


@pytest.mark.parametrize(("kind", "rows"), [("refund", 3), ("receipt", 4), ("done", 7)])
def test_letters_about_money_name_no_figures_of_the_session(kind: str, rows: int) -> None:
    assert len(written(replace(FACTS, kind=kind), "en").rows) == rows


def test_unknown_figures_are_left_out() -> None:
    bare: dict[str, Any] = dict.fromkeys(("energy_wh", "target_wh", "soc_percent", "minutes", "paise"))
    letter = written(replace(FACTS, kind="done", cause="failed", live_url="", paper_url="", contact="", **bare), "en")
    assert len(letter.rows) == 3
    assert letter.links == ()
    assert letter.subject == "The charger could not deliver: Hub 1"


def test_name_of_a_station_cannot_end_the_subject() -> None:
    letter = written(replace(FACTS, station="Hub\r\nBcc: all@example.org"), "en")
    assert letter.subject == "Charging has started at Hub Bcc: all@example.org"


def test_html_says_names_as_text() -> None:
    letter = written(replace(FACTS, station="<script>x</script>"), "en")
    html = render_to_string("fulfillment/notice.html", {"letter": letter, "language": "en"})
    assert "<script" not in html


def test_words_are_filled() -> None:
    assert say("minutes", "en", minutes="5") == "5 min"
