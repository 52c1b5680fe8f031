"""What do watchers see of this process: alive, ready, measured?"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from bpp import health


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The front page is the operators' admin."""
    return HttpResponseRedirect(reverse("admin:index"))


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; looks at nothing else."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 with every part named where this process can work, 503 where a part without which it cannot work failed."""
    found = health.parts(timezone.now())
    ready = all(part.state != health.FAILED for part in found)
    whole = health.FAILED if not ready else max((part.state for part in found), key=[health.OK, health.DEGRADED].index)
    body = {"status": whole, "parts": {part.name: {"status": part.state, "text": part.text} for part in found}}
    return JsonResponse(body, status=200 if ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text."""
    return HttpResponse(health.metrics(timezone.now()), content_type=CONTENT_TYPE_LATEST)
