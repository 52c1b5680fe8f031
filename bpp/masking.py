"""How are the cards of people kept from those who must not see them? Pure."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

MASK = "••••"
# The names under which events, requests and answers carry a card.
_NAMED = re.compile(r'("(?:card|cardId|cardid|subject)"\s*:\s*)"(?:[^"\\]|\\.)*("|$)')
_IN_PATH = re.compile(r"(/session/)[^/\"?#\s]+")


def masked(text: str, card: str) -> str:
    """A text, JSON or not, without the card: neither by its number, however it is written, nor by its names.

    A text that was cut may end within a value; that is masked, too.
    """
    for written in {card, json.dumps(card)[1:-1], json.dumps(card, ensure_ascii=False)[1:-1], quote(card, safe="")}:
        if written:
            text = text.replace(written, MASK)
    return _IN_PATH.sub(rf"\1{MASK}", _NAMED.sub(rf'\1"{MASK}\2', text))
