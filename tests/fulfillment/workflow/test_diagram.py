"""Does the picture show every task and way of a definition, in its place and state, and nothing smuggled in?"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise, product
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulfillment.workflow.diagram import STATES, Mark, Node, anchor, draw
from fulfillment.workflow.diagram.layout import Picture, picture
from fulfillment.workflow.diagram.palette import SIGNS
from fulfillment.workflow.diagram.routing import RIGHT, Arrival, Map
from fulfillment.workflow.diagram.shapes import Box, Catch, Edge, Label, Pill, Rect
from tests.fulfillment.workflow.drawn import MIXED, STATION, Tasks, call, nodes

SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "desc", "style", "g", "a", "rect", "path", "circle", "text"}
TOP = "/do/"
ATTACKS = [
    "</text><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><![CDATA[ & &amp; &lt;",
    "' onload='alert(1)",
    "javascript:alert(1)",
    "</style><svg/onload=alert(1)>",
    "nul\x00 bell\x07 \ud800 \ufffe \u202eevil\u2066",
    "${ $secrets.token }",
    "日本語のとても長いタスクの名前がここにあります",
    "🔌" * 40,
]


def parsed(do: Tasks, marks: dict[str, Mark] | None = None) -> ET.Element:
    return ET.fromstring(draw(nodes(do), marks or {}, title="a title"))


def steps(root: ET.Element) -> dict[str, ET.Element]:
    found = [each for each in root.iter(f"{SVG}a") if "wf-step" in each.get("class", "")]
    assert len({each.get("data-pointer") for each in found}) == len(found)
    return {each.get("data-pointer", ""): each for each in found}


def ways(root: ET.Element) -> set[tuple[str, str]]:
    return {
        (each.get("data-from", ""), each.get("data-to", "")) for each in root.iter(f"{SVG}g") if each.get("data-from")
    }


def word(element: ET.Element) -> str:
    return element.findtext(f"{SVG}title", "")


def shown(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def by_name(do: Tasks, name: str) -> str:
    return next(node.pointer for node in nodes(do) if node.name == name)


@pytest.mark.parametrize("do", [STATION, MIXED, []], ids=["station", "mixed", "empty"])
def test_picture_is_well_formed_and_named(do: Tasks) -> None:
    root = parsed(do)
    assert (root.tag, root.get("role")) == (f"{SVG}svg", "group")
    (image,) = [each for each in root.iter() if each.get("role") == "img"]
    assert not list(image.iter(f"{SVG}a")), "a link inside an image is hidden from those who do not see it"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root.findtext(f"{SVG}title") == "a title"
    assert re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.get("viewBox", ""))
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= ALLOWED


@pytest.mark.parametrize("do", [STATION, MIXED], ids=["station", "mixed"])
def test_every_task_is_there_once_as_a_link(do: Tasks) -> None:
    found = steps(parsed(do))
    assert list(found) == [node.pointer for node in nodes(do)]
    for pointer, element in found.items():
        assert element.get("href") == f"#{anchor(pointer)}"
        assert pointer in word(element)


def test_ways_of_the_station_are_drawn() -> None:
    names = {node.pointer: node.name for node in nodes(STATION)} | {"start": "start", "end": "end"}
    top = {(names[a], names[b]) for a, b in ways(parsed(STATION)) if b in names and a.count("/") in {0, 3}}
    assert top == {
        ("start", "initialize"), ("initialize", "handleStationEvents"), ("handleStationEvents", "tryGetActiveSession"),
        ("handleStationEvents", "handleError"), ("handleStationEvents", "raiseUnsupportedEventError"),
        ("tryGetActiveSession", "handleActiveSession"), ("handleActiveSession", "endSession"),
        ("handleActiveSession", "end"), ("handleActiveSession", "showBusy"), ("handleActiveSession", "tryAcquireSlot"),
        ("tryAcquireSlot", "startSession"), ("startSession", "end"), ("endSession", "end"), ("showBusy", "end"),
        ("handleError", "end"),
    }  # fmt: skip
    slot = by_name(STATION, "tryAcquireSlot")
    assert (by_name(STATION, "noSlotsAvailable"), "end") in ways(parsed(STATION))
    assert (slot, f"{slot}/catch") in ways(parsed(STATION))


def test_jumps_of_every_direction_are_drawn() -> None:
    found = ways(parsed(MIXED))
    for source, target in [
        ("again", "share"), ("again", "pause"), ("again", "again"), ("look", "again"), ("share", "one"),
        ("share", "two"), ("share", "three"), ("check", "take"), ("check", "skip"), ("west", "meet"), ("east", "meet"),
    ]:  # fmt: skip
        assert (by_name(MIXED, source), by_name(MIXED, target)) in found
    assert (by_name(MIXED, "skip"), "exit") in found
    assert (by_name(MIXED, "weigh"), "exit") in found
    assert not [source for source, _ in found if source == by_name(MIXED, "stop")]


def test_cases_are_named_and_their_conditions_told() -> None:
    root = parsed(STATION)
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {"cardScanned", "stationFaulted", "otherwise", "stopWanted", "nothingToStop", "startWanted"} <= texts
    assert 'cardScanned: .event.type == "card-scanned"' in {title.text for title in root.iter(f"{SVG}title")}


def test_cases_that_lead_to_one_place_share_a_line() -> None:
    edges = [shape for shape in picture(nodes(MIXED)).shapes if isinstance(shape, Edge)]
    assert "busy, otherwise" in {edge.label for edge in edges}


def test_switch_at_the_end_of_a_list_shows_where_it_goes_on() -> None:
    last: Tasks = [{"outer": {"do": [{"ask": {"switch": [{"yes": {"when": ".x"}}, {"no": {"then": "end"}}]}}]}}]
    found = ways(parsed(last))
    ask = by_name(last, "ask")
    assert {(ask, "on"), (ask, "end")} <= found
    assert (by_name(last, "outer"), "end") in found


@pytest.mark.parametrize("state", STATES)
def test_state_is_told_by_class_sign_and_word(state: str) -> None:
    pointer = by_name(STATION, "lockSlot")
    step = steps(parsed(STATION, {pointer: Mark(state, 3, 1.25, current=True)}))[pointer]
    assert f"wf-{state}" in step.get("class", "").split()
    assert step.get("aria-current") == "step"
    assert SIGNS[state] in [path.get("d") for path in step.iter(f"{SVG}path")]
    assert f"{state}, 3 attempts, 1.2 s" in word(step)
    assert "×3 · 1.2 s" in shown(step)


def test_signs_differ_without_colours() -> None:
    assert len(set(SIGNS.values())) == len(STATES) == len(SIGNS)


def test_current_step_is_flagged_and_told() -> None:
    pointer, frame = by_name(STATION, "start"), by_name(STATION, "startSession")
    marks = {pointer: Mark("suspended", current=True), frame: Mark("suspended", current=True)}
    root = parsed(STATION, marks)
    assert "suspended" in shown(steps(root)[pointer])
    assert "wf-full" in steps(root)[pointer].get("class", "")
    assert "wf-full" not in steps(root)[frame].get("class", "")
    assert "It stands at startSession (suspended), start (suspended)." in root.findtext(f"{SVG}desc", "")


@pytest.mark.parametrize("state", STATES)
def test_flag_keeps_clear_of_the_arrow(state: str) -> None:
    root = parsed([{"a": {"set": {}}}], {"/do/0/a": Mark(state, current=True)})
    (flag,) = [each for each in root.iter(f"{SVG}g") if each.get("class") == "wf-flag"]
    (box,) = [each for each in root.iter(f"{SVG}rect") if each.get("class") == "wf-ground"]
    middle = float(box.get("x", "")) + float(box.get("width", "")) / 2
    assert float(flag[0].get("x", "")) > middle + 5


def test_ways_that_were_gone_stand_out() -> None:
    names = ["initialize", "handleStationEvents", "handleError", "contactSupport"]
    marks = {by_name(STATION, name): Mark("completed") for name in names}
    marks[by_name(STATION, "handleError")] = Mark("running")
    gone = [word(each) for each in parsed(STATION, marks).iter(f"{SVG}g") if "wf-taken" in each.get("class", "")]
    assert gone == [
        "start → initialize", "initialize → handleStationEvents", "handleStationEvents → handleError: stationFaulted"
    ]  # fmt: skip


def test_caught_error_is_shown_as_the_way_into_the_catch() -> None:
    pointers = [by_name(STATION, name) for name in ("tryAcquireSlot", "noSlotsAvailable")]
    marks = {pointers[0]: Mark("running"), pointers[1]: Mark("completed")}
    gone = [each for each in parsed(STATION, marks).iter(f"{SVG}g") if "wf-taken" in each.get("class", "")]
    assert f"{pointers[0]}/catch" in [each.get("data-to") for each in gone]


def test_way_to_the_end_stands_out_where_no_other_was_gone() -> None:
    names = ["showBusy", "handleActiveSession"]
    marks = {by_name(STATION, name): Mark("completed") for name in names}
    gone = [word(each) for each in parsed(STATION, marks).iter(f"{SVG}g") if "wf-taken" in each.get("class", "")]
    assert gone == ["handleActiveSession → showBusy: alreadyCharging", "showBusy → end"]
    del marks[by_name(STATION, "showBusy")]
    gone = [word(each) for each in parsed(STATION, marks).iter(f"{SVG}g") if "wf-taken" in each.get("class", "")]
    assert gone == ["handleActiveSession → end: nothingToStop"]


def test_without_marks_all_steps_are_pending() -> None:
    root = parsed(STATION)
    assert root.findtext(f"{SVG}desc") == "35 steps: 35 pending."
    assert all("wf-pending" in step.get("class", "") for step in steps(root).values())


def test_long_name_is_cut_and_kept_whole_in_the_title() -> None:
    name = "aVeryLongNameOfATaskThatNobodyShouldHaveGiven"
    ((_, step),) = steps(parsed([{name: {"set": {"x": 1}}}])).items()
    text = shown(step)[0]
    assert text.endswith("…")
    assert name.startswith(text[:-1])
    assert name in word(step)


def test_end_of_a_long_address_is_kept() -> None:
    ((_, step),) = steps(parsed([{"led": call("post", "/stations/{stationId}/leds/main")}])).items()
    assert shown(step)[1] == "POST …/leds/main"
    ((_, step),) = steps(parsed([{"led": call("post", "/leds")}], {"/do/0/led": Mark("completed", 999, 86399)})).items()
    assert shown(step)[1:] == ["POST", "×999 · 24 h 00"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_hostile_gets_into_the_picture(attack: str) -> None:
    do: Tasks = [
        {attack: {"call": "http", "with": {"method": attack, "endpoint": {"uri": attack}}, "then": "choose"}},
        {"choose": {"switch": [{attack: {"when": attack, "then": attack}}, {f"{attack} too": {"then": "end"}}]}},
        {f"{attack} last": {"raise": {"error": {"title": attack}}}},
    ]
    text = draw(nodes(do), {}, title=attack)
    root = ET.fromstring(text.encode())
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ALLOWED
        assert not [name for name in element.attrib if name.startswith("on") or "xlink" in name]
        assert re.fullmatch(r"#step-[A-Za-z0-9-]*", element.get("href", "#step-"))
    assert len(steps(root)) == 3
    assert text.count("<style>") == text.count("</style>") == 1
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]", text)


def test_anchors_are_plain_and_differ() -> None:
    found = [anchor(node.pointer) for node in (*nodes(STATION), *nodes([{"日": {"do": [{"本": {"set": {}}}]}}]))]
    assert anchor("/do/2/try Get~1/try/0/get") == "step-do-2-try-Get-1-try-0-get"
    assert len(set(found[:-2])) == len(found) - 2
    assert found[-2:] == ["step-do-0", "step-do-0-do-0"]


def test_same_arguments_give_the_same_text() -> None:
    marks = {by_name(STATION, "start"): Mark("running", 2, 3.0, current=True)}
    assert draw(nodes(STATION), marks, title="t") == draw(nodes(STATION), dict(reversed(marks.items())), title="t")


def test_unknown_state_target_and_parent_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'odd'; allowed: pending, .*suspended"):
        Mark("odd")
    with pytest.raises(ValueError, match=r"/do/0/a goes to 'gone', .*; allowed: continue, exit, end, a"):
        draw(nodes([{"a": {"set": {}, "then": "gone"}}]), {}, title="t")
    with pytest.raises(ValueError, match=r"/do/0/x stands in '/no'"):
        draw([Node("/do/0/x", "x", "set", "/no")], {}, title="t")


# Geometry


def lines(shapes: list[Edge]) -> list[tuple[Edge, Rect]]:
    found = []
    for edge in shapes:
        for line in edge.lines:
            for (ax, ay), (bx, by) in pairwise(line):
                assert ax == bx or ay == by, "a line runs askew"
                found.append((edge, Rect(min(ax, bx), min(ay, by), abs(ax - bx), abs(ay - by))))
    return found


def assert_sound(drawn: Picture) -> None:
    """No box over another, each inside its frame, no line through a box, a pill or a word, all inside the picture."""
    boxes = [shape for shape in drawn.shapes if isinstance(shape, Box)]
    rects = {box.node.pointer: box.rect for box in boxes}
    for one, other in combinations(sorted(boxes, key=lambda box: len(box.node.pointer)), 2):
        inside = other.node.pointer.startswith(one.node.pointer + "/")
        assert one.rect.holds(other.rect) if inside else not one.rect.meets(other.rect)
    small = [shape for shape in drawn.shapes if isinstance(shape, Pill | Label)]
    plain = [rects[box.node.pointer] for box in boxes if not box.frame] + [shape.rect for shape in small]
    heads = [Rect(box.rect.x, box.rect.y, box.rect.w, 36) for box in boxes if box.frame]
    for one_rect, other_rect in combinations([*plain, *heads], 2):
        assert not one_rect.meets(other_rect)
    whole = Rect(0, 0, drawn.width, drawn.height)
    for edge, step in lines([shape for shape in drawn.shapes if isinstance(shape, Edge)]):
        assert whole.grown(0.01).holds(step)
        for rect in [*plain, *heads]:
            assert not step.meets(rect.grown(-1)), f"{edge.source} → {edge.target} runs through a box or a word"
        for box in [box for box in boxes if box.frame]:
            assert not step.meets(box.rect.grown(-1)) or box.rect.grown(1).holds(step)
    for catch in [shape for shape in drawn.shapes if isinstance(shape, Catch)]:
        assert rects[catch.node.pointer].holds(catch.rect)


@pytest.mark.parametrize("do", [STATION, MIXED], ids=["station", "mixed"])
def test_nothing_overlaps(do: Tasks) -> None:
    assert_sound(picture(nodes(do)))


def test_jumps_to_different_tasks_take_different_lanes() -> None:
    cases = [{f"to {name}": {"when": f".{name}", "then": name}} for name in "abc"]
    do: Tasks = [{name: {"set": {}}} for name in "abc"] + [{"d": {"switch": [*cases, {"on": {"then": "end"}}]}}]
    edges = [shape for shape in picture(nodes(do)).shapes if isinstance(shape, Edge) and len(shape.lines) == 2]
    assert len(edges) == 3
    for one, other in combinations([replace(edge, lines=edge.lines[1:]) for edge in edges], 2):
        for (_, a), (_, b) in product(lines([one]), lines([other])):
            along = bool(a.w and b.w) or bool(a.h and b.h)
            assert not (along and a.grown(2).meets(b.grown(2))), f"{one.label} runs over {other.label}"


def test_jump_without_a_way_is_refused() -> None:
    wall = Rect(0, 0, 100, 100)
    with pytest.raises(ValueError, match="no way from"):
        Map([wall]).way((50, 20), [Arrival((300, 50), RIGHT)], "there")


def test_legend_of_a_narrow_picture_takes_more_rows() -> None:
    do: Tasks = [{f"t{number}": {"set": {}}} for number in range(len(STATES))]
    marks = {node.pointer: Mark(state) for node, state in zip(nodes(do), STATES, strict=True)}
    (legend,) = [each for each in parsed(do, marks).iter(f"{SVG}g") if each.get("class") == "wf-legend"]
    assert shown(legend) == [f"1 {state}" for state in STATES]
    assert len({each.get("y") for each in legend.iter(f"{SVG}text")}) > 1


def test_station_fits_a_page() -> None:
    drawn = picture(nodes(STATION))
    assert drawn.width < 1300
    assert drawn.height < 1400


@st.composite
def lists(draw_: st.DrawFn, depth: int = 2) -> Tasks:
    names = [f"t{number}" for number in range(draw_(st.integers(1, 5)))]
    goals = st.sampled_from(["", "", "", "continue", "end", "exit", *names])
    kinds = ["set", "set", "switch", "switch", "raise", *(["do", "for", "try", "fork"] if depth else [])]
    tasks: Tasks = []
    for name in names:
        kind = draw_(st.sampled_from(kinds))
        task: dict[str, Any] = {"then": draw_(goals)}
        if kind == "switch":
            whens = draw_(st.lists(st.sampled_from([".x", ".y > 1", ""]), min_size=1, max_size=4))
            task[kind] = [{f"case number {n}": {"when": when, "then": draw_(goals)}} for n, when in enumerate(whens)]
        elif kind == "do":
            task[kind] = draw_(lists(depth - 1))
        elif kind == "for":
            task |= {"for": {"in": ".xs"}, "do": draw_(lists(depth - 1))}
        elif kind == "try":
            task |= {"try": draw_(lists(depth - 1)), "catch": {"do": draw_(st.just([]) | lists(depth - 1))}}
        elif kind == "fork":
            branches = draw_(lists(depth - 1))
            task["fork"] = {"branches": [{key: body | {"then": ""} for key, body in item.items()} for item in branches]}
        else:
            task[kind] = {"error": "named"}
        tasks.append({name: task})
    return tasks


@settings(max_examples=60, deadline=None)
@given(lists())
def test_any_definition_is_drawn_whole_and_without_overlap(do: Tasks) -> None:
    every = nodes(do)
    drawn = picture(every)
    assert_sound(drawn)
    root = parsed(do)
    assert list(steps(root)) == [node.pointer for node in every]
    found = ways(root)
    for node in [each for each in every if each.kind != "raise" and "/branches/" not in each.pointer[-30:]]:
        thens = [then for _, _, then in node.cases] or [node.then]
        siblings = {
            each.name: each.pointer for each in every if (each.parent, each.branch) == (node.parent, node.branch)
        }
        for then in thens:
            if then in siblings:
                assert (node.pointer, siblings[then]) in found
            if then in {"end", "exit"}:
                assert {(node.pointer, "end"), (node.pointer, then)} & found
