"""What does a consumer look like that forgets values before it has kept them? The dangerous moment is made long."""

from __future__ import annotations

import os
import sys
import time

import django
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
django.setup()

# Only now: these need Django's apps.
from fulfillment.services import consuming  # noqa: E402
from fulfillment.services.consuming import Consumer, Pair  # noqa: E402
from tests.verify.sabotage import _replace  # noqa: E402

MOMENT_S = 0.5


def ack_first() -> None:
    """Values are acknowledged to the stream when they are read, and kept a moment later."""
    take = Consumer._take

    def take_late(consumer: Consumer, portion: list[Pair]) -> tuple[int, list[Pair]]:
        consumer._outlet.done([entry.id for entry, _ in portion], {})
        time.sleep(MOMENT_S)
        return take(consumer, portion)

    _replace(consuming.Consumer, "_take", take_late)


if __name__ == "__main__":
    ack_first()
    execute_from_command_line(["manage.py", "ingest", *sys.argv[1:]])
