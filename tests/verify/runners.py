"""How do many do something at the same moment? Threads with a database connection each, and what came of it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

CONNECTIONS = 20


class Runners:
    """Threads with a database connection each, let go at the same moment."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self.surfaced: Counter[str] = Counter()

    def __enter__(self) -> Runners:
        return self

    def __exit__(self, *_: object) -> None:
        # Each thread closes its own connection; the barrier makes sure that each gets exactly one such task.
        barrier = threading.Barrier(CONNECTIONS)
        list(self._pool.map(lambda _: _hang_up(barrier), range(CONNECTIONS)))
        self._pool.shutdown()

    def together(self, deeds: Sequence[Callable[[], object]]) -> Counter[str]:
        """Do all at once, as many at a time as there are connections; how often each outcome came."""
        start = threading.Barrier(min(CONNECTIONS, len(deeds)))
        numbers = itertools.count()
        outcomes = Counter(self._pool.map(lambda deed: _outcome(deed, start, next(numbers)), deeds))
        self.surfaced.update({name: count for name, count in outcomes.items() if name.startswith("!")})
        return outcomes


def _outcome(deed: Callable[[], object], start: threading.Barrier, number: int) -> str:
    from core.errors import DomainError

    if number < start.parties:
        start.wait()
    try:
        deed()
    except DomainError as err:
        return err.code
    except Exception as err:  # noqa: BLE001 - whatever else surfaces is the finding
        return f"!{type(err).__name__}: {str(err)[:120]}"
    return "done"


def _hang_up(barrier: threading.Barrier) -> None:
    from django.db import connections

    barrier.wait()
    connections.close_all()
