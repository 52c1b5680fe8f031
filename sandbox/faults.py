"""How do the toy services fail on request: late, with an error status, or with a connection that is cut?"""

from dataclasses import dataclass

from aiohttp import web


@dataclass
class RouteFault:
    """How the next `n` calls of a route fail: late by `latency_s`, with a `status`, or with a cut connection."""

    n: int = 1
    status: int = 0
    latency_s: float = 0.0
    reset: str = ""  # before-commit or after-commit


class Faults:
    """What is to fail next, by route; `*` stands for every route without faults of its own."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[RouteFault]] = {}

    def ask(self, route: str, fault: RouteFault) -> int:
        """Let a route fail after the faults it waits for already, or, with `n` 0, no more; how many it waits for."""
        waiting = self._waiting.setdefault(route, [])
        if fault.n > 0:
            waiting.append(fault)
        else:
            waiting.clear()
        return len(waiting)

    def clear(self) -> None:
        """Let every route work again."""
        self._waiting.clear()

    def take(self, route: str) -> RouteFault:
        """How this call of the route fails; a fault without effect where it does not."""
        waiting = self._waiting.get(route) or self._waiting.get("*") or []
        if not waiting:
            return RouteFault()
        waiting[0].n -= 1
        return waiting.pop(0) if waiting[0].n <= 0 else waiting[0]


def cut(request: web.Request) -> web.Response:
    """Cut the caller's connection; the answer reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
