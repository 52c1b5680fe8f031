"""What was said in one conversation, in order, and what does each message's record tell?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from bpp import signing
from bpp.conversations import IN, OUT, TONES, inbox_of, outbox_of
from bpp.models import DeliveryAttempt, InboxMessage, OutboxMessage
from catalog.tenancy import Area, Reach
from catalog.wording import ago, span
from orders.models import Order

MOST_MESSAGES = 400


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement in words; `tone` is good, warn, bad or calm."""

    tone: str
    title: str
    text: str = ""


@dataclass(slots=True)
class Entry:
    """One message of the conversation, ready to be shown; spans of time are in words."""

    direction: str
    id: int
    action: str
    message_id: str
    bap_id: str
    at: datetime
    state: str
    state_words: str
    tone: str
    reason: str
    gap: str = ""
    took: str = ""
    deadline_at: datetime | None = None
    left: str = ""
    ttl_percent: int = 0
    signature: Verdict | None = None
    schema: Verdict | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)
    pretty: str = ""
    raw: str = ""
    size: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    tries: list[DeliveryAttempt] = field(default_factory=list)
    next_at: datetime | None = None
    next_in: str = ""
    answers: str = ""
    may_resend: bool = False
    may_revive: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """One transaction as this user may see it; `cut` is how many later messages are not shown."""

    transaction_id: str
    baps: list[str]
    entries: list[Entry]
    order: Order | None
    lasted: str
    cut: int


def conversation(reach: Reach, transaction_id: str, *, now: datetime, bap_id: str = "") -> Conversation | None:
    """The messages of `transaction_id` in reach, oldest first; None where there is none.

    Two buyer apps may use the same id; `bap_id` narrows to one of them.
    """
    key = {"transaction_id": transaction_id} | ({"bap_id": bap_id} if bap_id else {})
    asked = list(inbox_of(reach).filter(**key).order_by("received_at")[: MOST_MESSAGES + 1])
    answered = list(
        outbox_of(reach)
        .filter(**key)
        .select_related("answers")
        .prefetch_related("tries")
        .order_by("created_at")[: MOST_MESSAGES + 1]
    )
    entries = [_asked(message, answered, now) for message in asked]
    entries += [_answered(message, reach, now) for message in answered]
    if not entries:
        return None
    entries.sort(key=lambda entry: (entry.at, entry.direction == OUT, entry.id))
    for earlier, later in pairwise(entries):
        later.gap = span((later.at - earlier.at).total_seconds())
    shown = entries[:MOST_MESSAGES]
    order = reach.limit(Order.objects.filter(**key), "operator").first()
    baps = sorted({entry.bap_id for entry in entries})
    lasted = span((shown[-1].at - shown[0].at).total_seconds())
    return Conversation(transaction_id, baps, shown, order, lasted, len(entries) - len(shown))


def signature_of(message: InboxMessage) -> Verdict:
    """Who signed, and whether the bytes we kept still verify with the keys that were used at the door."""
    signer = message.signer if isinstance(message.signer, dict) else {}
    who = f"Signed by {_named(signer) or message.bap_id}"
    public = _public_key(signer)
    if public is None:
        return Verdict("calm", who, "Verified when it arrived; the key used was not kept with it.")
    said = ["The bytes kept verify with that key."]
    try:
        _verify(message.authorization, message, public)
        if message.gateway_authorization:
            said.append(_gateway_words(message, signer.get("gateway")))
    except signing.SignatureFault as fault:
        return Verdict("bad", f"The kept bytes do not verify: {fault.code}", fault.text)
    if signer.get("stale"):
        said.append("The registry was away; the key last known was used.")
    return Verdict("good", who, " ".join(said))


def pretty(raw: bytes) -> str:
    """The JSON of `raw` indented; the text itself where it is no JSON."""
    text = raw.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _asked(message: InboxMessage, answered: list[OutboxMessage], now: datetime) -> Entry:
    raw = bytes(message.raw)
    replies = [reply for reply in answered if reply.answers_id == message.pk]
    entry = Entry(
        IN, message.pk, message.action, message.message_id, message.bap_id, message.received_at,
        message.state, message.get_state_display(), TONES.get(message.state, "calm"), message.reason,
        deadline_at=message.deadline_at,
        signature=signature_of(message),
        schema=_schema(message.verdicts, ours=False),
        notes=_notes(message.verdicts),
        pretty=pretty(raw), raw=raw.decode("utf-8", "replace"), size=len(raw),
        headers=[("Authorization", message.authorization)],
    )  # fmt: skip
    if message.gateway_authorization:
        entry.headers.append(("X-Gateway-Authorization", message.gateway_authorization))
    if message.done_at:
        entry.took = f"decided in {span((message.done_at - message.received_at).total_seconds())}"
    elif message.state in {"new", "waiting"}:
        entry.next_at, entry.next_in = message.next_at, ago(message.next_at, now)
    _set_ttl(entry, min((reply.sent_at for reply in replies if reply.sent_at), default=None), now)
    return entry


def _answered(message: OutboxMessage, reach: Reach, now: datetime) -> Entry:
    raw = bytes(message.body)
    entry = Entry(
        OUT, message.pk, message.action, message.message_id, message.bap_id, message.created_at,
        message.state, message.get_state_display(), TONES.get(message.state, "calm"), message.reason,
        deadline_at=message.deadline_at,
        schema=_schema(message.verdicts, ours=True),
        notes=_notes(message.verdicts),
        pretty=pretty(raw), raw=raw.decode("utf-8", "replace"), size=len(raw),
        url=message.url,
        tries=sorted(message.tries.all(), key=lambda attempt: attempt.pk),
    )  # fmt: skip
    keys = sorted({attempt.key_id for attempt in entry.tries if attempt.key_id})
    if keys:
        entry.signature = Verdict("good", f"Signed by us, key {', '.join(keys)}", "A fresh header for each attempt.")
    if message.answers is not None:
        wait_s = (message.created_at - message.answers.received_at).total_seconds()
        entry.answers = f"answers {message.answers.action} after {span(wait_s)}"
    else:
        entry.answers = "unsolicited"
    if message.state == OutboxMessage.State.SENT and message.sent_at:
        entry.took = f"delivered in {span((message.sent_at - message.created_at).total_seconds())}"
    if message.state == OutboxMessage.State.PENDING:
        entry.next_at, entry.next_in = message.next_at, ago(message.next_at, now)
    acts = reach.may_write(Area.NETWORK, message.operator_id) and not message.progress
    entry.may_revive = acts and message.state in {"dead", "refused"}
    entry.may_resend = acts and message.state in {"sent", "coalesced"}
    _set_ttl(entry, message.sent_at, now)
    return entry


def _set_ttl(entry: Entry, settled_at: datetime | None, now: datetime) -> None:
    """How much of the time to live was used until the answer went out, or is used by now."""
    if entry.deadline_at is None:
        return
    whole_s = (entry.deadline_at - entry.at).total_seconds()
    used_s = ((settled_at or now) - entry.at).total_seconds()
    entry.ttl_percent = 100 if whole_s <= 0 else max(0, min(100, round(100 * used_s / whole_s)))
    if settled_at:
        entry.left = f"{span(whole_s - used_s)} to spare" if used_s <= whole_s else f"{span(used_s - whole_s)} late"
    elif entry.tone == "wait":
        entry.left = f"{span(whole_s - used_s)} left" if used_s < whole_s else "ran out"


def _schema(verdicts: Any, *, ours: bool) -> Verdict:
    count = len(_notes(verdicts))
    if not count:
        return Verdict("good", "Schema: no deviation")
    noun = "deviation" if count == 1 else "deviations"
    whose = "our own answer, logged" if ours else "accepted and recorded"
    return Verdict("warn", f"Schema: {count} {noun}", f"In {whose}." if ours else f"Harmless: {whose}.")


def _notes(verdicts: Any) -> list[dict[str, Any]]:
    return [note for note in verdicts if isinstance(note, dict)] if isinstance(verdicts, list) else []


def _verify(authorization: str, message: InboxMessage, public: bytes) -> None:
    signing.verify(
        signing.parse_header(authorization, accept_hs2019=True, accept_paths=True), bytes(message.raw), public
    )


def _gateway_words(message: InboxMessage, gateway: Any) -> str:
    public = _public_key(gateway) if isinstance(gateway, dict) else None
    if public is None:
        return "A gateway's signature stands beside it."
    _verify(message.gateway_authorization, message, public)
    return f"So does the signature of the gateway {_named(gateway)} beside it."


def _named(signer: dict[str, Any]) -> str:
    """`bap.example.org (BAP), key k1`, as far as the parts are known."""
    name, kind, key_id = (str(signer.get(part) or "") for part in ("subscriber_id", "type", "key_id"))
    return f"{name}{f' ({kind})' if kind else ''}{f', key {key_id}' if key_id else ''}"


def _public_key(signer: dict[str, Any]) -> bytes | None:
    """The 32 bytes of the key that was used; None where the record does not hold them."""
    try:
        key = bytes.fromhex(str(signer.get("public_key") or ""))
    except ValueError:
        return None
    return key if len(key) == 32 else None
