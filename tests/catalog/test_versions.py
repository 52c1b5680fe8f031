"""Do prices stay as they were quoted, and do new ones come into force when they should?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog.models import Tariff, TariffVersion
from catalog.versions import in_force, mark_used, plan_version, promote_due, withdraw_version
from core.errors import Invalid, NotAllowed
from tests.factories.catalog import FLAT_RATE, TariffFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 1, 4, 30, tzinfo=UTC)
DEARER: list[dict[str, Any]] = [{"price_components": [{"type": "ENERGY", "price": "21.00", "step_size": 1}]}]


def test_a_new_tariff_has_its_first_version() -> None:
    tariff = TariffFactory.create()
    version = tariff.versions.get()
    assert (version.number, version.valid_from, version.elements) == (1, None, FLAT_RATE)


def test_a_change_of_prices_makes_a_version_and_other_changes_do_not() -> None:
    tariff = TariffFactory.create()
    tariff.name = "Another name"
    tariff.save()
    assert tariff.versions.count() == 1
    tariff.elements = DEARER
    tariff.save()
    tariff.refresh_from_db()
    assert tariff.version == 2
    assert [v.elements for v in tariff.versions.order_by("number")] == [FLAT_RATE, DEARER]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "USD"),
        ("gst_percent", Decimal("5.00")),
        ("min_price", {"excl_vat": "50.00"}),
        ("max_price", {"excl_vat": "500.00"}),
    ],
)
def test_every_field_of_the_price_makes_a_version(field: str, value: object) -> None:
    tariff = TariffFactory.create()
    Tariff.objects.filter(pk=tariff.pk).update(**{field: value})
    assert getattr(tariff.versions.get(number=2), field) == value


def test_a_stale_copy_saved_again_makes_a_version_of_its_own() -> None:
    tariff = TariffFactory.create()
    stale = Tariff.objects.get(pk=tariff.pk)
    tariff.elements = DEARER
    tariff.save()
    stale.save()
    stale.refresh_from_db()
    assert (stale.version, stale.elements) == (3, FLAT_RATE)


@pytest.mark.parametrize(
    "change", [{"elements": DEARER}, {"gst_percent": 5}, {"number": 7}, {"valid_from": NOW}, {"planned": True}]
)
def test_a_version_is_never_changed(change: dict[str, Any]) -> None:
    tariff = TariffFactory.create()
    with pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic():
        tariff.versions.update(**change)


def test_a_used_version_stays_and_so_does_its_tariff() -> None:
    tariff = TariffFactory.create()
    mark_used(tariff.pk, 1, now=NOW)
    mark_used(tariff.pk, 1, now=NOW + timedelta(days=1))
    assert tariff.versions.get().used_at == NOW
    with pytest.raises(IntegrityError, match="was quoted"), transaction.atomic():
        tariff.delete()


def test_an_unused_tariff_can_go() -> None:
    TariffFactory.create().delete()
    assert not TariffVersion.objects.exists()


def test_a_planned_version_holds_from_its_moment_and_is_promoted_then() -> None:
    tariff = TariffFactory.create()
    from_at = NOW + timedelta(hours=1)
    plan_version(tariff.pk, valid_from=from_at, prices={"elements": DEARER}, now=NOW)
    assert in_force(tariff, from_at - timedelta(microseconds=1)).elements == FLAT_RATE
    later = in_force(tariff, from_at)
    assert (later.elements, later.version) == (DEARER, 2)
    assert promote_due(from_at - timedelta(seconds=1)) == 0
    assert promote_due(from_at) == 1
    assert promote_due(from_at) == 0
    tariff.refresh_from_db()
    assert (tariff.version, tariff.elements) == (2, DEARER)
    assert not tariff.versions.filter(planned=True).exists()


def test_several_planned_versions_come_in_their_order() -> None:
    tariff = TariffFactory.create()
    for hours, price in ((2, "30.00"), (1, "25.00")):
        elements = [{"price_components": [{"type": "ENERGY", "price": price, "step_size": 1}]}]
        plan_version(tariff.pk, valid_from=NOW + timedelta(hours=hours), prices={"elements": elements}, now=NOW)
    assert promote_due(NOW + timedelta(hours=3)) == 2
    tariff.refresh_from_db()
    assert tariff.elements[0]["price_components"][0]["price"] == "30.00"


def test_a_planned_version_can_be_withdrawn_until_it_is_quoted() -> None:
    tariff = TariffFactory.create()
    first = plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={"elements": DEARER}, now=NOW)
    withdraw_version(first.pk)
    second = plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={"elements": DEARER}, now=NOW)
    mark_used(tariff.pk, in_force(tariff, NOW + timedelta(hours=2)).version, now=NOW)
    with pytest.raises(NotAllowed) as refusal:
        withdraw_version(second.pk)
    assert refusal.value.code == "version-in-force"


def test_withdrawing_locks_the_tariff_before_the_version_as_coming_into_force_does() -> None:
    tariff = TariffFactory.create()
    version = plan_version(tariff.pk, valid_from=NOW + timedelta(days=1), prices={"elements": DEARER}, now=NOW)
    with CaptureQueriesContext(connection) as run:
        withdraw_version(version.pk)
    locks = [query["sql"] for query in run if " FOR " in query["sql"]]
    assert ['FROM "catalog_tariff" ' in sql for sql in locks] == [True, False]
    assert all("FOR NO KEY UPDATE" in sql for sql in locks)
    assert 'OF "catalog_tariffversion"' in locks[1]


def test_the_version_in_force_cannot_be_withdrawn() -> None:
    with pytest.raises(NotAllowed):
        withdraw_version(TariffFactory.create().versions.get().pk)


def test_plans_that_cannot_be_are_refused() -> None:
    tariff = TariffFactory.create()
    with pytest.raises(Invalid):
        plan_version(tariff.pk, valid_from=NOW, prices={"elements": DEARER}, now=NOW)
    with pytest.raises(Invalid):
        plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={"elements": []}, now=NOW)
    plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={"gst_percent": Decimal(5)}, now=NOW)
    with pytest.raises(NotAllowed) as refusal:
        plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={"elements": DEARER}, now=NOW)
    assert refusal.value.code == "version-planned"


@pytest.mark.parametrize("name", ["elements", "min_price", "max_price"])
def test_prices_that_cannot_be_read_are_refused_by_their_name(name: str) -> None:
    tariff = TariffFactory.create()
    with pytest.raises(Invalid, match=name) as refusal:
        plan_version(tariff.pk, valid_from=NOW + timedelta(hours=1), prices={name: [50]}, now=NOW)
    assert (refusal.value.code, refusal.value.path) == ("tariff-fault", name)
