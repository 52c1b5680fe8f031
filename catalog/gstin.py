"""Whom does a GSTIN name, in which state, and can it be one at all?

Pure. Fifteen signs: the state's code, the holder's PAN, a number within the state, Z, and a check character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

FORM: Final = r"^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]$"
_FORM: Final = re.compile(FORM)
_SIGNS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# The codes of the GST state list; 25 and 28 are no longer given.
STATES: Final[Mapping[str, str]] = {
    "01": "Jammu and Kashmir", "02": "Himachal Pradesh", "03": "Punjab", "04": "Chandigarh", "05": "Uttarakhand",
    "06": "Haryana", "07": "Delhi", "08": "Rajasthan", "09": "Uttar Pradesh", "10": "Bihar", "11": "Sikkim",
    "12": "Arunachal Pradesh", "13": "Nagaland", "14": "Manipur", "15": "Mizoram", "16": "Tripura", "17": "Meghalaya",
    "18": "Assam", "19": "West Bengal", "20": "Jharkhand", "21": "Odisha", "22": "Chhattisgarh",
    "23": "Madhya Pradesh", "24": "Gujarat", "26": "Dadra and Nagar Haveli and Daman and Diu", "27": "Maharashtra",
    "29": "Karnataka", "30": "Goa", "31": "Lakshadweep", "32": "Kerala", "33": "Tamil Nadu", "34": "Puducherry",
    "35": "Andaman and Nicobar Islands", "36": "Telangana", "37": "Andhra Pradesh", "38": "Ladakh",
    "97": "Other Territory",
}  # fmt: skip
_CODES: Final = {name.casefold(): code for code, name in STATES.items()} | {
    "orissa": "21", "pondicherry": "34", "nct of delhi": "07", "new delhi": "07", "jammu & kashmir": "01",
    "andaman & nicobar islands": "35", "uttaranchal": "05", "daman and diu": "26", "dadra and nagar haveli": "26",
}  # fmt: skip


def gstin_fault(text: str) -> str:
    """What is wrong with a GSTIN, in one sentence that says what to write; empty where nothing is."""
    if not _FORM.fullmatch(text):
        return (
            f"{text!r} is no GSTIN: it has 15 signs, the state's code of two digits, the PAN of ten, a number, Z and a "
            "check character, in capital letters, such as 29AAGCB7383J1Z4."
        )
    if text[:2] not in STATES:
        return f"{text!r} begins with {text[:2]}, which is no state's code; Karnataka has 29."
    expected = check_character(text[:14])
    if text[14] != expected:
        return f"{text!r} ends with {text[14]}, but its other signs ask for {expected}; look for a sign mistyped."
    return ""


def registered_state(text: str) -> str:
    """The code of the state whose GSTIN this is, in any case and with spaces around; empty where it is none."""
    number = text.strip().upper()
    return "" if gstin_fault(number) else number[:2]


def check_character(stem: str) -> str:
    """The last sign of a GSTIN by its first fourteen: a Luhn sum to the base 36."""
    whole = 0
    for place, sign in enumerate(stem):
        product = _SIGNS.index(sign) * (1 + place % 2)
        whole += product // 36 + product % 36
    return _SIGNS[-whole % 36]


def state_code(name: str) -> str:
    """The code of a state named in words, in any case, or by its code; empty where it is none we know."""
    text = " ".join(name.split()).casefold()
    return text if text in STATES else _CODES.get(text, "")
