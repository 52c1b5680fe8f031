"""What does one request say of itself, and does it agree with who signed it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from bpp import dialects, signing, strict
from bpp.guard import Headers
from bpp.kept import settings
from bpp.messages import Note, WireFault
from bpp.refusals import Refused, Unauthorized, nack, shown, unauthorized
from bpp.registry import KeyRow
from bpp.signing import SignatureFault, SignatureHeader
from bpp.storing import Row

# Longer than answering one may take in the process that accepted it; then the sweep takes it.
SEARCH_GRACE_S: Final = 8


@dataclass(slots=True)
class Letter:
    """One request on its way through the door; each step adds what it found out."""

    action: str
    headers: Headers
    received_at: datetime
    raw: bytes = b""
    authorization: str = ""
    gateway_authorization: str = ""
    gateway: KeyRow | None = None
    digest: bytes = b""
    document: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Note, ...] = ()
    deadline_at: datetime | None = None


def one_line(letter: Letter, name: bytes, refused: Unauthorized = unauthorized) -> str:
    """The header's value, "" where it is absent. Refused where it stands in several lines."""
    lines = letter.headers.get(name, [])
    if len(lines) > 1:
        raise refused(signing.MALFORMED_HEADER, f"{text_of(name)} stands in {len(lines)} lines; send it once")
    return text_of(lines[0]) if lines else ""


def read_header(text: str, now: datetime, refused: Unauthorized = unauthorized) -> SignatureHeader:
    """A signature header whose grammar and window are in order. Refused else."""
    try:
        header = signing.parse_header(
            text,
            accept_hs2019=settings.BECKN_ACCEPT_HS2019,
            accept_paths=settings.BECKN_ACCEPT_SUBSCRIBER_PATHS,
        )
        signing.check_window(
            header,
            now.timestamp(),
            skew_s=settings.BECKN_CLOCK_SKEW_S,
            max_window_s=settings.BECKN_MAX_WINDOW_S,
        )
    except SignatureFault as err:
        raise refused(err.code, err.text) from err
    return header


def parse(letter: Letter) -> None:
    """Read the verified bytes. Refused where they are no JSON object with a context."""
    try:
        letter.document = strict.load(letter.raw)
    except strict.StrictFault as err:
        raise Refused(400, "UNREADABLE", err.text) from err
    context = letter.document.get("context")
    if not isinstance(context, dict):
        raise Refused(400, "NO_CONTEXT", "the body has no object `context`", paths="$.context")
    letter.context = context


def check_addressing(letter: Letter, signer: KeyRow) -> None:
    """Who signed it is who sends it, and it is meant for this address, for us and for our network. Refused else."""
    context = letter.context
    if context.get("action") != letter.action:
        text = f"the context's action is {shown(context.get('action'))}, but this is the address of {letter.action}"
        raise nack("WRONG_ACTION", text, paths="$.context.action")
    if context.get("bap_id") != signer.subscriber_id:
        raise unauthorized(
            signing.SIGNER_IS_NOT_BAP,
            f"{signer.subscriber_id} signed a request of bap_id {shown(context.get('bap_id'))}; "
            "sign your own requests with your own key",
            paths="$.context.bap_id",
        )
    if context.get("bpp_id") not in (None, "", settings.BECKN_SUBSCRIBER_ID):
        text = f"bpp_id is {shown(context.get('bpp_id'))}; this is {settings.BECKN_SUBSCRIBER_ID}"
        raise nack("NOT_FOR_US", text, paths="$.context.bpp_id")
    if context.get("domain") not in settings.BECKN_DOMAINS:
        text = f"domain is {shown(context.get('domain'))}; we speak {', '.join(settings.BECKN_DOMAINS)}"
        raise nack("UNKNOWN_DOMAIN", text, paths="$.context.domain")
    for name in ("message_id", "transaction_id"):
        value = context.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
            text = f"{name} is {shown(value)}; it must be a text of 1 to 255 printable characters"
            raise nack("BAD_ID", text, paths=f"$.context.{name}")


def check_role(letter: Letter, signer: KeyRow) -> None:
    """Only a buyer's platform asks. Refused else."""
    if signer.type != "BAP":
        raise unauthorized(
            signing.WRONG_ROLE,
            f"{signer.subscriber_id} is {signer.type or 'without type'} in the registry; "
            f"only a BAP may send {letter.action}",
        )


def check_time_to_live(letter: Letter) -> None:
    """It is still worth an answer; sets until when. Refused else."""
    dialect, default_s = dialects.choose(letter.context), settings.BECKN_DEFAULT_TTL_S
    now = letter.received_at
    try:
        deadline_at = dialect.deadline(letter.document, received_at=now, default_ttl_s=default_s)
        if now <= deadline_at:
            letter.deadline_at = min(deadline_at, now + timedelta(seconds=settings.BECKN_STATE_DEADLINE_S))
            return
        stale = dialect.stale(letter.document, now, default_s, skew_s=settings.BECKN_CLOCK_SKEW_S)
    except WireFault as err:
        raise nack("UNREADABLE", err.text, paths=err.paths, code=err.code) from err
    if stale is not None:
        raise nack("STALE", stale, paths="$.context.timestamp")
    # The sender's clock is a little behind ours: the message still gets its answer, now.
    letter.deadline_at = now + timedelta(seconds=settings.BECKN_CLOCK_SKEW_S)


def row_of(letter: Letter, signer: KeyRow) -> Row:
    """What is kept of the letter: enough for anyone to verify it again."""
    grace_s = SEARCH_GRACE_S if letter.action == "search" else 0
    return Row(
        bap_id=signer.subscriber_id,
        action=letter.action,
        message_id=letter.context["message_id"],
        transaction_id=letter.context["transaction_id"],
        digest=letter.digest,
        raw=letter.raw,
        authorization=letter.authorization,
        gateway_authorization=letter.gateway_authorization,
        signer=_evidence(signer, letter.gateway),
        verdicts=verdicts_of(letter.warnings),
        received_at=letter.received_at,
        deadline_at=letter.deadline_at or letter.received_at,
        next_at=letter.received_at + timedelta(seconds=grace_s),
    )


def verdicts_of(warnings: tuple[Note, ...]) -> str:
    """The notes as the JSON that is kept beside a message."""
    if not warnings:
        return "[]"
    return orjson.dumps([note.as_dict() for note in warnings]).decode()


def text_of(raw: bytes) -> str:
    """A header's bytes as text."""
    return raw.decode("latin-1")


@lru_cache(maxsize=1024)
def _evidence(signer: KeyRow, gateway: KeyRow | None) -> str:
    """The registry rows that were used, as JSON: with them and the raw bytes anyone can verify again."""
    found = _evidence_of(signer)
    if gateway is not None:
        found = {**found, "gateway": _evidence_of(gateway)}
    return orjson.dumps(found).decode()


def _evidence_of(row: KeyRow) -> dict[str, Any]:
    return {
        "subscriber_id": row.subscriber_id,
        "key_id": row.key_id,
        "type": row.type,
        "public_key": row.public_key.hex(),
        "fetched_at": row.fetched_at.isoformat(),
        "stale": row.stale,
    }
