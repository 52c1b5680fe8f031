"""Is this message really from whom it names? Keys from a registry, cached, and the check of one signed message."""

import logging
import time
from typing import Any

import aiohttp

from sandbox.signing import SignatureError, Verdict, parse, verify

log = logging.getLogger(__name__)


class RegistryUnreachableError(Exception):
    """The registry gave no answer, so that nothing is known about the sender."""


class Directory:
    """A participant's view of the registry. Rows are kept for `keep_s` seconds."""

    def __init__(self, registry_url: str, http: aiohttp.ClientSession, *, keep_s: float = 300.0) -> None:
        self.registry_url = registry_url.rstrip("/")
        self._http = http
        self._keep_s = keep_s
        self._rows: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    async def lookup(self, wanted: dict[str, str]) -> list[dict[str, Any]]:
        """Ask the registry. Raises RegistryUnreachableError when it does not answer with rows."""
        try:
            async with self._http.post(f"{self.registry_url}/lookup", json=wanted) as response:
                rows = await response.json(content_type=None)
                if response.status != 200 or not isinstance(rows, list):
                    raise RegistryUnreachableError(f"the registry answered {response.status}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            raise RegistryUnreachableError(f"the registry is not reachable: {err}") from err
        return [row for row in rows if isinstance(row, dict)]

    async def row(self, subscriber_id: str, key_id: str, *, fresh: bool = False) -> dict[str, Any] | None:
        """The SUBSCRIBED row of this key, or None."""
        cached = self._rows.get((subscriber_id, key_id))
        if cached and not fresh and cached[0] > time.monotonic():
            return cached[1]
        self._rows.pop((subscriber_id, key_id), None)
        for row in await self.lookup({"subscriber_id": subscriber_id, "unique_key_id": key_id}):
            if (
                row.get("subscriber_id") == subscriber_id
                and _key_id(row) == key_id
                and row.get("status") == "SUBSCRIBED"
            ):
                self._rows[subscriber_id, key_id] = (time.monotonic() + self._keep_s, row)
                return row
        return None

    async def check(self, header: str | None, body: bytes, *, kind: str = "") -> Verdict:
        """Verify a header value over body bytes; `kind` is the registry type the signer must have.

        The key is fetched anew once when a cached one does not fit.
        """
        if not header:
            return Verdict(ok=False, reason="the Authorization header is missing")
        try:
            who = parse(header)
        except SignatureError as err:
            return Verdict(ok=False, reason=str(err))
        verdict = Verdict(ok=False, reason="", subscriber_id=who.subscriber_id, key_id=who.key_id)
        try:
            for fresh in (False, True):
                row = await self.row(who.subscriber_id, who.key_id, fresh=fresh)
                verdict = _judge(header, body, row=row, kind=kind)
                if verdict.ok:
                    break
        except RegistryUnreachableError as err:
            return Verdict(False, str(err), subscriber_id=who.subscriber_id, key_id=who.key_id, temporary=True)
        return verdict


def _judge(header: str, body: bytes, *, row: dict[str, Any] | None, kind: str) -> Verdict:
    if row is None:
        who = parse(header)
        reason = f"no SUBSCRIBED key {who.key_id!r} of {who.subscriber_id!r} in the registry"
        return Verdict(ok=False, reason=reason, subscriber_id=who.subscriber_id, key_id=who.key_id)
    verdict = verify(header, body, public_key=str(row.get("signing_public_key", "")), now_s=time.time())
    if verdict.ok and kind and row.get("type") != kind:
        reason = f"the signer is registered as {row.get('type')}; {kind} is needed"
        return Verdict(ok=False, reason=reason, subscriber_id=verdict.subscriber_id, key_id=verdict.key_id)
    return verdict


def _key_id(row: dict[str, Any]) -> str:
    for name in ("unique_key_id", "key_id", "pub_key_id", "ukId"):
        if row.get(name):
            return str(row[name])
    return ""
