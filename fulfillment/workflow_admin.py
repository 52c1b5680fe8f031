"""What do operators see of workflows: how far each instance is, how the steps fare, and what the definitions say?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.deeds import DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, PlatformLogAdmin, reach_of
from catalog.wording import NONE, span
from fulfillment.acts import INSTANCE_DEEDS
from fulfillment.models import TaskRun, WorkflowDefinition, WorkflowInstance
from fulfillment.selectors import StepFigures, step_figures
from fulfillment.services.instances import IN_WORDS, pinned
from fulfillment.workflow import DefinitionError

if TYPE_CHECKING:
    DropdownFilter = admin.SimpleListFilter
else:
    from unfold.contrib.filters.admin import DropdownFilter

W = WorkflowInstance.Status
R = TaskRun.State
INSTANCE_TONES = {
    W.PENDING: "primary",
    W.RUNNING: "info",
    W.WAITING: "info",
    W.SUSPENDED: "warning",
    W.FAULTED: "danger",
    W.CANCELLED: "default",
    W.COMPLETED: "success",
}
OPEN = (R.STARTED, R.WAITING, R.RETRIED)
WINDOWS = {"1": "the last day", "7": "the last 7 days", "30": "the last 30 days"}
OWNER = "station__operator"
BOOKKEEPING = (
    *("uid", "trigger", "created_at", "ended_at", "next_at", "holding", "lease_until", "token", "attempts"),
    "thinned_at",
)


class TriggerFilter(DropdownFilter):
    """What began an instance, in words."""

    title = "trigger"
    parameter_name = "trigger"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(IN_WORDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(trigger=self.value()) if self.value() in IN_WORDS else queryset


@admin.register(WorkflowInstance)
class WorkflowInstanceAdmin(DeedsMixin, LogAdmin):
    """One run of a workflow: its definition in the states of its steps, each step with what went in and came out."""

    deeds = INSTANCE_DEEDS
    operator_path = OWNER
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("created_at", "wish", "station", "order", "standing", "step", "lasted", "tries")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        TriggerFilter,
        ("definition", OwnRelatedFilter),
        ("station", OwnRelatedFilter),
    )
    search_fields = ("uid", "session__order__code", "session__order__transaction_id", "station__name", "station__code")
    list_select_related = ("definition", "station", "session__order")
    ordering = ("-created_at",)
    change_form_outer_before_template = "admin/instance_room.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        runs = TaskRun.objects.filter(instance=OuterRef("pk")).order_by("-id")
        at_work = Subquery(runs.filter(state__in=OPEN).values("name")[:1])
        broken = Subquery(runs.filter(state=R.FAULTED).values("name")[:1])
        tries = runs.order_by().values("instance").annotate(most=Max("attempt")).values("most")
        rows = super().get_queryset(request)
        told: QuerySet[Any] = rows.annotate(at_work=at_work, broken=broken, most_tries=Subquery(tries))
        return told

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Cards belong to people: only the platform looks for one."""
        return (*self.search_fields, "card") if reach_of(request.user).everything else self.search_fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = (*BOOKKEEPING, "card") if reach_of(request.user).everything else BOOKKEEPING
        return [("Bookkeeping", {"fields": shown})]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "shows_cards": reach_of(request.user).everything}
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.steps_view)
        return [path("steps/", view, name="fulfillment_workflowinstance_steps"), *super().get_urls()]

    def steps_view(self, request: HttpRequest) -> HttpResponse:
        """How each step of each definition fared at the stations the user sees, over a day, a week or a month."""
        reach = reach_of(request.user)
        if not reach.any:
            raise PermissionDenied
        days = request.GET.get("days", "")
        days = days if days in WINDOWS else "7"
        runs = reach.limit(TaskRun.objects.all(), f"instance__{OWNER}")
        figures = step_figures(runs, since=timezone.now() - timedelta(days=int(days)))
        context = {
            **self.admin_site.each_context(request),
            "title": "Workflow steps",
            "opts": self.opts,
            "days": days,
            "windows": WINDOWS.items(),
            "sheets": list(_sheets(figures)),
        }
        return TemplateResponse(request, "admin/workflow_steps.html", context)

    @column("Trigger", order="trigger")
    def wish(self, instance: WorkflowInstance) -> str:
        return IN_WORDS.get(instance.trigger, instance.trigger)

    @column("Order", order="session__order__code")
    def order(self, instance: WorkflowInstance) -> str:
        return str(instance.session.order) if instance.session else NONE

    @column("Status", order="status", tones=INSTANCE_TONES)
    def standing(self, instance: WorkflowInstance) -> tuple[str, str]:
        return instance.status, instance.get_status_display()

    @column("Step")
    def step(self, instance: Any) -> str:
        if instance.status == W.FAULTED:
            return instance.broken or NONE
        return NONE if instance.status in WorkflowInstance.OVER else instance.at_work or NONE

    @column("Duration")
    def lasted(self, instance: WorkflowInstance) -> str:
        return span(((instance.ended_at or timezone.now()) - instance.created_at).total_seconds())

    @column("Attempts")
    def tries(self, instance: Any) -> str:
        return str(instance.most_tries or NONE)


@dataclass(frozen=True, slots=True)
class Line:
    """One step in the table of a definition; `depth` says how deep it is nested, `share` how many runs failed."""

    figures: StepFigures
    depth: int
    share: str
    half: str
    most: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The steps of one definition that ran, in the order of its text."""

    definition: WorkflowDefinition
    lines: list[Line]


def _sheets(figures: dict[int, list[StepFigures]]) -> Iterator[Sheet]:
    for row in WorkflowDefinition.objects.filter(pk__in=figures).order_by("-first_used_at"):
        try:
            order = {place.pointer: number for number, place in enumerate(pinned(row).places())}
        except DefinitionError:
            order = {}
        found = sorted(figures[row.pk], key=lambda each: (order.get(each.pointer, len(order)), each.pointer))
        yield Sheet(row, [_line(each) for each in found])


def _line(step: StepFigures) -> Line:
    share = f"{100 * step.failures / step.runs:.1f} %" if step.failures else ""
    half, most = (NONE if each is None else span(each.total_seconds()) for each in (step.half, step.most))
    return Line(step, _depth(step.pointer), share, half, most)


def _depth(pointer: str) -> int:
    """How many tasks stand around one: each but the outermost adds a list, an index and a name to the pointer."""
    return sum(part.isdigit() for part in pointer.split("/")) - 1


@admin.register(WorkflowDefinition)
class WorkflowDefinitionAdmin(PlatformLogAdmin):
    """The text that instances keep to, drawn; a new text is a new definition."""

    list_display = ("name", "version", "short_hash", "first_used_at", "instances_now")
    search_fields = ("name", "version", "hash")
    ordering = ("-first_used_at",)
    fieldsets = (("Definition", {"fields": ("name", "version", "first_used_at")}),)
    change_form_outer_before_template = "admin/definition_room.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = Q(instances__status__in=[*WorkflowInstance.LIVE, W.SUSPENDED])
        rows: QuerySet[Any] = super().get_queryset(request).annotate(open_ones=Count("instances", filter=live))
        return rows

    @column("Hash")
    def short_hash(self, definition: WorkflowDefinition) -> str:
        return definition.hash[:12]

    @column("Under way")
    def instances_now(self, definition: Any) -> int:
        return int(definition.open_ones)
