"""What may an operator do to a ticket?"""

from __future__ import annotations

from django import forms

from catalog.deeds import Act, Deed
from support import services
from support.models import Ticket


class AnswerForm(forms.Form):
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}), max_length=4000, help_text="What was told to the customer."
    )


class CloseForm(forms.Form):
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        required=False,
        help_text="How it ended; may be empty.",
    )


def _answer(act: Act) -> str:
    ticket = services.answer_ticket(act.row.pk, text=act.answers["text"], actor=act.actor, now=act.now)
    return f"Answer noted on {ticket.code}."


def _close(act: Act) -> str:
    ticket = services.close_ticket(act.row.pk, actor=act.actor, now=act.now, text=act.answers["text"])
    return f"{ticket.code} is closed."


def _open(ticket: Ticket) -> bool:
    return ticket.state != Ticket.State.CLOSED


TICKET_DEEDS = (
    Deed("answer", "Answer", "Note what was told to the customer.", _answer, when=_open, form=AnswerForm, icon="reply"),
    Deed(
        "close",
        "Close",
        "Close this ticket? A closed ticket cannot be answered any more.",
        _close,
        when=_open,
        form=CloseForm,
        destructive=True,
        icon="task_alt",
    ),
)
