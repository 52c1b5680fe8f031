"""What does the driver's page answer?"""

from __future__ import annotations

from typing import Any

from django.test import Client


def get(path: str) -> Any:
    return Client().get(path)
