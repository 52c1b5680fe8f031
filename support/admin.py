"""What did customers say, and which tickets wait for an answer?"""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.deeds import DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter
from catalog.wording import ago
from support.acts import TICKET_DEEDS
from support.models import Rating, Ticket

TICKET_TONES = {Ticket.State.OPEN: "warning", Ticket.State.ANSWERED: "info", Ticket.State.CLOSED: "success"}
DUE_TONES = {"late": "danger", "soon": "warning", "done": "default"}


@admin.register(Rating)
class RatingAdmin(LogAdmin):
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.CUSTOMERS
    list_display = ("created_at", "order", "category", "stars", "value", "source", "comment")
    list_filter = (("category", ChoicesDropdownFilter), ("source", ChoicesDropdownFilter))
    search_fields = ("order__code", "comment", "target")
    list_select_related = ("order",)
    ordering = ("-created_at",)
    exclude = ("form_token_hash",)

    @column("Stars", order="value")
    def stars(self, rating: Rating) -> str:
        full = round(rating.value)
        return "★" * full + "☆" * (5 - full)


@admin.register(Ticket)
class TicketAdmin(DeedsMixin, LogAdmin):
    deeds = TICKET_DEEDS
    area: ClassVar[Area] = Area.CUSTOMERS
    list_display = ("code", "subject", "operator", "order", "status", "due", "opened_at")
    list_filter = (("state", ChoicesDropdownFilter), ("operator", OwnRelatedFilter))
    search_fields = ("code", "subject", "order__code", "notes")
    list_select_related = ("operator", "order")
    ordering = ("state", "reply_due_at")

    @column("State", order="state", tones=TICKET_TONES)
    def status(self, ticket: Ticket) -> tuple[str, str]:
        return ticket.state, ticket.get_state_display()

    @column("Answer due", order="reply_due_at", tones=DUE_TONES)
    def due(self, ticket: Ticket) -> tuple[str, str]:
        if ticket.state != Ticket.State.OPEN:
            return "done", "–"
        now = timezone.now()
        if ticket.reply_due_at < now:
            return "late", f"late, {ago(ticket.reply_due_at, now)}"
        return "soon", ago(ticket.reply_due_at, now)
