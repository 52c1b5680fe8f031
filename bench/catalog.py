"""What does answering a search cost, against writing out a finished answer, and how does it grow with the catalogue?

T5: with 100,000 connectors and a limit of 50, query + build + sign cost at most 4.5 times `orjson.dumps` of the
finished answer. T6: from 10,000 to 1,000,000 connectors the cost of a query grows with an exponent of at most 0.35.
Run by `python -m bench.catalog`; figures are CPU time, medians of interleaved rounds in one run.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from math import log10
from random import Random
from resource import RUSAGE_SELF, getrusage
from statistics import median

import orjson

from bpp import signing
from bpp.dialects.v1 import catalog as wire
from bpp.messages import Circle, Window
from bpp.replies import Charger, Place, Plug, Provider
from catalog.search import Found, Index, Offer, Query
from core.money import Money

T5_LIMIT = 4.5
T6_LIMIT = 0.35
TOLERANCE = 1.15
ROUNDS = 3
QUERIES = 200
NOW = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)
SEED = bytes(range(32))
OPERATORS = [Provider(f"CPO{number:02d}", f"Sample Operator {number}") for number in range(12)]
# Each with its current, power in W and share of all connectors.
KINDS = (
    ("IEC_62196_T2_COMBO", "DC", 60_000, 30),
    ("IEC_62196_T2", "AC", 7_400, 45),
    ("CHADEMO", "DC", 50_000, 10),
    ("GBT_DC", "DC", 15_000, 15),
)
CONTEXT = {
    "domain": "ev-charging:uei",
    "action": "search",
    "version": "1.1.0",
    "bap_id": "bap.example.org",
    "bap_uri": "https://bap.example.org/beckn",
    "transaction_id": "5d0b5a0e-7c53-4a1e-9a3e-0d6d2f0c1a11",
    "timestamp": "2026-02-02T06:00:00.000Z",
    "ttl": "PT10M",
}


@dataclass(frozen=True, slots=True)
class India:
    """Where stations stand: most around cities of unequal size, a fifth anywhere."""

    random: Random
    cities: list[tuple[float, float]]
    sizes: list[float]

    def city(self) -> tuple[float, float]:
        latitude, longitude = self.random.choices(self.cities, self.sizes)[0]
        return self.random.gauss(latitude, 0.1), self.random.gauss(longitude, 0.1)

    def place(self) -> tuple[float, float]:
        if self.random.random() < 0.2:
            return self.random.uniform(8, 32), self.random.uniform(70, 90)
        return self.city()


def india(seed: int) -> India:
    random = Random(seed)
    cities = [(random.uniform(8, 32), random.uniform(70, 90)) for _ in range(40)]
    return India(random, cities, [random.random() ** 2 for _ in cities])


def offers(land: India, count: int, *, rendered: bool) -> Iterator[Offer]:
    """`count` connectors, one to four at a station, each with its rendered rows where asked for."""
    shares = [kind[3] for kind in KINDS]
    station = number = 0
    while number < count:
        station += 1
        latitude, longitude = land.place()
        operator = OPERATORS[station % len(OPERATORS)]
        code, name = f"ST{station:06d}", f"Sample Station {station}"
        for plug in range(1, min(land.random.randint(1, 4), count - number) + 1):
            number += 1
            standard, current, power_w, _ = land.random.choices(KINDS, shares)[0]
            evse = f"IN*{operator.id}*E{station:06d}{plug}"
            offer = Offer(
                connector_id=number,
                item_id=f"{evse}*1",
                operator=operator.id,
                operator_name=operator.name,
                station_id=station,
                station=code,
                latitude=latitude,
                longitude=longitude,
                evse_id=number,
                evse=evse,
                standard=standard,
                current=current,
                max_power_w=power_w,
                payload=row(code, name, operator, evse, latitude, longitude, standard, current, power_w)
                if rendered
                else None,
            )
            yield offer


def row(
    code: str,
    name: str,
    operator: Provider,
    evse: str,
    latitude: float,
    longitude: float,
    standard: str,
    current: str,
    power_w: int,
) -> wire.Row:
    place = Place(
        id=code,
        name=name,
        latitude=Decimal(f"{latitude:.6f}"),
        longitude=Decimal(f"{longitude:.6f}"),
        address=f"12, {name} Road",
        city="Bengaluru",
        city_code="std:080",
        country="IND",
        postal_code="560001",
    )
    charger = Charger(id=evse, label="Bay 1", manufacturer="Northgate", online=True, place=place)
    return wire.row(
        Plug(
            item_id=f"{evse}*1",
            number="1",
            standard=standard,
            current=current,
            max_power_w=power_w,
            vehicle="any",
            availability="available",
            price_per_kwh=Money(Decimal("18.00")),
            green=False,
            charger=charger,
            provider=operator,
        )
    )


def queries(land: India, radius_m: float) -> list[Query]:
    """Searches in the cities for a connector type and a window."""
    window = Window(NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    kinds = [kind[0] for kind in KINDS]
    return [
        Query(
            near=Circle(*land.city(), radius_m), connector_types=frozenset({land.random.choice(kinds)}), window=window
        )
        for _ in range(QUERIES)
    ]


def busy(count: int) -> dict[int, list[tuple[datetime, datetime]]]:
    """One EVSE in twenty is promised for the hour that is searched for."""
    return {number: [(NOW + timedelta(hours=1), NOW + timedelta(hours=2))] for number in range(0, count, 20)}


def join(index: Index, query: Query) -> bytes:
    rows = [hit.offer.payload for hit in index.find(query, NOW)]
    return wire.join_catalog(
        CONTEXT,
        [found for found in rows if isinstance(found, wire.Row)],
        message_id="3e49f44d-3c03-59c4-a88b-c5c9b3bcd140",
        now=NOW,
        bpp_id="bpp.example.org",
        bpp_uri="https://bpp.example.org/beckn",
        network_name="Sample network",
        exp=NOW + timedelta(minutes=1),
    )


def answer(index: Index, query: Query) -> str:
    created = int(NOW.timestamp())
    body = join(index, query)
    return signing.sign(
        body, subscriber_id="bpp.example.org", key_id="k1", seed=SEED, created=created, expires=created + 300
    )


def find_all(index: Index, asked: list[Query]) -> list[list[Found]]:
    return [index.find(query, NOW) for query in asked]


def cpu_us(act: Callable[[], object]) -> float:
    """CPU microseconds of one call of `act`, which does everything once for each query."""
    begun = time.process_time()
    act()
    return (time.process_time() - begun) / QUERIES * 1e6


def t5() -> dict[str, float]:
    land = india(1)
    index = Index(limit=50)
    index.load(offers(land, 100_000, rendered=True))
    index.set_busy(busy(100_000))
    gc.collect()
    gc.freeze()
    asked = queries(land, 100_000.0)
    finished = [orjson.loads(join(index, query)) for query in asked]
    rounds: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        dumps = cpu_us(lambda: [orjson.dumps(document) for document in finished])
        find = cpu_us(partial(find_all, index, asked))
        whole = cpu_us(lambda: [answer(index, query) for query in asked])
        rounds.append((whole / dumps, find, dumps))
    hits = sum(len(index.find(query, NOW)) for query in asked) / QUERIES
    return {
        "ratio": round(median(ratio for ratio, _, _ in rounds), 2),
        "find_us": round(median(find for _, find, _ in rounds)),
        "dumps_us": round(median(dumps for _, _, dumps in rounds)),
        "items": round(hits, 1),
    }


def t6() -> dict[str, float]:
    sizes = (10_000, 1_000_000)
    indexes: list[tuple[Index, list[Query]]] = []
    for size in sizes:
        land = india(1)
        index = Index(limit=50)
        index.load(offers(land, size, rendered=False))
        index.set_busy(busy(size))
        gc.collect()
        gc.freeze()
        indexes.append((index, queries(land, 2_000_000.0)))
    costs: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for cost, (index, asked) in zip(costs, indexes, strict=True):
            cost.append(cpu_us(partial(find_all, index, asked)))
    small, large = (median(cost) for cost in costs)
    return {
        "exponent": round(log10(large / small) / log10(sizes[1] / sizes[0]), 3),
        "find_10k_us": round(small),
        "find_1m_us": round(large),
    }


def main() -> int:
    begun = time.monotonic()
    building, growth = t5(), t6()
    met = building["ratio"] <= T5_LIMIT * TOLERANCE and growth["exponent"] <= T6_LIMIT * TOLERANCE
    print(f"T5  query + build + sign ÷ dumps of the finished answer: {building['ratio']} (at most {T5_LIMIT})")
    print(f"T6  growth exponent of a query from 10⁴ to 10⁶: {growth['exponent']} (at most {T6_LIMIT})")
    summary = {
        "name": "catalog",
        "t5": building,
        "t6": growth,
        "met": met,
        "seconds": round(time.monotonic() - begun, 1),
        "peak_mb": getrusage(RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(summary))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
