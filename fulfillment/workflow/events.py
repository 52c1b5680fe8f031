"""Which events does a filter let through, and what event does an `emit` send? Pure. Source: CloudEvents 1.0.2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from fulfillment.workflow import expressions

_NAMESPACE = UUID("6f0a4a51-6a52-5d0c-8d0e-0f6f5b4c1e7a")
STRATEGIES = ("one", "any", "all")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The attributes an event must have: literals, or expressions over the event's own attribute of that name."""

    attributes: Mapping[str, Any]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether a CloudEvent (its JSON form) has them all. An expression that fails does not match."""
        return all(_fits(wanted, event.get(name)) for name, wanted in self.attributes.items())


def filters(strategy: Mapping[str, Any]) -> tuple[EventFilter, ...]:
    """The filters of `{one: …}`, `{any: […]}` or `{all: […]}`, in order."""
    found = strategy.get("one") or strategy.get("any") or strategy.get("all") or ()
    return tuple(EventFilter(each["with"]) for each in ([found] if isinstance(found, Mapping) else found))


def cloud_event(attributes: Mapping[str, Any], *, identity: str, time: str) -> dict[str, Any]:
    """The whole CloudEvent (JSON form) of an `emit`; the same `identity` always gives the same id."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(uuid5(_NAMESPACE, identity)),
        "time": time,
        **({"datacontenttype": "application/json"} if "data" in attributes else {}),
    }
    return event | {name: value for name, value in attributes.items() if value is not None or name == "data"}


def _fits(wanted: Any, seen: Any) -> bool:
    expression = expressions.inner(wanted) if isinstance(wanted, str) else None
    if expression is None:
        return _contains(wanted, seen)
    try:
        value = expressions.evaluate(expression, seen, {})
    except expressions.ExpressionError:
        return False
    return value is True or (not isinstance(value, bool) and value is not None and bool(value == seen))


def _contains(wanted: Any, seen: Any) -> bool:
    """Equal; an object may have more members than are asked for."""
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        return all(name in seen and _contains(value, seen[name]) for name, value in wanted.items())
    return type(wanted) is type(seen) and bool(wanted == seen)
