"""What does a worker look like that kills itself as DYING plans it? ACKS_LATE=0 has it acknowledge tasks at once."""

from __future__ import annotations

import os
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
django.setup()

# Only now: these need Django's apps, and the product must be changed before its tasks are loaded.
from tests.verify import dying  # noqa: E402

dying.apply(Path(os.environ["DYING"]))
if os.environ.get("SABOTAGE") == dying.fresh_keys.__name__:
    dying.fresh_keys()

from bpp.celery import app as app  # noqa: E402

if os.environ.get("ACKS_LATE") == "0":
    app.conf.update(task_acks_late=False, task_reject_on_worker_lost=False)
