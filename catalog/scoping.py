"""How does the REST API keep to the same rule of tenancy as the admin?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, QuerySet
from rest_framework import exceptions, mixins, viewsets
from rest_framework.filters import BaseFilterBackend
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.tenancy import Area, operator_id_of, reach_of
from core.errors import DomainError, Invalid, NotFound

if TYPE_CHECKING:
    Viewset = viewsets.GenericViewSet[Any]
else:
    Viewset = viewsets.GenericViewSet

SAFE = {"GET", "HEAD", "OPTIONS"}


class TenantPermission(BasePermission):
    """Staff of an operator read its rows; whoever may write to the area may act. Foreign rows are 404 before this."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        reach = reach_of(request.user)
        return reach.any and (request.method in SAFE or reach.may_write_somewhere(_area(view)))

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        if request.method in SAFE:
            return True
        path: str = getattr(view, "operator_path", "operator")
        return reach_of(request.user).may_write(_area(view), operator_id_of(obj, path))


class QueryFilter(BaseFilterBackend):
    """Narrows a list by the query parameters the view names in `narrowed_by` (parameter → lookup)."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        for name, lookup in getattr(view, "narrowed_by", {}).items():
            value = request.query_params.get(name)
            if value is None:
                continue
            try:
                queryset = queryset.filter(**{lookup: _typed(value)})
            except (ValueError, DjangoValidationError) as err:
                raise exceptions.ValidationError({name: f"{value!r} cannot be compared: {err}"}) from err
        return queryset

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            {"name": name, "required": False, "in": "query", "schema": {"type": "string"}}
            for name in getattr(view, "narrowed_by", {})
        ]


class TenantViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Viewset):
    """Rows of one kind, each operator seeing only their own, newest or by name as `queryset` orders them."""

    operator_path: ClassVar[str] = "operator"
    area: ClassVar[Area] = Area.CATALOG
    narrowed_by: ClassVar[dict[str, str]] = {}
    permission_classes = (TenantPermission,)
    filter_backends = (QueryFilter,)

    def get_queryset(self) -> QuerySet[Any]:
        return reach_of(self.request.user).limit(super().get_queryset(), self.operator_path)

    def handle_exception(self, exc: Exception) -> Response:
        """A service's refusal is an answer with its stable code: 404, 400 or 409."""
        if isinstance(exc, DomainError):
            return refused(exc)
        return super().handle_exception(exc)

    def changed(self, row: Model) -> Response:
        """The row as it is after a deed."""
        fresh = self.get_queryset().get(pk=row.pk)
        return Response(self.get_serializer(fresh).data)


def refused(refusal: DomainError) -> Response:
    """A service's refusal as an answer: 404, 400 or 409 with its stable code, its sentence and the culprit."""
    status = 404 if isinstance(refusal, NotFound) else 400 if isinstance(refusal, Invalid) else 409
    return Response({"code": refusal.code, "detail": refusal.text, "path": refusal.path}, status=status)


def actor_of(request: Request) -> str:
    """How a person is named in events."""
    return f"staff:{request.user.get_username()}"


def _area(view: APIView) -> Area:
    area: Area = getattr(view, "area", Area.OPERATOR)
    return area


def _typed(value: str) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value)
