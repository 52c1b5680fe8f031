"""Is every figure of a session on the driver's page before any script runs, in every state and language?"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.utils import translation

from fulfillment import phrases
from fulfillment.live_page import page_of, table_rows
from orders.papers.labels import LANGUAGES
from tests.fulfillment import staged
from tests.fulfillment.pages import get
from tests.fulfillment.staged import FRAME, NOW, RUNNING, SCENES

pytestmark = [pytest.mark.usefixtures("plain_http"), pytest.mark.urls("tests.fulfillment.staged")]
FIGURES = (
    "11.17 kWh", "of 14.00 kWh", "22.4 kW", "₹208.20", "24 min", "11 min", "done about 14:35",
    "when the ordered energy is reached", "64 %", "80 %", "₹18.00 per kWh, ₹14.00 from 09:00 to 16:00", "Updated",
)  # fmt: skip
VOID = {"meta", "link", "input", "br"}


def page(scene: str, query: str = "lang=en") -> str:
    text: str = get(f"/track/{scene}?{query}").content.decode()
    return text


def plain(text: str) -> str:
    """The words of a page without its marks and what it hands to its script."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text.partition('<script id="live"')[0]))


class Nesting(HTMLParser):
    """Whether every element that is opened is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scene", SCENES)
def test_page_is_well_formed_and_says_its_language(scene: str, language: str) -> None:
    text = page(scene, f"lang={language}")
    nesting = Nesting()
    nesting.feed(text)
    assert (nesting.faults, nesting.open) == ([], [])
    assert f'<html lang="{language}">' in text
    with translation.override(language):
        assert str(phrases.STATES[SCENES[scene].state]) in text


def test_running_page_has_every_figure() -> None:
    words = plain(page("running"))
    assert [figure for figure in FIGURES if figure not in words] == []


def test_page_reloads_itself_only_while_it_is_live_and_wanted() -> None:
    reload = '<noscript><meta http-equiv="refresh" content="30; url=/track/running?lang=hi"></noscript>'
    assert reload in page("running", "lang=hi&said=stopping")
    assert "refresh" not in page("running", "lang=hi&still=1")
    assert "refresh" not in page("ended")


def test_day_of_a_booking_is_named_once_unless_it_ends_on_another() -> None:
    assert "1 Feb, 14:00 – 15:00" in plain(page("waiting"))
    night = replace(FRAME, promised=replace(FRAME.promised, ends_at=staged.BEGAN + timedelta(hours=11)))
    told = page_of(SCENES["waiting"], night, language="en", now=NOW)["promised"]
    assert told["times"] == "1 Feb, 14:00 – 2 Feb, 01:00"


def test_times_are_those_of_the_station() -> None:
    assert "14:00" in page("ended")
    frame = replace(FRAME, zone="Asia/Dubai")
    assert page_of(RUNNING, frame, language="en", now=NOW)["ends_at"] == "13:05"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", list(phrases.NOTICES))
def test_every_notice_says_what_it_means(code: str, language: str) -> None:
    seen = replace(RUNNING, notices=(staged.notice(code, until=5 if code == "idle-soon" else None),))
    with translation.override(language):
        (told,) = page_of(seen, FRAME, language=language, now=NOW)["notices"]
        title, advice = (str(words) for words in phrases.NOTICES[code])
    assert (told.title, told.advice) == (title, advice)
    assert (told.since, told.until) == ("14:22", "14:29" if code == "idle-soon" else "")


def test_age_is_told_once_and_stale_values_as_such() -> None:
    text = plain(page("stale"))
    assert text.count("Updated 1 min ago") == 1
    assert "The charger has been silent since; these are its last values." in text


def test_problem_is_not_told_twice() -> None:
    text = plain(page("refund"))
    assert "Standing here costs extra now" in text
    assert "Your vehicle still stands" not in text
    assert "looks odd" in plain(page("notices"))


def test_unknown_notice_and_problem_do_no_harm() -> None:
    seen = replace(RUNNING, notices=(staged.notice("new-kind"),), problem="Something else.")
    told = page_of(seen, FRAME, language="en", now=NOW)["notices"]
    assert [(each.code, each.title) for each in told] == [("problem", "Something else.")]


def test_receipt_has_its_lines_and_the_refund_its_clock() -> None:
    text = plain(page("refund"))
    for figure in ("11.17 kWh · ₹14.00/kWh", "₹156.44", "18 %", "₹31.76", "₹208.20", "KAV/26-27/000042"):
        assert figure in text
    assert "₹1,023.36" in text
    assert "comes back to you by 5 Feb, 17:24 · in 4 days 3 h" in text
    assert "was to be back with you by 1 Feb, 13:24 · overdue; the operator is reminded" in plain(page("failed"))


def test_nobody_is_told_how_to_stop_what_does_not_run() -> None:
    told = {scene: "To stop charging" in plain(page(scene)) for scene in ("plain", "waiting", "ending", "ended")}
    assert told == {"plain": True, "waiting": False, "ending": False, "ended": False}


def test_deeds_are_offered_only_where_the_link_may_do_them() -> None:
    assert re.findall(r'action="/track/running/(\w+)"', page("running")) == ["stop", "extend", "report"]
    assert re.findall(r'action="/track/ended/(\w+)"', page("ended")) == ["rate", "report"]
    assert "<form" not in page("plain")
    assert page("running").count('name="once" value="0.charging.mac"') == 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", list(phrases.SAID))
def test_page_says_what_came_of_a_deed(code: str, language: str) -> None:
    with translation.override(language):
        words = str(phrases.SAID[code])
    text = page("running", f"lang={language}&said={code}")
    assert words in text
    assert ('class="said fault"' in text) == (code not in phrases.DONE)


def test_unknown_word_of_a_deed_says_nothing() -> None:
    assert "data-said" not in page("running", "said=%3Cscript%3E")


def test_language_is_the_one_asked_for_then_the_browsers() -> None:
    assert '<html lang="kn">' in page("running", "lang=kn")
    assert '<html lang="en">' in page("running", "lang=zz")
    for link in ('href="?lang=hi"', 'href="?lang=kn" lang="kn" hreflang="kn"'):
        assert link in page("running")


def test_table_behind_the_curve_holds_its_gaps() -> None:
    rows = table_rows(SCENES["stale"], FRAME)
    assert [(row.at, row.until) for row in rows if row.until] == [("14:07:00", "14:09:00"), ("14:22:00", "14:23:36")]
    assert (rows[0].at, rows[0].kw, rows[0].kwh) == ("14:00:00", "0.5", "0.00")
    assert len(rows) <= 32
    assert table_rows(SCENES["stale"], replace(FRAME, started_at=None))[0].at == "0:00"


def test_page_without_a_series_shows_the_plain_curve() -> None:
    assert 'points="1,19.5 12,4.1' in page("plain")
    assert "data-drawing" not in page("waiting")


def test_script_is_handed_figures_and_words_but_no_secret() -> None:
    text = page("running").partition('<script id="live" type="application/json">')[2].partition("</script>")[0]
    handed = json.loads(text)
    assert handed["zone"] == "Asia/Kolkata"
    assert handed["seen"]["series"][0] == [0, 500, 0]
    assert not {"once", "may", "start_code", "station"} & set(handed["seen"])


def test_refund_without_a_promised_day_names_none() -> None:
    seen = replace(SCENES["ended"], refund="5.00")
    told = page_of(seen, FRAME, language="en", now=NOW)["refund"]
    assert told == {"amount": "₹5.00", "by": "", "left": "", "overdue": ""}


def test_mean_power_needs_a_time_and_stays_below_the_peak() -> None:
    nothing = replace(FRAME, ended_at=staged.BEGAN)
    assert page_of(SCENES["ended"], nothing, language="en", now=NOW)["mean_kw"] == ""
    hour = replace(FRAME, ended_at=staged.BEGAN + timedelta(hours=2))
    assert page_of(SCENES["ended"], hour, language="en", now=NOW)["mean_kw"] == "5.6"
    outrun = replace(FRAME, ended_at=staged.BEGAN + timedelta(seconds=8))
    assert page_of(SCENES["ended"], outrun, language="en", now=NOW)["mean_kw"] == ""


@pytest.mark.parametrize("scene", SCENES)
def test_page_needs_nothing_from_elsewhere(scene: str) -> None:
    text = page(scene)
    assert re.findall(r"https?://", text.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []
    assert re.findall(r"<script(?! src=| id=\"live\" type=\"application/json\")", text) == []
    assert re.findall(r"<style| style=| on\w+=", text) == []
