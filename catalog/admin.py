"""How do operators keep their stations, chargers and prices?"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from catalog.acts import EVSE_DEEDS, STATION_DEEDS, TARIFF_DEEDS, VERSION_DEEDS
from catalog.columns import EVSE_TONES, column
from catalog.deeds import DeedsMixin
from catalog.forms import ConnectorForm, EvseForm, OperatorForm, StationForm, TariffForm
from catalog.models import Connector, Evse, EvseStatusChange, Operator, OperatorStaff, Station, Tariff, TariffVersion
from catalog.tariffs import TariffFault, describe
from catalog.tenancy import Area, LogAdmin, OwnRelatedFilter, TenantAdmin, TenantInline, reach_of
from catalog.wording import kw

FAULTED = Q(evses__status=Evse.Status.FAULTED)


class StaffInline(TenantInline):
    model = OperatorStaff
    area: ClassVar[Area] = Area.OPERATOR
    fields = ("user", "role")
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Operator)
class OperatorAdmin(TenantAdmin):
    """The tenant itself: its owner keeps name and support contacts, the platform adds and removes."""

    form = OperatorForm
    operator_path = "pk"
    area = Area.OPERATOR
    ordering = ("name",)
    list_display = ("name", "code", "station_count", "support_phone", "support_email", "active")
    search_fields = ("name", "code")
    inlines = (StaffInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operator]:
        rows: QuerySet[Operator] = super().get_queryset(request).annotate(stations_n=Count("stations"))
        return rows

    @column("Stations", order="stations_n")
    def station_count(self, operator: Any) -> int:
        return int(operator.stations_n)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if reach_of(request.user).everything else ("code", "active", "gstin", "state_code", "invoice_prefix")


@admin.register(OperatorStaff)
class OperatorStaffAdmin(TenantAdmin):
    """Who acts for whom: visible to the operator, set by the platform."""

    area = Area.OPERATOR
    list_display = ("user", "operator", "role")
    list_filter = (("operator", OwnRelatedFilter), ("role", ChoicesDropdownFilter))
    search_fields = ("user__username", "operator__name")
    list_select_related = ("user", "operator")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return reach_of(request.user).everything

    has_change_permission = has_delete_permission = has_add_permission


def _in_words(prices: Tariff | TariffVersion) -> str:
    try:
        return describe(prices.elements, prices.currency)
    except TariffFault as fault:
        return f"unreadable: {fault}"


class VersionInline(TenantInline):
    """The versions of a tariff, to be read; their own pages withdraw them."""

    model = TariffVersion
    operator_path = "tariff__operator"
    staff_may: ClassVar[frozenset[str]] = frozenset()
    fields = readonly_fields = ("number", "in_words", "gst_percent", "valid_from", "planned", "used_at")
    ordering = ("-number",)
    verbose_name_plural = "versions"

    @column("Price before tax")
    def in_words(self, version: TariffVersion) -> str:
        return _in_words(version)


@admin.register(Tariff)
class TariffAdmin(DeedsMixin, TenantAdmin):
    form = TariffForm
    deeds = TARIFF_DEEDS
    inlines = (VersionInline,)
    change_form_outer_before_template = "admin/preview_link.html"
    ordering = ("name", "id")
    list_display = ("name", "code", "operator", "in_words", "gst_percent", "green", "plugs")
    list_filter = (("operator", OwnRelatedFilter), "green")
    search_fields = ("name", "code")
    list_select_related = ("operator",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tariff]:
        rows: QuerySet[Tariff] = super().get_queryset(request).annotate(plugs_n=Count("connectors"))
        return rows

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A tariff's versions go with it, unless one was quoted."""
        deletable, counts, lacking, protected = super().get_deleted_objects(objs, request)
        quoted = TariffVersion.objects.filter(tariff__in=objs, used_at__isnull=False).count()
        if quoted:
            protected = [*protected, f"{quoted} version{'s' if quoted > 1 else ''}: quoted, so this stays on record."]
        return deletable, counts, lacking - {TariffVersion._meta.verbose_name}, protected

    @column("Price before tax")
    def in_words(self, tariff: Tariff) -> str:
        return _in_words(tariff)

    @column("Connectors", order="plugs_n")
    def plugs(self, tariff: Any) -> int:
        return int(tariff.plugs_n)


@admin.register(TariffVersion)
class TariffVersionAdmin(DeedsMixin, LogAdmin):
    """Every price a tariff ever had or is planned to have."""

    deeds = VERSION_DEEDS
    operator_path = "tariff__operator"
    ordering = ("tariff", "-number")
    list_display = ("tariff", "number", "in_words", "gst_percent", "valid_from", "planned", "used_at")
    list_filter = (("tariff", OwnRelatedFilter), "planned")
    search_fields = ("tariff__name", "tariff__code")
    list_select_related = ("tariff",)

    @column("Price before tax")
    def in_words(self, version: TariffVersion) -> str:
        return _in_words(version)

    def page_of(self, row: Any) -> str:
        return reverse("admin:catalog_tariff_change", args=[row.tariff_id])


class EvseInline(TenantInline):
    model = Evse
    operator_path = "station__operator"
    form = EvseForm
    fields = ("uid", "slot_number", "label", "manufacturer", "live")
    readonly_fields = ("live",)
    ordering = ("slot_number",)
    verbose_name_plural = "EVSEs"

    @column("Status")
    def live(self, evse: Evse) -> str:
        return evse.get_status_display() if evse.pk else "–"


@admin.register(Station)
class StationAdmin(DeedsMixin, TenantAdmin):
    form = StationForm
    deeds = STATION_DEEDS
    inlines = (EvseInline,)
    ordering = ("name", "id")
    list_display = ("name", "code", "operator", "city", "evse_count", "plug_count", "faults", "sale")
    list_filter = (("operator", OwnRelatedFilter), "published", ("city", admin.AllValuesFieldListFilter))
    search_fields = ("name", "code", "address", "city", "evses__uid")
    list_select_related = ("operator",)
    readonly_fields = ("published", "updated_at")
    change_form_outer_before_template = "admin/station_room.html"
    fieldsets = (
        (None, {"fields": ("operator", "name", "code", "driver", "published", "updated_at")}),
        ("Place", {"fields": ("address", "city", "state", "postal_code", "country", "city_code")}),
        ("Position", {"fields": ("latitude", "longitude", "time_zone", "directions")}),
        ("Opening and amenities", {"fields": ("opening_times", "amenities")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Station]:
        rows: QuerySet[Station] = (
            super()
            .get_queryset(request)
            .annotate(
                evses_n=Count("evses", distinct=True),
                plugs_n=Count("evses__connectors", distinct=True),
                faults_n=Count("evses", filter=FAULTED, distinct=True),
            )
        )
        return rows

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "code", "operator") if obj is not None else self.readonly_fields

    @column("EVSEs", order="evses_n")
    def evse_count(self, station: Any) -> int:
        return int(station.evses_n)

    @column("Connectors", order="plugs_n")
    def plug_count(self, station: Any) -> int:
        return int(station.plugs_n)

    @column("Health", order="faults_n", tones={"ok": "success", "fault": "danger", "empty": "warning"})
    def faults(self, station: Any) -> tuple[str, str]:
        if not station.evses_n:
            return "empty", "No EVSE yet"
        return ("fault", f"{station.faults_n} faulted") if station.faults_n else ("ok", "All well")

    @column("Sale", order="published", tones={"on": "success", "off": "warning"})
    def sale(self, station: Station) -> tuple[str, str]:
        return ("on", "Published") if station.published else ("off", "Draft")


class ConnectorInline(TenantInline):
    model = Connector
    form = ConnectorForm
    operator_path = "evse__station__operator"
    fields = ("number", "standard", "current", "max_power_w", "vehicle", "tariff", "active", "item_id")
    readonly_fields = ("item_id",)


@admin.register(Evse)
class EvseAdmin(DeedsMixin, TenantAdmin):
    deeds = EVSE_DEEDS
    operator_path = "station__operator"
    inlines = (ConnectorInline,)
    ordering = ("uid",)
    list_display = ("uid", "label", "station", "slot_number", "live", "status_at", "plug_count")
    list_filter = (("status", ChoicesDropdownFilter), ("station", OwnRelatedFilter))
    search_fields = ("uid", "label", "station__name", "station__code")
    list_select_related = ("station",)
    autocomplete_fields = ("station",)
    readonly_fields = ("status", "status_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evse]:
        rows: QuerySet[Evse] = super().get_queryset(request).annotate(plugs_n=Count("connectors"))
        return rows

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "uid", "station") if obj is not None else self.readonly_fields

    @column("Status", order="status", tones=EVSE_TONES)
    def live(self, evse: Evse) -> tuple[str, str]:
        return evse.status, evse.get_status_display()

    @column("Connectors", order="plugs_n")
    def plug_count(self, evse: Any) -> int:
        return int(evse.plugs_n)


@admin.register(Connector)
class ConnectorAdmin(TenantAdmin):
    form = ConnectorForm
    operator_path = "evse__station__operator"
    change_form_outer_before_template = "admin/preview_link.html"
    ordering = ("item_id",)
    list_display = ("item_id", "station", "standard", "current", "power", "vehicle", "tariff", "active")
    list_filter = ("active", ("current", ChoicesDropdownFilter), "standard", ("tariff", OwnRelatedFilter))
    search_fields = ("item_id", "standard", "evse__station__name")
    list_select_related = ("evse__station", "tariff")
    autocomplete_fields = ("evse", "tariff")
    readonly_fields = ("item_id", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "evse", "number") if obj is not None else self.readonly_fields

    @column("Station", order="evse__station__name")
    def station(self, connector: Connector) -> str:
        return connector.evse.station.name

    @column("Power", order="max_power_w")
    def power(self, connector: Connector) -> str:
        return kw(connector.max_power_w)


@admin.register(EvseStatusChange)
class EvseStatusChangeAdmin(LogAdmin):
    operator_path = "evse__station__operator"
    list_display = ("at", "evse", "live")
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("evse__uid", "evse__station__name")
    list_select_related = ("evse",)
    ordering = ("-at",)

    @column("Status", order="status", tones=EVSE_TONES)
    def live(self, change: EvseStatusChange) -> tuple[str, str]:
        return change.status, change.get_status_display()
