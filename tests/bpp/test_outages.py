"""Does support get one ticket for each outage, whatever is told how often?"""

from __future__ import annotations

from typing import Any

import pytest

from bpp.outages import tell_outages
from catalog.models import Evse
from fulfillment.models import Outage
from support.models import Ticket
from support.services import answer_ticket
from tests.factories.fulfillment import later
from tests.factories.orders import NOW, connector_on_sale

pytestmark = pytest.mark.django_db


def an_outage(place: Evse, **changes: Any) -> Outage:
    facts = {"since": NOW, "error": "GroundFault: leak", "orders": {"VB-1": "moved to another charger"}}
    return Outage.objects.create(**{"station": place.station, "evse": place} | facts | changes)


def untold(outage: Outage, **changes: Any) -> None:
    Outage.objects.filter(pk=outage.pk).update(untold=True, **changes)


def test_outage_opens_one_ticket_that_names_everything(settings: Any) -> None:
    settings.SUPPORT_REPLY_S = 3600
    evse = connector_on_sale().evse
    outage = an_outage(evse)
    assert tell_outages(now=later(5)) == 1
    assert tell_outages(now=later(6)) == 0
    ticket = Ticket.objects.get()
    outage.refresh_from_db()
    assert (outage.ticket, outage.untold) == (ticket.code, False)
    assert (ticket.operator, ticket.order, ticket.state) == (evse.station.operator, None, Ticket.State.OPEN)
    assert (ticket.opened_at, ticket.reply_due_at) == (later(5), later(3605))
    assert str(evse.station) in ticket.subject
    for word in (evse.station.code, evse.uid, f"{NOW:%Y-%m-%d %H:%M:%S}", "GroundFault: leak", "VB-1: moved"):
        assert word in ticket.notes


def test_outage_of_a_whole_station_names_all_of_its_charge_points() -> None:
    evse = connector_on_sale().evse
    other = connector_on_sale(station=evse.station).evse
    an_outage(evse, evse=None, error="", orders={})
    tell_outages(now=NOW)
    notes = Ticket.objects.get().notes
    assert evse.uid in notes
    assert other.uid in notes
    assert "the station did not say why" in notes
    assert "Orders: none" in notes


def test_news_of_an_outage_go_on_its_ticket() -> None:
    outage = an_outage(connector_on_sale().evse)
    tell_outages(now=NOW)
    untold(outage, orders={"VB-1": "moved to another charger", "VB-2": "cancelled"})
    tell_outages(now=later(5))
    assert "VB-2: cancelled" in Ticket.objects.get().notes


def test_recovery_closes_the_ticket() -> None:
    outage = an_outage(connector_on_sale().evse)
    tell_outages(now=NOW)
    untold(outage, until=later(60))
    tell_outages(now=later(61))
    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.closed_at) == (Ticket.State.CLOSED, later(61))
    assert f"In service again since {later(60):%Y-%m-%d %H:%M:%S} UTC" in ticket.notes


def test_ticket_that_somebody_works_on_is_noted_and_stays_open() -> None:
    outage = an_outage(connector_on_sale().evse)
    tell_outages(now=NOW)
    answer_ticket(Ticket.objects.get().pk, text="Technician is on the way.", actor="desk", now=later(30))
    untold(outage, until=later(60))
    tell_outages(now=later(61))
    ticket = Ticket.objects.get()
    assert ticket.state == Ticket.State.ANSWERED
    assert "In service again" in ticket.notes


def test_outage_that_was_over_before_anybody_heard_has_its_ticket_all_the_same() -> None:
    an_outage(connector_on_sale().evse, until=later(1))
    assert tell_outages(now=later(5)) == 1
    assert Ticket.objects.get().state == Ticket.State.CLOSED


def test_next_outage_of_the_same_place_has_a_ticket_of_its_own() -> None:
    evse = connector_on_sale().evse
    an_outage(evse, until=later(1))
    an_outage(evse, since=later(10))
    assert tell_outages(now=later(20)) == 2
    assert Ticket.objects.count() == 2
