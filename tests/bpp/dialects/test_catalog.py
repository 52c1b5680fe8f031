"""Is a search answer joined right, and cut where it grows too long?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bpp.dialects import v1
from bpp.dialects.v1 import catalog
from bpp.dialects.v1.catalog import Row
from bpp.replies import Advert
from tests.bpp.dialects.samples import BPP, CHARGER, CONTEXT, NOW, OTHER_PLUG, PLACE, PLUG, PROVIDER


def joined(hits: Sequence[Row], offers: catalog.Offers = catalog.NO_OFFERS) -> bytes:
    exp = NOW + timedelta(minutes=1)
    return catalog.join_catalog(
        CONTEXT, hits, message_id="m", now=NOW, network_name="Net", exp=exp, offers=offers, **BPP
    )


def providers(hits: Sequence[Row]) -> list[dict[str, Any]]:
    document = json.loads(joined(hits))
    assert v1.check_own("on_search", document) == ()
    found: list[dict[str, Any]] = document["message"]["catalog"]["providers"]
    return found


def many(count: int) -> list[Row]:
    """Connectors two to an EVSE, four to a station, of two operators by turns of eight."""
    return [
        catalog.row(
            replace(
                PLUG,
                item_id=f"E{n // 2}*{n % 2}",
                provider=replace(PROVIDER, id=f"op-{n // 8 % 2}"),
                charger=replace(CHARGER, id=f"E{n // 2}", place=replace(PLACE, id=f"S{n // 4}")),
            )
        )
        for n in range(count)
    ]


def test_rows_are_grouped_by_operator_and_each_station_and_charger_stands_once() -> None:
    found = providers(many(32))
    assert [provider["id"] for provider in found] == ["op-0", "op-1"]
    for provider in found:
        assert (len(provider["locations"]), len(provider["fulfillments"]), len(provider["items"])) == (4, 8, 16)
        assert [category["id"] for category in provider["categories"]] == ["green-tariff"]
        assert {item["location_ids"][0] for item in provider["items"]} == {row["id"] for row in provider["locations"]}
        assert {item["fulfillment_ids"][0] for item in provider["items"]} == {
            row["id"] for row in provider["fulfillments"]
        }


def test_nothing_found_is_an_empty_catalogue() -> None:
    assert providers([]) == []


def test_live_availability_is_spliced_into_the_kept_row() -> None:
    row = catalog.row(replace(PLUG, charger=replace(CHARGER, label="@availability@")))
    for status, word in (("charging", "Charging"), ("faulted", "Faulted"), ("lost", "Unavailable")):
        row.availability = status
        item = providers([row])[0]["items"][0]
        assert item["tags"][0]["list"][-1] == {"descriptor": {"code": "availability"}, "value": word}


def test_item_is_the_same_in_a_catalogue_and_in_an_order() -> None:
    assert providers([catalog.row(OTHER_PLUG)])[0]["items"] == [catalog.item(OTHER_PLUG, availability="Charging")]
    assert "categories" not in providers([catalog.row(OTHER_PLUG)])[0]


def test_answer_that_grows_too_long_is_cut_into_parts_that_stand_alone() -> None:
    hits = many(60)
    limit = 20_000
    parts = catalog.split(hits, limit_bytes=limit)
    assert len(parts) > 2
    assert [hit for part in parts for hit in part] == hits
    assert all(len(joined(part)) <= limit for part in parts)
    assert len(joined(parts[0])) > limit * 0.7
    for part in parts:
        providers(part)


def test_long_rows_do_not_push_a_part_over_the_limit() -> None:
    hits = [replace(hit, item_tail=hit.item_tail + b" " * 6000) for hit in many(12)]
    parts = catalog.split(hits, limit_bytes=20_000)
    assert all(len(joined(part)) <= 20_000 for part in parts)


def test_offers_stand_with_their_provider_and_count_for_the_length() -> None:
    hits = many(60)
    adverts = [Advert(f"op-{n % 3}", f"C{n}", "A coupon", "5 % off", "S0" if n == 3 else "") for n in range(30)]
    offers = catalog.offer_fragments(adverts)
    parts = catalog.split(hits, limit_bytes=20_000, offers=offers)
    bodies = [joined(part, offers) for part in parts]
    assert all(len(body) <= 20_000 for body in bodies)
    shown = [each for body in bodies for each in json.loads(body)["message"]["catalog"]["providers"]]
    for body in bodies:
        assert v1.check_own("on_search", json.loads(body)) == ()
    for provider in shown:
        mine = [advert for advert in adverts if advert.provider_id == provider["id"]]
        here = {place["id"] for place in provider["locations"]}
        wanted = [advert.id for advert in mine if not advert.station_id or advert.station_id in here]
        assert [offer["id"] for offer in provider["offers"]] == wanted


def test_short_answer_stays_whole() -> None:
    hits = many(3)
    assert catalog.split(hits, limit_bytes=200_000) == [hits]
    assert catalog.split([], limit_bytes=200_000) == [[]]


def test_single_row_longer_than_the_limit_is_not_cut() -> None:
    hits = many(2)
    assert [len(part) for part in catalog.split(hits, limit_bytes=100)] == [1, 1]


@pytest.mark.parametrize(
    ("amount", "sent"),
    [("18", "18.00"), ("18.5", "18.50"), ("18.125", "18.125"), ("18.1000", "18.10"), ("1E+1", "10.00")],
)
def test_unit_price_has_two_decimals_or_as_many_as_it_needs(amount: str, sent: str) -> None:
    assert catalog.price(Decimal(amount)) == sent


def test_what_is_not_known_is_left_out() -> None:
    bare = replace(PLACE, address="", city="", postal_code="", directions="", country="NPL")
    assert catalog.location(bare) == {
        "id": "LAKE-01",
        "gps": "12.975000,77.605100",
        "descriptor": {"name": "Lake View hub"},
        "city": {"code": "std:080"},
        "country": {"code": "NPL"},
    }
