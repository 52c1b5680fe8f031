"""Which messages belong together, what became of each, and who may see them?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from bpp.models import InboxMessage, OutboxMessage
from catalog.tenancy import Reach
from orders.models import Order

PER_PAGE = 25
WINDOW = 1500
MOST_CHIPS = 24
IN, OUT = "in", "out"
TONES: dict[str, str] = {
    "new": "wait", "waiting": "wait", "pending": "wait", "done": "good", "sent": "good", "coalesced": "calm",
    "failed": "bad", "dead": "bad", "refused": "bad", "expired": "warn",
}  # fmt: skip
GROUPS: dict[str, frozenset[str]] = {
    "fault": frozenset({"failed", "dead", "refused", "expired"}),
    "open": frozenset({"new", "waiting", "pending"}),
}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is narrowed to; empty texts narrow nothing. `state` is a state or a key of GROUPS."""

    bap: str = ""
    action: str = ""
    state: str = ""
    text: str = ""

    @property
    def any(self) -> bool:
        return bool(self.bap or self.action or self.state or self.text)


@dataclass(frozen=True, slots=True)
class Chip:
    """One message in a row of the list."""

    direction: str
    action: str
    state: str
    tone: str


@dataclass(slots=True)
class Summary:
    """One conversation in the list: its newest matching moment, its messages as chips, its order, its faults."""

    bap_id: str
    transaction_id: str
    at: datetime
    order: Order | None = None
    chips: list[Chip] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Conversations, newest first; `before` starts the next page, None where there is none."""

    rows: list[Summary]
    before: datetime | None


def inbox_of(reach: Reach) -> QuerySet[InboxMessage]:
    """Every request the user may see."""
    return reach.limit(InboxMessage.objects.all(), "operator")


def outbox_of(reach: Reach) -> QuerySet[OutboxMessage]:
    """Every callback the user may see."""
    return reach.limit(OutboxMessage.objects.all(), "operator")


def newest(reach: Reach, wanted: Wanted, *, before: datetime | None = None) -> Page:
    """A page of conversations that have a message as wanted, newest first, older than `before` where given."""
    seen: dict[Key, datetime] = {}
    for messages, clock in _sources(reach, wanted):
        older = messages.filter(**{f"{clock}__lt": before}) if before else messages
        for bap_id, transaction_id, at in older.order_by(f"-{clock}").values_list("bap_id", "transaction_id", clock)[
            :WINDOW
        ]:
            key = (bap_id, transaction_id)
            seen[key] = max(at, seen.get(key, at))
    if before:
        _drop_shown(seen, reach, wanted, before)
    found = sorted(seen.items(), key=lambda item: item[1], reverse=True)
    rows = [Summary(bap_id, transaction_id, at) for (bap_id, transaction_id), at in found[:PER_PAGE]]
    _fill(rows, reach)
    return Page(rows, rows[-1].at if len(found) > PER_PAGE else None)


def actions_known() -> list[str]:
    """The requests and callbacks to choose from in the filter."""
    asked = ["search", "select", "init", "confirm", "status", "track", "update", "cancel", "rating", "support"]
    meta = ["get_cancellation_reasons", "get_rating_categories", "cancellation_reasons", "rating_categories"]
    return [*asked, *(f"on_{action}" for action in asked), *meta]


def states_known() -> list[tuple[str, str]]:
    """The states to choose from in the filter, with their words."""
    words = {value: str(label) for value, label in [*InboxMessage.State.choices, *OutboxMessage.State.choices]}
    return [("fault", "Anything that failed"), ("open", "Anything still open"), *words.items()]


def _sources(reach: Reach, wanted: Wanted) -> list[tuple[QuerySet[Any], str]]:
    return [
        (_narrowed(inbox_of(reach), wanted, reach, InboxMessage.State.values), "received_at"),
        (_narrowed(outbox_of(reach), wanted, reach, OutboxMessage.State.values), "created_at"),
    ]


def _narrowed(rows: QuerySet[Any], wanted: Wanted, reach: Reach, known: list[str]) -> QuerySet[Any]:
    if wanted.bap:
        rows = rows.filter(bap_id__icontains=wanted.bap)
    if wanted.action:
        rows = rows.filter(action=wanted.action)
    if wanted.state:
        rows = rows.filter(state__in=GROUPS.get(wanted.state, {wanted.state}) & set(known))
    if wanted.text:
        orders = reach.limit(Order.objects.filter(code__iexact=wanted.text), "operator")
        rows = rows.filter(
            Q(transaction_id__icontains=wanted.text)
            | Q(message_id__icontains=wanted.text)
            | Q(order_id__in=orders.values("id"))
            | Q(transaction_id__in=orders.values("transaction_id"))
        )
    return rows


def _drop_shown(seen: dict[Key, datetime], reach: Reach, wanted: Wanted, before: datetime) -> None:
    """Forget conversations that an earlier page has shown already, by a newer message."""
    transactions = [transaction_id for _, transaction_id in seen]
    for rows, clock in _sources(reach, wanted):
        newer = rows.filter(**{f"{clock}__gte": before}, transaction_id__in=transactions)
        for key in newer.values_list("bap_id", "transaction_id"):
            seen.pop(key, None)


def _fill(rows: list[Summary], reach: Reach) -> None:
    by_key = {(row.bap_id, row.transaction_id): row for row in rows}
    transactions = [row.transaction_id for row in rows]
    messages: list[tuple[datetime, int, str, Any]] = []
    for direction, source, clock in ((IN, inbox_of(reach), "received_at"), (OUT, outbox_of(reach), "created_at")):
        found = source.filter(transaction_id__in=transactions).only(
            "bap_id", "transaction_id", "action", "state", "reason", clock
        )
        messages += [(getattr(message, clock), message.pk, direction, message) for message in found]
    for _, _, direction, message in sorted(messages, key=lambda item: item[:3]):
        row = by_key.get((message.bap_id, message.transaction_id))
        if row is not None:
            _add(row, direction, message)
    for order in reach.limit(Order.objects.filter(transaction_id__in=transactions), "operator"):
        row = by_key.get((order.bap_id, order.transaction_id))
        if row is not None:
            row.order = order


def _add(row: Summary, direction: str, message: Any) -> None:
    if len(row.chips) < MOST_CHIPS:
        row.chips.append(Chip(direction, message.action, message.get_state_display(), TONES.get(message.state, "calm")))
    else:
        row.hidden += 1
    if message.state in GROUPS["fault"]:
        row.faults.append(f"{message.action}: {message.reason or message.get_state_display()}")
