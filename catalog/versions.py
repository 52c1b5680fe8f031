"""Which prices of a tariff hold when, and how do new ones come into force?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from catalog.models import Tariff, TariffVersion
from catalog.tariffs import TariffFault, price_limit, schedule
from core.due import lock_next
from core.errors import Invalid, NotAllowed, NotFound

PRICES = ("currency", "elements", "gst_percent", "min_price", "max_price")


def in_force(tariff: Tariff, at: datetime) -> Tariff:
    """The tariff with the prices that hold at a moment, as far as they are known today; not to be saved."""
    planned = tariff.versions.filter(planned=True, valid_from__lte=at).order_by("-valid_from", "-number").first()
    return tariff if planned is None else with_prices_of(planned, tariff)


def in_force_at_each(tariff: Tariff, moments: Sequence[datetime]) -> list[Tariff]:
    """The tariff as it will be at each of the moments, as `in_force` says, read at once; not to be saved."""
    planned = list(tariff.versions.filter(planned=True).order_by("valid_from", "number"))
    found = []
    for at in moments:
        begun = [version for version in planned if version.valid_from is not None and version.valid_from <= at]
        found.append(with_prices_of(begun[-1], tariff) if begun else tariff)
    return found


def with_prices_of(version: TariffVersion, tariff: Tariff) -> Tariff:
    """The tariff as `version` has it; not to be saved."""
    shown = copy(tariff)
    for name in PRICES:
        setattr(shown, name, getattr(version, name))
    shown.version = version.number
    return shown


def mark_used(tariff_id: int, number: int, *, now: datetime) -> None:
    """Note that the prices of a version were quoted, so that it stays for good."""
    TariffVersion.objects.filter(tariff_id=tariff_id, number=number, used_at__isnull=True).update(used_at=now)


@transaction.atomic
def plan_version(tariff_id: int, *, valid_from: datetime, prices: Mapping[str, Any], now: datetime) -> TariffVersion:
    """Add a version that takes the tariff over at `valid_from`; `prices` (PRICES) replace those in force, where given.

    Raises NotFound `tariff-unknown`, Invalid `tariff-fault` for prices that cannot be read or a moment that is past,
    NotAllowed `version-planned` where that moment has one already.
    """
    tariff = _locked(tariff_id)
    values = {name: prices.get(name, getattr(tariff, name)) for name in PRICES}
    _check(values, valid_from, now)
    if tariff.versions.filter(planned=True, valid_from=valid_from).exists():
        raise NotAllowed(
            "version-planned",
            f"{tariff} has a version from {valid_from:%Y-%m-%d %H:%M} UTC already; withdraw it first",
            path="valid_from",
        )
    last = tariff.versions.aggregate(last=Max("number"))["last"]
    return TariffVersion.objects.create(
        tariff=tariff, number=last + 1, valid_from=valid_from, planned=True, created_at=now, **values
    )


@transaction.atomic
def withdraw_version(version_id: int) -> None:
    """Take back a version that is planned and was never quoted. Raises NotAllowed `version-in-force`, NotFound."""
    tariff_id = TariffVersion.objects.filter(pk=version_id).values_list("tariff_id", flat=True).first()
    if tariff_id is not None:
        _locked(tariff_id)  # the tariff first, as whoever brings versions into force
    version = (
        TariffVersion.objects.select_for_update(no_key=True, of=("self",))
        .select_related("tariff")
        .filter(pk=version_id)
        .first()
    )
    if version is None:
        raise NotFound("version-unknown", f"there is no version {version_id}")
    if not version.planned or version.used_at is not None:
        raise NotAllowed("version-in-force", f"{version} is in force or was quoted for later; plan another version")
    version.delete()


def promote_due(now: datetime, limit: int = 100) -> int:
    """Bring planned versions whose time has come into force, each in a transaction of its own; returns how many."""
    for done in range(limit):
        if not _promote_one(now):
            return done
    return limit


@transaction.atomic
def _promote_one(now: datetime) -> bool:
    due = TariffVersion.objects.filter(planned=True, valid_from__lte=now).order_by("valid_from", "number").first()
    if due is None:
        return False
    tariff = lock_next(Tariff.objects.filter(pk=due.tariff_id))
    if tariff is None or not TariffVersion.objects.filter(pk=due.pk, planned=True).exists():
        return False
    shown = with_prices_of(due, tariff)
    shown.save(update_fields=[*PRICES, "version"])
    return True


def _locked(tariff_id: int) -> Tariff:
    tariff = Tariff.objects.select_for_update(no_key=True).filter(pk=tariff_id).first()
    if tariff is None:
        raise NotFound("tariff-unknown", f"there is no tariff {tariff_id}")
    return tariff


def _check(values: Mapping[str, Any], valid_from: datetime, now: datetime) -> None:
    name = "elements"
    try:
        schedule(values[name])
        for name in ("min_price", "max_price"):
            price_limit(values[name], name)
    except TariffFault as fault:
        raise Invalid("tariff-fault", str(fault), path=name) from fault
    if valid_from <= now:
        raise Invalid(
            "tariff-fault",
            f"{valid_from:%Y-%m-%d %H:%M} UTC is past; a planned version begins later than now",
            path="valid_from",
        )
