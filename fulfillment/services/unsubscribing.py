"""Who wants no notices of an operator, and by which link do they say so?

The link proves itself: it holds the operator and a keyed hash of the address, sealed by us; the address is not in it.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.utils.crypto import salted_hmac

from catalog.models import Operator
from core.errors import NotFound
from fulfillment.models import NoticeOptOut

LONGEST_TOKEN = 200
_SIGNER = Signer(salt="fulfillment.notices.off", sep=".")
_INSIDE = re.compile(r"([0-9]{1,18})-([0-9a-f]{64})", re.ASCII)


def off_token(operator_id: int, address: str) -> str:
    """The token of the page where this address switches the operator's notices off; the same one each time."""
    return _SIGNER.sign(f"{operator_id}-{_hash(address)}")


def wants_none(operator_id: int, address: str) -> bool:
    """Whether the owner of this address switched the operator's notices off."""
    return NoticeOptOut.objects.filter(operator_id=operator_id, address_hash=_hash(address)).exists()


def standing_of(token: str) -> tuple[Operator, bool]:
    """The operator that a token is about, and whether its notices are off. Raises NotFound `link-unknown`."""
    operator, address_hash = _opened(token)
    return operator, NoticeOptOut.objects.filter(operator=operator, address_hash=address_hash).exists()


@transaction.atomic
def switch(token: str, *, off: bool, now: datetime) -> None:
    """Switch an operator's notices to an address off or on again; told again it is the same. Raises NotFound."""
    operator, address_hash = _opened(token)
    if off:
        NoticeOptOut.objects.get_or_create(operator=operator, address_hash=address_hash, defaults={"at": now})
    else:
        NoticeOptOut.objects.filter(operator=operator, address_hash=address_hash).delete()


def _opened(token: str) -> tuple[Operator, str]:
    inside = None
    if len(token) <= LONGEST_TOKEN and token.isascii():
        try:
            inside = _INSIDE.fullmatch(_SIGNER.unsign(token))
        except BadSignature:
            inside = None
    operator = Operator.objects.filter(pk=int(inside[1])).first() if inside else None
    if inside is None or operator is None:
        raise NotFound("link-unknown", "this link opens nothing", path="token")
    return operator, inside[2]


def _hash(address: str) -> str:
    return salted_hmac("fulfillment.notices.address", address.strip().lower(), algorithm="sha256").hexdigest()
