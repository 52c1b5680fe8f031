"""What can go wrong, in words every layer understands?

DomainError                 an expected refusal; raised by services, turned into a wire error by the dialect
├── NotFound                the thing named does not exist, or not for this caller
├── NotAllowed              the state or a policy forbids it
├── Unavailable             busy, sold out, out of service
└── Invalid                 the request contradicts itself or our offer
OutsideError                something beyond our process failed; `permanent` says whether asking again can help
├── DriverError             a station or the power supplier
├── PaymentError            a payment provider
└── DeliveryError           a counterpart's endpoint
"""

from __future__ import annotations


class DomainError(Exception):
    """An expected refusal.

    `code` is stable and neutral (for instance `item-unknown`); `path` names the culprit inside the neutral request
    (for instance `order.items[0].id`); the text says what was seen, what is allowed and what to do.
    """

    def __init__(self, code: str, text: str, *, path: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.path = path


class NotFound(DomainError):
    """The thing named does not exist, or not for this caller."""


class NotAllowed(DomainError):
    """The state or a policy forbids it."""


class Unavailable(DomainError):
    """Busy, sold out or out of service."""


class Invalid(DomainError):
    """The request contradicts itself or our offer."""


class OutsideError(Exception):
    """Something beyond our process failed; `permanent` is False where asking again can help."""

    def __init__(self, text: str, *, permanent: bool, status: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.permanent = permanent
        self.status = status


class DriverError(OutsideError):
    """A station or the power supplier refused or failed; `unknown` is True where the outcome cannot be told."""

    def __init__(self, text: str, *, permanent: bool, status: int | None = None, unknown: bool = False) -> None:
        super().__init__(text, permanent=permanent, status=status)
        self.unknown = unknown


class PaymentError(OutsideError):
    """A payment provider refused or failed; `unknown` is True where the outcome cannot be told."""

    def __init__(self, text: str, *, permanent: bool, status: int | None = None, unknown: bool = False) -> None:
        super().__init__(text, permanent=permanent, status=status)
        self.unknown = unknown


class DeliveryError(OutsideError):
    """A counterpart's endpoint refused or failed."""
