"""Does a card show anywhere, however it is written?"""

from __future__ import annotations

import pytest

from bpp.masking import MASK, masked

CARD = 'RF "7"/ö'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"uri": "https://e.com/stations/S/session/RF%20%227%22%2F%C3%B6"}', f'{{"uri": "https://e.com/stations/S/session/{MASK}"}}'),
        (r'{"note": "RF \"7\"/ö was refused"}', f'{{"note": "{MASK} was refused"}}'),
        (r'{"note": "RF \"7\"/\u00f6"}', f'{{"note": "{MASK}"}}'),
        ('{"cardId": "another one"}', f'{{"cardId": "{MASK}"}}'),
        ('{"card":"a\\"b", "x": 1}', f'{{"card":"{MASK}", "x": 1}}'),
        ('{"card": "cut in the mid', f'{{"card": "{MASK}'),
        ('{"subject": null, "cardinal": "north"}', '{"subject": null, "cardinal": "north"}'),
        ("PUT /stations/S/session/another%20one failed", f"PUT /stations/S/session/{MASK} failed"),
    ],
)  # fmt: skip
def test_card_is_masked(text: str, left: str) -> None:
    assert masked(text, CARD) == left


def test_without_a_card_only_names_are_masked() -> None:
    assert masked('{"station": "S", "card": "C"}', "") == f'{{"station": "S", "card": "{MASK}"}}'
