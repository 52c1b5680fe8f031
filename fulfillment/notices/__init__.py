"""By which ways are drivers told, and in which words? One file for each way, and its place in WAYS."""

from collections.abc import Mapping

from fulfillment.notices.base import Parcel, Way
from fulfillment.notices.email import EmailWay
from fulfillment.notices.webhook import WebhookWay

WAYS: Mapping[str, Way] = {way.name: way for way in (EmailWay(), WebhookWay())}

__all__ = ["WAYS", "Parcel", "Way"]
