"""Whose key is this, and where do callbacks go?

Memory, then the Subscriber table, then the registry. An answer is used only where it matches the question.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.utils import timezone

from bpp import keys, keytext, signing
from bpp.models import Subscriber
from core import http
from core.errors import DeliveryError, OutsideError

log = logging.getLogger(__name__)

FRESH_S: Final = 300
REFUSED_S: Final = 30
FORCED_EVERY_S: Final = 30
STALE_S: Final = 900
STALE_URL_S: Final = 86_400
LOOK_UP_S: Final = 2.0
REST_S: Final = 5.0
_MOST_KNOWN: Final = 20_000
_KEY_ID_NAMES: Final = ("key_id", "unique_key_id", "pub_key_id", "ukId")


class RegistryUnavailable(OutsideError):
    """The registry does not answer and nothing recent enough is known; asking again can help."""

    def __init__(self, text: str) -> None:
        super().__init__(text, permanent=False)


class UnknownSubscriber(OutsideError):
    """The registry lists no such subscriber."""

    def __init__(self, text: str) -> None:
        super().__init__(text, permanent=True)


class UnknownKey(UnknownSubscriber):
    """The registry lists the subscriber, but not with this key."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key of one subscriber as the registry named it; `public_key` 32 bytes, `stale` where the registry is away."""

    subscriber_id: str
    key_id: str
    type: str
    domain: str
    url: str
    public_key: bytes
    status: str
    valid_from: datetime | None
    valid_until: datetime | None
    fetched_at: datetime
    encryption_public_key: str = ""
    stale: bool = False

    def standing(self, now: datetime) -> tuple[str, str] | None:
        """Why this key may not sign at `now`, as code and text; None where it may."""
        name = f"key {self.key_id} of {self.subscriber_id}"
        if self.status.upper() != "SUBSCRIBED":
            return (
                signing.NOT_SUBSCRIBED,
                f"{name} is {self.status or 'without status'} in the registry, not SUBSCRIBED",
            )
        if self.valid_from is not None and now < self.valid_from:
            wait_s = int((self.valid_from - now).total_seconds())
            return signing.KEY_NOT_YET_VALID, f"{name} becomes valid in {wait_s} s ({self.valid_from.isoformat()})"
        if self.valid_until is not None and now > self.valid_until:
            late_s = int((now - self.valid_until).total_seconds())
            return signing.KEY_EXPIRED, f"{name} ran out {late_s} s ago ({self.valid_until.isoformat()})"
        return None


class _Known:
    """What this process remembers: rows, refusals, and when it last asked; bounded, and safe for threads."""

    def __init__(self) -> None:
        self.rows: OrderedDict[tuple[str, str], KeyRow] = OrderedDict()
        self.refusals: OrderedDict[tuple[str, str], tuple[float, UnknownSubscriber]] = OrderedDict()
        self.forced: OrderedDict[tuple[str, str], float] = OrderedDict()
        self.away_until = 0.0
        self.lock = threading.Lock()

    def remember(self, row: KeyRow) -> None:
        with self.lock:
            self.refusals.pop((row.subscriber_id, row.key_id), None)
            _put(self.rows, (row.subscriber_id, row.key_id), row)

    def refuse(self, key: tuple[str, str], fault: UnknownSubscriber) -> None:
        with self.lock:
            self.rows.pop(key, None)
            _put(self.refusals, key, (time.monotonic() + REFUSED_S, fault))

    def may_force(self, key: tuple[str, str]) -> bool:
        """True at most once in FORCED_EVERY_S for a key, so that bad signatures cannot make us storm the registry."""
        with self.lock:
            now = time.monotonic()
            if now - self.forced.get(key, -FORCED_EVERY_S) < FORCED_EVERY_S:
                return False
            _put(self.forced, key, now)
            return True


def _put(store: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    store[key] = value
    store.move_to_end(key)
    if len(store) > _MOST_KNOWN:
        store.popitem(last=False)


_known = _Known()


def known(subscriber_id: str, key_id: str, now: datetime) -> KeyRow | None:
    """The row where this process holds a fresh one, without any waiting. Raises UnknownSubscriber, UnknownKey."""
    row = _known.rows.get((subscriber_id, key_id))
    if row is not None and _is_fresh(row, now):
        return row
    refusal = _known.refusals.get((subscriber_id, key_id))
    if refusal is not None and time.monotonic() < refusal[0]:
        raise refusal[1]
    return None


def resolve(subscriber_id: str, key_id: str, *, force: bool = False, now: datetime | None = None) -> KeyRow:
    """The registry's row for this key: fresh for 300 s, stale to 900 s while the registry is away.

    `force` asks the registry although a fresh row is known, at most once in 30 s for a key. May wait for the database
    and 2 s for each of two look-ups. Raises UnknownSubscriber, UnknownKey, RegistryUnavailable.
    """
    now = now or timezone.now()
    force = force and _known.may_force((subscriber_id, key_id))
    if not force:
        row = known(subscriber_id, key_id, now) or _stored(subscriber_id, key_id)
        if row is not None and _is_fresh(row, now):
            _known.remember(row)
            return row
    try:
        rows = _ask_for(subscriber_id, key_id, now)
    except RegistryUnavailable as err:
        return _stale(subscriber_id, key_id, now, err)
    mine = [row for row in rows if row.key_id == key_id]
    if not mine:
        raise _refused(subscriber_id, key_id, listed=bool(rows))
    best = max(mine, key=lambda row: _worth(row, now))
    _store(best)
    _known.remember(best)
    return best


def callback_url(subscriber_id: str, *, now: datetime | None = None) -> str:
    """The URL under which the registry lists the subscriber; callbacks go below it.

    Asks the registry only where nothing of the last day is known. Raises UnknownSubscriber, RegistryUnavailable.
    """
    now = now or timezone.now()
    row = _newest(subscriber_id)
    if row is None or now - row.fetched_at > timedelta(seconds=STALE_URL_S):
        row = _refreshed(subscriber_id, row, now)
    return row.url


def permits(subscriber_id: str, url: str, *, now: datetime | None = None) -> bool:
    """True where `url` has the scheme, host and port of the subscriber's URL in the registry, as of 5 minutes ago."""
    now = now or timezone.now()
    row = _newest(subscriber_id)
    try:
        if row is None or now - row.fetched_at > timedelta(seconds=FRESH_S):
            row = _refreshed(subscriber_id, row, now)
    except UnknownSubscriber:
        return False
    return same_place(row.url, url)


def same_place(one: str, other: str) -> bool:
    """True where both URLs have the same scheme, host and port; False where one cannot be read."""
    try:
        return urlsplit(one)[:2] == urlsplit(other)[:2]
    except ValueError:
        return False


def forget(subscriber_id: str) -> None:
    """Drop what is known of a subscriber, here and in the table; other processes follow within 5 minutes."""
    with _known.lock:
        for store in (_known.rows, _known.refusals, _known.forced):
            for key in [key for key in store if key[0] == subscriber_id]:
                del store[key]
    Subscriber.objects.filter(subscriber_id=subscriber_id).delete()


def forget_all() -> None:
    """Drop what this process remembers; the table stays."""
    global _known  # noqa: PLW0603 - one memory per process, replaced whole
    _known = _Known()


def look_up(wanted: Mapping[str, str], *, now: datetime) -> list[KeyRow]:
    """The usable rows the registry answers to these filters. Raises RegistryUnavailable."""
    return _look_up(wanted, now)


def _is_fresh(row: KeyRow, now: datetime) -> bool:
    fresh_s = FRESH_S if row.standing(now) is None else REFUSED_S
    return -FRESH_S <= (now - row.fetched_at).total_seconds() <= fresh_s


def _stale(subscriber_id: str, key_id: str, now: datetime, err: RegistryUnavailable) -> KeyRow:
    row = _known.rows.get((subscriber_id, key_id)) or _stored(subscriber_id, key_id)
    if row is None or (now - row.fetched_at).total_seconds() > STALE_S:
        raise err
    return replace(row, stale=True)


def _refused(subscriber_id: str, key_id: str, *, listed: bool) -> UnknownSubscriber:
    fault = (
        UnknownKey(f"the registry lists {subscriber_id}, but not with key {key_id}")
        if listed
        else UnknownSubscriber(f"the registry does not list {subscriber_id}")
    )
    _known.refuse((subscriber_id, key_id), fault)
    Subscriber.objects.filter(subscriber_id=subscriber_id, key_id=key_id).delete()
    return fault


def _ask_for(subscriber_id: str, key_id: str, now: datetime) -> list[KeyRow]:
    """Rows of the subscriber: asked with the key's id in both spellings, and without where that finds none."""
    rows = _look_up({"subscriber_id": subscriber_id, "unique_key_id": key_id, "key_id": key_id}, now)
    rows = rows or _look_up({"subscriber_id": subscriber_id}, now)
    return [row for row in rows if row.subscriber_id == subscriber_id]


def _worth(row: KeyRow, now: datetime) -> tuple[bool, bool, bool, datetime]:
    """Which of several rows for one key counts: in our domain, in good standing, a buyer's or gateway's, newest."""
    since = row.valid_from or datetime.min.replace(tzinfo=UTC)
    return row.domain in settings.BECKN_DOMAINS, row.standing(now) is None, row.type in {"BAP", "BG"}, since


def _refreshed(subscriber_id: str, row: KeyRow | None, now: datetime) -> KeyRow:
    try:
        rows = [
            found for found in _look_up({"subscriber_id": subscriber_id}, now) if found.subscriber_id == subscriber_id
        ]
    except RegistryUnavailable:
        if row is None:
            raise
        log.warning("registry away: an old URL is used", extra={"subscriber": subscriber_id})
        return row
    good = [found for found in rows if found.standing(now) is None]
    if not good:
        raise UnknownSubscriber(f"the registry lists no {subscriber_id} that is SUBSCRIBED with a valid key")
    best = max(good, key=lambda found: _worth(found, now))
    _store(best)
    _known.remember(best)
    return best


def _newest(subscriber_id: str) -> KeyRow | None:
    stored = Subscriber.objects.filter(subscriber_id=subscriber_id, status__iexact="SUBSCRIBED").order_by("-fetched_at")
    found = stored.first()
    return None if found is None else _row_of(found)


def _look_up(wanted: Mapping[str, str], now: datetime) -> list[KeyRow]:
    if not settings.BECKN_REGISTRY_URL:
        raise RegistryUnavailable("no registry is set; give its address in BECKN_REGISTRY_URL")
    if time.monotonic() < _known.away_until:
        raise RegistryUnavailable("the registry did not answer a moment ago")
    url = f"{settings.BECKN_REGISTRY_URL}/lookup"
    body = orjson.dumps(wanted)
    try:
        # Our own setting names this host, so that it may well stand in a private network.
        answer = http.call("POST", url, data=body, headers=_signed(body, now), timeout_s=LOOK_UP_S, allow_private=True)
        if answer.status == 404:
            return []
        if answer.status != 200:
            raise RegistryUnavailable(f"the registry answered {answer.status}")
        found = orjson.loads(answer.body)
    except (DeliveryError, orjson.JSONDecodeError, RegistryUnavailable) as err:
        _known.away_until = time.monotonic() + REST_S
        log.warning("registry look-up failed", extra={"url": url, "fault": str(err)[:200]})
        raise RegistryUnavailable(f"the registry at {url} gave no answer: {err}") from err
    return list(_rows(found if isinstance(found, list) else [found], now))


def _signed(body: bytes, now: datetime) -> dict[str, str]:
    """Headers of a look-up: signed where we have a key, since some registries ask for it and the others do not mind."""
    headers = {"Content-Type": "application/json"}
    try:
        key = keys.current()
    except keys.NoKey:
        return headers
    created = int(now.timestamp())
    headers["Authorization"] = signing.sign(
        body,
        subscriber_id=settings.BECKN_SUBSCRIBER_ID,
        key_id=key.key_id,
        seed=key.seed,
        created=created,
        expires=created + settings.BECKN_SIGNATURE_WINDOW_S,
    )
    return headers


def _rows(found: Iterable[Any], now: datetime) -> Iterable[KeyRow]:
    for item in found:
        try:
            yield _row(item, now)
        except (KeyError, TypeError, ValueError) as err:
            log.warning("unusable registry row", extra={"fault": repr(err)[:200]})


def _row(item: dict[str, Any], now: datetime) -> KeyRow:
    return KeyRow(
        subscriber_id=str(item["subscriber_id"]),
        key_id=str(next(item[name] for name in _KEY_ID_NAMES if item.get(name))),
        type=str(item.get("type") or "").upper(),
        domain=str(item.get("domain") or ""),
        url=str(item.get("subscriber_url") or item.get("url") or "").rstrip("/"),
        public_key=keytext.read_public_key(str(item["signing_public_key"]), "ed25519"),
        status=str(item.get("status") or ""),
        valid_from=_time(item.get("valid_from")),
        valid_until=_time(item.get("valid_until")),
        fetched_at=now,
        encryption_public_key=str(item.get("encr_public_key") or item.get("encryption_public_key") or ""),
    )


def _time(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stored(subscriber_id: str, key_id: str) -> KeyRow | None:
    found = Subscriber.objects.filter(subscriber_id=subscriber_id, key_id=key_id).first()
    return None if found is None else _row_of(found)


def _row_of(found: Subscriber) -> KeyRow:
    return KeyRow(
        subscriber_id=found.subscriber_id,
        key_id=found.key_id,
        type=found.type,
        domain=found.domain,
        url=found.url,
        public_key=base64.b64decode(found.signing_public_key),
        status=found.status,
        valid_from=found.valid_from,
        valid_until=found.valid_until,
        fetched_at=found.fetched_at,
        encryption_public_key=found.encryption_public_key,
    )


def _store(row: KeyRow) -> None:
    Subscriber.objects.update_or_create(
        subscriber_id=row.subscriber_id,
        key_id=row.key_id,
        defaults={
            "type": row.type[:10],
            "domain": row.domain[:100],
            "url": row.url,
            "signing_public_key": base64.b64encode(row.public_key).decode(),
            "encryption_public_key": row.encryption_public_key[:64],
            "status": row.status[:30],
            "valid_from": row.valid_from,
            "valid_until": row.valid_until,
            "fetched_at": row.fetched_at,
        },
    )
