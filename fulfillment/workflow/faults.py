"""What can go wrong in a workflow, in its definition or while it runs? Pure.

DefinitionError       a definition that is refused when it is loaded, with all its faults
Fault                 an error of the DSL (RFC 9457) inside an instance; a `try` may catch it
UnknownEffectError    an answer nobody waits for: late, doubled or never asked for
NotRetriableError     an operator's retry from a place where there is nothing to retry
StateError            a state that is not of this definition
"""

from __future__ import annotations

from typing import Any, NamedTuple

STANDARD = "https://serverlessworkflow.io/spec/1.0.0/errors/"
# The conformance kit filters by these names, the specification raises by the others: both mean the same.
ALIAS = "https://serverlessworkflow.io/dsl/errors/types/"
LONGEST_TEXT = 4000
STATUS = {
    "configuration": 400,
    "validation": 400,
    "expression": 400,
    "authentication": 401,
    "authorization": 403,
    "timeout": 408,
    "communication": 500,
    "runtime": 500,
}
TITLES = {
    "configuration": "Configuration Error",
    "validation": "Validation Error",
    "expression": "Expression Error",
    "authentication": "Authentication Error",
    "authorization": "Authorization Error",
    "timeout": "Timeout",
    "communication": "Communication Error",
    "runtime": "Runtime Error",
}


class Fault(Exception):
    """An error of the DSL; `instance` is the pointer of the task it comes from, empty until one is known."""

    def __init__(self, type_: str, status: int, *, title: str = "", detail: str = "", instance: str = "") -> None:
        self.type = _kept(type_)
        self.status = status
        self.title = _kept(title)
        self.detail = _kept(detail)
        self.instance = _kept(instance)
        super().__init__(f"{status} {self.title or self.type}: {self.detail}")

    def as_dict(self) -> dict[str, Any]:
        """As an expression and a journal see it: type, status and instance; title and detail where there are any."""
        texts = {"title": self.title, "detail": self.detail}
        return {
            "type": self.type,
            "status": self.status,
            **{name: text for name, text in texts.items() if text},
            "instance": self.instance,
        }

    @classmethod
    def of(cls, error: dict[str, Any]) -> Fault:
        """The fault that `as_dict` wrote down."""
        words = {name: error.get(name, "") for name in ("title", "detail", "instance")}
        return cls(error["type"], error["status"], **words)


def fault(kind: str, detail: str, *, status: int | None = None, title: str = "") -> Fault:
    """A fault of a standard kind (a key of STATUS). Source: dsl-reference.md, Standard Error Types."""
    return Fault(STANDARD + kind, status or STATUS[kind], title=title or TITLES[kind], detail=detail)


def _kept(text: str) -> str:
    """A text as a state can keep it, whatever a peer or an expression put into it."""
    return text[:LONGEST_TEXT].replace("\0", "\ufffd")


def same_type(one: str, other: str) -> bool:
    """Whether two error types mean the same, under either name of a standard one."""
    return one.replace(ALIAS, STANDARD, 1) == other.replace(ALIAS, STANDARD, 1)


class DefinitionFault(NamedTuple):
    """One fault of a definition: a JSON pointer, what was seen there, what is allowed."""

    pointer: str
    seen: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.pointer or 'the document'}: {self.seen}; allowed: {self.allowed}"


class DefinitionError(ValueError):
    """A definition that is refused; `faults` are all there are, in document order."""

    def __init__(self, faults: list[DefinitionFault]) -> None:
        super().__init__("\n".join(str(each) for each in faults))
        self.faults = faults


class UnknownEffectError(LookupError):
    """The state waits for no effect of this id: the answer is late, doubled or was never asked for."""


class NotRetriableError(ValueError):
    """Nothing can be retried there: the instance did not fault, or not in that list of tasks."""


class StateError(ValueError):
    """A state that was not made by this definition."""
