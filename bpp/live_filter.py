"""What does somebody want to see of the live board, and what is there to choose from?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from catalog.models import Station
from catalog.tenancy import Reach

STATES: Mapping[str, str] = {
    "in-use": "In use",
    "paused": "Paused",
    "free": "Free",
    "faulted": "Out of order",
    "silent": "Silent",
}
# The strongest connector of a charger, W: above the first, up to the second.
POWERS: Mapping[str, tuple[int, int, str]] = {
    "slow": (0, 7_400, "Up to 7.4 kW"),
    "ac": (7_400, 22_000, "Up to 22 kW"),
    "dc": (22_000, 60_000, "Up to 60 kW"),
    "fast": (60_000, 2_147_483_647, "Above 60 kW"),
}
VIEWS = ("table", "map")
LONGEST_TEXT = 100
MOST_STATIONS = 500
LARGEST_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """One filter for table and map; None and empty narrow nothing."""

    operator: int | None = None
    city: str = ""
    station: int | None = None
    state: str = ""
    power: str = ""
    text: str = ""
    view: str = "table"
    page: int = 1

    @property
    def narrowed(self) -> dict[str, Any]:
        """The parts that narrow."""
        names = ("operator", "city", "station", "state", "power", "text")
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def by_place(self) -> bool:
        """Whether only some places are wanted, so that what has no place is left out."""
        return bool(self.city or self.station or self.power)

    @property
    def query(self) -> dict[str, Any]:
        """The filter as the address carries it, without the page."""
        return {**self.narrowed, **({"view": self.view} if self.view != VIEWS[0] else {})}

    @property
    def address(self) -> str:
        """The whole query, this page's too."""
        return urlencode({**self.query, **({"page": self.page} if self.page > 1 else {})})

    @property
    def elsewise(self) -> str:
        """The query of the same filter in the other view."""
        other = VIEWS[1] if self.view == VIEWS[0] else VIEWS[0]
        return urlencode({**self.narrowed, "view": other})


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen among what is in reach; empty where there is nothing to choose."""

    operators: list[tuple[int, str]]
    cities: list[str]
    stations: list[tuple[int, str]]
    states: list[tuple[str, str]]
    powers: list[tuple[str, str]]


def wanted_from(asked: QueryDict) -> Wanted:
    """The filter that an address carries; what cannot be read narrows nothing."""
    return Wanted(
        operator=_number(asked.get("operator", "")),
        city=_text(asked.get("city", "")),
        station=_number(asked.get("station", "")),
        state=_one_of(asked.get("state", ""), STATES),
        power=_one_of(asked.get("power", ""), POWERS),
        text=_text(asked.get("text", "")),
        view=_one_of(asked.get("view", ""), dict.fromkeys(VIEWS)) or VIEWS[0],
        page=min(_number(asked.get("page", "")) or 1, 10_000),
    )


def choices(reach: Reach) -> Choices:
    """What can be chosen, in one statement; a list of more than 500 stations is no list, their names can be typed."""
    rows = reach.limit(Station.objects.filter(evses__isnull=False), "operator").distinct()
    known = list(rows.order_by("name", "pk").values_list("pk", "name", "city", "operator_id", "operator__name"))
    operators = sorted({(name, pk) for *_, pk, name in known})
    cities = sorted({city for _, _, city, _, _ in known if city})
    return Choices(
        operators=[(pk, name) for name, pk in operators] if len(operators) > 1 else [],
        cities=cities if len(cities) > 1 else [],
        stations=[(pk, name) for pk, name, *_ in known] if len(known) <= MOST_STATIONS else [],
        states=list(STATES.items()),
        powers=[(code, words) for code, (_, _, words) in POWERS.items()],
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= LARGEST_KEY else None


def _text(text: str) -> str:
    return text.replace("\0", "").strip()[:LONGEST_TEXT]


def _one_of(text: str, known: Mapping[str, Any]) -> str:
    return text if text in known else ""
