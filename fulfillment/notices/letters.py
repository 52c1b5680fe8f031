"""What does a notice say? Facts become a letter in the driver's language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.formats import date_format

from catalog.wording import kwh, rupees
from fulfillment.notices.words import say
from orders.papers.labels import label

# What a kind with more than one cause says of each.
TEXTS: Final = {
    ("interrupted", "silent"): "silent-text",
    ("idle-soon", "now"): "idle-now-text",
    ("done", "fault"): "fault-text",
    ("done", "silent"): "provisional-text",
    ("done", "failed"): "failed-text",
    ("receipt", "note"): "note-text",
    ("refund", "done"): "refunded-text",
}
SUBJECTS: Final = {("done", "failed"): "failed", ("refund", "done"): "refunded"}
# Kinds about money name no figures of the session but the amount.
ABOUT_MONEY: Final = frozenset({"receipt", "refund"})
LIVE: Final = frozenset({"started", "eighty", "interrupted", "resumed", "idle-soon"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a letter is written from; energy in Wh, money in paise, times aware; None and empty where not known."""

    kind: str
    cause: str
    order: str
    operator: str
    contact: str
    station: str
    address: str
    charger: str
    zone: str
    now: datetime
    since: datetime | None = None
    energy_wh: int | None = None
    target_wh: int | None = None
    soc_percent: int | None = None
    minutes: int | None = None
    paise: int | None = None
    paper: str = ""
    number: str = ""
    live_url: str = ""
    paper_url: str = ""
    unsubscribe_url: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice in words: `rows` are (label, value), `links` (label, address), `footer` small print.

    `off` is the label and address of the page that switches such letters off; empty where there is none.
    """

    subject: str
    body: str
    rows: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...] = ()
    footer: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The letter as plain text."""
        parts = [self.body, "\n".join(f"{name}: {value}" for name, value in self.rows)]
        parts += [f"{name}:\n{address}" for name, address in self.links]
        parts += ["\n".join(self.footer)]
        if self.off:
            parts.append("{}:\n{}".format(*self.off))
        return "\n\n".join(part for part in parts if part) + "\n"


def written(facts: Facts, language: str) -> Letter:
    """The letter that tells these facts, in a language of LANGUAGES."""
    which = (facts.kind, facts.cause)
    filled = {
        "station": facts.station,
        "operator": facts.operator,
        "since": moment(facts.since, facts.zone, language) if facts.since else "",
        "amount": rupees(facts.paise),
        "paper": label(facts.paper, language) if facts.paper else "",
        "number": facts.number,
    }
    footer = [say("why", language, operator=facts.operator)]
    if facts.contact:
        footer.append(say("help", language, contact=facts.contact))
    return Letter(
        # A station's name is the operator's own text: no line of it may end the header.
        subject=" ".join(say(SUBJECTS.get(which, facts.kind), language, **filled).split()),
        body=say(TEXTS.get(which, f"{facts.kind}-text"), language, **filled),
        rows=tuple(_rows(facts, language)),
        links=tuple(_links(facts, language)),
        footer=tuple(footer),
        off=(say("unsubscribe", language), facts.unsubscribe_url) if facts.unsubscribe_url else (),
    )


def moment(at: datetime, zone: str, language: str) -> str:
    """A moment by the station's clock: `1 February 2026, 10:00`."""
    with translation.override(language):
        return str(date_format(at.astimezone(ZoneInfo(zone)), "j F Y, H:i"))


def _rows(facts: Facts, language: str) -> list[tuple[str, str]]:
    place = ", ".join(part for part in (facts.station, facts.address) if part)
    rows = [(say("order", language), facts.order), (say("station", language), place)]
    rows.append((say("charger", language), facts.charger))
    if facts.kind not in ABOUT_MONEY:
        rows += _figures(facts, language)
    if facts.kind != "refund" and facts.paise is not None:
        rows.append((say("so-far" if facts.kind in LIVE else "total", language), rupees(facts.paise)))
    if facts.kind in LIVE:
        rows.append((say("time", language), moment(facts.now, facts.zone, language)))
    return rows


def _figures(facts: Facts, language: str) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if facts.energy_wh is not None:
        energy = kwh(facts.energy_wh)
        if facts.target_wh and facts.kind in LIVE:
            energy = say("of", language, energy=energy, target=kwh(facts.target_wh))
        rows.append((say("energy", language), energy))
    if facts.soc_percent is not None:
        rows.append((say("battery", language), f"{facts.soc_percent} %"))
    if facts.minutes:
        rows.append((say("duration", language), say("minutes", language, minutes=str(facts.minutes))))
    return rows


def _links(facts: Facts, language: str) -> list[tuple[str, str]]:
    links: list[tuple[str, str]] = []
    if facts.paper_url:
        links.append((say("pdf", language), facts.paper_url))
    if facts.live_url:
        links.append((say("live" if facts.kind in LIVE else "record", language), facts.live_url))
    return links
