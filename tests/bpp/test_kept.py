"""Does the hot path see a setting that someone changes, and the old one afterwards?"""

from __future__ import annotations

from django.conf import settings as django_settings
from django.test import override_settings

from bpp.kept import settings

NAME = "BECKN_SUBSCRIBER_ID"


def seen() -> object:
    return getattr(settings, NAME)


def test_changed_setting_is_seen_and_so_is_its_end() -> None:
    before = seen()
    assert before == getattr(django_settings, NAME)
    with override_settings(**{NAME: "changed.example.org"}):
        assert seen() == "changed.example.org"
        assert seen() == "changed.example.org"
    assert seen() == before


def test_setting_is_kept_until_any_setting_changes() -> None:
    with override_settings(**{NAME: "changed.example.org"}):
        seen()
        assert vars(settings)[NAME] == "changed.example.org"
    assert NAME not in vars(settings)
