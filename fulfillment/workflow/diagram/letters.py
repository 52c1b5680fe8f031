"""How much room does a text take, and how is it cut and written so that it can do no harm?"""

from __future__ import annotations

import html
import re
import unicodedata
from itertools import accumulate

# Widths in parts of the font's size, measured on a wide face, so that a narrower one leaves room.
NARROW, USUAL, CAPITAL, WIDE = 0.40, 0.645, 0.78, 1.03
NARROW_LETTERS = frozenset("iljtfrI.,:;'|!()[]{}/ -`\"")
WIDE_LETTERS = frozenset("mwMW@%—…")
# Of an address at least so many letters are left.
LEAST = 3
UNSEEN = "\N{REPLACEMENT CHARACTER}"


def plain(text: str) -> str:
    """The text on one line; what XML forbids and what hides or turns letters round becomes a replacement character."""
    return "".join(" " if letter in "\t\r\n" else letter if _seen(letter) else UNSEEN for letter in text)


def escaped(text: str) -> str:
    """The text for the inside of an element or a quoted attribute."""
    return html.escape(plain(text), quote=True)


def width(text: str, size: float) -> float:
    """The most room a text takes in a font of this size, in the same units."""
    return size * sum(_part(letter) for letter in text)


def cut(text: str, size: float, room: float, *, keep_end: bool = False) -> str:
    """The text as far as it fits into the room, an ellipsis in place of the rest.

    With `keep_end` the beginning goes, since the end of an address says more, and if possible as whole parts of it.
    """
    text = plain(text)
    if width(text, size) <= room:
        return text
    letters = text[::-1] if keep_end else text
    used = accumulate((width(letter, size) for letter in letters), initial=width("…", size))
    kept = [letter for letter, taken in zip(letters, list(used)[1:], strict=True) if taken <= room]
    if not keep_end:
        return "".join(kept).rstrip() + "…"
    end = "".join(reversed(kept))
    whole = re.search(r"(?=/)|(?<=\.)", end[:-LEAST])
    return "…" + (end[whole.start() :] if whole else end)


def duration(seconds: float) -> str:
    """Seconds as a person reads them at a glance."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if seconds < 3570:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60:02d}"
    return f"{minutes // 60} h {minutes % 60:02d}" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _seen(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category not in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def _part(letter: str) -> float:
    if letter in NARROW_LETTERS:
        return NARROW
    if letter in WIDE_LETTERS or unicodedata.east_asian_width(letter) in "WF":
        return WIDE
    return CAPITAL if letter.isupper() else USUAL
