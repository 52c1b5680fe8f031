"""How does a notice reach a system of the operator, which may pass it on to the driver?

Source: Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings

from core.errors import DeliveryError
from core.http import call
from fulfillment.models import NoticeSettings
from fulfillment.notices.base import Parcel
from orders.models import Order

TIMEOUT_S = 6.0
# A wrong address or secret is put right by the operator; what else is refused stays refused.
TEMPORARY = frozenset({401, 403, 404, 408, 425, 429})


class WebhookWay:
    """A signed JSON message to the operator's URL; private addresses are not called."""

    name = "webhook"
    title = "Webhook"
    shared = False

    def address(self, order: Order, told: NoticeSettings) -> str:
        return told.webhook_url

    def shown(self, address: str) -> str:
        """The host: paths and queries of such URLs hold keys."""
        return urlsplit(address).netloc.rpartition("@")[2]

    def send(self, parcel: Parcel, now: datetime) -> None:
        """Post it once. Raises DeliveryError."""
        body = orjson.dumps(content(parcel))
        headers = {"Content-Type": "application/json", **signed(parcel.name, body, now, parcel.secrets)}
        try:
            answer = call(
                "POST", parcel.address, data=body, headers=headers, timeout_s=TIMEOUT_S,
                allow_private=settings.NOTICES_ALLOW_PRIVATE,
            )  # fmt: skip
        except DeliveryError as err:
            # The URL may hold a key of the operator: it stays out of the reason.
            text = err.text.replace(parcel.address, self.shown(parcel.address))
            raise DeliveryError(text, permanent=err.permanent) from err
        if not 200 <= answer.status < 300:
            permanent = 400 <= answer.status < 500 and answer.status not in TEMPORARY
            raise DeliveryError(f"the webhook answered {answer.status}", permanent=permanent, status=answer.status)


def content(parcel: Parcel) -> dict[str, Any]:
    """The message: {type, timestamp, data: {order, station, …, language, subject, text}}."""
    words = {"language": parcel.language, "subject": parcel.letter.subject, "text": parcel.letter.text}
    return {
        "type": f"driver-notice.{parcel.kind}",
        "timestamp": parcel.at.isoformat(timespec="seconds"),
        "data": {**parcel.data, **words},
    }


def signed(name: str, body: bytes, now: datetime, secrets: tuple[bytes, ...]) -> dict[str, str]:
    """The headers that prove the message: one signature for each secret, the newest first."""
    stamp = str(int(now.timestamp()))
    what = b".".join([name.encode(), stamp.encode(), body])
    marks = [base64.b64encode(hmac.new(secret, what, sha256).digest()).decode() for secret in secrets]
    return {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }
