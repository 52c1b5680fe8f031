"""What may an operator do to a station or an EVSE beyond editing it?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from catalog import services, versions
from catalog.deeds import Act, Deed
from catalog.forms import VersionForm
from catalog.models import Evse, Station, Tariff
from catalog.tenancy import Area


class StatusForm(forms.Form):
    status = forms.ChoiceField(choices=Evse.Status.choices, help_text="What drivers are told from now on.")


def _publish(act: Act) -> str:
    services.publish(act.row.pk)
    return f"{act.row.name} is on sale now."


def _unpublish(act: Act) -> str:
    services.unpublish(act.row.pk)
    return f"{act.row.name} is off sale now; promises already made stay."


def _set_status(act: Act) -> str:
    status = Evse.Status(act.answers["status"])
    services.set_evse_status(act.row, status, act.now)
    return f"{act.row} is {status.label.lower()} now."


def _missing(station: Station) -> list[str]:
    return services.publish_faults(station)


def _plan_version(act: Act) -> str:
    prices = {name: value for name, value in act.answers.items() if name in versions.PRICES}
    planned = versions.plan_version(act.row.pk, valid_from=act.answers["valid_from"], prices=prices, now=act.now)
    return f"{planned} takes over at {timezone.localtime(planned.valid_from):%d %b %Y, %H:%M}."


def _withdraw_version(act: Act) -> str:
    versions.withdraw_version(act.row.pk)
    return f"{act.row} is withdrawn; it was never quoted."


def _prices_now(tariff: Tariff) -> dict[str, Any]:
    return {name: getattr(tariff, name) for name in versions.PRICES}


STATION_DEEDS: tuple[Deed, ...] = (
    Deed(
        "publish",
        "Publish",
        "Put this station on sale? Buyer apps find it from the next search on.",
        _publish,
        when=lambda station: not station.published,
        warnings=_missing,
        icon="storefront",
    ),
    Deed(
        "unpublish",
        "Take off sale",
        "Take this station off sale? Buyer apps no longer find it; orders and reservations already made stay.",
        _unpublish,
        when=lambda station: station.published,
        destructive=True,
        icon="visibility_off",
    ),
)
EVSE_DEEDS: tuple[Deed, ...] = (
    Deed(
        "set-status",
        "Set status",
        "Set the live status by hand? The station's next own message replaces it.",
        _set_status,
        form=StatusForm,
        icon="sensors",
    ),
)
TARIFF_DEEDS: tuple[Deed, ...] = (
    Deed(
        "plan-version",
        "New version from a date",
        "Which prices hold from when on? What is quoted until then for a later start is priced by them already.",
        _plan_version,
        form=VersionForm,
        icon="event_upcoming",
        area=Area.OPERATOR,
        initial=_prices_now,
    ),
)
VERSION_DEEDS: tuple[Deed, ...] = (
    Deed(
        "withdraw",
        "Withdraw",
        "Take this planned version back? The prices before it go on.",
        _withdraw_version,
        when=lambda version: version.planned and version.used_at is None,
        destructive=True,
        icon="undo",
        area=Area.OPERATOR,
    ),
)
