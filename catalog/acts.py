"""What may an operator do to a station or an EVSE beyond editing it?"""

from __future__ import annotations

from django import forms

from catalog import services
from catalog.deeds import Act, Deed
from catalog.models import Evse, Station


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
