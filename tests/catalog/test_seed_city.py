"""Is the demonstration city the same for the same seed, however often it is sown?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from catalog.models import Connector, Evse, EvseStatusChange, Operator, OperatorStaff, Station, Tariff
from catalog.search import Index
from catalog.seed.city import companies, dead_charger, history
from catalog.selectors import load

NOW = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)


def sown(**options: Any) -> str:
    out = StringIO()
    call_command("seed_city", stdout=out, **options)
    return out.getvalue()


def test_city_is_the_same_for_the_same_seed() -> None:
    assert companies(1) == companies(1)
    assert companies(1) != companies(2)
    assert dead_charger(1) == dead_charger(1)
    uid = companies(1)[0].stations[0].evses[0].uid
    assert list(history(uid, seed=1, now=NOW)) == list(history(uid, seed=1, now=NOW))


def test_history_lies_in_order_within_fourteen_days() -> None:
    moments = [moment for moment, _ in history("IN*KSP*E0011", seed=1, now=NOW)]
    assert moments == sorted(moments)
    assert NOW - timedelta(days=14) < moments[0]
    assert moments[-1] < NOW


@pytest.mark.django_db
def test_seed_city_sows_what_a_demonstration_needs() -> None:
    said = sown()
    assert "Bengaluru: 3 operators · 51 stations" in said
    assert "changepassword ksp-staff" in said
    assert Connector.objects.count() >= 130
    kinds = set(Connector.objects.values_list("standard", flat=True))
    assert {"IEC_62196_T2_COMBO", "IEC_62196_T2", "CHADEMO", "GBT_DC", "IEC_60309_2_single_16", "TYPE_6"} <= kinds
    assert Tariff.objects.filter(green=True, connectors__isnull=False).exists()
    assert Evse.objects.get(status="faulted").uid == dead_charger(1)
    assert Station.objects.get(published=False).latitude is None
    assert not Operator.objects.filter(support_phone="").exists()
    index = Index()
    load(index, lambda data: None, timezone.now())
    assert len(index) == Connector.objects.count()


@pytest.mark.django_db
def test_seed_city_again_changes_nothing() -> None:
    sown()
    before = list(Connector.objects.order_by("pk").values()), EvseStatusChange.objects.count()
    sown()
    assert (list(Connector.objects.order_by("pk").values()), EvseStatusChange.objects.count()) == before
    assert OperatorStaff.objects.count() == 3
    assert not any(user.has_usable_password() for user in get_user_model().objects.all())


@pytest.mark.django_db
def test_createoperator_is_safe_to_repeat() -> None:
    out = StringIO()
    for name in ("Old name", "New name"):
        call_command("createoperator", code="SMP", name=name, staff_user="smp-staff", stdout=out)
    assert Operator.objects.get().name == "New name"
    assert OperatorStaff.objects.get().role == "owner"
    assert "operator SMP: added" in out.getvalue()
    user = OperatorStaff.objects.get().user
    user.set_password("a long pass phrase")
    user.save()
    call_command("createoperator", code="SMP", name="New name", staff_user="smp-staff", stdout=out)
    assert "staff smp-staff: log in at /admin/" in out.getvalue()


@pytest.mark.django_db
def test_createoperator_refuses_bad_codes_and_strangers() -> None:
    with pytest.raises(CommandError, match="code: Use letters"):
        call_command("createoperator", code="a b", name="Sample")
    get_user_model().objects.create(username="driver")
    with pytest.raises(CommandError, match="no member of staff"):
        call_command("createoperator", code="SMP", name="Sample", staff_user="driver")
    assert not Operator.objects.exists()
