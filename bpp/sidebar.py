"""What stands in the operators' sidebar, for whom, and how does the admin look?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def for_operators(request: HttpRequest) -> bool:
    """Whether the user acts for an operator, or for the platform."""
    from catalog.tenancy import reach_of  # noqa: PLC0415  # settings read this module before the apps are loaded

    return reach_of(request.user).any


def for_platform(request: HttpRequest) -> bool:
    """Whether the user keeps the platform itself."""
    return bool(request.user.is_active and request.user.is_superuser)


def environment(request: HttpRequest) -> list[str] | None:
    """The chip beside the user's name, so that nobody takes a development server for the real one."""
    from django.conf import settings  # noqa: PLC0415  # settings read this module while they are being read

    return ["Development", "warning"] if settings.DEBUG else None


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar as this user sees it, in unfold's words.

    Unfold asks for it with each page. From lazy links and callables to ask for permission it would make a new class
    for each entry and look each address up three times: 1.6 ms a page instead of 0.2.
    """
    groups = [{**group, "items": _shown(group["items"], request)} for group in NAVIGATION]
    return [group for group in groups if group["items"]]


def _shown(items: list[dict[str, Any]], request: HttpRequest) -> list[dict[str, Any]]:
    shown = []
    for item in items:
        if item["allowed"](request):
            link = _address(item["view"])
            here = request.path == link if item["view"] == HOME else request.path.startswith(link)
            shown.append({"title": item["title"], "icon": item["icon"], "link": link, "active": here})
    return shown


@cache
def _address(view: str) -> str:
    return reverse(view)


def _for_all(request: HttpRequest) -> bool:
    return True


def _page(title: str, icon: str, view: str, allowed: Callable[[HttpRequest], bool] = for_operators) -> dict[str, Any]:
    return {"title": title, "icon": icon, "view": view, "allowed": allowed}


def _item(title: str, icon: str, model: str, *, platform: bool = False) -> dict[str, Any]:
    return _page(title, icon, f"admin:{model}_changelist", for_platform if platform else for_operators)


HOME = "admin:index"
NAVIGATION: list[dict[str, Any]] = [
    {
        "title": "",
        "items": [
            _page("Overview", "dashboard", HOME, _for_all),
            _page("Live", "electric_bolt", "live-board"),
            _page("Message explorer", "forum", "messages-list"),
        ],
    },
    {
        "title": "Operations",
        "separator": True,
        "items": [
            _item("Stations", "ev_station", "catalog_station"),
            _item("EVSEs", "electrical_services", "catalog_evse"),
            _item("Connectors", "power", "catalog_connector"),
            _item("Tariffs", "sell", "catalog_tariff"),
            _item("Tariff versions", "history", "catalog_tariffversion"),
            _page("Price preview", "calculate", "price-preview"),
            _item("Operators", "apartment", "catalog_operator"),
            _item("Staff", "badge", "catalog_operatorstaff"),
        ],
    },
    {
        "title": "Selling",
        "separator": True,
        "items": [
            _item("Orders", "receipt_long", "orders_order"),
            _item("Quotes", "request_quote", "orders_quote"),
            _item("Reservations", "event_available", "orders_reservation"),
            _item("Payments", "payments", "orders_payment"),
            _item("Invoices", "description", "orders_invoice"),
            _item("Refunds", "undo", "orders_refund"),
            _item("Books", "menu_book", "orders_journal"),
            _item("Collections", "account_balance_wallet", "orders_collection"),
            _item("Money rules", "tune", "orders_moneyrules"),
            _item("Booking rules", "rule", "orders_reservationrules"),
            _item("Cancellation rules", "money_off", "orders_cancellationrule"),
            _item("Terms of service", "gavel", "orders_terms"),
            _item("Consents", "verified_user", "orders_consent"),
        ],
    },
    {
        "title": "Charging",
        "separator": True,
        "items": [
            _item("Sessions", "bolt", "fulfillment_session"),
            _item("Readings", "speed", "fulfillment_reading"),
            _item("Live links", "link", "fulfillment_tracklink"),
            _item("Link rules", "rule", "fulfillment_linkrules"),
            _item("Station events", "sensors", "fulfillment_stationevent"),
            _item("Walk-ins", "contactless", "fulfillment_walkin"),
            _item("Cards", "badge", "fulfillment_card"),
            _item("Card accounts", "wallet", "fulfillment_cardaccount"),
            _item("Card statements", "receipt", "fulfillment_cardentry"),
            _item("Outages", "power_off", "fulfillment_outage"),
            _item("Workflows", "account_tree", "fulfillment_workflowinstance"),
            _page("Workflow steps", "monitoring", "admin:fulfillment_workflowinstance_steps"),
            _item("Definitions", "schema", "fulfillment_workflowdefinition", platform=True),
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            _item("Ratings", "star", "support_rating"),
            _item("Tickets", "support_agent", "support_ticket"),
            _item("Notices", "notifications", "fulfillment_notice"),
            _item("Notice settings", "edit_notifications", "fulfillment_noticesettings"),
        ],
    },
    {
        "title": "Network",
        "separator": True,
        "items": [
            _item("Messages in", "call_received", "bpp_inboxmessage"),
            _item("Messages out", "call_made", "bpp_outboxmessage"),
            _item("Subscribers", "hub", "bpp_subscriber", platform=True),
            _item("Buyer apps", "smartphone", "bpp_buyerapp", platform=True),
            _item("Own keys", "key", "bpp_ownkey", platform=True),
            _item("Layer 2", "rule", "bpp_layer2", platform=True),
            _item("Payment news", "webhook", "orders_paymentnews", platform=True),
            _item("Users", "group", "auth_user", platform=True),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Voltbazaar",
    "SITE_HEADER": "Voltbazaar",
    "SITE_SUBHEADER": "EV charging on the open network",
    "SITE_SYMBOL": "ev_station",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "bpp.sidebar.environment",
    "DASHBOARD_CALLBACK": "bpp.board.board",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("bpp/favicon.svg")},
    ],
    "STYLES": [lambda request: static("bpp/admin.css")],
    "LOGIN": {"form": "bpp.entrance.EntranceForm"},
    "COLORS": {
        "primary": {
            "50": "#effdf6", "100": "#d9fbe8", "200": "#b3f5d1", "300": "#7ae9b3", "400": "#3dd591", "500": "#15ba74",
            "600": "#088050", "700": "#09734a", "800": "#0b5b3d", "900": "#0a4a34", "950": "#032a1d",
        }
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": navigation},
}  # fmt: skip
