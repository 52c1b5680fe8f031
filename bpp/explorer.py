"""What do operators and integrators see of the conversation with the network?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from bpp import conversations, timeline
from catalog.tenancy import reach_of


@require_safe
def conversation_list(request: HttpRequest) -> HttpResponse:
    """The newest conversations the user may see, narrowed by bap, action, state and text."""
    fields = {name: request.GET.get(name, "").strip()[:255] for name in ("bap", "action", "state", "text")}
    wanted = conversations.Wanted(**fields)
    page = conversations.newest(reach_of(request.user), wanted, before=_moment(request.GET.get("before", "")))
    kept = {name: value for name, value in fields.items() if value}
    context = {
        "title": "Messages",
        "page": page,
        "wanted": wanted,
        "actions": conversations.actions_known(),
        "states": conversations.states_known(),
        "older": urlencode({**kept, "before": page.before.isoformat()}) if page.before else "",
        "newest": urlencode(kept) if request.GET.get("before") else None,
    }
    return _render(request, "admin/messages/list.html", context)


@require_safe
def conversation_detail(request: HttpRequest, transaction_id: str) -> HttpResponse:
    """One conversation: every message the user may see, in order, with verdicts, attempts and bodies."""
    bap_id = request.GET.get("bap", "")[:255]
    found = timeline.conversation(reach_of(request.user), transaction_id, now=timezone.now(), bap_id=bap_id)
    if found is None:
        raise Http404("No message of this transaction is yours to see.")
    return _render(request, "admin/messages/detail.html", {"title": "Conversation", "conversation": found})


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    now = timezone.now()
    return TemplateResponse(request, template, {**admin.site.each_context(request), "now": now, **context})


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
