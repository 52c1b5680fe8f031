"""What may an operator do to a session or a workflow instance?"""

from __future__ import annotations

from typing import Any

from django import forms

from catalog.deeds import Act, Deed
from catalog.wording import kwh
from fulfillment import services
from fulfillment.models import Session, WorkflowInstance
from fulfillment.services.instances import RELEASE, START, STOP

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


class WhyForm(forms.Form):
    reason = forms.CharField(max_length=200, help_text="Why; it stands on this page and in the session's faults.")


class StepForm(forms.Form):
    """From which step; `initial["steps"]` are those there are to choose from."""

    step = forms.ChoiceField(help_text="The steps after it run again, with the input they had.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["step"].choices = self.initial.get("steps", [])  # type: ignore[attr-defined]  # of a ChoiceField


def _suspend(act: Act) -> str:
    services.suspend_instance(act.row.pk, now=act.now, reason=act.answers["reason"])
    return f"Suspended: {act.answers['reason']}. Nothing more is asked of the station until it is resumed."


def _resume(act: Act) -> str:
    services.resume_instance(act.row.pk, now=act.now)
    return "Resumed; a worker takes it up where it stood."


def _retry(act: Act) -> str:
    services.retry_instance(act.row.pk, act.answers["step"], now=act.now)
    return f"Sent back to {act.answers['step']}; a worker takes it up from there."


def _cancel_instance(act: Act) -> str:
    services.cancel_instance(act.row.pk, now=act.now, reason=act.answers["reason"])
    return f"Cancelled: {act.answers['reason']}."


def _steps(instance: WorkflowInstance) -> dict[str, Any]:
    """The steps to retry from, the one that faulted chosen."""
    places = services.retriable(instance)
    steps = [(place.pointer, f"{place.name} ({place.kind}), {place.pointer}") for place in places]
    return {"steps": steps, "step": steps[-1][0] if steps else ""}


def _obstacle(instance: WorkflowInstance) -> list[str]:
    """Why a retry would be refused."""
    why = services.why_not_retried(instance)
    return [f"It would be refused: {why}."] if why else []


def _consequences(instance: WorkflowInstance) -> list[str]:
    """What cancelling an instance leads to, in words."""
    session = instance.session
    if instance.trigger == RELEASE:
        return ["Nobody asks the station again: whatever the card holds there stays locked until it is freed by hand."]
    if session is None:
        return (
            ["What the card holds at the station is given back, unless energy flows by now."] if instance.card else []
        )
    if instance.trigger == START and session.state == Session.State.STARTING:
        return [f"Order {session.order} fails and is refunded in full.", "The station gives back what the card holds."]
    if instance.trigger == STOP and session.state == Session.State.ENDING:
        return [
            f"Order {session.order} is billed on the newest believed register; the station may correct it later.",
            "The station gives back what the card holds.",
        ]
    return []


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
INSTANCE_DEEDS = (
    Deed(
        "suspend",
        "Suspend",
        "Hold this instance until somebody resumes it? Time runs on meanwhile, so a timeout may strike then.",
        _suspend,
        when=lambda instance: instance.status in WorkflowInstance.LIVE,
        form=WhyForm,
        icon="pause_circle",
    ),
    Deed(
        "resume",
        "Resume",
        "Let this instance go on where it stood? What it had asked for is asked for again with the same key.",
        _resume,
        when=lambda instance: instance.status == WorkflowInstance.Status.SUSPENDED,
        icon="play_circle",
    ),
    Deed(
        "retry",
        "Retry from a step",
        "Let this instance go on from a step that ran before the error?",
        _retry,
        when=lambda instance: instance.status == WorkflowInstance.Status.FAULTED,
        form=StepForm,
        icon="replay",
        warnings=_obstacle,
        initial=_steps,
        fields={"instance.step": "step"},
    ),
    Deed(
        "cancel",
        "Cancel",
        "End this instance for good? It cannot be resumed.",
        _cancel_instance,
        when=lambda instance: instance.status not in WorkflowInstance.OVER,
        form=WhyForm,
        destructive=True,
        icon="cancel",
        warnings=_consequences,
    ),
)
