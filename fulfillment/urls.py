"""Which addresses serve stations and drivers?"""

from django.urls import path

from fulfillment import api, notice_views, track_api, views

urlpatterns = [
    path("events", api.EventsView.as_view(), name="events"),
    path("track/<str:token>.json", track_api.TrackJsonView.as_view(), name="track-json"),
    path("track/<str:token>/papers/<int:place>.pdf", views.track_paper, name="track-paper"),
    path("track/<str:token>", views.track, name="track"),
    path("notices/<str:token>", notice_views.switch_page, name="notices-off"),
]
