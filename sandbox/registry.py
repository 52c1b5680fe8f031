"""Who takes part in the network, and with which key? The registry: lookup, subscribe, and faults on request."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from sandbox import challenge
from sandbox.serving import bad_request, json_answer, json_body, utc_now, wire_time
from sandbox.signing import Identity, SignatureError, authorization, read_encryption_key, read_public_key

log = logging.getLogger(__name__)

KEY_ID_SPELLINGS = ("unique_key_id", "key_id", "pub_key_id", "ukId")
STATUSES = ("INITIATED", "UNDER_SUBSCRIPTION", "SUBSCRIBED", "EXPIRED", "UNSUBSCRIBED", "INVALID_SSL")
TYPES = ("BAP", "BPP", "BG", "BREG")


class RegistryError(ValueError):
    """A registration or a control call cannot be carried out; the text says why."""


@dataclass
class Row:
    """One key of one subscriber, with where it is reached."""

    subscriber_id: str
    subscriber_url: str
    type: str
    signing_public_key: str
    encr_public_key: str
    key_id: str
    domain: str = "ev-charging:uei"
    city: str = "std:080"
    country: str = "IND"
    status: str = "SUBSCRIBED"
    valid_from: str = field(default_factory=lambda: wire_time(utc_now() - timedelta(days=1)))
    valid_until: str = field(default_factory=lambda: wire_time(utc_now() + timedelta(days=365)))

    def as_wire(self) -> dict[str, str]:
        """The row with every spelling that participants look for."""
        wire = {name: str(value) for name, value in vars(self).items()}
        return wire | {"url": self.subscriber_url, "unique_key_id": self.key_id, "pub_key_id": self.key_id}

    def matches(self, wanted: dict[str, Any]) -> bool:
        """Whether every filter that was given holds; `*` stands for any domain, city or country on either side."""
        for name in ("subscriber_id", "type", "status"):
            if wanted.get(name) and wanted[name] != getattr(self, name):
                return False
        for name in ("domain", "city", "country"):
            if (
                wanted.get(name)
                and "*" not in (wanted[name], getattr(self, name))
                and wanted[name] != getattr(self, name)
            ):
                return False
        return all(wanted[name] == self.key_id for name in KEY_ID_SPELLINGS if wanted.get(name))


@dataclass
class LookupFaults:
    """How the next lookups misbehave."""

    delay_s: float = 0.0
    fail_next: int = 0
    fail_status: int = 503
    wrong_next: int = 0


class Registry:
    """The rows, the registry's own identity and its faults."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.identity = identity or Identity.fresh("registry.sandbox.localhost")
        self.rows: list[Row] = []
        self.faults = LookupFaults()
        self.lookups: list[dict[str, Any]] = []
        self._challenges: set[asyncio.Task[None]] = set()

    def add(self, row: Row) -> None:
        """Store a row; the same subscriber and key id again replaces it."""
        self.rows = [old for old in self.rows if (old.subscriber_id, old.key_id) != (row.subscriber_id, row.key_id)]
        self.rows.append(row)

    def find(self, wanted: dict[str, Any]) -> list[Row]:
        """The rows that match, newest first."""
        return [row for row in reversed(self.rows) if row.matches(wanted)]

    def set_status(self, subscriber_id: str, status: str, *, key_id: str = "") -> int:
        """Set the status of a subscriber's rows (or of one key) and return how many changed."""
        if status not in STATUSES:
            raise RegistryError(f"status is {status!r}; allowed are {', '.join(STATUSES)}")
        rows = self.find({"subscriber_id": subscriber_id, "key_id": key_id})
        for row in rows:
            row.status = status
        return len(rows)

    def rotate(self, subscriber_id: str, *, key_id: str, signing_public_key: str, new_key_id: str = "") -> Row:
        """Put another signing key in place: under a new id beside the old row, or under the same id instead of it."""
        rows = self.find({"subscriber_id": subscriber_id, "key_id": key_id})
        if not rows:
            raise RegistryError(f"no row of {subscriber_id!r} with key {key_id!r}")
        read_public_key(signing_public_key)
        changed = Row(**(vars(rows[0]) | {"signing_public_key": signing_public_key, "key_id": new_key_id or key_id}))
        self.add(changed)
        return changed

    def subscribe(self, body: dict[str, Any]) -> Row:
        """Store a new subscriber as UNDER_SUBSCRIPTION. Raises RegistryError when the request cannot stand."""
        row = _row_from(body)
        known = self.find({"subscriber_id": row.subscriber_id, "key_id": row.key_id})
        if known and known[0].status == "SUBSCRIBED" and known[0].signing_public_key != row.signing_public_key:
            raise RegistryError(f"key {row.key_id!r} is verified and cannot be changed; subscribe with a new key id")
        row.status = "UNDER_SUBSCRIPTION"
        self.add(row)
        return row

    def challenge_later(self, row: Row) -> None:
        """Send the row's subscriber its challenge in the background."""
        task = asyncio.create_task(self._challenge(row))
        self._challenges.add(task)
        task.add_done_callback(self._challenges.discard)

    async def settle(self) -> None:
        """Wait until every challenge under way is answered or failed."""
        await asyncio.gather(*self._challenges)

    async def _challenge(self, row: Row) -> None:
        answer = challenge.fresh_answer()
        text = challenge.encrypt(answer, our_seed=self.identity.encryption_seed, their_public_key=row.encr_public_key)
        content = {"subscriber_id": row.subscriber_id, "pub_key_id": row.key_id, "challenge": text}
        body = orjson.dumps(content | {"status": "UNDER_SUBSCRIPTION"})
        headers = {
            "Content-Type": "application/json",
            "Authorization": authorization(self.identity, body, created=int(time.time())),
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
                http.post(f"{row.subscriber_url}/on_subscribe", data=body, headers=headers) as response,
            ):
                given = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            log.warning("challenge not answered", extra={"subscriber": row.subscriber_id, "reason": str(err)})
            return
        if isinstance(given, dict) and given.get("answer") == answer:
            row.status = "SUBSCRIBED"
        else:
            log.warning("challenge answered wrongly", extra={"subscriber": row.subscriber_id})


def add_registry_routes(app: web.Application, registry: Registry) -> None:
    """Serve `/lookup`, `/subscribe`, `/rows` and the controls of one registry on this application."""

    async def lookup(request: web.Request) -> web.StreamResponse:
        wanted = await json_body(request)
        registry.lookups.append(wanted)
        faults = registry.faults
        if faults.delay_s:
            await asyncio.sleep(faults.delay_s)
        if faults.fail_next > 0:
            faults.fail_next -= 1
            return bad_request("failing on request of a test", status=faults.fail_status)
        rows = registry.find(wanted)
        if faults.wrong_next > 0:
            faults.wrong_next -= 1
            rows = [row for row in registry.rows if row not in rows][:1]
        return json_answer([row.as_wire() for row in rows])

    async def subscribe(request: web.Request) -> web.StreamResponse:
        row = registry.subscribe(await json_body(request))
        registry.challenge_later(row)
        return json_answer({"status": row.status})

    async def rows(request: web.Request) -> web.StreamResponse:
        return json_answer([row.as_wire() for row in registry.rows])

    app.middlewares.append(_refusals)
    app.router.add_post("/lookup", lookup)
    app.router.add_post("/subscribe", subscribe)
    app.router.add_get("/rows", rows)
    _add_controls(app, registry)


def _add_controls(app: web.Application, registry: Registry) -> None:
    async def add_row(request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        row = _row_from(body)
        row.status = body.get("status", "SUBSCRIBED")
        registry.add(row)
        return json_answer(row.as_wire(), status=201)

    async def set_status(request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        changed = registry.set_status(
            _text(body, "subscriber_id"), _text(body, "status"), key_id=body.get("key_id", "")
        )
        return json_answer({"changed": changed})

    async def rotate(request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        row = registry.rotate(
            _text(body, "subscriber_id"),
            key_id=_text(body, "key_id"),
            signing_public_key=_text(body, "signing_public_key"),
            new_key_id=body.get("new_key_id", ""),
        )
        return json_answer(row.as_wire())

    async def set_faults(request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        if odd := set(body) - set(vars(LookupFaults())):
            raise RegistryError(f"unknown fault {', '.join(sorted(odd))}; allowed: {', '.join(vars(LookupFaults()))}")
        registry.faults = LookupFaults(**body)
        return json_answer(vars(registry.faults))

    async def lookups(request: web.Request) -> web.StreamResponse:
        return json_answer(registry.lookups)

    app.router.add_post("/control/rows", add_row)
    app.router.add_post("/control/status", set_status)
    app.router.add_post("/control/rotate", rotate)
    app.router.add_post("/control/faults", set_faults)
    app.router.add_get("/control/lookups", lookups)


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except (RegistryError, SignatureError) as err:
        return bad_request(str(err))
    return answer


def _row_from(body: dict[str, Any]) -> Row:
    keys = [body[name] for name in KEY_ID_SPELLINGS if body.get(name)]
    if not keys:
        raise RegistryError(f"the key id is missing; name it {' or '.join(KEY_ID_SPELLINGS)}")
    kind = _text(body, "type").upper()
    if kind not in TYPES:
        raise RegistryError(f"type is {kind!r}; allowed are {', '.join(TYPES)}")
    url = str(body.get("subscriber_url") or body.get("url") or "").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise RegistryError(f"subscriber_url is {url!r}; an http or https address is needed")
    read_public_key(_text(body, "signing_public_key"))
    read_encryption_key(_text(body, "encr_public_key"))
    optional = {
        name: body[name] for name in ("domain", "city", "country", "valid_from", "valid_until") if body.get(name)
    }
    return Row(
        _text(body, "subscriber_id"),
        url,
        type=kind,
        signing_public_key=body["signing_public_key"],
        encr_public_key=body["encr_public_key"],
        key_id=str(keys[0]),
        **optional,
    )


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise RegistryError(f"{name} is {value!r}; a text is needed")
    return value
