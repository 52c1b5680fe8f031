"""Which pages does Django serve? The Beckn paths stand in front of it, in `bpp.door`."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from bpp import api, entrance, explorer, live_pages, page_deeds, views
from orders import api as orders_api
from orders.preview_admin import preview_page

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("login/demo/<str:token>", entrance.demo_login, name="demo-login"),
    path("api/messages/", api.MessagesView.as_view(), name="messages"),
    path("api/quotes/preview", orders_api.QuotePreviewView.as_view(), name="quote-preview"),
    path("api/", include(api.router.urls)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("", include("orders.urls")),
    path("", include("fulfillment.urls")),
    path("track/<str:token>/<slug:deed>", page_deeds.track_deed, name="track-deed"),
    path("", include("support.urls")),
    path("admin/messages/", admin.site.admin_view(explorer.conversation_list), name="messages-list"),
    path(
        "admin/messages/<path:transaction_id>/",
        admin.site.admin_view(explorer.conversation_detail),
        name="messages-detail",
    ),
    path("admin/price-preview/", admin.site.admin_view(preview_page), name="price-preview"),
    path("admin/live/", admin.site.admin_view(live_pages.live_page), name="live-board"),
    path("admin/live/rows/", admin.site.admin_view(live_pages.live_rows), name="live-rows"),
    path(
        "admin/catalog/station/<int:pk>/usage/",
        admin.site.admin_view(live_pages.station_usage),
        name="station-usage",
    ),
    path(
        "admin/catalog/station/<int:pk>/usage/<slug:part>.csv",
        admin.site.admin_view(live_pages.station_usage_csv),
        name="station-usage-csv",
    ),
    path("admin/", admin.site.urls),
]
