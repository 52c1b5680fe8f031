"""Does an offer carry the limits of its tariff and the tax of its operator, place and day?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.models import Connector
from core.errors import Unavailable
from orders.models import Quote
from orders.selectors import current_quote
from orders.services import select_offer
from tests.factories.orders import NOW, a_wish, connector_on_sale

pytestmark = pytest.mark.django_db


def offered(connector: Connector, **wish: Any) -> Quote:
    return current_quote(select_offer(**a_wish(connector, **wish)))


def amounts(quote: Quote) -> list[tuple[str, int]]:
    return [(line["code"], line["paise"]) for line in quote.lines]


def test_least_price_of_the_tariff_is_offered_and_kept() -> None:
    connector = connector_on_sale()
    assert connector.tariff is not None
    connector.tariff.min_price = {"excl_vat": "500.00"}
    connector.tariff.save()
    quote = offered(connector)
    expected = [("energy-cost", 18_000), ("service-charge", 2_000), ("service-charge", 30_000), ("gst", 9_000)]
    assert amounts(quote) == expected
    assert quote.tariff["min_price"] == {"excl_vat": "500.00"}


def test_tax_is_that_of_the_day_on_which_the_session_begins() -> None:
    connector = connector_on_sale()
    operator = connector.evse.station.operator
    operator.gst_rates = [{"percent": "5", "sac": "998719", "from": "2026-02-02"}]
    operator.save()
    assert amounts(offered(connector))[-1] == ("gst", 3_600)
    midnight = NOW + timedelta(hours=14)  # 00:00 in Bengaluru on 2026-02-02, still the day before in UTC
    later = offered(connector, starts_at=midnight)
    assert (amounts(later)[-1], later.tariff["sac"]) == (("gst", 1_000), "998719")
    assert amounts(offered(connector, starts_at=midnight - timedelta(seconds=1)))[-1] == ("gst", 3_600)


@pytest.mark.parametrize(
    ("supplier", "place", "codes"),
    [("29", "Karnataka", ["CGST", "SGST"]), ("29", "Tamil Nadu", ["IGST"]), ("", "Karnataka", ["CGST", "SGST"])],
)
def test_tax_divides_by_the_states_of_operator_and_station(supplier: str, place: str, codes: list[str]) -> None:
    connector = connector_on_sale()
    station = connector.evse.station
    station.operator.state_code, station.state = supplier, place
    station.operator.save()
    station.save()
    tax = offered(connector).lines[-1]
    assert [part["code"] for part in tax["tax"]] == codes
    assert sum(part["paise"] for part in tax["tax"]) == tax["paise"] == 3_600


def test_limits_that_cannot_be_read_are_no_offer() -> None:
    connector = connector_on_sale()
    assert connector.tariff is not None
    connector.tariff.max_price = {"excl_vat": "much"}
    connector.tariff.save()
    with pytest.raises(Unavailable, match=r"max_price\.excl_vat") as refusal:
        offered(connector)
    assert refusal.value.code == "no-tariff"
