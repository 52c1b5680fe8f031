"""What does the EV power supplier say of a session (A10)? The workflow makes every other call to it."""

from __future__ import annotations

from urllib.parse import quote

from core.errors import DeliveryError, DriverError
from core.http import Answer, call
from fulfillment.drivers.base import Ack
from fulfillment.drivers.supplier_json import ack_of, problem_text, read_object

LIMIT_BYTES = 262_144
TEMPORARY = frozenset({408, 425, 429})


class PowerSupplier:
    """One supplier at `url` (the base of its API, with its version), spoken to with `token`."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 4.0) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def status(self, session_id: str) -> Ack | None:
        """A10: the supplier's record of the session, None where it knows none. Raises DriverError."""
        if not session_id:
            raise DriverError("an id in the supplier's path is empty; the call was not made", permanent=True)
        answer = self._get(f"/sessions/{quote(session_id, safe='')}")
        return None if answer.status == 404 else ack_of(read_object(answer.body))

    def _get(self, path: str) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json, application/problem+json"}
        try:
            # The address is our own configuration, not a counterpart's word, so private ones are allowed.
            answer = call(
                "GET",
                self._url + path,
                headers=headers,
                timeout_s=self._timeout_s,
                limit_bytes=LIMIT_BYTES,
                allow_private=True,
            )
        except DeliveryError as err:
            text = f"GET {path}: {err}"
            raise DriverError(text, permanent=err.permanent, unknown=not err.permanent) from err
        if not 200 <= answer.status < 300 and answer.status != 404:
            raise DriverError(
                f"GET {path}: {answer.status} {problem_text(answer.body)}",
                permanent=answer.status < 500 and answer.status not in TEMPORARY,
                status=answer.status,
                unknown=answer.status >= 500,
            )
        return answer
