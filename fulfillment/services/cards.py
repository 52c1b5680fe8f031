"""What is on a card account, what may be done to it and to its cards, and how do cards come in from a list?

Whoever writes an entry locks the account first; walk-ins, instances and EVSEs come after it, everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce

from catalog.models import Operator
from catalog.wording import rupees
from core.errors import Invalid, NotAllowed, NotFound
from fulfillment.models import UID_FORM, Card, CardAccount, CardEntry, WalkIn

COLUMNS = ("uid", "account", "kind", "label", "state", "currency")
NEEDED = ("uid", "account")


@dataclass(slots=True)
class CardImport:
    """What an import of cards did: how many rows added, changed or repeated what stands, and what was refused."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


def plain_uid(text: str) -> str:
    """A card's id as we keep it: in capitals, without spaces, colons and dashes, which readers put in as they like."""
    return re.sub(r"[\s:-]", "", text).upper()


def balance(account_id: int) -> int:
    """What the entries of an account add up to, paise; below zero the holder owes it."""
    return int(CardEntry.objects.filter(account=account_id).aggregate(sum=Coalesce(Sum("paise"), 0))["sum"])


def available(account_id: int) -> int:
    """What is left of an account when what charges on it now is paid for so far, paise."""
    running = WalkIn.objects.filter(account=account_id, state__in=WalkIn.LIVE).aggregate(sum=Sum("amount_paise"))["sum"]
    return balance(account_id) - int(running or 0)


def lock_account(account_id: int) -> CardAccount:
    """The account, locked until the transaction ends. Raises NotFound `account-unknown`."""
    account = CardAccount.objects.select_for_update(no_key=True, of=("self",)).filter(pk=account_id).first()
    if account is None:
        raise NotFound("account-unknown", f"there is no card account {account_id}")
    return account


@transaction.atomic
def top_up(account_id: int, paise: int, *, reason: str, actor: str, now: datetime) -> CardEntry:
    """Take down money that came in for an account. Raises NotFound, Invalid `amount` for nothing or less."""
    _more_than_nothing(paise)
    account = lock_account(account_id)
    return _enter(account, CardEntry.Kind.TOP_UP, paise, reason=reason, actor=actor, now=now)


@transaction.atomic
def withdraw(account_id: int, paise: int, *, reason: str, actor: str, now: datetime) -> CardEntry:
    """Take down money that went back to the holder; a prepaid account gives no more than is on it.

    Raises NotFound, Invalid `amount`, NotAllowed `balance`.
    """
    _more_than_nothing(paise)
    account = lock_account(account_id)
    _check_purse(account, -paise)
    return _enter(account, CardEntry.Kind.WITHDRAWAL, -paise, reason=reason, actor=actor, now=now)


@transaction.atomic
def correct(account_id: int, paise: int, *, reason: str, actor: str, now: datetime) -> CardEntry:
    """Put a mistake right by hand, in either direction. Raises NotFound, Invalid `amount`, NotAllowed `balance`."""
    if paise == 0:
        raise Invalid("amount", "a correction by nothing corrects nothing; name an amount", path="paise")
    account = lock_account(account_id)
    _check_purse(account, paise)
    return _enter(account, CardEntry.Kind.CORRECTION, paise, reason=reason, actor=actor, now=now)


def charge(walk_in: WalkIn, *, reason: str, actor: str, now: datetime) -> None:
    """Charge an ended walk-in to its locked account: what its price is above what was charged for it before.

    Charging it again for the same price changes nothing; what a meter told later becomes a correction.
    """
    before = CardEntry.objects.filter(walk_in=walk_in).aggregate(sum=Sum("paise"))["sum"]
    paise = -(walk_in.amount_paise or 0) - int(before or 0)
    if paise == 0:
        return
    kind = CardEntry.Kind.CHARGE if before is None else CardEntry.Kind.CORRECTION
    _enter(walk_in.account, kind, paise, reason=reason, actor=actor, now=now, walk_in=walk_in)


@transaction.atomic
def set_card_state(card_id: int, state: str) -> Card:
    """Block a card, take it as lost, or let it charge again; a session that runs may still be ended with it.

    Raises NotFound `card-unknown`.
    """
    card = Card.objects.select_for_update(no_key=True, of=("self",)).filter(pk=card_id).first()
    if card is None:
        raise NotFound("card-unknown", f"there is no card {card_id}")
    card.state = Card.State(state)
    card.save(update_fields=["state"])
    return card


@transaction.atomic
def block_cards(account_id: int) -> int:
    """Block every card of an account that may charge; returns how many. Raises NotFound `account-unknown`."""
    account = lock_account(account_id)
    return Card.objects.filter(account=account, state=Card.State.ACTIVE).update(state=Card.State.BLOCKED)


@transaction.atomic
def import_cards(operator: Operator, rows: Iterable[tuple[int, Mapping[str, str]]]) -> CardImport:
    """Add or change an operator's cards; `rows` are (line, {uid, account, kind, label, state, currency}).

    Accounts are made where there are none, of `kind` contract or prepaid. What a row leaves empty stays as it is. A row
    that cannot be taken is refused with its line and harms no other; the same rows again change nothing.
    """
    report, seen = CardImport(), dict[str, int]()
    for line, row in rows:
        values = {name: (row.get(name) or "").strip() for name in COLUMNS}
        uid = plain_uid(values["uid"])
        try:
            _check_row(values, uid, earlier=seen.get(uid))
            became = _take_card(operator, values, uid)
        except (Invalid, ValidationError) as err:
            report.refused.append((line, err.text if isinstance(err, Invalid) else "; ".join(err.messages)))
            continue
        seen[uid] = line
        setattr(report, became, getattr(report, became) + 1)
    return report


def _check_row(values: Mapping[str, str], uid: str, *, earlier: int | None) -> None:
    """Raises Invalid for a row that is not one of a card."""
    for name in NEEDED:
        if not values[name]:
            raise Invalid("row", f"{name} is empty; write the card's id and the name of its account", path=name)
    if not re.match(UID_FORM, uid):
        raise Invalid("row", f"uid is {values['uid']!r}; a card's id has 1 to 64 letters, digits and . _ * ~ / + =")
    if earlier is not None:
        raise Invalid("row", f"uid {values['uid']!r} stands in line {earlier} already; keep one of them")
    for name, allowed in (("kind", CardAccount.Kind.values), ("state", Card.State.values)):
        if values[name] and values[name] not in allowed:
            raise Invalid("row", f"{name} is {values[name]!r}; allowed: {', '.join(allowed)}", path=name)


def _take_card(operator: Operator, values: Mapping[str, str], uid: str) -> str:
    """Write one row; returns added, changed or unchanged. Raises Invalid, ValidationError."""
    account = CardAccount.objects.filter(operator=operator, name=values["account"]).first()
    if account is None:
        account = _new_account(operator, values)
    elif values["kind"] not in {"", account.kind} or values["currency"] not in {"", account.currency}:
        raise Invalid(
            "row",
            f"account {account.name!r} is {account.kind} in {account.currency}; the row says "
            f"{values['kind'] or account.kind} in {values['currency'] or account.currency}; change it in the admin",
        )
    card = Card.objects.select_for_update(no_key=True, of=("self",)).filter(operator=operator, uid=uid).first()
    wanted = {"account": account} | {name: values[name] for name in ("label", "state") if values[name]}
    if card is None:
        card = Card(operator=operator, uid=uid, **wanted)
        card.full_clean()
        card.save()
        return "added"
    if all(getattr(card, name) == value for name, value in wanted.items()):
        return "unchanged"
    for name, value in wanted.items():
        setattr(card, name, value)
    card.full_clean()
    card.save()
    return "changed"


def _new_account(operator: Operator, values: Mapping[str, str]) -> CardAccount:
    if not values["kind"]:
        raise Invalid("row", f"account {values['account']!r} is new; say in kind whether it is contract or prepaid")
    account = CardAccount(
        operator=operator, name=values["account"], kind=values["kind"], currency=values["currency"] or "INR"
    )
    account.full_clean()
    account.save()
    return account


def _more_than_nothing(paise: int) -> None:
    if paise <= 0:
        raise Invalid("amount", f"{paise} paise are not an amount; name one above 0", path="paise")


def _check_purse(account: CardAccount, paise: int) -> None:
    """What we take out of a prepaid account may not exceed what is on it, less what charges on it now."""
    left = available(account.pk)
    if account.kind == CardAccount.Kind.PREPAID and paise < 0 and left + paise < 0:
        raise NotAllowed(
            "balance",
            f"{rupees(left)} are left on {account}, {rupees(-paise)} would be taken out; take at most what is left",
            path="paise",
        )


def _enter(
    account: CardAccount,
    kind: str,
    paise: int,
    *,
    reason: str,
    actor: str,
    now: datetime,
    walk_in: WalkIn | None = None,
) -> CardEntry:
    return CardEntry.objects.create(
        account=account, kind=kind, paise=paise, walk_in=walk_in, reason=reason[:300], actor=actor[:150], at=now
    )
