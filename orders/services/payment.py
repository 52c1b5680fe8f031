"""Which payments do we agree to, and what proves one?"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from core.errors import Invalid, NotAllowed
from core.money import Money, from_paise
from orders.models import Payment, Quote

PATH = "order.payments[0]"
# Who may collect when. Once the driver has left, we can only do so through a provider.
KINDS: dict[str, tuple[str, ...]] = {
    Payment.Type.PRE_ORDER.value: (Payment.CollectedBy.BAP.value, Payment.CollectedBy.BPP.value),
    Payment.Type.ON_FULFILLMENT.value: (Payment.CollectedBy.BAP.value, Payment.CollectedBy.BPP.value),
    Payment.Type.POST_FULFILLMENT.value: (Payment.CollectedBy.BAP.value,),
}
WITH_PROVIDER: dict[str, tuple[str, ...]] = {
    Payment.Type.POST_FULFILLMENT.value: (Payment.CollectedBy.BAP.value, Payment.CollectedBy.BPP.value)
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What the buyer app says about the payment; empty where it says nothing."""

    collected_by: str = ""
    type: str = ""
    status: str = ""
    amount: Decimal | None = None
    currency: str = ""
    reference: str = ""
    quoted: Decimal | None = None


def check_kind(collected_by: str, payment_type: str) -> tuple[str, str]:
    """Who collects and when, with our defaults for what is empty. Raises NotAllowed `payment-kind`."""
    collector = collected_by or Payment.CollectedBy.BAP.value
    kind = payment_type or Payment.Type.PRE_ORDER.value
    kinds = KINDS | WITH_PROVIDER if settings.PAYMENT_PROVIDER else KINDS
    if collector not in kinds.get(kind, ()):
        allowed = "; ".join(f"{name} collected by {' or '.join(who)}" for name, who in kinds.items())
        raise NotAllowed(
            "payment-kind", f"{kind} collected by {collector} is not offered; allowed: {allowed}", path=f"{PATH}.type"
        )
    return collector, kind


def check_finder_fee(kind: str, value: Decimal, *, total_paise: int) -> tuple[str, Decimal]:
    """The buyer app's fee as it is kept with the payment: `percent` or `amount`, and how much, in percent or rupees.

    Raises NotAllowed `payment-kind` above MAX_FINDER_FEE_PERCENT of the total.
    """
    if not kind or not value:
        return "", Decimal(0)
    percent = value if kind == "percent" else value * 10_000 / max(total_paise, 1)
    if percent > settings.MAX_FINDER_FEE_PERCENT:
        raise NotAllowed(
            "payment-kind",
            f"a finder fee of {value} ({kind}) is {percent:.2f} % of the total; at most "
            f"{settings.MAX_FINDER_FEE_PERCENT} % are agreed to",
            path=f"{PATH}.tags",
        )
    return kind, value.quantize(Decimal("0.01"))


def earned_finder_fee(payment: Payment, bill: Quote) -> int:
    """What the buyer app has earned with a bill, paise: its share of it, or its amount up to that of the bill.

    The share is of the total with tax, as the limit is when the fee is agreed to. A cancellation earns nothing: the
    network has us keep and echo the fee's terms and names no fee on a fee, which pays for a charger kept free.
    """
    if bill.kind != Quote.Kind.BILL:
        return 0
    if payment.finder_fee_type == "percent":
        return from_paise(bill.total_paise).times(payment.finder_fee / 100).rounded().paise
    return min(Money(payment.finder_fee).rounded().paise, bill.total_paise)


def check_proof(payment: Payment, quote: Quote, proof: Proof) -> bool:
    """Whether the proof says the order is paid; it must fit what was agreed and quoted, to the paisa.

    Raises NotAllowed `payment-kind`, Invalid `price-differs` or `payment-proof`.
    """
    _check_agreed(payment, proof)
    _check_amount(quote, proof.amount, f"{PATH}.params.amount")
    _check_amount(quote, proof.quoted, "order.quote.price.value")
    if proof.currency and proof.currency != quote.currency:
        raise Invalid(
            "price-differs",
            f"the payment is in {proof.currency}, the quote in {quote.currency}",
            path=f"{PATH}.params.currency",
        )
    if payment.type != Payment.Type.PRE_ORDER:
        return payment.collected_by == Payment.CollectedBy.BAP and proof.status == Payment.Status.PAID
    _check_paid_before(payment, proof)
    return True


def _check_agreed(payment: Payment, proof: Proof) -> None:
    agreed = (payment.collected_by, payment.type)
    said = (proof.collected_by or agreed[0], proof.type or agreed[1])
    if said != agreed:
        raise NotAllowed(
            "payment-kind",
            f"{said[1]} collected by {said[0]} was not agreed; it is {agreed[1]} collected by {agreed[0]}; initialise "
            "again to change it",
            path=f"{PATH}.type",
        )


def _check_amount(quote: Quote, amount: Decimal | None, path: str) -> None:
    if amount is None:
        return
    due = from_paise(quote.total_paise, quote.currency)
    if not amount.is_finite() or amount != due.amount:
        raise Invalid("price-differs", f"{amount} is not the quoted {due.wire} {due.currency}; pay that", path=path)


def _check_paid_before(payment: Payment, proof: Proof) -> None:
    if payment.collected_by == Payment.CollectedBy.BAP and proof.status != Payment.Status.PAID:
        raise Invalid(
            "payment-proof",
            f"status is {proof.status or 'empty'}; a payment before the order must be {Payment.Status.PAID.value}",
            path=f"{PATH}.status",
        )
