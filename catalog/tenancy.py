"""Who may see and change which operator's rows? One answer for admin, explorer and API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter

from catalog.models import Operator, OperatorStaff

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
    AnyRelatedFilter = admin.RelatedFieldListFilter
else:
    from unfold.admin import ModelAdmin as AnyAdmin
    from unfold.admin import TabularInline as AnyInline

    AnyRelatedFilter = RelatedDropdownFilter

M = TypeVar("M", bound=Model)


class Area(StrEnum):
    """A part of the platform that a role may or may not write to."""

    CATALOG = "catalog"
    SELLING = "selling"
    CHARGING = "charging"
    CUSTOMERS = "customers"
    NETWORK = "network"
    OPERATOR = "operator"


_Role = OperatorStaff.Role
WRITES: dict[str, frozenset[Area]] = {
    _Role.OWNER: frozenset(Area),
    _Role.OPERATIONS: frozenset(Area) - {Area.OPERATOR},
    _Role.SUPPORT: frozenset({Area.CUSTOMERS}),
    _Role.READER: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """What one user may touch: everything, or the operators of `roles` (operator id → role)."""

    everything: bool = False
    roles: dict[int, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is anything at all to see."""
        return self.everything or bool(self.roles)

    def writable(self, area: Area) -> frozenset[int]:
        """Ids of the operators whose rows of `area` may be changed; meaningless where `everything` holds."""
        return frozenset(op for op, role in self.roles.items() if area in WRITES.get(role, frozenset()))

    def sees(self, operator_id: int | None) -> bool:
        return self.everything or operator_id in self.roles

    def may_write(self, area: Area, operator_id: int | None) -> bool:
        return self.everything or operator_id in self.writable(area)

    def may_write_somewhere(self, area: Area) -> bool:
        return self.everything or bool(self.writable(area))

    def limit(self, rows: QuerySet[M], path: str) -> QuerySet[M]:
        """`rows` cut down to the operators in reach; `path` leads from a row to its operator."""
        return rows if self.everything else rows.filter(**{f"{path}__in": list(self.roles)})


NOTHING = Reach()


def reach_of(user: Any) -> Reach:
    """What `user` may touch; read once per user object, that is once per request."""
    if not (getattr(user, "is_active", False) and getattr(user, "is_staff", False)):
        return NOTHING
    known: Reach | None = getattr(user, "_operator_reach", None)
    if known is None:
        if user.is_superuser:
            known = Reach(everything=True)
        else:
            known = Reach(roles=dict(OperatorStaff.objects.filter(user_id=user.pk).values_list("operator_id", "role")))
        user._operator_reach = known
    return known


def operator_id_of(row: Model, path: str) -> int | None:
    """The id of the operator a row belongs to, following `path` from the row; None where a link is empty."""
    here: Any = row
    for step in path.split("__"):
        if step == "pk":
            return int(here.pk) if here.pk is not None else None
        here = getattr(here, step, None)
        if here is None:
            return None
    return int(here.pk)


class OwnRelatedFilter(AnyRelatedFilter):
    """A filter by a related row that offers only what occurs among the rows the user sees."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        seen = model_admin.get_queryset(request).order_by().values_list(f"{self.field_path}__pk", flat=True).distinct()
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, limit_choices_to={"pk__in": seen}, ordering=ordering)


class _TenantRules:
    """The permission answers shared by lists and inlines; group rows of Django play no part."""

    operator_path: ClassVar[str] = "operator"
    area: ClassVar[Area] = Area.CATALOG
    staff_may: ClassVar[frozenset[str]] = frozenset({"add", "change", "delete"})

    def has_module_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).any

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        reach = reach_of(request.user)
        if not isinstance(obj, Model):
            return reach.any
        return reach.sees(self._owner(obj))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "add" in self.staff_may and self.may_act(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "change" in self.staff_may and self.may_act(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "delete" in self.staff_may and self.may_act(request, obj)

    def may_act(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may write to this row's area; for a row not given, to any of theirs."""
        reach = reach_of(request.user)
        if not isinstance(obj, Model):
            return reach.may_write_somewhere(self.area)
        return reach.may_write(self.area, self._owner(obj))

    def _owner(self, obj: Model) -> int | None:
        return operator_id_of(obj, self.operator_path)

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest | None) -> Any:
        """Offer only rows of operators whose rows of this area the user may write."""
        assert request is not None
        related = db_field.remote_field.model
        path = _path_to_operator(related)
        if path is None:
            return super().get_field_queryset(db, db_field, request)  # type: ignore[misc]  # the admin beside us
        reach = reach_of(request.user)
        rows = related._default_manager.all()
        return rows if reach.everything else rows.filter(**{f"{path}__in": list(reach.writable(self.area))})


class TenantInline(_TenantRules, AnyInline):
    """Rows below a tenant's row; the parent decides who sees them."""

    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return reach_of(request.user).limit(super().get_queryset(request), self.operator_path)

    def _owner(self, obj: Model) -> int | None:
        if isinstance(obj, self.model):
            return operator_id_of(obj, self.operator_path)
        return operator_id_of(obj, _path_to_operator(type(obj)) or "operator")


class TenantAdmin(_TenantRules, AnyAdmin):
    """A list and its pages, each operator seeing only their own; `operator_path` leads from a row to its operator."""

    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return reach_of(request.user).limit(super().get_queryset(request), self.operator_path)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django's answer, with what stands in the way counted in words instead of listed row by row."""
        deletable, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return deletable, counts, lacking, in_the_way(objs) if protected else []


class LogAdmin(TenantAdmin):
    """Rows that only services write: to be read here, and acted on by deeds."""

    staff_may: ClassVar[frozenset[str]] = frozenset()


class PlatformAdmin(AnyAdmin):
    """Tables of the platform itself: for superusers only."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).everything

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user).everything

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    def may_act(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything


class PlatformLogAdmin(PlatformAdmin):
    """Tables of the platform that only the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def in_the_way(rows: Iterable[Model]) -> list[str]:
    """What keeps `rows` from being deleted, counted: `3 orders: promised, kept for the record`."""
    collector = NestedObjects(using="default")
    collector.collect(list(rows))
    kinds = Counter(type(row)._meta for row in collector.protected)
    return [
        f"{count} {kind.verbose_name if count == 1 else kind.verbose_name_plural}: promised or on record, "
        "so this stays. Take it out of sale instead of deleting it."
        for kind, count in kinds.items()
    ]


def _path_to_operator(model: type[Model]) -> str | None:
    if model is Operator:
        return "pk"
    registered = admin.site._registry.get(model)
    return registered.operator_path if isinstance(registered, TenantAdmin) else None
