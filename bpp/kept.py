"""How does the hot path read Django's settings without paying for their laziness?

`settings` here is read like Django's own; each value is looked up once and forgotten when any setting changes.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings as _django
from django.core.signals import setting_changed


class _Kept:
    def __getattr__(self, name: str) -> Any:
        value = getattr(_django, name)
        self.__dict__[name] = value
        return value


settings = _Kept()


def _forget(**_: Any) -> None:
    settings.__dict__.clear()


setting_changed.connect(_forget, dispatch_uid="bpp.kept")
