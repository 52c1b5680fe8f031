"""How do terms of service, the form to agree to them, and a declared consent look on the wire?

On every order: `order.tags`, one group `terms` for each document. Until it is confirmed: `order.xinput`, our form.
In a confirm: one group `terms-consent` for each document the customer agreed to in the buyer app.

Source: Beckn core 1.1.1 `XInput`, `Form`, `TagGroup`; the codes are ours (docs/protocol.md).
"""

from __future__ import annotations

from typing import Any

from bpp.dialects.v1.catalog import group, tag
from bpp.dialects.v1.context import wire_time
from bpp.dialects.v1.reading import ORDER, Reader
from bpp.dialects.v1.tags import coded
from bpp.messages import ConsentTold
from bpp.replies import TermsDocument, TermsView

CONSENT_GROUP = "terms-consent"


def xinput(view: TermsView) -> dict[str, Any] | None:
    """Where the customer reads and agrees; None where nothing is left to be asked."""
    if not view.asking:
        return None
    return {"form": {"url": view.url, "mime_type": "text/html"}, "required": view.outstanding}


def tags(view: TermsView) -> list[dict[str, Any]]:
    """One tag group for each document: which text it is, whether it must be agreed to, how, and when it was."""
    return [_document(document, view.url) for document in view.documents]


def consents(order: dict[str, Any], reader: Reader) -> tuple[ConsentTold, ...]:
    """What a confirm declares the customer agreed to. Raises WireFault where accepted-at is no time."""
    groups = coded(order, "tags", ORDER, reader)
    return tuple(_told(row, where, reader) for code, where, row in groups if code == CONSENT_GROUP)


def _told(row: dict[str, Any], where: str, reader: Reader) -> ConsentTold:
    values = {code: (at, entry) for code, at, entry in coded(row, "list", where, reader)}

    def text(code: str) -> str:
        at, entry = values.get(code, (where, {}))
        return reader.text(entry, "value", at)

    at, entry = values.get("accepted-at", (where, {}))
    return ConsentTold(
        terms=text("terms-id"),
        version=text("terms-version"),
        sha256=text("terms-hash"),
        accepted_at=reader.moment(entry, "value", at),
        path=where,
    )


def _document(document: TermsDocument, url: str) -> dict[str, Any]:
    values = {
        "terms-id": document.id,
        "terms-kind": document.kind,
        "terms-version": str(document.version),
        "terms-hash": document.sha256,
        "terms-url": f"{url}#{document.kind}",
        "terms-required": "true" if document.required else "false",
        "consent-by": "form, declaration" if document.declarable else "form",
        "accepted-at": wire_time(document.accepted_at) if document.accepted_at else "",
        "accepted-by": document.accepted_by,
    }
    return group("terms", document.name, [tag(code, value) for code, value in values.items() if value])
