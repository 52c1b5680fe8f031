"""Which number does an invoice or note bear, and to which financial year does it belong?

Pure. Source: CGST Rules 46(b), 53(1): consecutive, at most 16 letters, digits, dashes and slashes, unique in a year.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

INDIA: Final = ZoneInfo("Asia/Kolkata")
LONGEST: Final = 16
APRIL: Final = 4
MARKS: Final[Mapping[str, str]] = {"invoice": "", "credit-note": "C", "debit-note": "D"}


def financial_year(at: datetime) -> int:
    """The calendar year in which the financial year of a moment began, by the clock of India: 2026 for 26-27."""
    local = at.astimezone(INDIA)
    return local.year if local.month >= APRIL else local.year - 1


def year_text(year: int) -> str:
    """A financial year as it is written: `26-27`."""
    return f"{year % 100:02d}-{(year + 1) % 100:02d}"


def paper_number(prefix: str, kind: str, *, year: int, sequence: int) -> str:
    """The number: `VB/26-27/000123`, `VBC/26-27/000001` for a credit note, `VBD/…` for a debit note.

    A sequence too long for 16 signs drops the dash of the year. Raises ValueError where even that does not fit.
    """
    head = f"{prefix}{MARKS[kind]}"
    text = f"{head}/{year_text(year)}/{sequence:06d}"
    if len(text) > LONGEST:
        text = f"{head}/{year_text(year).replace('-', '')}/{sequence}"
    if len(text) > LONGEST:
        raise ValueError(f"{text} has more than {LONGEST} signs; the series of this year is full")
    return text
