"""Which pages does Django serve? The Beckn paths stand in front of it, in `bpp.door`."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
