"""Is what an operator typed about a station, a connector or a tariff sound?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms

from catalog.models import Connector, Evse, Operator, Station, Tariff
from catalog.opening import OpeningFault, opening
from catalog.tariffs import TariffFault, price_limit, schedule
from catalog.taxes import TaxFault, read_rates

if TYPE_CHECKING:
    OperatorBase = forms.ModelForm[Operator]
    StationBase = forms.ModelForm[Station]
    TariffBase = forms.ModelForm[Tariff]
    ConnectorBase = forms.ModelForm[Connector]
    EvseBase = forms.ModelForm[Evse]
else:
    OperatorBase = StationBase = TariffBase = ConnectorBase = EvseBase = forms.ModelForm


class OperatorForm(OperatorBase):
    """An operator; its rates of tax must be readable by the rule that taxes with them."""

    def clean_gst_rates(self) -> Any:
        rates = self.cleaned_data["gst_rates"] or []
        try:
            read_rates(rates)
        except TaxFault as fault:
            raise forms.ValidationError(str(fault)) from fault
        return rates


class StationForm(StationBase):
    """A station; drafts may be half filled, a published one keeps its place."""

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        if name not in available_timezones():
            raise forms.ValidationError(f"{name!r} is not a time zone; write one such as Asia/Kolkata.")
        return ZoneInfo(name).key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        place = cleaned.get("latitude"), cleaned.get("longitude")
        if (place[0] is None) != (place[1] is None):
            raise forms.ValidationError("Give both latitude and longitude, or neither.")
        if self.instance.published and place[0] is None:
            raise forms.ValidationError("A published station needs its place; unpublish it first or give coordinates.")
        self._check_hours(cleaned)
        return cleaned

    def _check_hours(self, cleaned: dict[str, Any]) -> None:
        hours = cleaned.get("opening_times")
        if not hours:
            return
        if not isinstance(hours, dict):
            self.add_error("opening_times", "Write a JSON object of OCPI Hours, or {} for always open.")
            return
        try:
            opening(hours, cleaned.get("time_zone") or "Asia/Kolkata")
        except OpeningFault as fault:
            self.add_error("opening_times", str(fault))


class _Prices(forms.BaseForm):
    """Prices must be readable by the rule that prices with them."""

    cleaned_data: dict[str, Any]

    def clean_elements(self) -> Any:
        elements = self.cleaned_data["elements"]
        try:
            schedule(elements)
        except TariffFault as fault:
            raise forms.ValidationError(str(fault)) from fault
        return elements

    def clean_min_price(self) -> Any:
        return self._limit("min_price")

    def clean_max_price(self) -> Any:
        return self._limit("max_price")

    def _limit(self, name: str) -> Any:
        try:
            limit = price_limit(self.cleaned_data[name], name)
        except TariffFault as fault:
            raise forms.ValidationError(str(fault)) from fault
        return limit.row() if limit else None


class TariffForm(_Prices, TariffBase):
    """A tariff."""


class VersionForm(_Prices, forms.Form):
    """The prices that a tariff will have from a moment on."""

    valid_from = forms.DateTimeField(
        label="From",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="By the clock of India; later than now.",
    )
    elements = forms.JSONField(
        widget=forms.Textarea(attrs={"rows": 12}), help_text="OCPI 2.2.1 tariff elements, prices before tax."
    )
    gst_percent = forms.DecimalField(label="GST, %", min_value=0, max_value=100, max_digits=5, decimal_places=2)
    min_price = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text='The least a session costs: {"excl_vat": "50.00", "incl_vat": "59.00"}.',
    )
    max_price = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The most a session costs, in the same form.",
    )


class EvseForm(EvseBase):
    """An EVSE; its id stays once given, because its items are named after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _freeze(self, "uid")


class ConnectorForm(ConnectorBase):
    """A connector; its item id follows from its EVSE and number, its tariff is of the same operator."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _freeze(self, "number")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        evse = cleaned.get("evse") or getattr(self.instance, "evse", None)
        number = cleaned.get("number") or self.instance.number
        tariff = cleaned.get("tariff")
        if evse is not None and tariff is not None and tariff.operator_id != evse.station.operator_id:
            self.add_error("tariff", "This tariff belongs to another operator; choose one of the station's operator.")
        if evse is not None and number:
            self.instance.item_id = f"{evse.uid}*{number}"
        return cleaned


def _freeze(form: Any, name: str) -> None:
    """Keep a saved row's field as it is, whatever is posted."""
    if form.instance.pk and name in form.fields:
        form.fields[name].disabled = True
