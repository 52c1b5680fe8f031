"""What do operators see of a workflow instance, and what does each deed on its page do?"""

from __future__ import annotations

from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bpp import health
from bpp.masking import MASK
from fulfillment.models import TaskRun, WorkflowDefinition, WorkflowInstance
from fulfillment.services.instances import pinned
from fulfillment.workflow.diagram import anchor
from tests.admin.tenants import Tenant

pytestmark = pytest.mark.django_db

LIST = "admin:fulfillment_workflowinstance_changelist"
STEPS = "admin:fulfillment_workflowinstance_steps"


@pytest.fixture
def instance(ours: Tenant) -> WorkflowInstance:
    return ours.session.workflows.get()


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_superuser("root", password="right-password-1")
    client.force_login(user)
    return user


def shown(client: Client, instance: WorkflowInstance) -> str:
    answer = client.get(reverse("admin:fulfillment_workflowinstance_change", args=[instance.pk]))
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def do(client: Client, instance: WorkflowInstance, name: str, **answers: str) -> str:
    address = reverse("admin:fulfillment_workflowinstance_deed", args=[instance.pk, name])
    return unescape(client.post(address, answers, follow=True).content.decode())


def set_status(instance: WorkflowInstance, status: str) -> None:
    ended = instance.ended_at if status in WorkflowInstance.OVER else None
    WorkflowInstance.objects.filter(pk=instance.pk).update(status=status, ended_at=ended)


def test_every_box_of_the_picture_leads_to_a_place_on_the_page(
    root: User, instance: WorkflowInstance, client: Client
) -> None:
    page = shown(client, instance)
    places = pinned(instance.definition).places()
    assert len(places) > 80
    for place in places:
        assert f'href="#{anchor(place.pointer)}" data-pointer=' in page
        assert page.count(f'id="{anchor(place.pointer)}"') == 1


@pytest.mark.parametrize("status", WorkflowInstance.Status.values)
def test_page_stands_in_every_state(root: User, instance: WorkflowInstance, client: Client, status: str) -> None:
    set_status(instance, status)
    assert WorkflowInstance.Status(status).label in shown(client, instance)
    assert client.get(reverse(LIST), {"status__exact": status}).status_code == 200


def test_page_of_a_thinned_journal_says_so(root: User, instance: WorkflowInstance, client: Client) -> None:
    instance.tasks.all().delete()
    WorkflowInstance.objects.update(thinned_at=instance.created_at)
    page = shown(client, instance)
    assert "Thinned at" in page or "thinned at" in page


def test_card_is_shown_to_the_platform_only(
    root: User, ours: Tenant, instance: WorkflowInstance, client: Client
) -> None:
    card = instance.card
    WorkflowInstance.objects.update(reason=f"card {card} is blocked")
    address = "https://ev-power-supplier.com/api/v2/stations/S/session/" + card
    TaskRun.objects.create(
        instance=instance, pointer="/do/3/x", name="x", kind="call http", state="completed", asked=1,
        request={"uri": address}, output={"card": card, "more": [card]}, started_at=instance.created_at,
    )  # fmt: skip
    assert card in shown(client, instance)
    client.force_login(ours.staff("owner"))
    page = shown(client, instance)
    assert card not in page
    assert MASK in page


def test_only_the_platform_finds_an_instance_by_its_card(
    root: User, ours: Tenant, instance: WorkflowInstance, client: Client
) -> None:
    found = [client.get(reverse(LIST), {"q": text}).context["cl"].result_count for text in (instance.card, "nobody")]
    assert found == [1, 0]
    client.force_login(ours.staff("owner"))
    asked = (instance.card, ours.order.code or "", str(instance.uid), ours.word)
    assert [client.get(reverse(LIST), {"q": text}).context["cl"].result_count for text in asked] == [0, 1, 1, 1]


def test_instance_without_a_station_is_the_platforms(
    root: User, ours: Tenant, instance: WorkflowInstance, client: Client
) -> None:
    WorkflowInstance.objects.update(station=None)
    assert "Start" in shown(client, instance)
    client.force_login(ours.staff("owner"))
    assert client.get(reverse("admin:fulfillment_workflowinstance_change", args=[instance.pk])).status_code == 302
    assert client.get(reverse(LIST)).context["cl"].result_count == 0


def test_large_contents_are_cut_and_hostile_ones_are_text(
    root: User, instance: WorkflowInstance, client: Client
) -> None:
    instance.tasks.update(output={"text": "<script>alert(1)</script>" + "x" * 50_000}, name="<b>step</b>")
    address = reverse("admin:fulfillment_workflowinstance_change", args=[instance.pk])
    page = client.get(address).content.decode()
    assert "its first 10,000 characters" in page
    assert "x" * 10_000 not in page
    assert "<script>alert(1)" not in page
    assert "<b>step</b>" not in page


def test_of_a_step_that_ran_often_the_newest_runs_are_shown(
    root: User, instance: WorkflowInstance, client: Client
) -> None:
    first = instance.tasks.get()
    TaskRun.objects.bulk_create(
        TaskRun(
            instance=instance, pointer=first.pointer, visit="1", attempt=number, name=first.name, kind=first.kind,
            state="faulted", started_at=first.started_at, ended_at=first.ended_at, output={"number": f"no-{number}"},
        )
        for number in range(2, 8)
    )  # fmt: skip
    page = shown(client, instance)
    assert "7 runs" in page
    assert "Earlier runs are not shown" in page
    assert "attempt 7" in page
    assert "attempt 4" not in page


def test_list_shows_where_each_stands(root: User, instance: WorkflowInstance, client: Client) -> None:
    page = client.get(reverse(LIST)).content.decode()
    assert "initialize" in page
    assert "Faulted" in page
    set_status(instance, "waiting")
    instance.tasks.update(state="waiting", name="waitForIt")
    assert "waitForIt" in client.get(reverse(LIST), {"trigger": instance.trigger}).content.decode()
    assert (
        client.get(reverse(LIST), {"trigger": "com.voltbazaar.charging.stop-requested.v1"}).context["cl"].result_count
        == 0
    )


def test_instance_is_suspended_and_resumed_on_record(ours: Tenant, instance: WorkflowInstance, client: Client) -> None:
    client.force_login(ours.staff())
    set_status(instance, "waiting")
    assert "Suspended: cable is checked" in do(client, instance, "suspend", reason="cable is checked")
    assert "cable is checked" in shown(client, instance)
    assert "only one of pending, running, waiting can be suspended" in do(client, instance, "suspend", reason="again")
    do(client, instance, "resume")
    instance.refresh_from_db()
    assert instance.status == "pending", "it has no state yet"
    said = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert [each.split(":")[0].split(";")[0] for each in said] == ["Suspended", "Resumed"]
    assert {entry.user.username for entry in LogEntry.objects.all()} == {f"operations-{ours.operator.pk}"}


def test_cancelling_asks_first_and_says_what_follows(ours: Tenant, instance: WorkflowInstance, client: Client) -> None:
    client.force_login(ours.staff())
    set_status(instance, "waiting")
    type(ours.session).objects.update(state="starting")
    question = client.get(
        reverse("admin:fulfillment_workflowinstance_deed", args=[instance.pk, "cancel"])
    ).content.decode()
    assert "fails and is refunded in full" in question
    instance.refresh_from_db()
    assert instance.status == "waiting"
    do(client, instance, "cancel", reason="wrong plug")
    instance.refresh_from_db()
    ours.session.refresh_from_db()
    assert (instance.status, ours.session.state, ours.session.release_owed) == ("cancelled", "failed", True)


def test_retry_offers_the_steps_there_are_and_refuses_others_at_the_field(
    ours: Tenant, instance: WorkflowInstance, client: Client
) -> None:
    client.force_login(ours.staff())
    address = reverse("admin:fulfillment_workflowinstance_deed", args=[instance.pk, "retry"])
    assert client.get(address).status_code == 200
    page = do(client, instance, "retry", step="/do/0/initialize")
    assert "not one of the available choices" in page, "it has no state to go on from"
    assert LogEntry.objects.count() == 0


def test_support_and_readers_do_no_deeds(ours: Tenant, instance: WorkflowInstance, client: Client) -> None:
    client.force_login(ours.staff("support"))
    set_status(instance, "waiting")
    assert client.post(
        reverse("admin:fulfillment_workflowinstance_deed", args=[instance.pk, "suspend"]), {"reason": "x"}
    ).status_code == 403  # fmt: skip


def test_steps_are_counted_per_definition_in_one_query(
    ours: Tenant, theirs: Tenant, instance: WorkflowInstance, client: Client, now: datetime
) -> None:
    TaskRun.objects.bulk_create(
        TaskRun(
            instance=instance, pointer="/do/4/tryAquireSlot/try/0/acquireSlot", attempt=number, name="acquireSlot",
            kind="call http", state="faulted" if number < 3 else "completed", started_at=now,
            ended_at=now + timedelta(seconds=number),
        )
        for number in range(1, 5)
    )  # fmt: skip
    client.force_login(ours.staff("reader"))
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(reverse(STEPS), {"days": "1"})
    assert len([query for query in asked.captured_queries if "percentile_cont" in query["sql"]]) == 1
    (sheet,) = answer.context["sheets"]
    first, second = sheet.lines
    assert (first.figures.name, first.figures.runs) == ("initialize", 1), "theirs are not counted"
    assert (second.figures.runs, second.figures.failures, second.figures.retries) == (4, 2, 3)
    assert (second.share, second.half, second.most, second.depth) == ("50.0 %", "2.5 s", "3.9 s", 1)
    WorkflowInstance.objects.update(created_at=now - timedelta(days=8))
    assert not client.get(reverse(STEPS)).context["sheets"]
    assert client.get(reverse(STEPS), {"days": "30"}).context["sheets"]
    assert client.get(reverse(STEPS), {"days": "x"}).context["days"] == "7"


def test_steps_are_closed_to_users_without_an_operator(client: Client) -> None:
    client.force_login(User.objects.create_user("loose", is_staff=True))
    assert client.get(reverse(STEPS)).status_code == 403


def test_definition_shows_its_picture_and_its_text(root: User, instance: WorkflowInstance, client: Client) -> None:
    address = reverse("admin:fulfillment_workflowdefinition_change", args=[instance.definition_id])
    page = client.get(address).content.decode()
    assert 'class="wf"' in page
    assert "How a charging station is run" in page
    assert client.post(address, {"text": "x"}).status_code == 403


def test_definition_that_cannot_be_read_any_more_breaks_no_page(
    root: User, instance: WorkflowInstance, client: Client
) -> None:
    instance.definition = WorkflowDefinition.objects.create(name="old", version="1", hash="0" * 64, text="do: 7")
    instance.save()
    assert "cannot be read any more" in shown(client, instance)
    for name in (STEPS, "admin:fulfillment_workflowdefinition_changelist"):
        assert client.get(reverse(name)).status_code == 200
    do(client, instance, "retry", step="/do/0/initialize")


def test_figures_tell_how_the_workflows_are(ours: Tenant, instance: WorkflowInstance, now: datetime) -> None:
    said = health.metrics(now).decode()
    assert 'workflow_instances{status="faulted"} 1.0' in said
    assert 'workflow_instances{status="suspended"} 0.0' in said
    assert 'workflow_tasks_recent{name="initialize",outcome="faulted"} 1.0' in said
    assert "workflow_oldest_due_seconds 0.0" in said
    set_status(instance, "waiting")
    WorkflowInstance.objects.update(next_at=now - timedelta(seconds=90))
    assert "workflow_oldest_due_seconds 90.0" in health.metrics(now).decode()
    WorkflowInstance.objects.update(lease_until=now + timedelta(seconds=5))
    assert "workflow_oldest_due_seconds 0.0" in health.metrics(now).decode(), "a worker is at it"
