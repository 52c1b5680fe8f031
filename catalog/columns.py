"""How does a list column say its name, its colour and its order?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from catalog.models import Evse

F = TypeVar("F", bound=Callable[..., Any])

EVSE_TONES: Mapping[str, str] = {
    Evse.Status.AVAILABLE: "success",
    Evse.Status.PREPARING: "info",
    Evse.Status.CHARGING: "info",
    Evse.Status.FINISHING: "info",
    Evse.Status.RESERVED: "primary",
    Evse.Status.UNAVAILABLE: "warning",
    Evse.Status.FAULTED: "danger",
}


def column(title: str, *, order: str | None = None, tones: Mapping[Any, str] | None = None) -> Callable[[F], F]:
    """Name a column; `order` is the field it sorts by; `tones` maps a value to the colour of its chip.

    A column with tones returns the value, or (value, text).
    """

    def named(function: F) -> F:
        function.short_description = title  # type: ignore[attr-defined]  # read by Django's admin
        if order is not None:
            function.admin_order_field = order  # type: ignore[attr-defined]  # read by Django's admin
        if tones is not None:
            function.label = dict(tones)  # type: ignore[attr-defined]  # read by the admin's theme
        return function

    return named
