"""How is it proved afterwards who agreed to what?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orders.models import Consent, Order
from orders.services.consent import digest_of, terms_id

RULE = "SHA-256 over UTF-8 of text_en, text_hi and text_kn joined by U+001E; an absent language is the empty text"


def consent_evidence(order: Order, *, now: datetime) -> dict[str, Any]:
    """Everything that shows what was agreed to for an order, as JSON data: texts, digests, times, channels.

    `intact` says whether the text as stored today still has the digest that was agreed to.
    """
    consents = order.consents.select_related("terms__operator", "terms__station").order_by("at", "pk")
    return {
        "order": order.code or "",
        "transaction_id": order.transaction_id,
        "buyer_app": order.bap_id,
        "operator": order.operator.code,
        "confirmed_at": order.confirmed_at.isoformat() if order.confirmed_at else "",
        "exported_at": now.isoformat(),
        "digest_rule": RULE,
        "consents": [_consent(consent) for consent in consents],
    }


def _consent(consent: Consent) -> dict[str, Any]:
    terms = consent.terms
    return {
        "at": consent.at.isoformat(),
        "channel": consent.channel,
        "buyer_app": consent.bap_id,
        "language": consent.language,
        "sha256": consent.sha256,
        "intact": consent.sha256 == terms.sha256 == digest_of(terms),
        "submitted": consent.evidence,
        "terms": {
            "id": terms_id(terms),
            "kind": terms.kind,
            "version": terms.version,
            "service": terms.service,
            "place": {
                "state": terms.state,
                "city": terms.city,
                "station": terms.station.code if terms.station else "",
            },
            "valid_from": terms.valid_from.isoformat(),
            "published_at": terms.published_at.isoformat() if terms.published_at else "",
            "text_en": terms.text_en,
            "text_hi": terms.text_hi,
            "text_kn": terms.text_kn,
        },
    }
