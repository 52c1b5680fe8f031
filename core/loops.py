"""Does this code run in an event loop, where nothing may wait?"""

from __future__ import annotations

import asyncio


def in_event_loop() -> bool:
    """Whether this thread runs an event loop just now."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
