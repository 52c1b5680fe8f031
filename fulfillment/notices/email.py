"""How does a notice reach a driver by e-mail?"""

from __future__ import annotations

import smtplib
from datetime import datetime
from email.headerregistry import Address
from email.utils import formataddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string

from core.errors import DeliveryError
from fulfillment.models import NoticeSettings
from fulfillment.notices.base import MASK, Parcel
from orders.models import Order

NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"
# What an SMTP server says of this very message or address for good; sign-in and sender are our own matter.
FOR_GOOD = range(500, 600)


class EmailWay:
    """Plain text with a simple HTML beside it, from the platform's address in the operator's name."""

    name = "email"
    title = "E-mail"
    shared = True

    def address(self, order: Order, told: NoticeSettings) -> str:
        """The address given for the bill."""
        return str(order.billing.get("email") or "").strip()

    def shown(self, address: str) -> str:
        """The first letter and the domain."""
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}{MASK}@{domain}" if domain else ""

    def send(self, parcel: Parcel, now: datetime) -> None:
        """Hand the message to the mail server. Raises DeliveryError without the address in its text."""
        if settings.EMAIL_BACKEND == NO_SERVER:
            raise DeliveryError("no mail server is named: set EMAIL_HOST", permanent=False)
        try:
            validate_email(parcel.address)
        except ValidationError as err:
            raise DeliveryError("the order's e-mail address is none", permanent=True) from err
        try:
            _message(parcel, now).send()
        except smtplib.SMTPRecipientsRefused as err:
            raise _refused([code for code, _ in err.recipients.values()]) from err
        except smtplib.SMTPDataError as err:
            raise _refused([err.smtp_code]) from err
        except smtplib.SMTPResponseException as err:
            raise DeliveryError(
                f"the mail server answered {err.smtp_code} before the message", permanent=False
            ) from err
        except (smtplib.SMTPException, OSError) as err:
            raise DeliveryError(f"the mail server could not be reached: {type(err).__name__}", permanent=False) from err


def _refused(codes: list[int]) -> DeliveryError:
    code = max(codes, default=0)
    text = f"the mail server refused the message or its address with {code}"
    return DeliveryError(text, permanent=code in FOR_GOOD, status=code)


def _message(parcel: Parcel, now: datetime) -> EmailMultiAlternatives:
    sender = Address(addr_spec=settings.DEFAULT_FROM_EMAIL)
    headers = {"Message-ID": f"<{parcel.name}@{sender.domain}>", "Auto-Submitted": "auto-generated",
               "Content-Language": parcel.language}  # fmt: skip
    if parcel.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{parcel.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message = EmailMultiAlternatives(
        subject=parcel.letter.subject,
        body=parcel.letter.text,
        from_email=formataddr((_plain(parcel.operator), sender.addr_spec)),
        to=[parcel.address],
        reply_to=[parcel.reply_to] if parcel.reply_to else None,
        headers=headers,
    )
    shown = {"letter": parcel.letter, "language": parcel.language}
    message.attach_alternative(render_to_string("fulfillment/notice.html", shown), "text/html")
    return message


def _plain(name: str) -> str:
    """A name that cannot end its header."""
    return " ".join(name.split())
