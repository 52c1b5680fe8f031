"""What does a web process look like that breaks the promise named in SABOTAGE?"""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
# As in `bpp.asgi`, which comes too late here to choose: without a pool each request's thread keeps its connection.
os.environ.setdefault("DB_POOL", "1")
django.setup()

# Only now: these need Django's apps, and the product must be changed before the application is made.
from tests.verify import sabotage  # noqa: E402

sabotage.apply(os.environ["SABOTAGE"])

from bpp.asgi import application as application  # noqa: E402
