"""How are ratings, support and the lists of reasons and categories asked for and answered?

Source: Beckn core 1.1.1 `Rating`, `Support`, and its meta API.
"""

from __future__ import annotations

from typing import Any

from bpp.dialects.v1 import words
from bpp.dialects.v1.reading import Reader, missing
from bpp.messages import AskCategories, AskReasons, Rate, RatingGiven, Support
from bpp.replies import CategoriesReply, RateReply, ReasonsReply, SupportReply, TrackReply


def rating(message: dict[str, Any], reader: Reader) -> Rate:
    """The ratings given. Raises WireFault 30015 where a value is no number, 30000 where a field is missing."""
    rows = reader.rows(message, "ratings", "$.message") or reader.rows(message, "rating", "$.message")
    if not rows:
        raise missing("$.message.ratings[0]", "at least one rating: {id, rating_category, value}")
    return Rate(tuple(_rating(row, where, reader) for where, row in rows))


def support(message: dict[str, Any], reader: Reader) -> Support:
    """What support is asked about; without a reference the general contacts answer."""
    asked = reader.map(message, "support", "$.message") or message
    path = "$.message.support" if asked is not message else "$.message"
    reference = reader.text(asked, "ref_id", path)
    if not reference:
        reader.warn(f"{path}.ref_id", "", "missing; answered with the general contacts")
    return Support(
        reference,
        phone=reader.phone(asked, "callback_phone", path) or reader.phone(asked, "phone", path),
        email=reader.email(asked, "email", path),
    )


def ask_reasons(_message: dict[str, Any], _reader: Reader) -> AskReasons:
    """Asks for the list of cancellation reasons."""
    return AskReasons()


def ask_categories(_message: dict[str, Any], _reader: Reader) -> AskCategories:
    """Asks for the list of what may be rated."""
    return AskCategories()


def tracking_message(reply: TrackReply) -> dict[str, Any]:
    """`message` of on_track: the driver's live page, active while the session runs."""
    tracking = {"id": reply.order, "url": reply.url, "status": "active" if reply.active else "inactive"}
    return {"tracking": {key: value for key, value in tracking.items() if value}}


def rating_message(reply: RateReply) -> dict[str, Any]:
    """`message` of on_rating: the feedback form, where there is one."""
    if not reply.form_url:
        return {}
    return {"feedback_form": {"form": {"url": reply.form_url, "mime_type": "text/html"}, "required": False}}


def support_message(reply: SupportReply) -> dict[str, Any]:
    """`message` of on_support; contacts that are not known are left out."""
    answer = {"ref_id": reply.reference, "phone": reply.phone, "email": reply.email, "url": reply.url}
    return {"support": {key: value for key, value in answer.items() if value}}


def reasons_message(reply: ReasonsReply) -> dict[str, Any]:
    """`message` of cancellation_reasons."""
    return {
        "cancellation_reasons": [
            {"id": reason.id, "descriptor": {"short_desc": reason.text}} for reason in reply.reasons
        ]
    }


def categories_message(reply: CategoriesReply) -> dict[str, Any]:
    """`message` of rating_categories; `return_reasons`, which core's meta.yaml asks for by mistake, is left out."""
    return {"rating_categories": list(reply.categories)}


def _rating(row: dict[str, Any], where: str, reader: Reader) -> RatingGiven:
    value = reader.decimal(row, "value", where, code="30015")
    if value is None:
        raise missing(f"{where}.value", 'a number from 0 to 5 as text, such as "4"')
    category = reader.wanted(row, "rating_category", where)
    folded = words.rating_category(category)
    if folded != category:
        reader.warn(f"{where}.rating_category", category, f"read as {folded}")
    return RatingGiven(reader.wanted(row, "id", where), folded, value)
