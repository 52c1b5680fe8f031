"""What follows when a person holds, resumes, retries or cancels an instance, while a worker is at it or not?"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from pytest_django import Settings

from core.errors import NotAllowed, NotFound
from fulfillment import services as fulfillment
from fulfillment.models import EventOut, Session, StationEvent, TaskRun, WorkflowDefinition, WorkflowInstance
from fulfillment.services import instances
from fulfillment.services.instances import RELEASE, START, STOP, in_hand
from fulfillment.services.workflows import answer, settle
from fulfillment.workflow import load
from orders import services as orders
from tests.factories.fulfillment import charging_session, drive_to, run_steps, starting_session, waiting_session
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

W = WorkflowInstance.Status
TYPE = "com.ev-power-supplier.charging-station."
WHY = "the operator looks into it"


def the_instance(session: Session, trigger: str) -> WorkflowInstance:
    return session.workflows.get(trigger=trigger)


def scanned(supplier: FakeSupplier, card: str = "RFID-1") -> WorkflowInstance:
    """A card of nobody's order, scanned at a station with one slot."""
    station = connector_on_sale().evse.station
    event = {
        "specversion": "1.0", "id": str(uuid.uuid4()), "source": "https://station.example",
        "type": f"{TYPE}card-scanned.v1", "data": {"stationId": station.code, "cardId": card},
    }  # fmt: skip
    return instances.trigger(event, station=station, card=card, now=supplier.at)


def faulted(session: Session, trigger: str, supplier: FakeSupplier) -> WorkflowInstance:
    """An instance that faults when it lights the lamp."""
    instance = instances.ask(trigger, session, now=supplier.at)
    return run_until_fault(instance, supplier)


def run_until_fault(instance: WorkflowInstance, supplier: FakeSupplier) -> WorkflowInstance:
    loaded = load(BREAKS)
    instance.definition = WorkflowDefinition.objects.create(
        name=loaded.name, version=loaded.version, hash=loaded.hash, text=loaded.text
    )
    instance.save()
    supplier.fail_next("leds", n=1, status=500)
    run_steps(supplier.at)
    instance.refresh_from_db()
    return instance


BREAKS = """
document: {dsl: '1.0.3', namespace: test, name: breaks, version: '1.0.0'}
use:
  secrets: [evPowerSupplier]
  authentications:
    supplier: {bearer: {use: evPowerSupplier}}
do:
  - initialize:
      set: {stationId: '${ $workflow.input[0].data.stationId }'}
      export: {as: .}
  - light:
      call: http
      with:
        method: post
        endpoint:
          uri: https://ev-power-supplier.com/api/v2/stations/{stationId}/leds/main
          authentication: {use: supplier}
        body: {action: flicker, color: red, duration: 100}
"""


def test_suspended_instance_keeps_its_worker_from_changing_anything(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, asked = drive_to("start", supplier.at)
    instance = fulfillment.suspend_instance(claim.pk, now=supplier.at, reason=WHY)
    told = answer(asked)
    assert settle(claim, told, now=supplier.at) is None
    instance.refresh_from_db()
    assert (instance.status, instance.reason, instance.holding, instance.next_at) == (W.SUSPENDED, WHY, False, None)
    assert run_steps(supplier.after(60)) == 0
    assert in_hand(session), "nobody else takes the session up"


def test_resumed_instance_asks_again_with_the_same_key(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, asked = drive_to("start", supplier.at)
    fulfillment.suspend_instance(claim.pk, now=supplier.at, reason=WHY)
    answer(asked)
    fulfillment.resume_instance(claim.pk, now=supplier.after(5))
    run_steps(supplier.at)
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING
    assert TaskRun.objects.get(key=asked.key).asked == 2
    assert len([call for call in supplier.calls("start") if not call["replayed"]]) == 1
    assert the_instance(session, START).status == W.COMPLETED


def test_instance_suspended_before_it_began_begins_when_resumed(supplier: FakeSupplier) -> None:
    session = starting_session()
    instance = the_instance(session, START)
    fulfillment.suspend_instance(instance.pk, now=supplier.at, reason=WHY)
    assert run_steps(supplier.at) == 0
    assert fulfillment.resume_instance(instance.pk, now=supplier.at).status == W.PENDING
    run_steps(supplier.at)
    session.refresh_from_db()
    assert session.state == Session.State.CHARGING


def test_timeout_that_passed_meanwhile_strikes_on_resuming(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, _ = drive_to("lockSlot", supplier.at)
    fulfillment.suspend_instance(claim.pk, now=supplier.at, reason=WHY)
    fulfillment.resume_instance(claim.pk, now=supplier.after(600))
    run_steps(supplier.at)
    session.refresh_from_db()
    assert session.state == Session.State.FAILED
    assert supplier.session.status == "closed", "the slot was given back"


def test_deeds_are_told_as_life_cycle_events(supplier: FakeSupplier, settings: Settings) -> None:
    settings.EVENTS_SINK_URL = "https://sink.example.org/"
    instance = the_instance(starting_session(), START)
    for _ in range(2):
        fulfillment.suspend_instance(instance.pk, now=supplier.at, reason=WHY)
        fulfillment.resume_instance(instance.pk, now=supplier.at)
    fulfillment.cancel_instance(instance.pk, now=supplier.at, reason=WHY)
    told = EventOut.objects.filter(subject=str(instance.uid)).order_by("pk").values_list("type", flat=True)
    words = [each.removeprefix("io.serverlessworkflow.workflow.").removesuffix(".v1") for each in told]
    assert words == ["suspended", "resumed", "suspended", "resumed", "cancelled"]


@pytest.mark.parametrize("status", W.values)
def test_each_deed_is_refused_in_words_in_every_other_state(supplier: FakeSupplier, status: str) -> None:
    instance = the_instance(starting_session(), START)
    over = {"ended_at": NOW, "next_at": None} if status in WorkflowInstance.OVER else {}
    over |= {"next_at": None} if status == W.SUSPENDED else {}
    WorkflowInstance.objects.filter(pk=instance.pk).update(status=status, **over)
    deeds: dict[str, tuple[Callable[[], object], list[str]]] = {
        "suspend": (lambda: fulfillment.suspend_instance(instance.pk, now=NOW, reason=WHY), WorkflowInstance.LIVE),
        "resume": (lambda: fulfillment.resume_instance(instance.pk, now=NOW), [W.SUSPENDED]),
        "retry": (lambda: fulfillment.retry_instance(instance.pk, "/do/0/initialize", now=NOW), [W.FAULTED]),
        "cancel": (
            lambda: fulfillment.cancel_instance(instance.pk, now=NOW, reason=WHY),
            [*WorkflowInstance.LIVE, W.SUSPENDED],
        ),
    }
    for act, states in deeds.values():
        if status not in states:
            with pytest.raises(NotAllowed, match=f"the instance is {status}; ") as refused:
                act()
            assert refused.value.code == "not-in-this-state"


def test_unknown_instance_is_refused() -> None:
    with pytest.raises(NotFound, match="no workflow instance 0"):
        fulfillment.suspend_instance(0, now=NOW, reason=WHY)


@pytest.mark.parametrize("task", ["acquireSlot", "lockSlot", "start"])
@pytest.mark.parametrize("called", [False, True])
def test_cancelled_start_fails_the_order_and_gives_everything_back(
    supplier: FakeSupplier, task: str, *, called: bool
) -> None:
    session = starting_session()
    claim, asked = drive_to(task, supplier.at)
    told = answer(asked) if called else None
    instance = fulfillment.cancel_instance(claim.pk, now=supplier.at, reason=WHY)
    assert (instance.status, instance.reason) == (W.CANCELLED, WHY)
    assert settle(claim, told or answer(asked), now=supplier.at) is None
    session.refresh_from_db()
    session.order.refresh_from_db()
    assert (session.state, session.fault) == (Session.State.FAILED, WHY)
    assert session.order.state != "active", "it does not stay at starting"
    run_steps(supplier.at)
    run_steps(supplier.after(61))
    session.refresh_from_db()
    assert not session.release_owed
    assert not in_hand(session)
    assert [each.status for each in supplier.rules.sessions.values()] in ([], ["closed"])
    assert not instance.tasks.filter(state__in=["started", "waiting", "retried"]).exists()


def test_cancelled_start_leaves_charging_alone_once_energy_flows(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, _ = drive_to("lightBlue", supplier.at)
    fulfillment.cancel_instance(claim.pk, now=supplier.at, reason=WHY)
    run_steps(supplier.at)
    session.refresh_from_db()
    assert (session.state, supplier.session.status) == (Session.State.CHARGING, "charging")
    assert not session.workflows.filter(trigger=RELEASE).exists()


def test_start_that_is_cancelled_while_it_gives_back_leaves_no_slot_locked(supplier: FakeSupplier) -> None:
    session = starting_session()
    supplier.fail_next("start", n=1, status=400)
    claim, _ = drive_to("unlock", supplier.at)
    session.refresh_from_db()
    assert (session.state, supplier.session.status) == (Session.State.FAILED, "locked")
    fulfillment.cancel_instance(claim.pk, now=supplier.at, reason=WHY)
    run_steps(supplier.at)
    run_steps(supplier.after(61))
    session.refresh_from_db()
    assert supplier.session.status == "closed"
    assert not session.release_owed


def test_start_is_cancelled_although_its_order_was_closed_meanwhile(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, _ = drive_to("start", supplier.at)
    orders.mark_failed(session.order_id, now=supplier.at, reason="closed", actor="test")
    fulfillment.cancel_instance(claim.pk, now=supplier.at, reason=WHY)
    run_steps(supplier.at)
    run_steps(supplier.after(61))
    session.refresh_from_db()
    assert (session.state, session.release_owed, supplier.session.status) == (Session.State.FAILED, False, "closed")


@pytest.mark.parametrize("task", ["end", "pay", "unlock"])
def test_cancelled_stop_settles_and_gives_the_slot_back(supplier: FakeSupplier, task: str) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(60))
    claim, asked = drive_to(task, supplier.at)
    fulfillment.cancel_instance(claim.pk, now=supplier.at, reason=WHY)
    assert settle(claim, answer(asked), now=supplier.at) is None
    session.refresh_from_db()
    assert session.state == Session.State.ENDED
    assert session.provisional is (task == "end")
    run_steps(supplier.at)
    run_steps(supplier.after(61))
    session.refresh_from_db()
    session.order.refresh_from_db()
    assert (supplier.session.status, supplier.session.paid) == ("closed", True)
    assert (session.order.state, session.release_owed) == ("complete", False)
    assert not in_hand(session)


def test_cancelled_release_asks_nothing_more_of_the_station(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, _ = drive_to("start", supplier.at)
    fulfillment.cancel_waiting(session.order_id, supplier.at)
    release = the_instance(session, RELEASE)
    fulfillment.cancel_instance(release.pk, now=supplier.at, reason="unlocked by hand")
    session.refresh_from_db()
    assert (session.release_owed, session.fault) == (False, "unlocked by hand")
    assert run_steps(supplier.after(120)) == 0
    assert claim.pk != release.pk


def test_suspended_instance_is_cancelled_like_any_other(supplier: FakeSupplier) -> None:
    session = starting_session()
    claim, _ = drive_to("lockSlot", supplier.at)
    fulfillment.suspend_instance(claim.pk, now=supplier.at, reason=WHY)
    fulfillment.cancel_instance(claim.pk, now=supplier.at, reason=WHY)
    run_steps(supplier.at)
    session.refresh_from_db()
    assert (session.state, supplier.session.status) == (Session.State.FAILED, "closed")


@pytest.mark.parametrize("task", ["acquireSlot", "lockSlot", "start"])
def test_cancelled_walk_in_gives_its_slot_back(supplier: FakeSupplier, task: str) -> None:
    instance = scanned(supplier)
    _, asked = drive_to(task, supplier.at)
    answer(asked)
    fulfillment.cancel_instance(instance.pk, now=supplier.at, reason=WHY)
    assert WorkflowInstance.objects.get(trigger=RELEASE).card == instance.card
    run_steps(supplier.at)
    run_steps(supplier.after(61))
    assert supplier.session.status == "closed"


def test_cancelled_walk_in_goes_on_charging_once_energy_flows(supplier: FakeSupplier) -> None:
    instance = scanned(supplier)
    drive_to("lightBlue", supplier.at)
    fulfillment.cancel_instance(instance.pk, now=supplier.at, reason=WHY)
    assert run_steps(supplier.at) == 0
    assert supplier.session.status == "charging"


def test_newer_instance_of_the_card_forbids_going_on_with_an_older_one(supplier: FakeSupplier) -> None:
    older = scanned(supplier)
    fulfillment.suspend_instance(older.pk, now=supplier.at, reason=WHY)
    newer = instances.trigger(older.input[0] | {"id": "2"}, station=older.station, card=older.card, now=supplier.at)
    run_steps(supplier.at)
    with pytest.raises(NotAllowed, match=f"instance {newer.uid} has acted for the same card since") as refused:
        fulfillment.resume_instance(older.pk, now=supplier.at)
    assert refused.value.code == "overtaken"


def broken_release(supplier: FakeSupplier) -> tuple[Session, WorkflowInstance]:
    session = waiting_session()
    Session.objects.filter(pk=session.pk).update(state="cancelled", ended_at=NOW, release_owed=True)
    return session, faulted(session, RELEASE, supplier)


def test_faulted_instance_is_retried_from_the_step_that_faulted(supplier: FakeSupplier) -> None:
    session, instance = broken_release(supplier)
    assert (instance.status, instance.fault["status"]) == (W.FAULTED, 500)  # type: ignore[index]
    assert [place.name for place in fulfillment.retriable(instance)] == ["initialize", "light"]
    assert fulfillment.why_not_retried(instance) == ""
    fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.after(30))
    instance.refresh_from_db()
    session.refresh_from_db()
    assert (instance.status, instance.fault, instance.ended_at) == (W.RUNNING, None, None)
    assert session.release_owed
    run_steps(supplier.at)
    instance.refresh_from_db()
    session.refresh_from_db()
    assert (instance.status, session.release_owed) == (W.COMPLETED, False)
    runs = instance.tasks.filter(name="light").order_by("attempt")
    assert [(run.attempt, run.state, run.asked) for run in runs] == [(1, "faulted", 1), (2, "completed", 1)]
    assert len({run.key for run in runs}) == 1


def test_instance_that_faults_again_may_be_retried_again(supplier: FakeSupplier, settings: Settings) -> None:
    settings.EVENTS_SINK_URL = "https://sink.example.org/"
    session, instance = broken_release(supplier)
    supplier.fail_next("leds", n=1, status=500)
    fulfillment.retry_instance(instance.pk, "/do/0/initialize", now=supplier.at)
    run_steps(supplier.at)
    instance.refresh_from_db()
    assert instance.status == W.FAULTED
    fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)
    run_steps(supplier.at)
    instance.refresh_from_db()
    assert instance.status == W.COMPLETED
    told = EventOut.objects.filter(subject=str(instance.uid), type__contains=".workflow.").order_by("pk")
    words = [each.type.split(".")[-2] for each in told]
    assert words == ["started", "faulted", "resumed", "faulted", "resumed", "completed"]
    assert session.workflows.count() == 1


def test_retry_from_elsewhere_is_refused_at_the_step(supplier: FakeSupplier) -> None:
    _, instance = broken_release(supplier)
    with pytest.raises(NotAllowed, match="cannot go on from there") as refused:
        fulfillment.retry_instance(instance.pk, "/do/7/nowhere", now=supplier.at)
    assert (refused.value.code, refused.value.path) == ("not-retriable", "instance.step")
    instance.refresh_from_db()
    assert instance.status == W.FAULTED


def test_start_whose_order_failed_with_it_is_not_retried(supplier: FakeSupplier) -> None:
    session = starting_session()
    the_instance(session, START).delete()
    instance = faulted(session, START, supplier)
    session.refresh_from_db()
    assert session.state == Session.State.FAILED
    with pytest.raises(NotAllowed, match="its session is failed: a start would charge a vehicle that nobody pays for"):
        fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)


def test_start_is_not_retried_once_energy_flows(supplier: FakeSupplier) -> None:
    session = charging_session()
    instance = faulted(session, START, supplier)
    with pytest.raises(NotAllowed, match="its session is charging already"):
        fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)


def test_stop_of_a_billed_session_is_not_retried(supplier: FakeSupplier) -> None:
    session = charging_session()
    fulfillment.request_stop(session.order_id, supplier.after(60))
    the_instance(session, STOP).delete()
    instance = faulted(session, STOP, supplier)
    with pytest.raises(NotAllowed, match="its session is ended and billed"):
        fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)


def test_release_is_not_retried_under_another_vehicle(supplier: FakeSupplier) -> None:
    session, instance = broken_release(supplier)
    session.order.reservations.update(state="released")
    other = starting_session(session.order.connector)
    assert other.evse_id == session.evse_id
    assert "another vehicle is at " in fulfillment.why_not_retried(instance)
    with pytest.raises(NotAllowed, match="another vehicle is at "):
        fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)


def test_fault_of_a_station_that_recovered_is_not_retried(supplier: FakeSupplier) -> None:
    station = connector_on_sale().evse.station
    event = {"type": f"{TYPE}faulted.v1", "id": "1", "source": "s", "data": {"stationId": station.code}}
    instance = run_until_fault(instances.trigger(event, station=station, now=supplier.at), supplier)
    StationEvent.objects.create(
        source="s", event_id="2", type=f"{TYPE}recovered.v1", time=NOW, data={}, station=station, state="done"
    )
    StationEvent.objects.update(received_at=WorkflowInstance.objects.get().created_at.replace(year=2100))
    with pytest.raises(NotAllowed, match="the station has recovered since"):
        fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)
    StationEvent.objects.all().delete()
    fulfillment.retry_instance(instance.pk, "/do/1/light", now=supplier.at)
