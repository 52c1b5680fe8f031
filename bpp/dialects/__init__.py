"""Which dialect does a message speak?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, cast

from bpp.dialects import v1
from bpp.messages import Caller, Checked, Note, Request, WireFault
from bpp.replies import Reply


class Dialect(Protocol):
    """What a version of the protocol offers: wire ⇄ neutral messages, pure functions (a module)."""

    ACTIONS: Sequence[str]
    ERROR_CODES: dict[str, str]

    def check(self, action: str, document: Any) -> Checked:
        """Faults and warnings of a request."""

    def faults(self, action: str, document: Any) -> tuple[Note, ...]:
        """What the schema alone holds against a request."""

    def caller(self, document: dict[str, Any]) -> Caller:
        """Who asks."""

    def deadline(self, document: dict[str, Any], *, received_at: datetime, default_ttl_s: int) -> datetime:
        """When the request is stale."""

    def stale(self, document: dict[str, Any], now: datetime, default_ttl_s: int, *, skew_s: int = 5) -> str | None:
        """Why the request is too old, or None."""

    def parse(self, action: str, document: dict[str, Any]) -> tuple[Request, tuple[Note, ...]]:
        """The neutral request."""

    def callback_name(self, action: str) -> str:
        """The action that answers."""

    def build(
        self,
        action: str,
        reply: Reply,
        *,
        context: dict[str, Any],
        message_id: str,
        now: datetime,
        bpp_id: str,
        bpp_uri: str,
        city_code: str = "std:080",
        country: str = "IND",
    ) -> dict[str, Any]:
        """The callback that carries a reply."""

    def check_own(self, action: str, document: dict[str, Any]) -> tuple[Note, ...]:
        """Faults of our own callback."""

    def dumps(self, document: dict[str, Any]) -> bytes:
        """The bytes to sign."""


def choose(context: dict[str, Any]) -> Dialect:
    """The dialect of a message's context, by its version: `1.…` is Beckn 1.1 on UEI.

    Raises WireFault 30000 where the version is absent or not spoken.
    """
    version = context.get("version") if isinstance(context, dict) else None
    if isinstance(version, str) and (version == "1" or version.startswith("1.")):
        return cast(Dialect, v1)
    raise WireFault(
        "30000",
        "$.context.version",
        f"$.context.version is {str(version)[:20]!r}; this provider speaks Beckn 1.x (1.0.0 to 1.1.x): send 1.1.0.",
    )
