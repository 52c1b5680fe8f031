"""Whatever is killed between two steps: is there one slot, one start, one payment?"""

from __future__ import annotations

import pytest

from fulfillment import services as fulfillment
from fulfillment.models import Session, TaskRun
from fulfillment.services.instances import in_hand
from fulfillment.services.workflows import LEASE_S, Asked, Claim, answer, settle
from orders.models import Quote
from tests.factories.fulfillment import charging_session, drive_to, run_steps, starting_session
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

AFTER_LEASE_S = LEASE_S + 1
ROUTES = {"acquireSlot": "acquire", "lockSlot": "lock"} | {name: name for name in ("start", "end", "pay", "unlock")}
ON_THE_WAY_TO_THE_END = {"end", "pay", "unlock"}


def go_to(task: str, supplier: FakeSupplier) -> tuple[Session, Claim, Asked]:
    """A session, and the worker that is about to call `task` for it."""
    if task in ON_THE_WAY_TO_THE_END:
        session = charging_session()
        fulfillment.request_stop(session.order_id, supplier.after(5))
    else:
        session = starting_session()
    return session, *drive_to(task, supplier.at)


@pytest.mark.parametrize("task", ROUTES)
@pytest.mark.parametrize("called", [False, True])
def test_crash_between_intent_and_result_is_healed_without_a_second_effect(
    supplier: FakeSupplier, task: str, *, called: bool
) -> None:
    session, _, asked = go_to(task, supplier)
    assert TaskRun.objects.get(key=asked.key).state == TaskRun.State.STARTED
    if called:
        answer(asked)
    assert fulfillment.advance_due(supplier.after(1)) == 0, "the lease still stands"
    run_steps(supplier.after(AFTER_LEASE_S))
    assert TaskRun.objects.get(key=asked.key).asked == 2
    session.refresh_from_db()
    if session.state == Session.State.CHARGING:
        fulfillment.request_stop(session.order_id, supplier.after(5))
        run_steps(supplier.at)
        session.refresh_from_db()
    assert session.state == Session.State.ENDED
    assert not in_hand(session)
    assert len(supplier.rules.sessions) == 1
    assert supplier.session.paid
    assert session.energy_wh == supplier.session.final_wh
    assert len([call for call in supplier.calls(ROUTES[task]) if not call["replayed"]]) == 1


def test_worker_that_comes_back_late_changes_nothing(supplier: FakeSupplier) -> None:
    session, claim, asked = go_to("acquireSlot", supplier)
    told = answer(asked)
    run_steps(supplier.after(AFTER_LEASE_S))
    before = Session.objects.values().get(pk=session.pk), list(TaskRun.objects.values())
    assert settle(claim, told, now=supplier.at) is None
    assert (Session.objects.values().get(pk=session.pk), list(TaskRun.objects.values())) == before


def test_wish_that_changed_while_the_station_was_asked_is_kept(supplier: FakeSupplier) -> None:
    session, claim, asked = go_to("start", supplier)
    told = answer(asked)
    fulfillment.cancel_waiting(session.order_id, supplier.at)
    assert settle(claim, told, now=supplier.at) is None
    session.refresh_from_db()
    assert (session.state, session.release_owed) == (Session.State.CANCELLED, True)
    run_steps(supplier.at)
    assert supplier.session.status == "closed"
    run_steps(supplier.after(61))
    session.refresh_from_db()
    assert not session.release_owed, "what might have come late was looked for once more"


def test_session_that_breaks_us_rests_and_the_others_go_on(supplier: FakeSupplier) -> None:
    bad, good = charging_session(), charging_session()
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
    instance = bad.workflows.get(status="running")
    assert instance.next_at is not None
    assert instance.next_at > now
    assert instance.reason


def test_session_without_an_instance_is_given_one(supplier: FakeSupplier) -> None:
    session = starting_session()
    TaskRun.objects.all().delete()
    session.workflows.all().delete()
    assert fulfillment.adopt_due(NOW) == 0, "it may be on its way"
    assert fulfillment.adopt_due(supplier.after(10)) == 1
    assert fulfillment.adopt_due(supplier.at) == 0
    run_steps(supplier.at)
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING
