"""How does an operator act on a row: by a service, asked first, with the refusal shown and the deed on record?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from catalog.tenancy import AnyAdmin, Area, operator_id_of, reach_of
from core.errors import DomainError, OutsideError


class NoAnswers(forms.Form):
    """A deed that needs nothing but a yes."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what to which row, when; `answers` are the cleaned fields of the deed's form."""

    row: Any
    actor: str
    now: datetime
    answers: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing an operator may do to one row; `do` calls the service and returns what to tell the operator.

    Who may write to the row may do it or, where `area` is named, who may write to that area; `initial` fills the form.
    `fields` names the form's field for a path that the service's refusals name, where the two differ.
    """

    name: str
    title: str
    question: str
    do: Callable[[Act], str]
    when: Callable[[Any], bool] = lambda row: True
    form: type[forms.Form] = NoAnswers
    destructive: bool = False
    icon: str = "bolt"
    warnings: Callable[[Any], list[str]] = field(default=lambda row: [])
    area: Area | None = None
    initial: Callable[[Any], dict[str, Any]] = field(default=lambda row: {})
    fields: Mapping[str, str] = field(default_factory=dict)


class DeedsMixin(AnyAdmin):
    """Puts `deeds` as buttons on a row's page; each asks on a page of its own and acts on POST."""

    deeds: tuple[Deed, ...] = ()
    change_form_outer_before_template = "admin/deeds.html"

    def may_act(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may do deeds to this row; the tenant and platform rules answer."""
        allowed: bool = super().may_act(request, obj)  # type: ignore[misc]  # the rules stand beside us
        return allowed

    def may_do(self, request: HttpRequest, row: Any, deed: Deed) -> bool:
        """Whether the user may do this deed to this row."""
        if deed.area is None:
            return self.may_act(request, row)
        path_to_operator: str = getattr(self, "operator_path", "operator")
        return reach_of(request.user).may_write(deed.area, operator_id_of(row, path_to_operator))

    def get_urls(self) -> list[Any]:
        info = self.opts.app_label, self.opts.model_name
        view = self.admin_site.admin_view(self.deed_view)
        mine = [path("<path:object_id>/do/<slug:name>/", view, name="{}_{}_deed".format(*info))]
        return [*mine, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {**(extra_context or {}), "deeds": self.open_deeds(request, row) if row is not None else []}
        return super().change_view(request, object_id, form_url, context)

    def open_deeds(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        """The deeds that this user may do to `row` now, with their addresses."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_deed"
        mine = (deed for deed in self.deeds if self.may_do(request, row, deed) and deed.when(row))
        return [{"deed": deed, "url": reverse(name, args=[row.pk, deed.name])} for deed in mine]

    def deed_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """GET asks, POST acts; a row of another operator does not exist here."""
        row = self.get_object(request, object_id)
        deed = next((deed for deed in self.deeds if deed.name == name), None)
        if row is None or deed is None:
            raise Http404
        if not self.may_do(request, row, deed):
            raise PermissionDenied
        form = deed.form(request.POST if request.method == "POST" else None, initial=deed.initial(row))
        if request.method != "POST" or not form.is_valid():
            return self._ask(request, row, deed, form)
        act = Act(row, f"staff:{request.user.get_username()}", timezone.now(), form.cleaned_data)
        return self._act(request, deed, act, form)

    def _act(self, request: HttpRequest, deed: Deed, act: Act, form: forms.Form) -> HttpResponse:
        """Do it; a refusal that names a field of the form is shown there, any other on the row's page."""
        try:
            told = deed.do(act)
        except (DomainError, OutsideError) as refusal:
            name = deed.fields.get(refusal.path, refusal.path) if isinstance(refusal, DomainError) else ""
            if name in form.fields:
                form.add_error(name, refusal.text)
                return self._ask(request, act.row, deed, form)
            messages.error(request, f"{deed.title}: {refusal.text}")
        else:
            self.log_change(request, act.row, told)
            messages.success(request, told)
        return HttpResponseRedirect(self.page_of(act.row))

    def _ask(self, request: HttpRequest, row: Model, deed: Deed, form: forms.Form) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": deed.title,
            "opts": self.opts,
            "row": row,
            "deed": deed,
            "form": form,
            "open": deed.when(row),
            "warnings": deed.warnings(row),
            "back": self.page_of(row),
        }
        return TemplateResponse(request, "admin/deed.html", context)

    def page_of(self, row: Any) -> str:
        """Where one goes after a deed."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])
