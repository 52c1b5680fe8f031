"""What does the toy payment gateway know, and what may happen to money there? Orders, links, payments, refunds.

It keeps to Razorpay's public rules: amounts in whole paise, a payment is captured once and for its whole amount (for
less only where the account is told so), refunds never exceed what was captured, a reference names one link.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.serving import Clock, utc_now

Entity = dict[str, Any]
Tell = Callable[[str, dict[str, Entity]], None]


class GatewayError(Exception):
    """A refusal in the gateway's words."""

    def __init__(self, description: str, *, status: int = 400, code: str = "BAD_REQUEST_ERROR") -> None:
        super().__init__(description)
        self.description, self.status, self.code = description, status, code


@dataclass
class AccountSettings:
    """Whose account it is and how it takes money."""

    account_id: str = "acc_sandbox0000001"
    key_id: str = "rzp_test_sandbox"
    key_secret: str = "sandbox-key-secret"  # noqa: S105  # of a toy
    webhook_secret: str = "sandbox-webhook-secret"  # noqa: S105
    partial_capture: bool = False
    captures_at_once: bool = False  # the account takes every payment whole, whatever its order says
    refunds_take_long: bool = False


@dataclass
class Gateway:
    """One merchant's account; `tell` hears of every event, in order."""

    settings: AccountSettings = field(default_factory=AccountSettings)
    clock: Clock = utc_now
    tell: Tell = lambda name, entities: None
    base_url: str = ""
    orders: dict[str, Entity] = field(default_factory=dict)
    links: dict[str, Entity] = field(default_factory=dict)
    payments: dict[str, Entity] = field(default_factory=dict)
    refunds: dict[str, Entity] = field(default_factory=dict)
    keys: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    def new_order(self, wish: Entity) -> Entity:
        """An order: {amount, currency, receipt, payment_capture}."""
        amount = _amount(wish)
        order = {
            "id": _new_id("order"),
            "entity": "order",
            "amount": amount,
            "amount_paid": 0,
            "amount_due": amount,
            "currency": _currency(wish),
            "receipt": wish.get("receipt"),
            "status": "created",
            "attempts": 0,
            "notes": wish.get("notes") or [],
            "created_at": self._seconds(),
            "payment_capture": wish.get("payment_capture", 1),
        }
        self.orders[order["id"]] = order
        return order

    def new_link(self, wish: Entity) -> Entity:
        """A payment link with the order behind it. Raises GatewayError where its reference names another already."""
        reference = str(wish.get("reference_id") or "")
        if len(reference) > 40:
            raise GatewayError("The reference id may not be greater than 40 characters.")
        if reference and any(link["reference_id"] == reference for link in self.links.values()):
            raise GatewayError(f"payment link with given reference_id: {reference} already exists")
        expire_by = wish.get("expire_by") or 0
        if expire_by and expire_by < self._seconds() + 15 * 60:
            raise GatewayError("expire_by should be at least 15 minutes from current time.")
        capture = ((wish.get("options") or {}).get("order") or {}).get("payment_capture", 1)
        order = self.new_order({**wish, "receipt": reference, "payment_capture": capture})
        link_id = _new_id("plink")
        link = {
            "id": link_id,
            "entity": "payment_link",
            "amount": order["amount"],
            "amount_paid": 0,
            "currency": order["currency"],
            "accept_partial": False,
            "reference_id": reference,
            "description": str(wish.get("description") or ""),
            "callback_url": str(wish.get("callback_url") or ""),
            "callback_method": str(wish.get("callback_method") or ""),
            "expire_by": expire_by,
            "expired_at": 0,
            "cancelled_at": 0,
            "notes": wish.get("notes"),
            "order_id": order["id"],
            "payments": [],
            "short_url": f"{self.base_url}/pay/{link_id}",
            "status": "created",
            "created_at": self._seconds(),
        }
        self.links[link_id] = link
        return link

    def link(self, link_id: str) -> Entity:
        """A link, expired where its time is over. Raises GatewayError."""
        link = _known(self.links, link_id)
        if link["status"] == "created" and link["expire_by"] and link["expire_by"] <= self._seconds():
            link["status"], link["expired_at"] = "expired", self._seconds()
            self.tell("payment_link.expired", {"payment_link": link})
        return link

    def cancel_link(self, link_id: str) -> Entity:
        """Close a link. Raises GatewayError where it is not open."""
        link = self.link(link_id)
        if link["status"] != "created":
            raise GatewayError(f"Payment Link cannot be cancelled. It is {link['status']}.")
        link["status"], link["cancelled_at"] = "cancelled", self._seconds()
        self.tell("payment_link.cancelled", {"payment_link": link})
        return link

    def pay(self, link_id: str, *, succeeds: bool = True, amount: int | None = None, currency: str = "") -> Entity:
        """What a payer does on the page: a payment, authorised and, where the order says so, captured at once.

        `amount` and `currency` let a test pay something else than was asked. Raises GatewayError.
        """
        link = self.link(link_id)
        if link["status"] != "created":
            raise GatewayError(f"This payment link is {link['status']}.")
        order = self.orders[link["order_id"]]
        payment: Entity = {
            "id": _new_id("pay"),
            "entity": "payment",
            "amount": link["amount"] if amount is None else amount,
            "currency": currency or link["currency"],
            "status": "authorized" if succeeds else "failed",
            "order_id": order["id"],
            "method": "upi",
            "amount_refunded": 0,
            "refund_status": None,
            "captured": False,
            "description": f"#{link_id.removeprefix('plink_')}",
            "vpa": "payer@sandbox",
            "email": "payer@example.org",
            "contact": "+910000000000",
            "notes": link["notes"] or [],
            "fee": None,
            "tax": None,
            "created_at": self._seconds(),
        }
        self.payments[payment["id"]] = payment
        order["attempts"] += 1
        if not succeeds:
            order["status"] = "attempted"
            self.tell("payment.failed", {"payment": payment})
            return payment
        link["status"], link["amount_paid"] = "paid", payment["amount"]
        self.tell("payment.authorized", {"payment": payment})
        if order["payment_capture"] or self.settings.captures_at_once:
            self._take(payment, payment["amount"])
        return payment

    def capture(self, payment_id: str, wish: Entity) -> Entity:
        """Take an authorised payment. Raises GatewayError for another state, amount or currency."""
        payment = self.payment(payment_id)
        if payment["status"] != "authorized":
            raise GatewayError("This payment has already been captured")
        amount = _amount(wish)
        fits = amount <= payment["amount"] if self.settings.partial_capture else amount == payment["amount"]
        if not fits:
            raise GatewayError("Capture amount must be equal to the amount authorized")
        if wish.get("currency") != payment["currency"]:
            raise GatewayError("Capture currency must be the same as the payment's")
        self._take(payment, amount)
        return payment

    def lapse(self, payment_id: str) -> Entity:
        """An authorised payment nobody captured goes back to the payer. Raises GatewayError."""
        payment = self.payment(payment_id)
        if payment["status"] != "authorized":
            raise GatewayError("only an authorized payment lapses")
        payment |= {"status": "refunded", "amount_refunded": payment["amount"], "refund_status": "full"}
        return payment

    def refund(self, payment_id: str, wish: Entity, *, key: str = "") -> Entity:
        """Give back all or a part; under a key the same refund again. Raises GatewayError."""
        payment = self.payment(payment_id)
        left = payment.get("amount_captured", 0) - payment["amount_refunded"]
        amount = int(wish.get("amount", left))
        if key and key in self.keys:
            refund_id, of_payment, of_amount = self.keys[key]
            if (of_payment, of_amount) != (payment_id, amount):
                raise GatewayError("Different request sent with the same idempotency key")
            return self.refunds[refund_id]
        if payment["status"] not in ("captured", "refunded") or amount <= 0 or amount > left:
            raise GatewayError("The total refund amount is greater than the refund payment amount")
        refund = {
            "id": _new_id("rfnd"),
            "entity": "refund",
            "amount": amount,
            "currency": payment["currency"],
            "payment_id": payment_id,
            "receipt": wish.get("receipt"),
            "notes": wish.get("notes") or [],
            "status": "pending" if self.settings.refunds_take_long else "processed",
            "speed_processed": "normal",
            "created_at": self._seconds(),
        }
        self.refunds[refund["id"]] = refund
        if key:
            self.keys[key] = (refund["id"], payment_id, amount)
        payment["amount_refunded"] += amount
        full = payment["amount_refunded"] == payment["amount_captured"]
        payment |= {"refund_status": "full" if full else "partial", "status": "refunded" if full else "captured"}
        self.tell("refund.created", {"refund": refund, "payment": payment})
        if refund["status"] == "processed":
            self.tell("refund.processed", {"refund": refund, "payment": payment})
        return refund

    def finish_refund(self, refund_id: str, *, fails: bool = False) -> Entity:
        """A refund that took long arrives, or fails and its money stays. Raises GatewayError."""
        refund = _known(self.refunds, refund_id)
        payment = self.payments[refund["payment_id"]]
        if refund["status"] != "pending":
            raise GatewayError(f"the refund is {refund['status']}")
        refund["status"] = "failed" if fails else "processed"
        if fails:
            payment["amount_refunded"] -= refund["amount"]
            partly = payment["amount_refunded"] > 0
            payment |= {"status": "captured", "refund_status": "partial" if partly else None}
        self.tell(f"refund.{refund['status']}", {"refund": refund, "payment": payment})
        return refund

    def payment(self, payment_id: str) -> Entity:
        """Raises GatewayError where there is none."""
        return _known(self.payments, payment_id)

    def order(self, order_id: str) -> Entity:
        """Raises GatewayError where there is none."""
        return _known(self.orders, order_id)

    def payments_of(self, order_id: str) -> list[Entity]:
        """Every payment of an order, the oldest first."""
        return [payment for payment in self.payments.values() if payment["order_id"] == order_id]

    def refunds_of(self, payment_id: str) -> list[Entity]:
        """Every refund of a payment, the oldest first."""
        return [refund for refund in self.refunds.values() if refund["payment_id"] == payment_id]

    def _take(self, payment: Entity, amount: int) -> None:
        order = self.orders[payment["order_id"]]
        payment |= {"status": "captured", "captured": True, "amount_captured": amount, "fee": amount // 50, "tax": 0}
        order |= {"status": "paid", "amount_paid": amount, "amount_due": 0}
        link = next((link for link in self.links.values() if link["order_id"] == order["id"]), None)
        self.tell("payment.captured", {"payment": payment})
        self.tell("order.paid", {"payment": payment, "order": order})
        if link is not None:
            link["payments"] = [{"payment_id": payment["id"], "amount": amount, "status": "captured", "method": "upi"}]
            self.tell("payment_link.paid", {"payment_link": link, "payment": payment, "order": order})

    def _seconds(self) -> int:
        return int(self.clock().timestamp())


def _known(rows: dict[str, Entity], name: str) -> Entity:
    if name not in rows:
        raise GatewayError("The id provided does not exist")
    return rows[name]


def _amount(wish: Entity) -> int:
    amount = wish.get("amount")
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise GatewayError("The amount must be an integer.")
    if amount < 100:
        raise GatewayError("The amount must be atleast INR 1.00")
    return amount


def _currency(wish: Entity) -> str:
    currency = wish.get("currency", "INR")
    if not isinstance(currency, str) or len(currency) != 3:
        raise GatewayError("Currency is not supported")
    return currency


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(7)}"
