"""What may an operator do to a session?"""

from __future__ import annotations

from django import forms

from catalog.deeds import Act, Deed
from catalog.wording import kwh
from fulfillment import services
from fulfillment.models import Session

STOPPABLE = (Session.State.STARTING, Session.State.CHARGING, Session.State.PAUSED)


def _stop(act: Act) -> str:
    services.request_stop(act.row.order_id, act.now, reason="operator", actor=act.actor)
    return f"The station was asked to end the session of {act.row.order}; the bill follows from its meter."


class RegisterForm(forms.Form):
    kwh = forms.DecimalField(min_value=0, max_digits=12, decimal_places=3, help_text="The meter's last register, kWh.")
    reason = forms.CharField(max_length=200, help_text="Where this register is from.")


def _correct(act: Act) -> str:
    session = services.correct_meter(
        act.row.order_id,
        meter_stop_wh=int(act.answers["kwh"] * 1000),
        now=act.now,
        actor=act.actor,
        reason=act.answers["reason"],
    )
    return f"Billed anew for {kwh(session.energy_wh)}; what was too much goes back, what was too little is asked for."


SESSION_DEEDS = (
    Deed(
        "stop",
        "Stop charging",
        "End this session now? The driver pays for the energy delivered so far, and the buyer app is told.",
        _stop,
        when=lambda session: session.state in STOPPABLE,
        destructive=True,
        icon="stop_circle",
    ),
    Deed(
        "correct",
        "Correct the meter",
        "Bill this session anew for another last register? The buyer app is told.",
        _correct,
        when=lambda session: session.state == Session.State.ENDED,
        form=RegisterForm,
        icon="speed",
        fields={"session.meter_stop_wh": "kwh"},
    ),
)
