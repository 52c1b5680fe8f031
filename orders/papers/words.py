"""How is an amount written out in words, with lakh and crore?"""

from __future__ import annotations

from typing import Final

_ONES: Final = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
]
_TENS: Final = ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"]
_GROUPS: Final = (("Crore", 10_000_000), ("Lakh", 100_000), ("Thousand", 1_000), ("Hundred", 100))


def in_words(paise: int) -> str:
    """An amount in paise, at least 0: `Rupees One Lakh Twenty-Three and Fifty Paise Only`."""
    rupees, rest = divmod(paise, 100)
    text = f"Rupees {_count(rupees)}"
    if rest:
        text = f"{text} and {_count(rest)} Paise" if rupees else f"{_count(rest)} Paise"
    return f"{text} Only"


def _count(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    parts = []
    for name, size in _GROUPS:
        count, number = divmod(number, size)
        if count:
            parts.append(f"{_count(count)} {name}")
    if number:
        parts.append(_count(number))
    return " ".join(parts)
