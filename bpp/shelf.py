"""What stands on the shelf right now? The catalogue in memory with every row already rendered for the wire."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from bpp import messages as m
from bpp import replies, showing
from bpp.dialects.v1 import catalog as wire
from bpp.kept import settings
from catalog import selectors
from catalog.search import Found, Index, Query
from orders import selectors as order_selectors

log = logging.getLogger(__name__)

CACHE_S = 60


class Shelf:
    """The search index of one process; `refresh` follows the database, `answer` never asks it."""

    def __init__(self) -> None:
        self.index = Index(limit=settings.BECKN_SEARCH_LIMIT)
        self._fresh_at: datetime | None = None
        self._followed: set[selectors.Write] = set()
        self._shared: dict[tuple[str, str], bytes] = {}
        self._adverts: tuple[replies.Advert, ...] = ()
        self._offers: wire.Offers = wire.NO_OFFERS

    @property
    def stocked(self) -> bool:
        """Whether the catalogue was read at all; before that an answer would say that nothing is sold."""
        return self._fresh_at is not None

    def refresh(self, now: datetime) -> None:
        """Bring the index to `now`: everything the first time, then what was written since."""
        self._shared.clear()
        if self._fresh_at is None:
            followed = selectors.recent_writes(now)
            selectors.load(self.index, self._render, now)
            self._followed = followed
        else:
            selectors.refresh(self.index, self._render, self._fresh_at, now=now, followed=self._followed)
        self.index.set_busy(order_selectors.busy_intervals(now))
        self._advertise(now)
        self._fresh_at = now

    def answer(self, request: m.Search, context: dict[str, Any], *, message_id: str, now: datetime) -> list[bytes]:
        """The exact bytes of each on_search that answers `request`; none where nothing matches and silence is set."""
        rows = [_row(found) for found in self.index.find(_query(request), now)]
        if not rows and not settings.BECKN_EMPTY_SEARCH_ANSWER:
            return []
        offers = self._offers
        return [
            wire.join_catalog(
                context,
                part,
                message_id=message_id,
                now=now,
                bpp_id=settings.BECKN_SUBSCRIBER_ID,
                bpp_uri=settings.BECKN_SUBSCRIBER_URL,
                network_name=settings.BECKN_NETWORK_NAME,
                exp=now + timedelta(seconds=CACHE_S),
                city_code=settings.BECKN_CITY,
                country=settings.BECKN_COUNTRY,
                offers=offers,
            )
            for part in wire.split(rows, limit_bytes=settings.BECKN_ANSWER_LIMIT_BYTES, offers=offers)
        ]

    def _render(self, data: selectors.OfferData) -> wire.Row:
        """The rendered rows of a connector; operators, stations and EVSEs are rendered once and shared."""
        connector = data.connector
        connector.evse, data.evse.station, data.station.operator = data.evse, data.station, data.operator
        connector.tariff = data.tariff
        plug = showing.plug(connector, price=data.price_per_kwh, availability=data.evse.status)
        head, tail = wire.item_fragment(plug)
        return wire.Row(
            provider_id=plug.provider.id,
            station_id=plug.charger.place.id,
            evse_id=plug.charger.id,
            provider_fragment=self._once("provider", plug.provider.id, lambda: wire.provider_fragment(plug.provider)),
            location_fragment=self._once(
                "location", plug.charger.place.id, lambda: wire.location_fragment(plug.charger.place)
            ),
            fulfillment_fragment=self._once("evse", plug.charger.id, lambda: wire.fulfillment_fragment(plug.charger)),
            item_head=head,
            item_tail=tail,
            availability=data.evse.status,
            categories=wire.categories_of(plug),
        )

    def _advertise(self, now: datetime) -> None:
        """Render the offers anew where they are others than before."""
        adverts = showing.adverts(now)
        if adverts != self._adverts:
            self._adverts, self._offers = adverts, wire.offer_fragments(adverts)

    def _once(self, kind: str, name: str, render: Callable[[], bytes]) -> bytes:
        found = self._shared.get((kind, name))
        if found is None:
            found = self._shared[kind, name] = render()
        return found


def _query(request: m.Search) -> Query:
    return Query(
        text=request.text,
        near=request.near,
        connector_types=request.connector_types,
        current=request.current,
        min_power_w=request.min_power_w,
        max_power_w=request.max_power_w,
        level=request.level,
        vehicle=request.vehicle,
        operator=request.operator,
        operator_name=request.operator_name,
        station=request.station,
        item=request.item,
        category=request.category,
        window=request.window,
        energy_wh=request.energy_wh,
        available_only=request.available_only,
    )


def _row(found: Found) -> wire.Row:
    payload = found.offer.payload
    if not isinstance(payload, wire.Row):
        raise TypeError(f"{found.offer.item_id} stands on the shelf without its rendered row")
    return payload
