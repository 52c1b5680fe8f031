"""How does one get into the dashboard of a development server without a password?"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bpp.entrance import LINK_S, demo_path


class Command(BaseCommand):
    help = "Print a link that signs the superuser `admin` in once (development only)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--base-url", default="", help="Where the server listens, e.g. http://127.0.0.1:8000")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("demo_login works with DEBUG=1 only; use `createsuperuser` on a real server")
        users = get_user_model().objects
        user = users.filter(username="admin").first()
        if user is None:
            user = users.create_superuser("admin")
        if not (user.is_active and user.is_superuser):
            raise CommandError("the user `admin` exists but is no active superuser; sign in as another one")
        self.stdout.write(f"{options['base_url'].rstrip('/')}{demo_path(user)}")
        self.stderr.write(f"works once, for {LINK_S // 60} minutes")
