"""With which headers do pages leave that stand behind an unguessable link?"""

from __future__ import annotations

from typing import TypeVar

from django.http import HttpResponseBase

R = TypeVar("R", bound=HttpResponseBase)

_PAGE = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
READ_POLICY = _PAGE + "form-action 'none'"
"""The policy of a page that is only read."""
FORM_POLICY = _PAGE + "form-action 'self'"
"""The policy of a page with a form of ours."""


def sealed(response: R, policy: str) -> R:
    """The response under this content policy; no cache, no index and no site it leads to learns of its link."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = policy
    return response
