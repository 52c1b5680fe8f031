"""How are money, energy and times written for people?"""

from __future__ import annotations

from datetime import datetime

NONE = "–"


def rupees(paise: int | None) -> str:
    """An amount in paise as `₹12,34,567.50`, grouped as in India; a dash where there is none."""
    if paise is None:
        return NONE
    whole, rest = divmod(abs(paise), 100)
    sign = "−" if paise < 0 else ""
    return f"{sign}₹{_grouped(whole)}.{rest:02d}"


def kwh(energy_wh: int | None) -> str:
    """Energy in Wh as `12.345 kWh`; a dash where there is none."""
    if energy_wh is None:
        return NONE
    whole, rest = divmod(abs(energy_wh), 1000)
    return f"{'−' if energy_wh < 0 else ''}{_grouped(whole)}.{rest:03d} kWh"


def kw(power_w: int | None) -> str:
    """Power in W as `30 kW` or `7.4 kW`; a dash where there is none."""
    if power_w is None:
        return NONE
    whole, rest = divmod(power_w, 1000)
    return f"{_grouped(whole)}{f'.{rest:03d}'.rstrip('0') if rest else ''} kW"


def span(seconds: float) -> str:
    """A length of time in its one or two largest units: `850 ms`, `12 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`."""
    if seconds < 0:
        return f"−{span(-seconds)}"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def ago(then: datetime | None, now: datetime) -> str:
    """How long `then` lies back, or ahead: `4 min ago`, `in 2 h`; a dash where it is not set."""
    if then is None:
        return NONE
    seconds = (now - then).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def _grouped(number: int) -> str:
    text = str(number)
    if len(text) <= 3:
        return text
    head, tail = text[:-3], text[-3:]
    pairs: list[str] = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return ",".join([*pairs, tail])
