"""Can the drawing of a workflow be read by everybody, in light and in dark?"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from fulfillment.workflow.diagram import STATES, draw
from fulfillment.workflow.diagram.palette import DARK, LIGHT, PLAIN, Colours

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("states", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_texts_and_signs_stand_out(states: dict[str, Colours], state: str) -> None:
    scheme = 0 if states is LIGHT else 1
    of, frame, paper = states[state], PLAIN["frame"][scheme], PLAIN["paper"][scheme]
    assert contrast(of.ink, of.ground) >= 4.5
    assert contrast(of.ink, frame) >= 4.5
    assert contrast(of.on, of.strong) >= 4.5
    for ground in (of.ground, frame, paper):
        assert contrast(of.strong, ground) >= 3.0


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_beside_the_boxes_stand_out(scheme: int) -> None:
    for ground in ("paper", "frame"):
        assert contrast(PLAIN["word"][scheme], PLAIN[ground][scheme]) >= 4.5
        assert contrast(PLAIN["taken"][scheme], PLAIN[ground][scheme]) >= 4.5


def test_dark_follows_the_admin_or_the_reader() -> None:
    css = ET.fromstring(draw([], {}, title="t")).findtext(f"{SVG}style") or ""
    assert ".dark .wf{" in css
    assert "@media (prefers-color-scheme:dark){:root:not([x-data]) .wf{" in css
    assert "url(" not in css
