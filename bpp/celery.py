"""Where do the clock and the hands start?"""

from __future__ import annotations

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")

app = Celery("voltbazaar")
app.conf.update(settings.CELERY)
# Nudges are rung from any thread; Celery keeps its "current" app per thread, but the default one for all.
app.set_default()
app.autodiscover_tasks(["bpp"])
