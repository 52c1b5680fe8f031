"""How often may somebody do something, whichever web process is asked?"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import Final

from redis.exceptions import RedisError

from bpp.guard import Rate
from core.prompt import prompt_redis

log = logging.getLogger(__name__)

REST_S: Final = 1.0
# A bucket as the one time at which it will be full again; by the clock of Redis, which is the same for all.
_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local each, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + each
if full - now > most then
  return full - now - most
end
redis.call('SET', KEYS[1], full, 'PX', full - now)
return 0
"""


class SharedRate:
    """A bucket of tokens for each name, as `guard.Rate`, kept in Redis for all processes.

    Where Redis does not answer, each process counts by itself: whoever may do something may do it then, too.
    """

    def __init__(self, kind: str, per_s: float, burst: int) -> None:
        self._kind = kind
        self._each_ms = round(1000 / per_s)
        self._most_ms = self._each_ms * burst
        self._own = Rate(per_s, burst)
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def wait_s(self, name: str) -> float:
        """0 where one more is allowed now (and is counted), else how long until the next one is.

        Blocks no longer than a second where Redis is away. A name may be a secret: Redis is told its hash only.
        """
        if time.monotonic() >= self._silent_until:
            try:
                return self._ask(name) / 1000
            except (RedisError, OSError) as err:
                self._silent_until = time.monotonic() + REST_S
                fault = {"kind": self._kind, "fault": repr(err)}
                log.warning("Redis is away; each process counts by itself", extra=fault)
        with self._lock:
            return self._own.wait_s(name)

    def _ask(self, name: str) -> int:
        key = f"vb:rate:{self._kind}:{hashlib.sha256(name.encode()).hexdigest()}"
        return int(prompt_redis().eval(_TAKE, 1, key, self._each_ms, self._most_ms))
