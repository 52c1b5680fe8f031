"""Does the runtime keep to any definition, whatever its tasks wait for?"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from fulfillment import services as fulfillment
from fulfillment.models import EventOut, StationEvent, TaskRun, WorkflowInstance
from fulfillment.services.instances import cancel, trigger
from fulfillment.services.workflows import MOST_BREAKS, claim_next, rest, run_due
from fulfillment.workflow import load
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier

pytestmark = pytest.mark.django_db

W = WorkflowInstance.Status
HEAD = """
document: {dsl: '1.0.3', namespace: tests, name: story, version: '1.0.0'}
do:
"""


def story(tasks: str, **data: Any) -> WorkflowInstance:
    """An instance of a definition with these tasks, due now."""
    event = {"specversion": "1.0", "id": "1", "source": "tests", "type": "tests.began.v1", "data": data}
    return trigger(event, definition=load(HEAD + tasks), now=NOW)


def store(kind: str, data: dict[str, Any]) -> None:
    """An event that was told and kept."""
    StationEvent.objects.create(source="tests", event_id=str(uuid.uuid4()), type=kind, time=NOW, data=data)


def fresh(instance: WorkflowInstance) -> WorkflowInstance:
    return WorkflowInstance.objects.get(pk=instance.pk)


def test_wait_is_a_due_row_and_survives_whoever_began_it() -> None:
    instance = story("- pause: {wait: {minutes: 5}}\n- end: {set: {done: true}}\n")
    assert run_due(NOW) == 1
    assert fresh(instance).status == W.WAITING
    assert fresh(instance).next_at == NOW + timedelta(minutes=5)
    assert run_due(NOW + timedelta(minutes=4)) == 0
    assert run_due(NOW + timedelta(minutes=5)) == 1
    assert (fresh(instance).status, fresh(instance).output) == (W.COMPLETED, {"done": True})


def test_instance_goes_on_when_it_hears_what_it_listens_for() -> None:
    instance = story(
        "- hear:\n    listen:\n      to:\n        all:\n"
        "          - with: {type: tests.one.v1}\n          - with: {type: tests.two.v1}\n"
    )
    run_due(NOW)
    store("tests.two.v1", {"n": 2})
    fulfillment.advance_due(NOW)
    assert fresh(instance).status == W.WAITING, "one of the two is missing"
    store("tests.other.v1", {"n": 3})
    store("tests.one.v1", {"n": 1})
    fulfillment.advance_due(NOW)
    assert (fresh(instance).status, fresh(instance).output) == (W.COMPLETED, [{"n": 1}, {"n": 2}])


def test_uncaught_error_faults_the_instance_and_is_kept() -> None:
    instance = story("- stop: {raise: {error: {type: 'https://tests/no', status: 418, detail: no tea here}}}\n")
    run_due(NOW)
    assert fresh(instance).status == W.FAULTED
    assert fresh(instance).fault == {
        "type": "https://tests/no", "status": 418, "detail": "no tea here", "instance": "/do/0/stop",
    }  # fmt: skip
    assert TaskRun.objects.get(instance=instance).state == TaskRun.State.FAULTED


def test_definition_of_the_day_does_not_change_what_has_begun() -> None:
    one = story("- pause: {wait: {seconds: 1}}\n- say: {set: {version: 1}}\n")
    run_due(NOW)
    other = story("- pause: {wait: {seconds: 1}}\n- say: {set: {version: 2}}\n")
    run_due(NOW)
    run_due(NOW + timedelta(seconds=1))
    assert [fresh(each).output for each in (one, other)] == [{"version": 1}, {"version": 2}]
    assert one.definition.hash != other.definition.hash


def test_call_elsewhere_reaches_only_public_addresses(supplier: FakeSupplier) -> None:
    address = f"{supplier.url}/stations/S-1"
    instance = story(f"- ask:\n    call: http\n    with: {{method: get, endpoint: '{address}'}}\n")
    run_due(NOW)
    assert fresh(instance).status == W.FAULTED
    assert (fresh(instance).fault or {})["type"].endswith("/configuration")
    assert supplier.calls("station") == []


def test_life_cycle_is_told_in_order_with_ids_that_stay(settings: Settings) -> None:
    settings.EVENTS_SINK_URL = "http://127.0.0.1:9/events"
    instance = story("- one: {set: {a: 1}}\n- two: {wait: {seconds: 1}}\n")
    run_due(NOW)
    run_due(NOW + timedelta(seconds=1))
    told = [row.type.removeprefix("io.serverlessworkflow.") for row in EventOut.objects.order_by("pk")]
    of_a_task = ["task.created.v1", "task.started.v1", "task.completed.v1"]
    assert told == ["workflow.started.v1", *of_a_task, *of_a_task, "workflow.completed.v1"]
    assert all(isinstance(row.event_id, uuid.UUID) for row in EventOut.objects.all())
    assert str(instance.uid) in (EventOut.objects.order_by("pk")[0].data or {})["name"]


def test_instances_of_one_card_go_in_the_order_they_came_and_of_one_station_one_by_one() -> None:
    station = connector_on_sale().evse.station
    tasks = HEAD + "- pause: {wait: {seconds: 1}}\n"
    event = {"specversion": "1.0", "id": "1", "source": "tests", "type": "tests.began.v1", "data": {}}
    first, second, other = (
        trigger(event, definition=load(tasks), station=station, card=card, now=NOW) for card in ("a", "a", "b")
    )
    claim = claim_next(NOW)
    assert claim is not None
    assert claim.pk == first.pk
    assert claim_next(NOW) is None, "somebody is at this station"
    rest(claim, RuntimeError("tests"), NOW)
    claimed = claim_next(NOW)
    assert claimed is not None
    assert claimed.pk == other.pk, "the second of the same card waits for the first"
    assert fresh(second).status == W.PENDING


def test_instance_that_breaks_us_again_and_again_waits_for_an_operator() -> None:
    instance, now = story("- one: {set: {a: 1}}\n"), NOW
    for _ in range(MOST_BREAKS):
        claim = claim_next(now)
        assert claim is not None
        rest(claim, RuntimeError("no room"), now)
        now += timedelta(minutes=1)
    assert claim_next(now) is None
    assert fresh(instance).status == W.SUSPENDED
    assert fresh(instance).reason == "RuntimeError: no room"


def test_cancelled_instance_leaves_nothing_open() -> None:
    instance = story("- pause: {wait: {hours: 1}}\n")
    run_due(NOW)
    cancel(fresh(instance), reason="not wanted any more", now=NOW)
    assert fresh(instance).status == W.CANCELLED
    assert TaskRun.objects.get(instance=instance).state == TaskRun.State.CANCELLED
    assert run_due(NOW + timedelta(hours=2)) == 0
