"""How does a snapshot become the driver's page: which words, figures and shapes stand on it, in one language?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.timezone import override as in_zone

from catalog.tariffs import describe
from catalog.wording import rupees
from fulfillment import phrases
from fulfillment.drawing import drawing_of, thinned
from fulfillment.services.framing import BillLine, Frame
from fulfillment.services.tracking import Snapshot

OVER = frozenset({"ended", "failed", "cancelled"})
MOST_TABLE_ROWS = 30
CLOCK, DAY_AND_CLOCK, DAY = "H:i", "j M, H:i", "j F Y"
SEEN_BY_SCRIPT = (
    "state", "live", "age_s", "ends_at", "ends_by", "refund", "refund_by", "problem", "total", "percent", "energy_kwh",
    "cost", "series", "gaps", "target_kwh", "soc_percent", "minutes_left",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """A notice in words: what is so, what it means and what to do, and since or from when."""

    code: str
    title: str
    advice: str
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the table behind the curve; without figures it is a gap that lasts until `until`."""

    at: str
    kw: str = ""
    kwh: str = ""
    until: str = ""


def page_of(seen: Snapshot, frame: Frame, *, language: str, now: datetime, said: str = "") -> dict[str, Any]:
    """What the template `fulfillment/track.html` shows, in the language and the zone that hold while it is called.

    `said` is the code of what came of a deed. Times are texts in the zone of the station, money in rupees as in India.
    """
    zone = ZoneInfo(frame.zone)
    with in_zone(zone):
        return {
            "seen": seen,
            "state_words": phrases.STATES[seen.state],
            "over": seen.state in OVER,
            "begun": seen.live,
            "cost": _amount(seen.cost),
            "total": _amount(seen.total),
            "ends_at": _clock(seen.ends_at, CLOCK),
            "ends_by": phrases.ENDS_BY.get(seen.ends_by, ""),
            "age": phrases.age(seen.age_s) if seen.age_s is not None else "",
            "tariff": describe(frame.elements, frame.currency, language) if frame.elements else "",
            "notices": _notices(seen),
            "drawing": drawing_of(seen.series, seen.gaps),
            "rows": table_rows(seen, frame),
            "times": _times(frame, now),
            "mean_kw": _mean_kw(seen, frame),
            "lines": [_bill_line(line) for line in frame.lines] if seen.lines else [],
            "promised": _promised(frame) if seen.state == "waiting" else None,
            "refund": _refund(seen, now),
            "said": phrases.SAID.get(said, ""),
            "said_done": said in phrases.DONE,
            "script": _script(seen, frame),
        }


def table_rows(seen: Snapshot, frame: Frame) -> list[TableRow]:
    """The curve as a table, thinned; a gap is a row of its own."""
    rows = [(at_s, TableRow(_at(frame, at_s), f"{power_w / 1000:.1f}", f"{energy_wh / 1000:.2f}"))
            for at_s, power_w, energy_wh in thinned(seen.series, MOST_TABLE_ROWS)]  # fmt: skip
    rows += [(begin, TableRow(_at(frame, begin), until=_at(frame, end))) for begin, end in seen.gaps]
    return [row for _, row in sorted(rows, key=lambda each: (each[0], bool(each[1].until)))]


def _at(frame: Frame, at_s: int) -> str:
    """The clock at a place of the curve; minutes and seconds since the start where that is not known."""
    if frame.started_at is None:
        return f"{at_s // 60}:{at_s % 60:02d}"
    moment = datetime.fromtimestamp(frame.started_at.timestamp() + at_s, ZoneInfo(frame.zone))
    return f"{moment:%H:%M:%S}"


def _notices(seen: Snapshot) -> list[Told]:
    told = []
    for notice in seen.notices:
        if notice.code in phrases.NOTICES:
            title, advice = phrases.NOTICES[notice.code]
            since, until = _clock(notice.since, CLOCK), _clock(notice.until, CLOCK)
            told.append(Told(notice.code, str(title), str(advice), since, until))
    if seen.problem:
        words, same = phrases.PROBLEMS.get(seen.problem, (seen.problem, ""))
        if same not in {notice.code for notice in told}:
            told.append(Told(same or "problem", str(words), ""))
    return told


def _times(frame: Frame, now: datetime) -> dict[str, str]:
    """When the session began and ended, or is; empty before it began."""
    if frame.started_at is None:
        return {}
    ends_at = frame.ended_at or now
    return {
        "day": _shown(frame.started_at, DAY),
        "from": _shown(frame.started_at, CLOCK),
        "until": _shown(ends_at, CLOCK),
        "lasted": phrases.span(int((ends_at - frame.started_at).total_seconds())),
    }


def _mean_kw(seen: Snapshot, frame: Frame) -> str:
    """The mean power of a session that ended, kW; empty above the peak, where a simulation outran the clock."""
    if frame.started_at is None or frame.ended_at is None or frame.ended_at <= frame.started_at:
        return ""
    mean_w = seen.energy_wh * 3600 / (frame.ended_at - frame.started_at).total_seconds()
    peak_w = max((power_w for _, power_w, _ in seen.series), default=seen.peak_w)
    return f"{mean_w / 1000:.1f}" if mean_w <= peak_w * 1.1 else ""


def _bill_line(line: BillLine) -> dict[str, str]:
    notes = [f"{line.energy_wh / 1000:.2f} kWh" if line.energy_wh else "", phrases.note_of(line.note)]
    title = str(phrases.LINES.get(line.code, line.code.replace("-", " ").capitalize()))
    return {"title": title, "note": " · ".join(note for note in notes if note), "amount": rupees(line.paise)}


def _promised(frame: Frame) -> dict[str, Any]:
    promise = frame.promised
    times: Sequence[datetime] = [moment for moment in (promise.starts_at, promise.ends_at) if moment is not None]
    one_day = len({localtime(moment).date() for moment in times}) == 1
    paid = [phrases.PAYMENTS.get(code, "") for code in (promise.payment_status, promise.payment_type)]
    return {
        "order": promise.order,
        "times": " – ".join(
            _shown(moment, CLOCK if one_day and place else DAY_AND_CLOCK) for place, moment in enumerate(times)
        ),
        "price": rupees(promise.paise),
        "paid": ", ".join(str(words) for words in paid if words),
        "awaits_approval": promise.awaits_approval,
    }


def _refund(seen: Snapshot, now: datetime) -> dict[str, str]:
    """The money on its way back and its clock; empty where there is none."""
    if not seen.refund:
        return {}
    told = {"amount": _amount(seen.refund), "by": "", "left": "", "overdue": ""}
    if seen.refund_by:
        by = datetime.fromisoformat(seen.refund_by)
        left_s, words = int((by - now).total_seconds()), phrases.scripted()
        left = words["in"].format(phrases.span(left_s)) if left_s > 0 else words["overdue"]
        told |= {"by": _shown(by, DAY_AND_CLOCK), "left": left, "overdue": "" if left_s > 0 else "overdue"}
    return told


def _script(seen: Snapshot, frame: Frame) -> dict[str, Any]:
    """What the page hands to its own script."""
    whole = seen.as_dict()
    return {
        "zone": frame.zone,
        "started": frame.started_at.timestamp() if frame.started_at else 0,
        "words": phrases.scripted(),
        "seen": {name: whole[name] for name in SEEN_BY_SCRIPT}
        | {"notices": [notice.code for notice in seen.notices], "lines": len(seen.lines)},
    }


def _amount(text: str) -> str:
    """An amount in rupees as text, `1234.50`, as `₹1,234.50`; empty for none."""
    if not text:
        return ""
    whole, _, rest = text.lstrip("-").partition(".")
    paise = int(whole) * 100 + int(f"{rest}00"[:2])
    return rupees(-paise if text.startswith("-") else paise)


def _clock(text: str, form: str) -> str:
    return _shown(datetime.fromisoformat(text), form) if text else ""


def _shown(moment: datetime, form: str) -> str:
    """A moment in the zone that holds, in the chosen language."""
    return date_format(localtime(moment), form)
