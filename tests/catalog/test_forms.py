"""Is what an operator mistypes refused at its field, in words that help?"""

# factory_boy says it is typed, but neither exports nor annotates its declarations.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from typing import Any

import pytest
from django.forms import ModelForm, modelform_factory

from catalog.forms import ConnectorForm, EvseForm, OperatorForm, StationForm, TariffForm
from catalog.models import Connector, Evse
from tests.factories.catalog import ConnectorFactory, EvseFactory, OperatorFactory, StationFactory, TariffFactory

pytestmark = pytest.mark.django_db


def filled(form: type[ModelForm[Any]], row: Any, **changes: Any) -> ModelForm[Any]:
    """The form of a row with these fields changed, as posted."""
    made = modelform_factory(type(row), form=form, fields=list(changes))
    return made(changes, instance=row)


def test_half_a_place_is_refused() -> None:
    form = filled(StationForm, StationFactory.build(published=False), latitude="12.97", longitude="", time_zone="UTC")
    assert form.non_field_errors() == ["Give both latitude and longitude, or neither."]


def test_published_station_keeps_its_place() -> None:
    form = filled(StationForm, StationFactory(), latitude="", longitude="", time_zone="Asia/Kolkata")
    assert "A published station needs its place" in form.non_field_errors()[0]


def test_draft_may_lack_its_place() -> None:
    form = filled(StationForm, StationFactory(published=False), latitude="", longitude="", time_zone="Asia/Kolkata")
    assert form.is_valid(), form.errors


def test_time_zone_must_exist() -> None:
    form = filled(StationForm, StationFactory(), time_zone="Bengaluru")
    assert form.errors["time_zone"] == ["'Bengaluru' is not a time zone; write one such as Asia/Kolkata."]


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ("[1]", "Write a JSON object of OCPI Hours"),
        ('{"regular_hours": [{"weekday": 9, "period_begin": "08:00", "period_end": "20:00"}]}', "weekday"),
    ],
)
def test_hours_that_cannot_be_read_are_refused(hours: str, said: str) -> None:
    place = {"latitude": "12.97", "longitude": "77.59"}
    form = filled(StationForm, StationFactory(), opening_times=hours, time_zone="Asia/Kolkata", **place)
    assert said in form.errors["opening_times"][0]


def test_readable_hours_are_taken() -> None:
    place = {"latitude": "12.97", "longitude": "77.59"}
    form = filled(StationForm, StationFactory(), opening_times='{"twentyfourseven": true}', time_zone="UTC", **place)
    assert form.is_valid(), form.errors


def test_tariff_must_be_one_that_prices() -> None:
    assert "elements" in filled(TariffForm, TariffFactory(), elements='[{"price_components": []}]').errors


@pytest.mark.parametrize("name", ["min_price", "max_price"])
def test_price_limits_are_read_or_refused(name: str) -> None:
    assert name in filled(TariffForm, TariffFactory(), **{name: '{"excl_vat": "much"}'}).errors
    form = filled(TariffForm, TariffFactory(), **{name: '{"excl_vat": 50, "note": "x"}'})
    assert form.is_valid(), form.errors
    assert form.cleaned_data[name] == {"excl_vat": "50"}
    empty = filled(TariffForm, TariffFactory(), **{name: ""})
    assert empty.is_valid()
    assert empty.cleaned_data[name] is None


def test_rates_of_tax_are_read_or_refused() -> None:
    assert "gst_rates" in filled(OperatorForm, OperatorFactory(), gst_rates='[{"percent": 180}]').errors
    form = filled(OperatorForm, OperatorFactory(), gst_rates='[{"percent": "5", "from": "2027-04-01"}]')
    assert form.is_valid(), form.errors


def test_ids_stay_as_they_were_given() -> None:
    evse, connector = EvseFactory(), ConnectorFactory()
    assert filled(EvseForm, evse, uid="IN*OTHER").fields["uid"].disabled
    assert filled(ConnectorForm, connector, number="9").fields["number"].disabled
    assert not modelform_factory(Evse, form=EvseForm, fields=["uid"])().fields["uid"].disabled


def test_tariff_of_another_operator_is_refused() -> None:
    form = filled(ConnectorForm, ConnectorFactory(), tariff=TariffFactory().pk)
    assert "belongs to another operator" in form.errors["tariff"][0]


def test_new_connector_gets_its_item_id() -> None:
    evse = EvseFactory()
    made = modelform_factory(Connector, form=ConnectorForm, fields=["evse", "number"])
    form = made({"evse": evse.pk, "number": "2"})
    form.is_valid()
    assert form.instance.item_id == f"{evse.uid}*2"


def test_connector_without_an_evse_has_no_item_id_yet() -> None:
    made = modelform_factory(Connector, form=ConnectorForm, fields=["number"])
    form = made({"number": "2"})
    form.is_valid()
    assert form.instance.item_id == ""
