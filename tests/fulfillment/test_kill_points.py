"""Whatever is killed between two steps: is there one slot, one start, one payment?"""

from __future__ import annotations

import pytest

from fulfillment import services as fulfillment
from fulfillment import states
from fulfillment.models import Command, Session
from fulfillment.services.advancing import claim_next, perform, settle
from orders.models import Quote
from tests.factories.fulfillment import run_steps, starting_session
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

AFTER_LEASE_S = states.LEASE_S + 1


def go_to(step: str, supplier: FakeSupplier) -> Session:
    """A session whose next step is `step`."""
    session = starting_session()
    for _ in range(12):
        session.refresh_from_db()
        if session.step == states.WATCH:
            fulfillment.request_stop(session.order_id, supplier.after(5))
        elif session.step != step:
            fulfillment.advance_due(supplier.at, limit=1)
        else:
            return session
    raise AssertionError(f"never came to {step}")


@pytest.mark.parametrize("step", ["acquire", "lock", "start", "stop", "pay", "unlock"])
@pytest.mark.parametrize("called", [False, True])
def test_crash_between_intent_and_result_is_healed_without_a_second_effect(
    supplier: FakeSupplier, step: str, *, called: bool
) -> None:
    session = go_to(step, supplier)
    claim = claim_next(supplier.at)
    assert claim is not None
    assert Command.objects.get(key=claim.key).state == Command.State.INTENT
    if called:
        perform(claim)
    assert fulfillment.advance_due(supplier.after(1)) == 0, "the lease still stands"
    run_steps(supplier.after(AFTER_LEASE_S))
    session.refresh_from_db()
    if session.state == Session.State.CHARGING:
        fulfillment.request_stop(session.order_id, supplier.after(5))
        run_steps(supplier.at)
        session.refresh_from_db()
    assert (session.state, session.step) == (Session.State.ENDED, states.DONE)
    assert len(supplier.rules.sessions) == 1
    assert supplier.session.paid
    assert session.energy_wh == supplier.session.final_wh
    route = {"stop": "end"}.get(step, step)
    assert len([call for call in supplier.calls(route) if not call["replayed"]]) == 1


def test_worker_that_comes_back_late_changes_nothing(supplier: FakeSupplier) -> None:
    session = starting_session()
    late = claim_next(NOW)
    assert late is not None
    answer = perform(late)
    run_steps(supplier.after(AFTER_LEASE_S))
    before = Session.objects.values().get(pk=session.pk)
    assert not settle(late, answer, now=supplier.at)
    assert Session.objects.values().get(pk=session.pk) == before


def test_wish_that_changed_while_the_station_was_asked_is_kept(supplier: FakeSupplier) -> None:
    session = go_to("start", supplier)
    claim = claim_next(supplier.at)
    assert claim is not None
    answer = perform(claim)
    fulfillment.cancel_waiting(session.order_id, supplier.at)
    assert settle(claim, answer, now=supplier.at)
    session.refresh_from_db()
    assert (session.state, session.step) == (Session.State.CANCELLED, states.UNDO)
    run_steps(supplier.at)
    assert supplier.session.status == "closed"


def test_session_that_breaks_us_rests_and_the_others_go_on(supplier: FakeSupplier) -> None:
    bad, good = starting_session(), starting_session()
    run_steps(NOW)
    # Without its offer the order cannot be billed.
    Quote.objects.filter(order_id=bad.order_id).delete()
    now = supplier.after(5)
    for session in (bad, good):
        fulfillment.request_stop(session.order_id, now)
    run_steps(now)
    for session in (bad, good):
        session.refresh_from_db()
    assert good.state == Session.State.ENDED
    assert bad.state == Session.State.ENDING
    assert bad.next_at is not None
    assert bad.next_at > now
