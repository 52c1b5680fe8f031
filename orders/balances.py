"""How much stands where: for one order, and for an operator with each buyer app?

Everything is summed from the postings; nothing is kept beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from orders.models import Account, Journal, Order, Posting

K = Journal.Kind
CAME_IN = (K.CHARGE, K.HOLD, K.RELEASE)
INCOME = (Account.REVENUE, Account.FEES, Account.CGST, Account.SGST, Account.UTGST, Account.IGST)


@dataclass(frozen=True, slots=True)
class Purse:
    """The money of one order, paise: paid = captured + refunded + held.

    `due` the customer still owes; `authorised` is the part of `paid` the provider only holds; `returned` the part of
    `refunded` that has really gone back. `income` is what was earned and which taxes are due on it, by account.
    """

    paid: int = 0
    captured: int = 0
    refunded: int = 0
    held: int = 0
    due: int = 0
    authorised: int = 0
    returned: int = 0
    income: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of one account, paise, debit positive, for an operator and a buyer app."""

    operator_id: int
    bap_id: str
    account: str
    paise: int


def purse(order: Order) -> Purse:
    """Where the order's money is now."""
    rows = Posting.objects.filter(order=order).order_by().values_list("account", "journal__kind").annotate(Sum("paise"))
    return purse_of((account, kind, int(paise)) for account, kind, paise in rows)


def purse_of(sums: Iterable[tuple[str, str, int]]) -> Purse:
    """The purse that sums by account and kind of journal, paise, make."""
    rows = list(sums)
    held = [(kind, -paise) for account, kind, paise in rows if account == Account.HELD]
    earned = {name: -sum(paise for account, _, paise in rows if account == name) for name in INCOME}
    return Purse(
        paid=sum(paise for kind, paise in held if kind in CAME_IN),
        captured=-sum(paise for kind, paise in held if kind not in CAME_IN and kind != K.REFUND),
        refunded=-sum(paise for kind, paise in held if kind == K.REFUND),
        held=sum(paise for _, paise in held),
        due=sum(paise for account, _, paise in rows if account == Account.CUSTOMER),
        authorised=sum(paise for account, _, paise in rows if account == Account.AUTHORISED),
        returned=sum(paise for account, kind, paise in rows if account == Account.REFUNDS and kind == K.PAYOUT),
        income={name.value: paise for name, paise in earned.items() if paise},
    )


def income(order: Order) -> dict[str, int]:
    """What was earned with the order and which taxes are due on it, paise by account."""
    return dict(purse(order).income)


def balances(
    *, operators: Iterable[int] | None = None, since: datetime | None = None, until: datetime | None = None
) -> list[Balance]:
    """The accounts of operators (all, where none are named) by buyer app, for a period from `since` before `until`."""
    rows = in_period(Posting.objects.all(), since=since, until=until)
    if operators is not None:
        rows = rows.filter(operator__in=list(operators))
    sums = rows.order_by("operator_id", "bap_id", "account").values_list("operator_id", "bap_id", "account")
    return [
        Balance(operator, bap, account, int(paise)) for operator, bap, account, paise in sums.annotate(Sum("paise"))
    ]


def balance(operator_id: int, bap_id: str, account: Account) -> int:
    """The sum of one account, paise, debit positive."""
    rows = Posting.objects.filter(operator_id=operator_id, bap_id=bap_id, account=account)
    return int(rows.aggregate(paise=Sum("paise"))["paise"] or 0)


def in_period(
    rows: QuerySet[Posting], *, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[Posting]:
    """Those of journals from `since` before `until`."""
    wanted = Q()
    if since is not None:
        wanted &= Q(journal__at__gte=since)
    if until is not None:
        wanted &= Q(journal__at__lt=until)
    return rows.filter(wanted)
