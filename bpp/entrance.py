"""Who comes into the admin, and how often may one guess?"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.backends import ModelBackend
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from bpp.models import SignInAttempt
from core.errors import NotAllowed

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
    from django.contrib.auth.models import User
else:
    from unfold.forms import AuthenticationForm

log = logging.getLogger(__name__)

MOST_FAILURES = 5
WINDOW = timedelta(minutes=15)
LINK_S = 600
SALT = "voltbazaar.demo-login"


class ThrottledBackend(ModelBackend):
    """Django's passwords, at most MOST_FAILURES wrong ones per user and per address in WINDOW.

    An attempt is written down before the password is looked at, so that guesses in parallel cannot slip through.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        now = timezone.now()
        attempt = SignInAttempt.objects.create(username=username[:150], address=address_of(request), at=now)
        if wait_s(attempt.username, attempt.address, now=now, before=attempt.pk):
            attempt.delete()
            log.warning("sign-in refused: too many failures", extra={"address": attempt.address})
            raise PermissionDenied
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            SignInAttempt.objects.filter(username=attempt.username, address=attempt.address).delete()
            clear_attempts(now=now)
        return user


class EntranceForm(AuthenticationForm):
    """The admin's sign-in form; tells how long to wait instead of only that the password is wrong."""

    def get_invalid_login_error(self) -> ValidationError:
        assert self.request is not None
        username = str(self.cleaned_data.get("username", ""))[:150]
        left_s = wait_s(username, address_of(self.request), now=timezone.now())
        if not left_s:
            return super().get_invalid_login_error()
        minutes = -(-left_s // 60)
        return ValidationError(
            f"Too many wrong passwords. Wait {minutes} minute{'' if minutes == 1 else 's'} and try again.",
            code="throttled",
        )


def wait_s(username: str, address: str, *, now: datetime, before: int | None = None) -> int:
    """Seconds until another password may be tried for this user from this address; 0 where it may be now."""
    since = now - WINDOW
    waits = [0]
    for key in ({"username": username}, {"address": address}):
        recent = SignInAttempt.objects.filter(at__gt=since, **key).order_by("-at")
        if before is not None:
            recent = recent.filter(pk__lt=before)
        times = list(recent.values_list("at", flat=True)[:MOST_FAILURES])
        if len(times) == MOST_FAILURES:
            waits.append(int((times[-1] - since).total_seconds()) + 1)
    return max(waits)


def address_of(request: HttpRequest) -> str:
    """Where the request comes from, as the server sees it."""
    return str(request.META.get("REMOTE_ADDR") or "")[:45]


def clear_attempts(*, now: datetime) -> int:
    """Forget attempts that count no longer; returns how many."""
    return SignInAttempt.objects.filter(at__lt=now - WINDOW).delete()[0]


def demo_path(user: Any) -> str:
    """A path that signs `user` in once, within ten minutes; it dies with the next sign-in of that user."""
    last = user.last_login.isoformat() if user.last_login else ""
    return reverse("demo-login", args=[signing.dumps({"user": user.pk, "last": last}, salt=SALT)])


@never_cache
def demo_login(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in by a link from `manage.py demo_login`; anywhere but in development the link does not exist."""
    if not settings.DEBUG or request.method != "GET":
        raise Http404
    try:
        user = _redeem(token)
    except NotAllowed as refusal:
        return HttpResponse(refusal.text, status=403, content_type="text/plain; charset=utf-8")
    login(request, user, backend="bpp.entrance.ThrottledBackend")
    return HttpResponseRedirect(reverse("admin:index"))


def _redeem(token: str) -> Any:
    """The user of a link that is whole, young and unused. Raises NotAllowed."""
    try:
        said = signing.loads(token, salt=SALT, max_age=LINK_S)
    except signing.BadSignature as err:
        raise NotAllowed("link-dead", "This link is wrong or has run out. Run ./vb manage demo_login again.") from err
    with transaction.atomic():
        user = get_user_model().objects.select_for_update().filter(pk=said["user"], is_active=True).first()
        last = user.last_login.isoformat() if user is not None and user.last_login else ""
        if user is None or last != said["last"]:
            raise NotAllowed("link-dead", "This link was used already. Run ./vb manage demo_login again.")
        user.last_login = timezone.now()
        user.save(update_fields=["last_login"])
    return user
