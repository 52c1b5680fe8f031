"""What stands in the operators' sidebar, for whom, and how does the admin look?"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


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


def _item(title: str, icon: str, model: str, *, platform: bool = False) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": for_platform if platform else for_operators,
    }


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": "",
        "items": [
            {"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")},
            {
                "title": "Message explorer",
                "icon": "forum",
                "link": reverse_lazy("messages-list"),
                "permission": for_operators,
            },
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
            {
                "title": "Price preview",
                "icon": "calculate",
                "link": reverse_lazy("price-preview"),
                "permission": for_operators,
            },
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
            _item("Station events", "sensors", "fulfillment_stationevent"),
            _item("Commands", "terminal", "fulfillment_command"),
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            _item("Ratings", "star", "support_rating"),
            _item("Tickets", "support_agent", "support_ticket"),
        ],
    },
    {
        "title": "Network",
        "separator": True,
        "items": [
            _item("Messages in", "call_received", "bpp_inboxmessage"),
            _item("Messages out", "call_made", "bpp_outboxmessage"),
            _item("Subscribers", "hub", "bpp_subscriber", platform=True),
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
            "600": "#0a8f5a", "700": "#09734a", "800": "#0b5b3d", "900": "#0a4a34", "950": "#032a1d",
        }
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
}  # fmt: skip
