"""How is money collected through Razorpay, or a gateway that speaks its API?

Payment links carry our reference; captures and refunds are asked about before they are repeated, since only refunds
have an idempotency header there. Source: razorpay.com/docs/api (payment links, orders, payments, refunds) and
/docs/webhooks: the signature is HMAC-SHA256 in hex over the raw body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from core.errors import DeliveryError, PaymentError
from core.http import call
from orders.payments.base import Ask, Link, News, Received, Refunded, State, WebhookRefused

TEMPORARY = frozenset({408, 409, 425, 429})
LIMIT_BYTES = 262_144
STATES = {"captured": State.CAPTURED, "refunded": State.CAPTURED, "authorized": State.AUTHORISED}
LINK_STATES = {"expired": State.EXPIRED, "cancelled": State.EXPIRED}
RANK = {State.CAPTURED: 3, State.AUTHORISED: 2, State.FAILED: 1}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account it is; the secrets are the ones webhooks may be signed with now, the newest first."""

    url: str
    key_id: str
    key_secret: str
    merchant: str = ""
    webhook_secrets: Sequence[str] = ()
    can_capture_part: bool = False
    timeout_s: float = 6.0
    allow_private: bool = False


class Razorpay:
    """One account at a gateway of Razorpay's kind."""

    name = "razorpay"
    can_hold = True
    can_fetch = True

    def __init__(self, account: Account) -> None:
        self._of = account
        self.account = account.merchant
        self.can_capture_part = account.can_capture_part
        pair = f"{account.key_id}:{account.key_secret}".encode()
        self._headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    @classmethod
    def from_settings(cls, settings: Any) -> Razorpay:
        """The account of PAYMENT_RAZORPAY_…. Raises PaymentError (permanent) where its key is not set."""
        account = Account(
            settings.PAYMENT_RAZORPAY_URL,
            settings.PAYMENT_RAZORPAY_KEY_ID,
            settings.PAYMENT_RAZORPAY_KEY_SECRET,
            merchant=settings.PAYMENT_RAZORPAY_ACCOUNT,
            webhook_secrets=tuple(settings.PAYMENT_RAZORPAY_WEBHOOK_SECRETS),
            can_capture_part=settings.PAYMENT_RAZORPAY_PARTIAL_CAPTURE,
            timeout_s=settings.PAYMENT_TIMEOUT_S,
            allow_private=settings.PAYMENT_ALLOW_PRIVATE,
        )
        if not (account.url and account.key_id and account.key_secret):
            raise PaymentError(
                "PAYMENT_RAZORPAY_KEY_ID and PAYMENT_RAZORPAY_KEY_SECRET are not set; give the account's API key",
                permanent=True,
            )
        return cls(account)

    def create(self, ask: Ask) -> Link:
        """A payment link under our reference; an earlier one under it is found and used. Raises PaymentError."""
        return self._link_of(ask) or self._new_link(ask)

    def fetch(self, link_ref: str) -> Received:
        """The best payment of a link's order. Raises PaymentError; a payment without its parts is a temporary fault."""
        link = self._ask("GET", f"/payment_links/{_part(link_ref)}")
        order_ref = _text(link, "order_id")
        found = [_received(row) for row in _items(self._payments(order_ref))] if order_ref else []
        best = max(found, key=lambda one: RANK.get(one.state, 0), default=None)
        if best is not None and best.state in {State.AUTHORISED, State.CAPTURED}:
            return best
        ended = LINK_STATES.get(_text(link, "status"))
        if ended is not None:
            return Received(ended, order_ref=order_ref)
        return best or Received(State.OPEN, order_ref=order_ref)

    def cancel(self, link_ref: str) -> None:
        """Close a link; a refusal says that it is paid, expired or closed already. Raises PaymentError."""
        try:
            self._ask("POST", f"/payment_links/{_part(link_ref)}/cancel", {})
        except PaymentError as err:
            if not err.permanent or err.status in {401, 403}:
                raise

    def locate(self, news: News) -> str:
        """The receipt of the order the news is about. Raises PaymentError."""
        order_ref = news.order_ref
        if not order_ref and news.payment_ref:
            order_ref = _text(self._known(f"/payments/{_part(news.payment_ref)}"), "order_id")
        return _text(self._known(f"/orders/{_part(order_ref)}"), "receipt") if order_ref else ""

    def capture(self, payment_ref: str, paise: int, currency: str) -> Received:
        """Ask how the payment stands, then capture what is only authorised. Raises PaymentError.

        Source: docs/api/payments/capture: a payment that is captured already is refused, hence the question first.
        """
        standing = self.payment(payment_ref)
        if standing.state != State.AUTHORISED:
            return standing
        body = {"amount": paise, "currency": currency}
        return _received(self._ask("POST", f"/payments/{_part(payment_ref)}/capture", body))

    def payment(self, payment_ref: str) -> Received:
        """A payment by its name. Raises PaymentError, permanent where there is none."""
        return _received(self._ask("GET", f"/payments/{_part(payment_ref)}"))

    def refund(self, payment_ref: str, paise: int, *, key: str, again: bool = False) -> Refunded:
        """Give back under an idempotency key; the receipt carries the key too. Raises PaymentError.

        `again` begins a new one where the last was given up, under the next key: the old one would answer the same.
        Source: docs/api/refunds/normal-refunds-idempotent: header X-Refund-Idempotency, 10 characters or more of
        letters, digits, hyphen and underscore.
        """
        rows, name, last = self._refunds(payment_ref), key, None
        for number in count(1):
            known = _refund_under(rows, name)
            if known is None:
                break
            if not known.failed:
                return known
            name, last = f"{key}#{number}", known
        if last is not None and not again:
            return last
        body = {"amount": paise, "speed": "normal", "receipt": _safe_key(name)}
        headers = {"X-Refund-Idempotency": _safe_key(name)}
        return _refunded(self._ask("POST", f"/payments/{_part(payment_ref)}/refund", body, headers=headers))

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> News:
        """Names out of a webhook signed with one of our secrets. Raises WebhookRefused."""
        given = headers.get("x-razorpay-signature", "").encode()
        fits = [
            hmac.compare_digest(given, hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest().encode())
            for secret in self._of.webhook_secrets
            if secret
        ]
        if not any(fits):
            raise WebhookRefused("the signature fits none of our webhook secrets")
        return _news(raw, headers.get("x-razorpay-event-id", ""))

    def _link_of(self, ask: Ask) -> Link | None:
        rows = self._ask("GET", f"/payment_links?{urlencode({'reference_id': ask.reference})}").get("payment_links")
        for row in rows if isinstance(rows, list) else []:
            same = row.get("reference_id") == ask.reference and row.get("amount") == ask.amount_paise
            if same and row.get("currency") == ask.currency:
                return Link(_text(row, "id"), _text(row, "short_url"))
        return None

    def _new_link(self, ask: Ask) -> Link:
        body: dict[str, Any] = {
            "amount": ask.amount_paise,
            "currency": ask.currency,
            "accept_partial": False,
            "reference_id": ask.reference,
            "description": ask.description[:2048],
            "reminder_enable": False,
            "notify": {"sms": False, "email": False},
            "notes": {"reference": ask.reference},
        }
        if ask.back_url:
            body |= {"callback_url": ask.back_url, "callback_method": "get"}
        if ask.expires_at is not None:
            body["expire_by"] = int(ask.expires_at.timestamp())
        if ask.hold:
            body["options"] = {"order": {"payment_capture": 0}}
        row = self._ask("POST", "/payment_links", body)
        return Link(_text(row, "id"), _text(row, "short_url"))

    def _payments(self, order_ref: str) -> dict[str, Any]:
        return self._ask("GET", f"/orders/{_part(order_ref)}/payments")

    def _refunds(self, payment_ref: str) -> list[dict[str, Any]]:
        return _items(self._ask("GET", f"/payments/{_part(payment_ref)}/refunds?count=100"))

    def _known(self, path: str) -> dict[str, Any]:
        """What lies at `path`, nothing where the provider knows no such thing of ours."""
        try:
            return self._ask("GET", path)
        except PaymentError as err:
            if err.status in {400, 404}:
                return {}
            raise

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One call and its JSON object. Raises PaymentError; unknown where an effect cannot be ruled out."""
        effect = method != "GET"
        try:
            answer = call(
                method,
                f"{self._of.url.rstrip('/')}{path}",
                json=body,
                headers={**self._headers, **(headers or {})},
                timeout_s=self._of.timeout_s,
                limit_bytes=LIMIT_BYTES,
                allow_private=self._of.allow_private,
            )
        except DeliveryError as err:
            raise PaymentError(err.text, permanent=err.permanent, unknown=effect and not err.permanent) from err
        if answer.status >= 300:
            passing = answer.status >= 500 or answer.status in TEMPORARY
            raise PaymentError(
                f"{method} {path.partition('?')[0]} was answered {answer.status}: {_reason(answer.body)}",
                permanent=not passing,
                status=answer.status,
                unknown=effect and answer.status >= 500,
            )
        return _object(answer.body, unknown=effect)


def _news(raw: bytes, event_id: str) -> News:
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError as err:
        raise WebhookRefused(f"the body is not JSON: {err}") from err
    if not isinstance(told, dict) or not isinstance(told.get("payload"), dict):
        raise WebhookRefused("the body is no event with a payload")
    link, payment, order, refund = (_entity(told, kind) for kind in ("payment_link", "payment", "order", "refund"))
    created = told.get("created_at")
    seconds = created if isinstance(created, int) and 0 < created < 1 << 33 else 0
    return News(
        event_id=event_id[:64] or hashlib.sha256(raw).hexdigest()[:40],
        kind=_text(told, "event")[:60],
        account=_text(told, "account_id")[:64],
        link_ref=_text(link, "id")[:64],
        order_ref=(_text(order, "id") or _text(payment, "order_id") or _text(link, "order_id"))[:64],
        payment_ref=(_text(payment, "id") or _text(refund, "payment_id"))[:64],
        reference=(_text(link, "reference_id") or _text(order, "receipt"))[:64],
        refund_ref=_text(refund, "id")[:64],
        happened_at=datetime.fromtimestamp(seconds, UTC) if seconds else None,
    )


def _entity(told: dict[str, Any], kind: str) -> dict[str, Any]:
    holder = told["payload"].get(kind)
    entity = holder.get("entity") if isinstance(holder, dict) else None
    return entity if isinstance(entity, dict) else {}


def _received(row: dict[str, Any]) -> Received:
    """A payment entity. Raises PaymentError where it lacks what money is compared by."""
    amount, status = row.get("amount"), _text(row, "status")
    if not _whole(amount) or not _text(row, "id") or not _text(row, "currency") or not status:
        raise PaymentError("a payment came without id, amount, currency or status", permanent=False)
    state = STATES.get(status, State.FAILED if status == "failed" else State.OPEN)
    if status == "refunded" and row.get("captured") is False:
        state = State.EXPIRED  # an authorisation that was never captured goes back by itself
    captured = row.get("amount_captured") if _whole(row.get("amount_captured")) else amount
    return Received(
        state,
        payment_ref=_text(row, "id"),
        order_ref=_text(row, "order_id"),
        amount_paise=int(amount or 0),
        currency=_text(row, "currency"),
        captured_paise=int(captured or 0) if state == State.CAPTURED else 0,
    )


def _refunded(row: dict[str, Any]) -> Refunded:
    status, amount = _text(row, "status"), row.get("amount")
    if not _text(row, "id") or not _whole(amount):
        raise PaymentError("a refund came without id or amount", permanent=False, unknown=True)
    return Refunded(_text(row, "id"), int(amount or 0), done=status == "processed", failed=status == "failed")


def _refund_under(rows: list[dict[str, Any]], key: str) -> Refunded | None:
    """The refund with this key as its receipt, one that stands before one that failed."""
    mine = [_refunded(row) for row in rows if row.get("receipt") == _safe_key(key)]
    return next((one for one in mine if not one.failed), mine[0] if mine else None)


def _object(body: bytes, *, unknown: bool) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise PaymentError(f"the answer is not JSON: {err}", permanent=False, unknown=unknown) from err
    if not isinstance(content, dict):
        raise PaymentError("the answer is no JSON object", permanent=False, unknown=unknown)
    return content


def _items(content: dict[str, Any]) -> list[dict[str, Any]]:
    rows = content.get("items")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _reason(body: bytes) -> str:
    """The provider's own words; never more, since a body may name the payer."""
    try:
        error = orjson.loads(body).get("error", {})
        return str(error.get("description", ""))[:200] or "no reason given"
    except (orjson.JSONDecodeError, AttributeError):
        return "no reason given"


def _safe_key(key: str) -> str:
    """A key as the header and the receipt allow it, 40 characters at most."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _part(text: str) -> str:
    return quote(text, safe="")
