"""Which terms hold for an order, who agreed to them, and may it be confirmed?"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from core.errors import Invalid, NotAllowed, NotFound
from orders.models import Consent, Order, Quote, Terms
from orders.services.ledger import lock_order, record

CLOCK_SKEW = timedelta(minutes=5)
MAC_BYTES, ID_BYTES = 25, 8
# Consent to the use of personal data must not hide in the other terms, so it is a set, and a tick, of its own.
SETS: dict[str, tuple[str, ...]] = {
    "service": (
        Terms.Kind.GENERAL,
        Terms.Kind.CANCELLATION,
        Terms.Kind.REFUND,
        Terms.Kind.DISPUTE,
        Terms.Kind.LAW,
    ),
    "privacy": (Terms.Kind.PRIVACY,),
}
SET_OF = {kind: name for name, kinds in SETS.items() for kind in kinds}
_ORDER_OF_KINDS = [kind for kinds in SETS.values() for kind in kinds]
_OPEN = (Order.State.DRAFT, Order.State.INITIATED)


@dataclass(frozen=True, slots=True)
class Declared:
    """A buyer app's word that its customer agreed: to which text, by its digest, and when."""

    terms_id: str
    version: str
    sha256: str
    accepted_at: datetime | None
    path: str = "order.tags"


@dataclass(frozen=True, slots=True)
class Standing:
    """The terms of an order: `terms` hold for it, `consents` were given, `missing` must still be agreed to.

    `open` says whether the form still takes an answer; afterwards `terms` are those that were agreed to.
    """

    order: Order
    terms: tuple[Terms, ...]
    consents: tuple[Consent, ...]
    missing: tuple[Terms, ...]
    open: bool

    @property
    def digest(self) -> str:
        """What a form shows, in one word: an answer to an older one does not count."""
        return hashlib.sha256(" ".join(f"{row.pk}:{row.sha256}" for row in self.terms).encode()).hexdigest()


def terms_id(terms: Terms) -> str:
    """The id of one version of one document, on the wire and in exports."""
    return f"terms-{terms.pk}"


def digest_of(terms: Terms) -> str:
    """SHA-256 of the three texts in UTF-8, joined by the record separator U+001E: en, hi, kn."""
    return hashlib.sha256("\x1e".join((terms.text_en, terms.text_hi, terms.text_kn)).encode()).hexdigest()


def standing(order: Order, *, now: datetime) -> Standing:
    """Where an order stands with its terms; after the confirmation later versions no longer matter."""
    consents = tuple(order.consents.select_related("terms").order_by("at", "pk"))
    if order.state not in {*_OPEN, Order.State.EXPIRED}:
        agreed = _in_reading_order(consent.terms for consent in consents)
        return Standing(order, agreed, consents, (), open=False)
    terms = _holding(order, now)
    return Standing(order, terms, consents, _missing(terms, consents), open=_takes_answers(order, now))


def form_token(order: Order) -> str:
    """The unguessable token of an order's form: its id, masked, and a code only we can make. Nothing is stored."""
    number = order.pk.to_bytes(ID_BYTES)
    mac = _mac(number)
    return base64.urlsafe_b64encode(mac + _masked(number, mac)).decode()


def order_for_token(token: str) -> Order:
    """The order a form belongs to. Raises NotFound `terms-unknown`."""
    unknown = NotFound("terms-unknown", "this form does not exist; open it from the app you order with", path="token")
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii"))
    except ValueError as err:
        raise unknown from err
    mac, number = raw[:MAC_BYTES], _masked(raw[MAC_BYTES:], raw[:MAC_BYTES])
    if len(raw) != MAC_BYTES + ID_BYTES or not hmac.compare_digest(mac, _mac(number)):
        raise unknown
    related = ("operator", "connector__evse__station")
    order = Order.objects.select_related(*related).filter(pk=int.from_bytes(number)).first()
    if order is None:
        raise unknown
    return order


@transaction.atomic
def accept(order_id: int, *, digest: str, ticked: Iterable[str], language: str, now: datetime) -> Standing:
    """Record the consents a form's answer gives; asked again, or with nothing missing, it changes nothing.

    `digest` is the Standing's that was shown, `ticked` the names of SETS whose box was ticked.
    Raises NotAllowed `terms-closed`, Invalid `terms-changed` or `terms-not-ticked` (path: the first such set).
    """
    order = lock_order(order_id)
    seen = standing(order, now=now)
    if not seen.missing:
        return seen
    if not seen.open:
        raise NotAllowed("terms-closed", "the offer ran out; order again in the app", path="form")
    if not hmac.compare_digest(digest.encode(), seen.digest.encode()):
        raise Invalid("terms-changed", "the terms have changed since the form was opened; read them again", path="form")
    boxes = set(ticked)
    lacking = [name for name in required_sets(seen) if name not in boxes]
    if lacking:
        raise Invalid("terms-not-ticked", f"{', '.join(lacking)}: tick the box to agree", path=lacking[0])
    evidence = {
        "form": seen.digest,
        "ticked": sorted(boxes & set(SETS)),
        "shown": [terms_id(row) for row in seen.terms],
    }
    for row in seen.missing:
        _keep(order, row, channel=Consent.Channel.FORM, language=language, evidence=evidence, now=now)
    _note(order, seen.missing, Consent.Channel.FORM, actor="customer", now=now)
    return standing(order, now=now)


def require_consent(order: Order, declared: Sequence[Declared], *, now: datetime) -> None:
    """Let a locked order be confirmed only with the consents its terms demand; `declared` counts where it is allowed.

    Raises NotAllowed `consent-missing`, Invalid `consent-differs` where the word is about another text.
    """
    terms = _holding(order, now)
    missing = _missing(terms, order.consents.all()) if any(row.required for row in terms) else ()
    if not missing:
        return
    told = {word.terms_id: word for word in declared}
    taken = [row for row in missing if declarable(row) and terms_id(row) in told]
    for row in taken:
        evidence = _check_declared(row, told[terms_id(row)], now)
        _keep(order, row, channel=Consent.Channel.DECLARED, language="", evidence=evidence, now=now)
    if taken:
        _note(order, taken, Consent.Channel.DECLARED, actor=order.bap_id, now=now)
    lacking = [row for row in missing if row not in taken]
    if lacking:
        raise NotAllowed("consent-missing", _refusal(lacking, bool(declared)), path="order.xinput")


def required_sets(seen: Standing) -> list[str]:
    """The names of the SETS in which something must still be agreed to, in reading order."""
    needed = {SET_OF[row.kind] for row in seen.missing}
    return [name for name in SETS if name in needed]


def declarable(terms: Terms) -> bool:
    """Whether a buyer app's declaration counts for this text."""
    return bool(settings.TERMS_DECLARED_CONSENT) and not terms.form_only


def _holding(order: Order, now: datetime) -> tuple[Terms, ...]:
    """Of each kind the text for the nearest place and service, its newest version that is valid now."""
    station = order.connector.evse.station
    service = Terms.Service.RESERVED if order.starts_at else Terms.Service.NOW
    rows = Terms.objects.filter(
        Q(station__isnull=True) | Q(station=station),
        operator_id=order.operator_id,
        published_at__isnull=False,
        withdrawn_at__isnull=True,
        valid_from__lte=now,
        service__in=(Terms.Service.ANY, service),
    )
    best: dict[str, Terms] = {}
    for row in rows:
        here = _same(row.state, station.state) and _same(row.city, station.city)
        if here and (row.kind not in best or _nearness(row) > _nearness(best[row.kind])):
            best[row.kind] = row
    return _in_reading_order(best.values())


def _missing(terms: Sequence[Terms], consents: Iterable[Consent]) -> tuple[Terms, ...]:
    """Those of the terms that must be agreed to and were not."""
    given = {consent.terms_id for consent in consents}
    return tuple(row for row in terms if row.required and row.pk not in given)


def _same(wanted: str, name: str) -> bool:
    return not wanted or wanted.strip().casefold() == name.strip().casefold()


def _nearness(row: Terms) -> tuple[bool, bool, bool, bool, datetime, int]:
    return row.station_id is not None, bool(row.city), bool(row.state), bool(row.service), row.valid_from, row.version


def _in_reading_order(rows: Iterable[Terms]) -> tuple[Terms, ...]:
    return tuple(sorted(rows, key=lambda row: (_ORDER_OF_KINDS.index(row.kind), row.pk)))


def _takes_answers(order: Order, now: datetime) -> bool:
    if order.state not in _OPEN:
        return False
    return Quote.objects.filter(order=order, current=True, valid_until__gt=now).exists()


def _check_declared(row: Terms, word: Declared, now: datetime) -> dict[str, str]:
    """What is kept of a declaration that fits."""
    if word.version != str(row.version) or not hmac.compare_digest(word.sha256.lower().encode(), row.sha256.encode()):
        raise Invalid(
            "consent-differs",
            f"{terms_id(row)} is version {row.version} with SHA-256 {row.sha256}; declared were version "
            f"{word.version or '(none)'} and {word.sha256 or '(none)'}: show the customer this text and confirm again",
            path=word.path,
        )
    if word.accepted_at is None or not row.valid_from <= word.accepted_at <= now + CLOCK_SKEW:
        said = word.accepted_at.isoformat() if word.accepted_at else "(none)"
        raise Invalid(
            "consent-differs",
            f"{terms_id(row)} holds from {row.valid_from.isoformat()} and cannot have been accepted at {said}; send in "
            f"accepted-at the moment the customer agreed, at the latest now ({now.isoformat()})",
            path=word.path,
        )
    return {"accepted_at": word.accepted_at.isoformat(), "version": word.version}


def _refusal(lacking: Sequence[Terms], declared: bool) -> str:
    names = ", ".join(f"{terms_id(row)} ({row.kind}, version {row.version})" for row in lacking)
    word = (
        " A declaration by the buyer app is not taken for them here."
        if declared and not any(map(declarable, lacking))
        else ""
    )
    return f"the customer has not agreed to {names}.{word} Let the customer agree, then confirm again"


def _keep(order: Order, row: Terms, *, channel: str, language: str, evidence: dict[str, Any], now: datetime) -> None:
    Consent.objects.create(
        order=order,
        terms=row,
        sha256=row.sha256,
        at=now,
        channel=channel,
        bap_id=order.bap_id,
        language=language,
        evidence=evidence,
    )


def _note(order: Order, rows: Sequence[Terms], channel: str, *, actor: str, now: datetime) -> None:
    data = {"terms": [terms_id(row) for row in rows], "channel": channel}
    record(order, "consented", now=now, actor=actor, data=data)


def _mac(number: bytes) -> bytes:
    return salted_hmac("orders.terms", number, algorithm="sha256").digest()[:MAC_BYTES]


def _masked(number: bytes, mac: bytes) -> bytes:
    """The id so that it can be told only by us; the same step takes the mask off."""
    mask = salted_hmac("orders.terms.mask", mac, algorithm="sha256").digest()
    return bytes(one ^ other for one, other in zip(number, mask, strict=False))
