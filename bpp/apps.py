"""How does Django know this app?"""

from django.apps import AppConfig


class BppConfig(AppConfig):
    name = "bpp"
    default_auto_field = "django.db.models.BigAutoField"
