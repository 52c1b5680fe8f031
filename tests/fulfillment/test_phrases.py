"""Is every word of the driver's page there in every language, and every code put into words?"""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from fulfillment import phrases
from fulfillment.models import Session
from fulfillment.services import tracking
from orders.models import Payment
from orders.pricing import lines

APP = Path(tracking.__file__).parents[1]
TRANSLATED = ("hi", "kn")
SINGLE = re.compile(r'{% translate "([^"]*)" %}')
BLOCK = re.compile(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", re.DOTALL)
HOLES = re.compile(r"%\(\w+\)s|{}")
ENTRY = re.compile(r'^msgid (".*")\nmsgstr (".*")$', re.MULTILINE)


def keys() -> set[str]:
    """Every text of the page, as the catalogues call it."""
    found: set[str] = set()
    for template in (APP / "templates" / "fulfillment").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        found |= set(SINGLE.findall(text))
        found |= {re.sub(r"{{ (\w+) }}", r"%(\1)s", block) for block in BLOCK.findall(text)}
    for node in ast.walk(ast.parse((APP / "phrases.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"gettext", "gettext_lazy"}:
            found.add(ast.literal_eval(node.args[0]))
    return found


def catalogue(language: str) -> tuple[dict[str, str], dict[str, str]]:
    """The language's texts as they are written, and as they are compiled."""
    folder = APP / "locale" / language / "LC_MESSAGES"
    entries = ENTRY.findall((folder / "django.po").read_text(encoding="utf-8"))
    written = {ast.literal_eval(key): ast.literal_eval(text) for key, text in entries}
    with (folder / "django.mo").open("rb") as file:
        compiled: Any = gettext.GNUTranslations(file)
    return {key: text for key, text in written.items() if key}, {
        key: text for key, text in compiled._catalog.items() if key
    }


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_missing(language: str) -> None:
    written, compiled = catalogue(language)
    assert len(keys()) > 100
    assert keys() - set(written) == set()
    assert [key for key, text in written.items() if not text or text == key] == []
    assert compiled == written


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_hole_is_filled_in_every_language(language: str) -> None:
    written, _ = catalogue(language)
    assert [key for key, text in written.items() if sorted(HOLES.findall(key)) != sorted(HOLES.findall(text))] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_page_really_finds_its_words(language: str) -> None:
    written, _ = catalogue(language)
    with translation.override(language):
        assert {key: translation.gettext(key) for key in keys()} == {key: written[key] for key in keys()}


def test_every_state_has_words() -> None:
    assert set(phrases.STATES) == set(tracking.WORDS) == set(Session.State.values)
    assert {code: str(words) for code, words in phrases.STATES.items()} == tracking.WORDS


def test_every_notice_but_the_age_has_words() -> None:
    told = set(re.findall(r"[a-z-]+", tracking.Notice.__doc__.split("Codes:")[1]))  # type: ignore[union-attr]
    assert set(phrases.NOTICES) == told - {"stale"}


def test_every_line_and_payment_has_words() -> None:
    codes = {value for name, value in vars(lines).items() if name.isupper() and isinstance(value, str)}
    assert codes <= set(phrases.LINES)
    assert {*Payment.Type.values, *Payment.Status.values} == set(phrases.PAYMENTS)


def test_every_problem_has_words() -> None:
    told = re.findall(r'return "([A-Z][^"]{20,})"', Path(tracking.__file__).read_text(encoding="utf-8"))
    assert set(phrases.PROBLEMS) == set(told)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("18.00 INR/kWh", "₹18.00/kWh"),
        ("18.00 INR/kWh, 40 Wh to the full step", "₹18.00/kWh, 40 Wh to the full step"),
        ("60.00 INR per hour of standing", "₹60.00 रुकने के प्रति घंटे"),
        ("5.00 EUR per hour of charging", "EUR 5.00 चार्जिंग के प्रति घंटे"),
        ("per session", "प्रति सत्र"),
        ("Diwali (10 %)", "Diwali (10 %)"),
        ("", ""),
    ],
)
def test_notes_of_lines_are_read(note: str, words: str) -> None:
    with translation.override("hi"):
        assert phrases.note_of(note) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 min"), (119, "1 min"), (3_660, "1 h 1 min"), (172_799, "47 h 59 min"), (356_400, "4 days 3 h")],
)
def test_spans_are_told_in_their_two_largest_units(seconds: int, words: str) -> None:
    assert phrases.span(seconds) == words


def test_ages_are_told_in_seconds_then_minutes() -> None:
    assert [phrases.age(seconds) for seconds in (0, 89, 90, 600)] == [
        "Updated 0 s ago", "Updated 89 s ago", "Updated 1 min ago", "Updated 10 min ago",
    ]  # fmt: skip
