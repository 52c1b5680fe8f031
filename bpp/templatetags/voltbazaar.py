"""How do templates write figures, colours and JSON?"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from bpp import rooms, workrooms
from catalog import wording
from catalog.columns import EVSE_TONES

register = template.Library()

PAINTED_CHARS = 60_000
_TOKENS = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>\b(?:true|false|null)\b)'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<plain>[^\"\d\-tfn]+|.)",
    re.DOTALL,
)


@register.filter
def rupees(paise: Any) -> str:
    return wording.rupees(paise if isinstance(paise, int) else None)


@register.filter
def kwh(energy_wh: Any) -> str:
    return wording.kwh(energy_wh if isinstance(energy_wh, int) else None)


@register.filter
def kw(power_w: Any) -> str:
    return wording.kw(power_w if isinstance(power_w, int) else None)


@register.filter
def ago(then: Any) -> str:
    return wording.ago(then if isinstance(then, datetime) else None, timezone.now())


@register.filter
def seconds(length_s: int) -> str:
    return wording.span(length_s)


@register.filter
def lasting(since: Any, now: datetime) -> str:
    """How long something has lasted by now, in whole minutes; a dash where it has not begun."""
    return _minutes((now - since).total_seconds()) if isinstance(since, datetime) else wording.NONE


@register.filter
def left(until: datetime, now: datetime) -> str:
    """`in 12 min`, or `any moment` where it should be over."""
    seconds = (until - now).total_seconds()
    return f"in {_minutes(seconds)}" if seconds >= 1 else "any moment"


@register.filter
def evse_tone(status: Any) -> str:
    return EVSE_TONES.get(status, "default")


@register.filter
def painted(text: str) -> SafeString | str:
    """JSON text with its tokens in coloured spans, every piece escaped; very long texts stay plain."""
    if len(text) > PAINTED_CHARS:
        return text
    pieces = ((match.lastgroup or "plain", match.group()) for match in _TOKENS.finditer(text))
    return format_html_join("", '<span class="vb-{}">{}</span>', pieces)


@register.simple_tag
def station_room(station: Any) -> rooms.StationRoom:
    return rooms.station_room(station, timezone.now())


@register.simple_tag
def order_room(order: Any) -> rooms.OrderRoom:
    return rooms.order_room(order)


@register.simple_tag
def session_room(session: Any) -> rooms.SessionRoom:
    return rooms.session_room(session)


@register.simple_tag
def instance_room(instance: Any, cards: Any) -> workrooms.InstanceRoom:
    return workrooms.instance_room(instance, cards=cards is True, now=timezone.now())


@register.simple_tag
def definition_room(definition: Any) -> workrooms.DefinitionRoom:
    return workrooms.definition_room(definition)


@register.simple_tag
def quote_lines(quote: Any) -> list[rooms.Line]:
    return rooms.lines_of(quote)


def _minutes(seconds: float) -> str:
    return wording.span(seconds // 60 * 60) if seconds >= 60 else "less than 1 min"
