"""Does the index find what a plain look at every offer finds, nearest first?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpp.messages import Circle, Window
from catalog.opening import opening
from catalog.places import EARTH_RADIUS_M
from catalog.search import Found, Index, Offer, Query, words

NOW = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)
HERE = Circle(12.97, 77.59, 5_000)
KINDS = ("IEC_62196_T2_COMBO", "IEC_62196_T2", "CHADEMO")


def an_offer(number: int = 1, **fields: Any) -> Offer:
    facts: dict[str, Any] = {
        "connector_id": number,
        "item_id": f"E{number:04d}*1",
        "operator": "OP1",
        "operator_name": "Sample Operator",
        "station_id": number,
        "station": f"ST{number}",
        "latitude": 12.97,
        "longitude": 77.59,
        "evse_id": number,
        "evse": f"E{number:04d}",
        "standard": KINDS[0],
        "current": "DC",
        "max_power_w": 30_000,
        "words": words("Sample Station, Indiranagar", "CCS2"),
    }
    return Offer(**(facts | fields))


def loaded(*offers: Offer, **settings: Any) -> Index:
    index = Index(**settings)
    index.load(offers)
    return index


def ids(found: list[Found]) -> list[str]:
    return [hit.offer.item_id for hit in found]


def ground_m(circle: Circle, offer: Offer) -> float:
    """The haversine, told apart from the index's own way of measuring."""
    phi, other = radians(circle.latitude), radians(offer.latitude)
    half = sin((other - phi) / 2) ** 2
    half += cos(phi) * cos(other) * sin(radians(offer.longitude - circle.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


def scattered(random: Random, count: int, spread: float) -> list[Offer]:
    offers: list[Offer] = []
    for number in range(count):
        place = (12.97 + random.uniform(-spread, spread), 77.59 + random.uniform(-spread, spread))
        offers += [
            an_offer(
                number,
                item_id=f"E{number:04d}*{plug}",
                latitude=place[0],
                longitude=place[1],
                standard=random.choice(KINDS),
                max_power_w=random.choice((3_300, 22_000, 60_000)),
            )
            for plug in range(random.randint(1, 3))
        ]
    return offers


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from((0.0, 0.05, 2.0, 60.0)),
    st.sampled_from((500.0, 8_000.0, 2_000_000.0, 30_000_000.0)),
    st.frozensets(st.sampled_from(KINDS), max_size=2),
    st.sampled_from((None, 10_000)),
)
def test_find_agrees_with_looking_at_every_offer(
    seed: int, spread: float, radius_m: float, kinds: frozenset[str], least_w: int | None
) -> None:
    random = Random(seed)
    offers = scattered(random, 150, spread)
    index = loaded(*offers[:200])
    for station_id in {offer.station_id for offer in offers[200:]}:
        index.replace_station(station_id, [offer for offer in offers if offer.station_id == station_id])
    circle = Circle(12.97 + random.uniform(-spread, spread), 77.59 + random.uniform(-spread, spread), radius_m)
    found = index.find(Query(near=circle, connector_types=kinds, min_power_w=least_w), NOW, limit=20)
    matching = [
        (ground_m(circle, offer), offer.item_id)
        for offer in offers
        if (not kinds or offer.standard in kinds) and (least_w is None or offer.max_power_w >= least_w)
    ]
    expected = sorted(distance for distance, _ in matching if distance <= radius_m)[:20]
    assert [hit.distance_m for hit in found] == pytest.approx(expected, abs=0.01)
    assert len(set(ids(found))) == len(found)
    assert set(ids(found)) <= {item for _, item in matching}


def test_find_orders_equals_by_item() -> None:
    index = loaded(*(an_offer(number) for number in (3, 1, 2)))
    assert ids(index.find(Query(near=HERE), NOW, limit=2)) == ["E0001*1", "E0002*1"]


def test_find_uses_the_default_radius_where_only_a_place_is_given() -> None:
    class Place:
        latitude, longitude, radius_m = 12.97, 77.59, None

    far = an_offer(2, latitude=13.07)
    assert ids(loaded(an_offer(), far).find(Query(near=Place()), NOW)) == ["E0001*1"]
    assert len(loaded(an_offer(), far, default_radius_m=20_000).find(Query(near=Place()), NOW)) == 2


def test_find_without_a_place_is_capped() -> None:
    found = loaded(*(an_offer(number) for number in range(80))).find(Query(), NOW)
    assert len(found) == 50
    assert found[0].distance_m is None


def test_find_across_the_date_line() -> None:
    index = loaded(an_offer(latitude=0.0, longitude=-179.99))
    assert len(index.find(Query(near=Circle(0.0, 179.99, 5_000)), NOW)) == 1


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({"text": ""}, True),
        ({"text": "EV charger"}, True),
        ({"text": "EV chargers in Indiranagar"}, True),
        ({"text": "Indira-nagar"}, False),
        ({"text": "indira"}, True),
        ({"text": "nagar"}, False),
        ({"text": "Koramangala"}, False),
        ({"connector_types": frozenset({KINDS[0]})}, True),
        ({"connector_types": frozenset({KINDS[1]})}, False),
        ({"current": "DC"}, True),
        ({"current": "AC"}, False),
        ({"min_power_w": 30_000, "max_power_w": 30_000}, True),
        ({"min_power_w": 30_001}, False),
        ({"max_power_w": 29_999}, False),
        ({"level": 3}, True),
        ({"level": 2}, False),
        ({"vehicle": "any"}, True),
        ({"vehicle": "4w"}, True),
        ({"vehicle": "2w"}, False),
        ({"operator": "OP1"}, True),
        ({"operator": "OP2"}, False),
        ({"operator_name": "sample"}, True),
        ({"operator_name": "other"}, False),
        ({"station": "ST1"}, True),
        ({"station": "ST2"}, False),
        ({"item": "E0001*1"}, True),
        ({"item": "E0001*2"}, False),
        ({"category": "green-tariff"}, True),
        ({"category": "brown-tariff"}, False),
        ({"available_only": True}, True),
    ],
)
@pytest.mark.parametrize("near", [None, HERE])
def test_find_filters(fields: dict[str, Any], matches: bool, near: Circle | None) -> None:
    index = loaded(an_offer(vehicle="4w", green=True))
    assert bool(index.find(Query(near=near, **fields), NOW)) is matches


@pytest.mark.parametrize(
    ("current", "power_w", "level"),
    [("AC", 1_900, 1), ("AC", 1_901, 2), ("AC", 22_000, 2), ("AC", 22_001, 3), ("DC", 1_500, 3)],
)
def test_level_by_power(current: str, power_w: int, level: int) -> None:
    assert an_offer(current=current, max_power_w=power_w).level == level


@pytest.mark.parametrize("status", ["faulted", "unavailable", "charging"])
def test_find_lists_what_cannot_be_used_unless_asked_for_available(status: str) -> None:
    index = loaded(an_offer(status=status))
    assert index.find(Query(near=HERE), NOW)
    assert not index.find(Query(near=HERE, available_only=True), NOW)


def test_find_for_later_ignores_who_charges_now() -> None:
    later = Window(NOW + timedelta(hours=3), NOW + timedelta(hours=4))
    assert loaded(an_offer(status="charging")).find(Query(window=later, available_only=True), NOW)
    assert not loaded(an_offer(status="faulted")).find(Query(window=later, available_only=True), NOW)


@pytest.mark.parametrize(
    ("window", "energy_wh", "matches"),
    [
        (Window(NOW, NOW + timedelta(hours=2)), None, True),
        (Window(NOW, NOW + timedelta(hours=2, seconds=1)), None, False),
        (Window(NOW + timedelta(hours=3), NOW + timedelta(hours=4)), None, True),
        (Window(NOW + timedelta(hours=2, minutes=30), None), None, False),
        (Window(NOW + timedelta(hours=1), None), None, True),
        (Window(NOW + timedelta(hours=1), None), 30_000, True),
        (Window(NOW + timedelta(hours=1), None), 31_000, False),
    ],
)
def test_find_leaves_out_what_is_promised(window: Window, energy_wh: int | None, matches: bool) -> None:
    index = loaded(an_offer())
    index.set_busy({1: [(NOW + timedelta(hours=2), NOW + timedelta(hours=3))]})
    assert bool(index.find(Query(window=window, energy_wh=energy_wh), NOW)) is matches


def test_find_available_leaves_out_what_is_promised_now() -> None:
    index = loaded(an_offer())
    index.set_busy({1: [(NOW - timedelta(minutes=1), NOW + timedelta(minutes=1))]})
    assert index.find(Query(), NOW)
    assert not index.find(Query(available_only=True), NOW)


def test_find_keeps_to_opening_hours_in_the_stations_zone() -> None:
    day = [{"weekday": weekday, "period_begin": "08:00", "period_end": "22:00"} for weekday in range(1, 8)]
    indian = an_offer(1, opening=opening({"regular_hours": day}, "Asia/Kolkata"))
    british = an_offer(2, opening=opening({"regular_hours": day}, "Europe/London"))
    index = loaded(indian, british)
    early = Window(NOW.replace(hour=3), NOW.replace(hour=4))
    assert ids(index.find(Query(window=early), NOW)) == ["E0001*1"]
    assert ids(index.find(Query(available_only=True), NOW.replace(hour=18))) == ["E0002*1"]


def test_replace_station_moves_changes_and_removes() -> None:
    index = loaded(*(an_offer(number) for number in range(40)))
    moved = an_offer(7, latitude=13.5)
    index.replace_station(7, [moved, replace(moved, item_id="E0007*2", standard=KINDS[1])])
    assert ids(index.find(Query(near=Circle(13.5, 77.59, 100)), NOW)) == ["E0007*1", "E0007*2"]
    assert "E0007*1" not in ids(index.find(Query(near=HERE), NOW))
    index.replace_station(7, [replace(moved, station="ST7b", status="faulted")])
    assert index.find(Query(station="ST7b"), NOW)[0].offer.status == "faulted"
    assert not index.find(Query(station="ST7"), NOW)
    assert index.item("E0007*2") is None
    assert not index.find(Query(near=Circle(13.5, 77.59, 100), connector_types=frozenset({KINDS[1]})), NOW)
    assert index.stations_of(frozenset({"OP1"})) == frozenset(range(40))
    index.replace_station(7, ())
    index.replace_station(7, ())
    assert len(index) == 39
    assert 7 not in index.station_ids
    assert index.item("E0007*1") is None


def test_many_stations_at_one_place_are_all_found() -> None:
    index = loaded(*(an_offer(number) for number in range(100)))
    assert len(index.find(Query(near=HERE), NOW, limit=1000)) == 100


def test_an_item_that_moved_is_found_at_its_new_station() -> None:
    index = loaded(an_offer(1))
    index.replace_station(2, [replace(an_offer(1), station_id=2, station="ST2")])
    index.replace_station(1, ())
    found = index.item("E0001*1")
    assert found is not None
    assert found.station_id == 2


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as the interpreter can, so that a moment of disorder is seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_readers_never_miss_a_station_that_only_changes() -> None:
    index = loaded(*(an_offer(number, longitude=77.59 + number / 1e5) for number in range(200)))
    query = Query(near=HERE, connector_types=frozenset({KINDS[0]}))

    def change() -> None:
        for turn in range(6_000):
            number = turn % 200
            index.replace_station(number, [an_offer(number, longitude=77.59 + number / 1e5, status="charging")])

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        while not changing.done():
            assert len(index.find(query, NOW, limit=500)) == 200
        changing.result()
