"""How does a CloudEvent of ours reach the event sink? Structured mode over HTTP."""

from __future__ import annotations

from typing import Any

import orjson

from core.errors import DeliveryError, DriverError
from core.http import call

TEMPORARY = frozenset({401, 403, 404, 408, 425, 429})


def post_event(url: str, token: str, event: dict[str, Any], *, timeout_s: float = 4.0) -> None:
    """Post one event with our bearer token. Raises DriverError; permanent where the sink refuses this very event."""
    headers = {"Content-Type": "application/cloudevents+json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        # The address is our own configuration, so private ones are allowed.
        answer = call("POST", url, data=orjson.dumps(event), headers=headers, timeout_s=timeout_s, allow_private=True)
    except DeliveryError as err:
        raise DriverError(err.text, permanent=False) from err
    if not 200 <= answer.status < 300:
        raise DriverError(
            f"the event sink answered {answer.status}: {answer.body[:200]!r}",
            permanent=400 <= answer.status < 500 and answer.status not in TEMPORARY,
            status=answer.status,
        )
