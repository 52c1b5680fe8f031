"""How does the event loop learn whose key this is without waiting for it?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from django.db import connections

from bpp import registry, signing
from bpp.kept import settings
from bpp.refusals import Unauthorized, later
from bpp.registry import KeyRow
from bpp.signing import SignatureHeader

LOOK_UPS_AT_ONCE: Final = 5
MOST_LOOK_UPS: Final = 200


class KeyDesk:
    """Finds key rows without holding up the event loop: memory first, else a few threads, once for each key asked."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOK_UPS_AT_ONCE, thread_name_prefix="registry")
        self._asked: dict[tuple[str, str, bool], asyncio.Future[KeyRow]] = {}

    async def find(
        self, header: SignatureHeader, now: datetime, refused: Unauthorized, *, force: bool = False
    ) -> KeyRow:
        """The key's row, in good standing and of our network. Raises a Refused: `refused` makes it, or `later` does."""
        try:
            row = None if force else registry.known(header.subscriber_id, header.key_id, now)
            row = row or await self._resolved(header, force=force)
        except registry.UnknownKey as err:
            raise refused(signing.UNKNOWN_KEY, err.text) from err
        except registry.UnknownSubscriber as err:
            raise refused(signing.UNKNOWN_SUBSCRIBER, err.text) from err
        except registry.RegistryUnavailable as err:
            text = f"the registry is away, so that {header.subscriber_id} cannot be known; send it again"
            raise later("REGISTRY_UNAVAILABLE", text) from err
        fault = row.standing(now)
        if fault is not None:
            raise refused(*fault)
        if row.domain not in {"", "*"} and row.domain not in settings.BECKN_DOMAINS:
            raise refused(
                signing.WRONG_DOMAIN,
                f"{row.subscriber_id} is registered for {row.domain[:60]}; this is {', '.join(settings.BECKN_DOMAINS)}",
            )
        return row

    async def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        """The answer of a function that may wait for the database and the registry, from one of our threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _alone, question, *args)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _resolved(self, header: SignatureHeader, *, force: bool) -> KeyRow:
        asked = (header.subscriber_id, header.key_id, force)
        future = self._asked.get(asked)
        if future is None:
            if len(self._asked) >= MOST_LOOK_UPS:
                raise registry.RegistryUnavailable(f"{MOST_LOOK_UPS} look-ups are waiting already")
            future = asyncio.ensure_future(self.ask(_resolve, *asked))
            self._asked[asked] = future
            future.add_done_callback(lambda _: self._asked.pop(asked, None))
        return await asyncio.shield(future)


def _resolve(subscriber_id: str, key_id: str, force: bool) -> KeyRow:
    return registry.resolve(subscriber_id, key_id, force=force)


def _alone(question: Callable[..., Any], *args: Any) -> Any:
    """Look-ups are rare, so that a thread keeps no database connection between them."""
    try:
        return question(*args)
    finally:
        connections.close_all()
