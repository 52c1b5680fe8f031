"""Does the catalogue in memory say what the database says, soon after it is written?"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from bpp.dialects import v1
from bpp.messages import Circle, Search, Window
from bpp.shelf import Shelf
from catalog.models import Connector, Evse
from catalog.search import Query
from catalog.services import set_evse_status
from orders.models import Member, Overlay
from orders.services import Said, cancel_order
from tests.bpp.network import message
from tests.factories.orders import active_order, connector_on_sale

pytestmark = pytest.mark.django_db

ANYWHERE = Search()
AVAILABLE = Search(available_only=True)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def connector() -> Connector:
    return connector_on_sale()


@pytest.fixture
def shelf(connector: Connector, now: datetime) -> Shelf:
    found = Shelf()
    found.refresh(now)
    return found


def shown(shelf: Shelf, now: datetime, request: Search = ANYWHERE) -> list[dict[str, Any]]:
    """The items of the answer, of all its parts."""
    parts = shelf.answer(request, message()["context"], message_id="m-1", now=now)
    providers = [each for part in parts for each in orjson.loads(part)["message"]["catalog"].get("providers", [])]
    return [item for provider in providers for item in provider["items"]]


def ids(shelf: Shelf, now: datetime, request: Search = ANYWHERE) -> list[str]:
    return [item["id"] for item in shown(shelf, now, request)]


def later(now: datetime, seconds: float = 5) -> datetime:
    return now + timedelta(seconds=seconds)


def test_answer_is_an_on_search_of_ours_to_the_request(shelf: Shelf, now: datetime, settings: Any) -> None:
    [body] = shelf.answer(ANYWHERE, message()["context"], message_id="m-1", now=now)
    context = orjson.loads(body)["context"]
    assert (context["action"], context["message_id"]) == ("on_search", "m-1")
    assert context["bpp_id"] == settings.BECKN_SUBSCRIBER_ID


def test_nothing_is_answered_where_nothing_matches(shelf: Shelf, now: datetime, settings: Any) -> None:
    far = Search(near=Circle(28.61, 77.2, 1000.0))
    assert shelf.answer(far, message()["context"], message_id="m-1", now=now) == []
    settings.BECKN_EMPTY_SEARCH_ANSWER = True
    assert shown(shelf, now, far) == []
    assert len(shelf.answer(far, message()["context"], message_id="m-1", now=now)) == 1


def test_parts_stay_below_the_limit(shelf: Shelf, now: datetime, settings: Any) -> None:
    offers = [connector_on_sale() for _ in range(4)]
    shelf.refresh(later(now))
    settings.BECKN_ANSWER_LIMIT_BYTES = 4000
    parts = shelf.answer(ANYWHERE, message()["context"], message_id="m-1", now=now)
    assert len(parts) > 1
    assert all(len(part) <= 4000 for part in parts)
    assert {offer.item_id for offer in offers} < set(ids(shelf, now))


def test_changed_status_is_followed(shelf: Shelf, connector: Connector, now: datetime) -> None:
    assert ids(shelf, now, AVAILABLE) == [connector.item_id]
    set_evse_status(connector.evse, Evse.Status.FAULTED, later(now))
    shelf.refresh(later(now))
    assert ids(shelf, now, AVAILABLE) == []


def test_new_station_is_found(shelf: Shelf, connector: Connector, now: datetime) -> None:
    new = connector_on_sale()
    assert ids(shelf, now) == [connector.item_id]
    shelf.refresh(later(now))
    assert sorted(ids(shelf, now)) == sorted([connector.item_id, new.item_id])


def test_new_charger_of_a_known_station_is_found(shelf: Shelf, connector: Connector, now: datetime) -> None:
    new = connector_on_sale(station=connector.evse.station)
    shelf.refresh(later(now))
    assert sorted(ids(shelf, now)) == sorted([connector.item_id, new.item_id])


def test_deleted_station_is_gone(shelf: Shelf, connector: Connector, now: datetime) -> None:
    connector.evse.station.delete()
    shelf.refresh(later(now))
    assert ids(shelf, now) == []


def test_unpublished_station_is_gone(shelf: Shelf, connector: Connector, now: datetime) -> None:
    station = connector.evse.station
    station.published = False
    station.save()
    shelf.refresh(later(now))
    assert ids(shelf, now) == []


def test_new_name_is_shown(shelf: Shelf, connector: Connector, now: datetime) -> None:
    operator = connector.evse.station.operator
    operator.name = "Renamed Sample Operator"
    operator.save()
    shelf.refresh(later(now))
    [body] = shelf.answer(ANYWHERE, message()["context"], message_id="m-1", now=now)
    assert b"Renamed Sample Operator" in body


def test_promised_charger_is_not_offered_for_that_time(shelf: Shelf, connector: Connector, now: datetime) -> None:
    wish = Search(window=Window(later(now), later(now, 1800)))
    assert ids(shelf, now, wish) == [connector.item_id]
    active_order(connector, now=now)
    shelf.refresh(later(now))
    assert ids(shelf, now, wish) == []


def test_offer_that_was_never_rendered_is_an_error_not_an_empty_answer(
    shelf: Shelf, connector: Connector, now: datetime
) -> None:
    [found] = shelf.index.find(Query(), now)
    shelf.index.load([replace(found.offer, payload=None)])
    with pytest.raises(TypeError, match=re.escape(connector.item_id)):
        shown(shelf, now)


# -- coupons that everybody sees --------------------------------------------------------------------------------------


def coupon(connector: Connector, **changes: Any) -> Overlay:
    plain: dict[str, Any] = {"kind": "coupon", "code": "DIWALI", "name": "Festival of lights", "value": Decimal(-10)}
    return Overlay.objects.create(operator=connector.evse.station.operator, advertised=True, **(plain | changes))


def offers(shelf: Shelf, now: datetime) -> list[dict[str, Any]]:
    shelf.refresh(now)
    [body] = shelf.answer(ANYWHERE, message()["context"], message_id="m-1", now=now)
    document = orjson.loads(body)
    assert v1.check_own("on_search", document) == ()
    return [offer for each in document["message"]["catalog"]["providers"] for offer in each.get("offers", [])]


def test_advertised_coupon_is_shown_with_its_provider(shelf: Shelf, connector: Connector, now: datetime) -> None:
    assert offers(shelf, now) == []
    until = now + timedelta(days=1)
    coupon(connector, cap_paise=5_000, scope="energy", min_energy_wh=5_000, valid_until=until)
    [shown] = offers(shelf, later(now))
    assert shown == {
        "id": "DIWALI",
        "descriptor": {
            "code": "DIWALI",
            "name": "Festival of lights",
            "short_desc": "10 % off the energy before tax, at most 50.00 INR, from 5 kWh",
        },
        "time": {"range": {"end": f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{until.microsecond // 1000:03}Z"}},
    }
    assert offers(shelf, until) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"advertised": False},
        {"active": False},
        {"valid_from": "tomorrow"},
        {"valid_until": "now"},
        {"max_uses": 0},
    ],
    ids=["secret", "switched off", "not yet", "over", "used up"],
)
def test_coupon_that_is_not_for_everybody_now_is_not_shown(
    shelf: Shelf, connector: Connector, now: datetime, changes: dict[str, Any]
) -> None:
    moments = {"tomorrow": now + timedelta(days=1), "now": later(now)}
    coupon(connector)
    Overlay.objects.update(**{name: moments.get(value, value) for name, value in changes.items()})
    assert offers(shelf, later(now)) == []


def test_coupon_of_members_is_not_shown(shelf: Shelf, connector: Connector, now: datetime) -> None:
    Member.objects.create(overlay=coupon(connector), person="driver-1")
    assert offers(shelf, later(now)) == []
    for secret in ({"group_code": "STAFF"}, {"bap_id": "bap.example.org"}):
        with pytest.raises(IntegrityError, match="overlay_advertised_is_for_all"), transaction.atomic():
            coupon(connector, code="OTHER", **secret)


def test_coupon_of_one_station_is_shown_where_the_station_is(shelf: Shelf, connector: Connector, now: datetime) -> None:
    away = connector_on_sale(operator=connector.evse.station.operator)
    coupon(connector, station=away.evse.station)
    assert [offer["location_ids"] for offer in offers(shelf, later(now))] == [[away.evse.station.code]]
    away.evse.station.published = False
    away.evse.station.save()
    assert offers(shelf, later(now, 10)) == []


def test_used_up_coupon_comes_back_with_a_cancelled_order(shelf: Shelf, connector: Connector, now: datetime) -> None:
    coupon(connector, max_uses=1)
    order = active_order(connector, now=now, said=Said(offers=("diwali",)))
    assert offers(shelf, later(now)) == []
    cancel_order(order_id=order.pk, by="PROVIDER", now=later(now), actor="test")
    assert len(offers(shelf, later(now))) == 1


def test_offers_are_rendered_once_while_they_stay_as_they_are(
    shelf: Shelf, connector: Connector, now: datetime
) -> None:
    coupon(connector)
    offers(shelf, later(now))
    rendered = shelf._offers
    shelf.refresh(later(now, 10))
    assert shelf._offers is rendered
