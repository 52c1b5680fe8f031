"""Where do the clock and the hands start?"""

from __future__ import annotations

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")

app = Celery("voltbazaar")
app.conf.update(settings.CELERY)
app.autodiscover_tasks(["bpp"])
