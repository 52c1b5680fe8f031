"""What would a driver pay at a connector of mine, and how does its price run over the week?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from catalog.models import Connector, Tariff
from catalog.tenancy import Reach, reach_of
from catalog.wording import NONE, kw, span
from core.errors import DomainError
from orders.services import Wish
from orders.services.amount import QUANTITY_PATH
from orders.services.overlaying import OFFERS_PATH
from orders.services.preview import Preview, asked_wish, preview
from orders.services.rules import WINDOW_PATH
from orders.services.wish import ITEM_PATH

OPERATOR_PATH = "evse__station__operator"
MOST_CONNECTORS = 200
HOURS_OF_DAY = 24
AMOUNTS = ("kwh", "minutes", "rupees")


class PreviewForm(forms.Form):
    """A wish as a driver would send it; at most one amount, none for the operator's default."""

    item_id = forms.CharField(
        label="Connector", max_length=110, widget=forms.TextInput(attrs={"list": "connectors", "autocomplete": "off"})
    )
    starts_at = forms.DateTimeField(
        label="Start",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="By the station's clock; empty: now.",
    )
    kwh = forms.DecimalField(label="kWh", required=False, min_value=Decimal("0.001"), max_digits=9, decimal_places=3)
    minutes = forms.IntegerField(label="Minutes of charging", required=False, min_value=1, max_value=44_640)
    rupees = forms.DecimalField(label="₹ to spend", required=False, min_value=1, max_digits=9, decimal_places=2)
    idle_minutes = forms.IntegerField(
        label="Idle minutes", required=False, min_value=0, max_value=1440, help_text="Standing there afterwards."
    )
    coupon = forms.CharField(required=False, max_length=64)
    group = forms.CharField(required=False, max_length=64, help_text="Code of a customer group.")
    person = forms.CharField(
        label="Customer", required=False, max_length=255, help_text="The customer's id as the buyer app sends it."
    )
    bap_id = forms.CharField(label="Buyer app", required=False, max_length=255)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        given = [name for name in AMOUNTS if cleaned.get(name) is not None]
        for name in given[1:]:
            self.add_error(name, f"{self.fields[given[0]].label} is given already; give one amount at most.")
        return cleaned

    def wish(self) -> Wish:
        """What was asked, as the wish that a buyer app would send."""
        asked = self.cleaned_data
        kwh, rupees = asked["kwh"], asked["rupees"]
        return asked_wish(asked, energy_wh=kwh and int(kwh.scaleb(3)), paise=rupees and int(rupees.scaleb(2)))

    def refuse(self, refusal: DomainError) -> None:
        """Show a refusal by the field that it names, else above the form."""
        amount = next((name for name in AMOUNTS if self.cleaned_data.get(name) is not None), "kwh")
        places = {ITEM_PATH: "item_id", QUANTITY_PATH: amount, WINDOW_PATH: "starts_at", OFFERS_PATH: "coupon"}
        name = next((name for path, name in places.items() if refusal.path.startswith(path)), None)
        self.add_error(name, refusal.text)


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the week: its price of a kWh, a dash where there is none, and whether the session charges in it."""

    price: str
    charging: bool


@require_safe
def preview_page(request: HttpRequest) -> HttpResponse:
    """A form and its answer: lines, total, length and the week's prices; `tariff` or `connector` fill the form.

    The connectors of other operators do not exist here.
    """
    reach = reach_of(request.user)
    if not reach.any:
        raise PermissionDenied
    connectors = reach.limit(Connector.objects.filter(active=True), OPERATOR_PATH)
    asked = "item_id" in request.GET
    if asked:
        form = PreviewForm(request.GET)
        made, status = _asked(form, reach, request.GET.get("item_id", ""))
    else:
        connectors, item_id = _from_page(request, reach, connectors)
        form, made, status = PreviewForm(initial={"item_id": item_id}), None, 200
    rows = connectors.select_related("evse__station", "tariff").order_by("evse__station__name", "item_id")
    context = {
        **admin.site.each_context(request),
        "title": "Price preview",
        "form": form,
        "connectors": [(row.item_id, _in_words(row)) for row in rows[:MOST_CONNECTORS]],
        **(_shown(made) if made else {}),
    }
    return TemplateResponse(request, "orders/preview.html", context, status=status)


def _asked(form: PreviewForm, reach: Reach, item_id: str) -> tuple[Preview | None, int]:
    """What was asked for, and the status of the answer: 404 where the connector is not one of theirs."""
    connector = _own(reach).filter(item_id=item_id.replace("\0", "")).first()
    zone = ZoneInfo(connector.evse.station.time_zone) if connector else timezone.get_default_timezone()
    with timezone.override(zone):
        if not form.is_valid():
            return None, 200
    try:
        ids = None if reach.everything else frozenset(reach.roles)
        return preview(form.wish(), operator_ids=ids, now=timezone.now()), 200
    except DomainError as refusal:
        form.refuse(refusal)
        return None, 404 if connector is None else 200


def _own(reach: Reach) -> QuerySet[Connector]:
    return reach.limit(Connector.objects.select_related("evse__station"), OPERATOR_PATH)


def _from_page(request: HttpRequest, reach: Reach, connectors: QuerySet[Connector]) -> tuple[QuerySet[Connector], str]:
    """The connectors to offer and the one to begin with, by the page one comes from."""
    tariff_id, connector_id = (_number(request.GET.get(name)) for name in ("tariff", "connector"))
    if connector_id is not None:
        return connectors, get_object_or_404(_own(reach), pk=connector_id).item_id
    if tariff_id is not None:
        tariff = get_object_or_404(reach.limit(Tariff.objects.all(), "operator"), pk=tariff_id)
        connectors = connectors.filter(tariff=tariff)
        return connectors, connectors.order_by("item_id").values_list("item_id", flat=True).first() or ""
    return connectors, ""


def _number(text: str | None) -> int | None:
    """A row's number; 0, which no row has, for what is none."""
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _in_words(connector: Connector) -> str:
    tariff = connector.tariff.name if connector.tariff else "no tariff"
    return f"{connector.evse.station.name}, {connector.standard}, {kw(connector.max_power_w)}, {tariff}"


def _shown(made: Preview) -> dict[str, Any]:
    plan = made.plan
    return {
        "plan": plan,
        "zone": plan.terms.time_zone,
        "ends_at": plan.begins_at + timedelta(seconds=plan.duration_s),
        "lasts": span(plan.duration_s),
        "lines": plan.price.rows(),
        "quote": {"total_paise": plan.price.total.paise},
        "hours": range(HOURS_OF_DAY),
        "week": list(_week(made)),
    }


def _week(made: Preview) -> Iterator[tuple[datetime, list[Hour]]]:
    """The days of the week with the prices of their hours, by the station's clock."""
    begins_at = made.plan.begins_at.astimezone(made.week_from.tzinfo)
    ends_at = (made.plan.begins_at + timedelta(seconds=made.plan.duration_s)).astimezone(made.week_from.tzinfo)
    for first in range(0, len(made.week), HOURS_OF_DAY):
        hours = []
        for place in range(first, first + HOURS_OF_DAY):
            at = made.week_from + timedelta(hours=place)
            charging = at < ends_at and at + timedelta(hours=1) > begins_at
            hours.append(Hour(made.week[place] or NONE, charging))
        yield made.week_from + timedelta(hours=first), hours
