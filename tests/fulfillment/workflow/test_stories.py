"""Does an ordered session go its way through workflow, supplier and event sink, whatever the supplier does to it?"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db.models import Min
from pytest_django import Settings

from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.drivers.workflow_http import Line
from fulfillment.models import EventOut, Session, TaskRun, WorkflowInstance
from fulfillment.services import workflows
from fulfillment.services.instances import START, STOP, in_hand
from fulfillment.workflow import events
from orders.models import Order, Quote
from tests.factories.fulfillment import charging_session, drive_to, run_steps, starting_session
from tests.factories.orders import NOW, connector_on_sale
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.telling import event, process
from tests.fulfillment.test_workers import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events_token"), pytest.mark.urls("fulfillment.urls")]

S = Session.State
PUBLIC = "com.ev-power-supplier.charging-station."
STARTING = ["acquire", "lock", "start", "leds"]
ENDING = ["end", "pay", "unlock", "leds"]
DEFINITION = {"name": "managing-ev-charging-stations", "version": "1.0.0"}
COMMANDS = ("acquire", "lock", "start", "end", "pay", "unlock")


@pytest.fixture(autouse=True)
def a_sink(settings: Settings) -> None:
    """Somebody hears our events; what is owed to them is looked at here, not sent."""
    settings.EVENTS_SINK_URL = "http://127.0.0.1:1/events"


def finish_all(supplier: FakeSupplier) -> None:
    """Let the workers do everything that is due, and time pass until nothing is."""
    while True:
        run_steps(supplier.at, most=50)
        live = WorkflowInstance.objects.filter(status__in=WorkflowInstance.LIVE)
        due = live.aggregate(at=Min("next_at"))["at"]
        if due is None:
            assert not live.exists()
            return
        supplier.move_to(max(due, supplier.at))


def fresh(session: Session) -> Session:
    return Session.objects.select_related("order", "evse").get(pk=session.pk)


def public_events() -> list[str]:
    """What the world was told of the stations, in order."""
    told = EventOut.objects.filter(type__startswith=PUBLIC).order_by("pk").values_list("type", flat=True)
    return [each.removeprefix(PUBLIC).removesuffix(".v1") for each in told]


def data_of(kind: str) -> dict[str, Any]:
    data = EventOut.objects.get(type=f"{PUBLIC}{kind}.v1").data
    assert isinstance(data, dict)
    return data


def test_start_and_stop_call_and_tell_in_this_order(supplier: FakeSupplier) -> None:
    session = charging_session()
    assert (supplier.everything, supplier.lights) == (STARTING, ["1 on blue"])
    assert public_events() == ["session-started"]
    started = data_of("session-started")["session"]
    assert started.items() >= {"id": session.remote_id, "card": session.card, "slotNumber": 1}.items()
    fulfillment.request_stop(session.order_id, supplier.after(600))
    run_steps(supplier.at)
    assert supplier.everything == [*STARTING, *ENDING]
    assert supplier.lights == ["1 on blue", "1 flicker white"]
    assert public_events() == ["session-started", "session-ended"]
    ended = data_of("session-ended")
    assert ended["session"].items() >= {"id": session.remote_id, "energyWh": 5_000, "amount": "60.00"}.items()
    assert ended["paymentDue"] is False
    session = fresh(session)
    assert (session.state, session.energy_wh, session.order.state) == (S.ENDED, 5_000, Order.State.COMPLETE)
    assert list(session.workflows.order_by("pk").values_list("trigger", "status")) == [
        (START, "completed"),
        (STOP, "completed"),
    ]


def test_event_ids_are_made_of_the_instance_and_the_task(supplier: FakeSupplier) -> None:
    session = charging_session()
    instance = session.workflows.get()
    told = TaskRun.objects.get(instance=instance, kind="emit", name="notify")
    identity = f"{instance.uid}/{told.pointer}#{told.visit}"
    expected = events.cloud_event({}, identity=identity, time="")["id"]
    assert EventOut.objects.get(type=f"{PUBLIC}session-started.v1").event_id == uuid.UUID(expected)


def test_each_call_carries_its_own_key_and_it_is_in_the_journal(supplier: FakeSupplier) -> None:
    charging_session()
    keys = [call["key"] for call in supplier.api.calls if call["method"] != "GET"]
    assert len(set(keys)) == len(keys) == 4
    assert {str(key) for key in TaskRun.objects.exclude(key=None).values_list("key", flat=True)} >= set(keys)


def test_full_station_is_waited_for_and_then_the_start_fails(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    code = connector.evse.station.code
    for card in ("stranger-1", "stranger-2"):
        supplier.rules.acquire(code, card)
    session = starting_session(connector)
    finish_all(supplier)
    session = fresh(session)
    assert supplier.everything == [*["acquire"] * 11, "leds"]
    assert (supplier.lights, public_events()) == (["main flicker red"], [])
    assert 50 <= (supplier.at - NOW).total_seconds() <= 60
    assert (session.state, session.fault) == (S.FAILED, "400 No charging slots available")
    assert session.order.fulfillment == Order.Fulfillment.CHARGER_ERROR or session.order.state != Order.State.ACTIVE
    assert session.workflows.get().status == "completed"


def test_slot_that_gets_free_in_time_is_taken(supplier: FakeSupplier) -> None:
    connector = connector_on_sale()
    code = connector.evse.station.code
    for card in ("stranger-1", "stranger-2"):
        supplier.rules.acquire(code, card)
    session = starting_session(connector)
    run_steps(supplier.at)
    assert fresh(session).state == S.STARTING
    supplier.rules.unlock(code, 2)
    run_steps(supplier.after(1))
    session = fresh(session)
    assert (session.state, session.slot_number) == (S.CHARGING, 2)
    assert supplier.everything == ["acquire", *STARTING]
    assert supplier.lights == ["2 on blue"]


def test_refused_card_gets_the_red_light_and_its_money_back(supplier: FakeSupplier) -> None:
    session = starting_session()
    supplier.rules.blocked_cards.add(session.card)
    finish_all(supplier)
    session = fresh(session)
    assert (supplier.everything, supplier.lights) == (["acquire", "leds"], ["main flicker red"])
    assert session.state == S.FAILED
    assert "unknown or blocked" in session.fault
    assert session.order.state != Order.State.ACTIVE
    assert public_events() == []


def test_slot_given_without_an_answer_before_a_refusal_is_given_back(supplier: FakeSupplier) -> None:
    supplier.fail_next("acquire", reset="after-commit")
    supplier.fail_next("acquire", status=403)
    session = starting_session()
    finish_all(supplier)
    session = fresh(session)
    assert (session.state, session.release_owed) == (S.FAILED, False)
    assert supplier.everything[:3] == ["acquire", "acquire", "leds"]
    assert supplier.rules.station(session.evse.station.code).slots[1].status == "free"
    release = session.workflows.get(trigger__endswith="release-requested.v1")
    assert release.status == "completed"
    assert release.tasks.filter(name="getHeld").count() == 2, "it looks again for what may come late"


def test_fault_while_charging_ends_bills_and_tells(supplier: FakeSupplier) -> None:
    session = charging_session()
    supplier.after(300)
    supplier.rules.fault(session.evse.station.code, 1, {"code": "GroundFailure", "message": "leak"})
    error = {"code": "GroundFailure", "message": "leak"}
    place = {"stationId": session.evse.station.code, "slotNumber": 1}
    process(event("faulted", place | {"error": error}, at=supplier.at), supplier.at)
    finish_all(supplier)
    session = fresh(session)
    assert (session.state, session.energy_wh) == (S.ENDED, 2_500)
    assert session.order.fulfillment == Order.Fulfillment.CHARGER_ERROR
    assert session.evse.status == Evse.Status.FAULTED
    assert sorted(supplier.everything[4:]) == sorted(["end", "pay", "unlock", "leds", "support", "leds"])
    assert [route for route in supplier.everything[4:] if route in COMMANDS] == ENDING[:3]
    assert sorted(supplier.lights[1:]) == ["1 on red", "main on red"]
    assert [ticket["error"] for ticket in supplier.rules.tickets.values()] == [error]
    assert sorted(public_events()) == ["out-of-order", "session-ended", "session-started"]
    assert data_of("out-of-order") == place | {"error": error}


def test_declined_payment_frees_the_slot_and_stays_due(supplier: FakeSupplier) -> None:
    session = charging_session()
    supplier.rules.declines_left = 1
    fulfillment.request_stop(session.order_id, supplier.after(60))
    run_steps(supplier.at)
    session = fresh(session)
    assert supplier.everything[4:] == ENDING
    assert (session.state, session.payment_due) == (S.ENDED, True)
    assert "pay: 402" in session.fault
    assert data_of("session-ended")["paymentDue"] is True
    assert supplier.rules.station(session.evse.station.code).slots[1].status == "free"
    assert supplier.lights[-1] == "1 flicker white"


@pytest.mark.django_db(transaction=True)
def test_two_orders_for_the_last_slot_give_one_session(supplier: FakeSupplier) -> None:
    first = connector_on_sale()
    second = connector_on_sale(station=first.evse.station)
    supplier.rules.acquire(first.evse.station.code, "stranger")
    sessions = [starting_session(each) for each in (first, second)]
    assert at_once(partial(fulfillment.advance_due, NOW, limit=10), hands=4) == []
    finish_all(supplier)
    states = sorted(fresh(each).state for each in sessions)
    assert states == [S.CHARGING, S.FAILED]
    assert len(supplier.rules.charging) == 1
    assert len(supplier.rules.sessions) == 2, "the stranger's and ours"
    assert supplier.lights.count("main flicker red") == 1
    assert public_events() == ["session-started"]


def _answer_garbage(supplier: FakeSupplier, route: str, body: bytes) -> None:
    supplier.garble_next(route, body)


def _fail(supplier: FakeSupplier, route: str, **fault: Any) -> None:
    supplier.fail_next(route, **fault)


def _answer_twice(supplier: FakeSupplier, route: str) -> None:
    supplier.twice.add(route)


MISDEEDS: dict[str, Callable[[FakeSupplier, str], None]] = {
    "not JSON": partial(_answer_garbage, body=b"<html>"),
    "nothing": partial(_answer_garbage, body=b""),
    "JSON of another type": partial(_answer_garbage, body=b"[1]"),
    "members of another type": partial(_answer_garbage, body=b'{"session": 5, "slot": [true], "amount": {}}'),
    "NUL": partial(_answer_garbage, body=b'{"session": {"id": "\\u0000"}, "slot": {"number": 1}}'),
    "half a character": partial(_answer_garbage, body=b'{"session": {"id": "\\ud800"}, "slot": {"number": 1}}'),
    "a number that is none": partial(_answer_garbage, body=b'{"session": {"meterWh": NaN}}'),
    "a number beyond all": partial(_answer_garbage, body=b'{"session": {"meterWh": 1e999}}'),
    "a huge body": partial(_answer_garbage, body=b'{"session": "' + b"x" * 300_000 + b'"}'),
    "a deep body": partial(_answer_garbage, body=b"[" * 100_000),
    "5xx": partial(_fail, status=503, n=2),
    "too many requests": partial(_fail, status=429),
    "cut before": partial(_fail, reset="before-commit"),
    "cut after": partial(_fail, reset="after-commit"),
    "twice": _answer_twice,
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_supplier_that_misbehaves_at_every_call_leaves_one_session_one_start_one_payment(
    supplier: FakeSupplier, misdeed: str
) -> None:
    for route in ("session", *COMMANDS):
        MISDEEDS[misdeed](supplier, route)
    session = starting_session()
    finish_all(supplier)
    session = fresh(session)
    assert (session.state, session.fault) == (S.CHARGING, "")
    fulfillment.request_stop(session.order_id, supplier.after(60))
    finish_all(supplier)
    session = fresh(session)
    assert (session.state, session.payment_due, in_hand(session)) == (S.ENDED, False, False)
    assert session.energy_wh == supplier.session.final_wh
    assert supplier.session.paid
    for route in COMMANDS:
        assert len([c for c in supplier.calls(route) if not c["replayed"] and 200 <= c["status"] < 300]) == 1, route
        assert len({call["key"] for call in supplier.calls(route)}) == 1, route
    assert public_events() == ["session-started", "session-ended"]
    assert supplier.lights == ["1 on blue", "1 flicker white"]
    assert supplier.rules.station(session.evse.station.code).slots[1].status == "free"
    assert Quote.objects.get(order=session.order, current=True).energy_wh == session.energy_wh


@pytest.mark.parametrize("route", ["acquire", "start", "pay"])
def test_answer_that_comes_after_we_asked_again_has_no_second_effect(
    supplier: FakeSupplier, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    monkeypatch.setattr(workflows, "Line", partial(Line, timeout_s=0.2))
    supplier.fail_next(route, latency_s=0.5)
    session = starting_session()
    finish_all(supplier)
    fulfillment.request_stop(session.order_id, supplier.after(60))
    finish_all(supplier)
    until = time.monotonic() + 5
    while not all(call["status"] for call in supplier.calls(route)):
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    assert fresh(session).state == S.ENDED
    assert len(supplier.calls(route)) == 2
    assert len([call for call in supplier.calls(route) if not call["replayed"]]) == 1
    assert (len(supplier.rules.sessions), supplier.session.paid) == (1, True)
    assert public_events() == ["session-started", "session-ended"]


def life_of(instance: WorkflowInstance) -> list[tuple[str, str]]:
    """(what happened, to which task) of an instance in the words of the specification, in order."""
    told = EventOut.objects.filter(subject=str(instance.uid), type__startswith="io.serverlessworkflow.")
    rows = told.order_by("pk").values_list("type", "data")
    return [
        (type_.removeprefix("io.serverlessworkflow.").removesuffix(".v1"), (data or {}).get("task", ""))
        for type_, data in rows
    ]


@pytest.mark.parametrize("fails", [0, 2])
def test_life_cycle_is_told_from_the_start_to_the_end_of_everything(supplier: FakeSupplier, fails: int) -> None:
    if fails:
        supplier.fail_next("start", n=fails, status=503)
    session = starting_session()
    finish_all(supplier)
    instance = session.workflows.get()
    life = life_of(instance)
    assert life[0] == ("workflow.started", "")
    assert life[-1] == ("workflow.completed", "")
    assert ("task.retried" in {word for word, _ in life}) == bool(fails)
    assert "task.suspended" not in {word for word, _ in life}, "a wait is no suspension"
    counts = {word: len([each for each in life if each[0] == word]) for word, _ in life}
    runs = TaskRun.objects.filter(instance=instance)
    assert counts["task.created"] == counts["task.started"] == runs.count()
    for state in ("completed", "faulted"):
        assert counts.get(f"task.{state}", 0) == runs.filter(state=state).count()
    for run in runs:
        words = [word for word, task in life if task == run.pointer]
        assert words[:2] == ["task.created", "task.started"]
        assert words[-1] == f"task.{run.state}" or run.state == TaskRun.State.FAULTED


def test_life_cycle_events_hold_what_the_specification_asks_for(supplier: FakeSupplier) -> None:
    supplier.fail_next("lock", status=409)
    session = starting_session()
    finish_all(supplier)
    name = f"managing-ev-charging-stations-{session.workflows.get().uid}.voltbazaar"
    for row in EventOut.objects.filter(type__startswith="io.serverlessworkflow."):
        about, word = row.type.split(".")[2:4]
        data = row.data or {}
        assert data[{"workflow": "name", "task": "workflow"}[about]] == name
        assert data[f"{word}At"] == row.at.isoformat()
        assert about == "workflow" or data["task"].startswith("/do/")
        assert word != "faulted" or data["error"]["status"] in {404, 409}
        assert row.type != "io.serverlessworkflow.workflow.started.v1" or data["definition"] == DEFINITION


def test_instance_that_is_called_off_tells_so_once(supplier: FakeSupplier) -> None:
    session = starting_session()
    drive_to("start", supplier.at)
    fulfillment.cancel_waiting(session.order_id, supplier.at)
    instance = session.workflows.order_by("pk")[0]
    life = life_of(instance)
    assert [word for word, _ in life if word.startswith("workflow.")] == ["workflow.started", "workflow.cancelled"]
    cancelled = [task.rsplit("/", 1)[-1] for word, task in life if word == "task.cancelled"]
    assert cancelled == ["start", "attempt", "withinAMinute", "startSession"]
    assert not instance.tasks.filter(state__in=["started", "waiting", "retried"]).exists()


def test_nothing_is_owed_where_nobody_hears(supplier: FakeSupplier, settings: Settings) -> None:
    settings.WORKFLOW_LIFECYCLE_EVENTS = False
    session = charging_session()
    assert life_of(session.workflows.get()) == []
    assert public_events() == ["session-started"]
    settings.EVENTS_SINK_URL = ""
    fulfillment.request_stop(session.order_id, supplier.after(60))
    run_steps(supplier.at)
    assert public_events() == ["session-started"]
