"""Which sessions run, what did stations say, what did meters read?"""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.utils.timezone import localtime
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.columns import column
from catalog.deeds import DeedsMixin
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter
from catalog.wording import kw, kwh
from fulfillment.acts import SESSION_DEEDS
from fulfillment.cards_admin import CardAdmin as CardAdmin
from fulfillment.links_admin import TrackLinkAdmin as TrackLinkAdmin
from fulfillment.models import Outage, Reading, Session, StationEvent
from fulfillment.notices_admin import NoticeAdmin as NoticeAdmin
from fulfillment.workflow_admin import WorkflowInstanceAdmin as WorkflowInstanceAdmin

SESSION_TONES = {
    Session.State.WAITING: "primary",
    Session.State.STARTING: "info",
    Session.State.CHARGING: "info",
    Session.State.PAUSED: "warning",
    Session.State.ENDING: "info",
    Session.State.ENDED: "success",
    Session.State.FAILED: "danger",
    Session.State.CANCELLED: "default",
}
EVENT_TONES = {
    StationEvent.State.NEW: "primary",
    StationEvent.State.DONE: "success",
    StationEvent.State.IGNORED: "default",
    StationEvent.State.REFUSED: "danger",
}


@admin.register(Session)
class SessionAdmin(DeedsMixin, LogAdmin):
    """One session: power and energy as the meter says, every command with the station's answer."""

    deeds = SESSION_DEEDS
    operator_path = "order__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("order", "evse", "status", "power", "energy", "soc", "started_at", "ended_at", "stop_reason")
    list_filter = (("state", ChoicesDropdownFilter), ("evse", OwnRelatedFilter))
    search_fields = ("order__code", "order__transaction_id", "evse__uid", "evse__station__name", "remote_id")
    list_select_related = ("order", "evse")
    ordering = ("-created_at",)
    readonly_fields = ("power", "energy", "soc", "register_start", "register_stop")
    fieldsets = (
        ("Session", {"fields": ("order", "evse", "state", "power", "energy", "soc", "fault", "stop_reason")}),
        ("Meter", {"fields": ("register_start", "register_stop", "current_a", "voltage_v", "read_at")}),
        ("Times", {"fields": ("created_at", "started_at", "ended_at", "standing_at", "left_at", "progress_at")}),
        (
            "Station side",
            {"fields": ("remote_id", "slot_number", "next_at", "attempts", "release_owed", "payment_due")},
        ),
    )
    change_form_outer_before_template = "admin/session_room.html"

    @column("State", order="state", tones=SESSION_TONES)
    def status(self, session: Session) -> tuple[str, str]:
        return session.state, session.get_state_display()

    @column("Power", order="power_w")
    def power(self, session: Session) -> str:
        return kw(session.power_w) if session.state in Session.LIVE else "–"

    @column("Energy")
    def energy(self, session: Session) -> str:
        return kwh(session.energy_wh)

    @column("Register at the start")
    def register_start(self, session: Session) -> str:
        return kwh(session.meter_start_wh)

    @column("Register at the stop")
    def register_stop(self, session: Session) -> str:
        return kwh(session.meter_stop_wh)

    @column("Battery", order="soc_percent")
    def soc(self, session: Session) -> str:
        return "–" if session.soc_percent is None else f"{session.soc_percent} %"


@admin.register(Reading)
class ReadingAdmin(LogAdmin):
    operator_path = "session__order__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("at", "session", "register", "power", "soc_percent", "accepted", "reason")
    list_filter = ("accepted",)
    search_fields = ("session__order__code",)
    list_select_related = ("session__order",)
    ordering = ("-at",)

    @column("Register", order="energy_wh")
    def register(self, reading: Reading) -> str:
        return kwh(reading.energy_wh)

    @column("Power", order="power_w")
    def power(self, reading: Reading) -> str:
        return kw(reading.power_w)


@admin.register(Outage)
class OutageAdmin(LogAdmin):
    """What was out of order, from the fault to the recovery, with the orders it met and the ticket about it."""

    operator_path = "station__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("since", "station", "evse", "lasts", "error", "ticket")
    list_filter = (("station", OwnRelatedFilter),)
    search_fields = ("station__name", "evse__uid", "error", "ticket")
    list_select_related = ("station", "evse")
    ordering = ("-since",)

    @column("Until", order="until", tones={"on": "danger", "over": "default"})
    def lasts(self, outage: Outage) -> tuple[str, str]:
        return ("on", "still out") if outage.until is None else ("over", f"{localtime(outage.until):%d %b %Y, %H:%M}")


@admin.register(StationEvent)
class StationEventAdmin(LogAdmin):
    operator_path = "station__operator"
    area: ClassVar[Area] = Area.CHARGING
    list_display = ("received_at", "type", "station", "became", "reason", "time")
    list_filter = (("state", ChoicesDropdownFilter), "type", ("station", OwnRelatedFilter))
    search_fields = ("event_id", "source", "type", "station__name")
    list_select_related = ("station",)
    ordering = ("-received_at",)

    @column("Outcome", order="state", tones=EVENT_TONES)
    def became(self, event: StationEvent) -> tuple[str, str]:
        return event.state, event.get_state_display()
