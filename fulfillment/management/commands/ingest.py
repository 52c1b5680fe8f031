"""Who reads the meter stream?"""

from __future__ import annotations

import gc
import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from fulfillment.services.consuming import Consumer
from fulfillment.services.meter_stream import CLAIM_AFTER_S, Outlet


class Command(BaseCommand):
    # They load every page of the platform; whoever takes over from a dead consumer has no time for that.
    requires_system_checks: list[str] = []
    help = (
        "Take meter values from the Redis stream into the tables, until SIGTERM. Where several run, each needs a name "
        "of its own: what one took and did not finish, it takes again when it is back, the others after a while."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default=socket.gethostname(), help="this consumer's name (default: the host's)")

        parser.add_argument(
            "--claim-after",
            type=float,
            default=CLAIM_AFTER_S,
            metavar="SECONDS",
            help=f"when another's unfinished values are taken over (default {CLAIM_AFTER_S:.0f})",
        )

    def handle(self, *args: Any, name: str, claim_after: float, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        # What is loaded stays. To look through it for rubbish again and again would cost a third of what a value costs.
        gc.collect()
        gc.freeze()
        outlet = Outlet(name, claim_after_s=claim_after)
        try:
            Consumer(outlet).run(stopping)
        finally:
            outlet.close()
