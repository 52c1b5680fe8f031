"""Do several workers at once drive each session once?"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from fulfillment import services as fulfillment
from fulfillment.models import Session
from tests.factories.fulfillment import starting_session, waiting_session
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[], object], *, hands: int) -> list[BaseException]:
    """Run `work` in several threads that begin together; what they raised."""
    gate, raised = threading.Barrier(hands), list[BaseException]()

    def hand() -> None:
        try:
            gate.wait(10)
            work()
        except Exception as err:  # noqa: BLE001 -- handed to the test
            raised.append(err)
        finally:
            connection.close()

    threads = [threading.Thread(target=hand) for _ in range(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


def test_workers_at_once_start_each_session_once(supplier: FakeSupplier) -> None:
    sessions = [starting_session() for _ in range(5)]

    def work() -> None:
        while fulfillment.advance_due(NOW):
            pass

    assert at_once(work, hands=4) == []
    fulfillment.advance_due(NOW, limit=50)
    for session in sessions:
        session.refresh_from_db()
        assert session.state == Session.State.CHARGING
    assert len(supplier.rules.sessions) == 5
    for route in ("acquire", "lock", "start"):
        assert len(supplier.calls(route)) == 5


def test_buyer_app_that_asks_many_times_at_once_gets_one_start(supplier: FakeSupplier) -> None:
    session = waiting_session()
    assert at_once(lambda: fulfillment.request_start(session.order_id, NOW), hands=6) == []
    fulfillment.advance_due(NOW, limit=50)
    assert len(supplier.calls("start")) == 1
    session.order.refresh_from_db()
    kinds = list(session.order.events.values_list("kind", flat=True))
    assert kinds.count("charging-starting") == 1


def test_sessions_are_opened_once_by_sweeps_at_once() -> None:
    session = waiting_session()
    Session.objects.all().delete()
    assert at_once(lambda: fulfillment.open_sessions_due(NOW), hands=4) == []
    assert Session.objects.filter(order=session.order).count() == 1
