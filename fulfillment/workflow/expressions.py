"""What does an expression of a definition yield, seeing its data and arguments and nothing else? Pure.

Expressions are jq 1.8. Compiling one costs a hundred times what running it does, so programs are kept; the arguments
travel inside the input, because jq would compile them in. A prelude takes away what jq sees of the world around it:
environment, clock, time zone, further input, modules, the process itself. An expression without any value yields
null, one with several the first. jq bounds neither time nor memory: definitions are trusted, their data is not.

Source: dsl.md, Runtime Expressions; jq 1.8 manual.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import jq
import orjson

MOST_PROGRAMS = 4096
LONGEST_TEXT = 300
# What jq would let an expression see or do outside its data, by name and number of arguments.
FORBIDDEN = {
    "env": 0,
    "now": 0,
    "localtime": 0,
    "strflocaltime": 1,
    "input": 0,
    "inputs": 0,
    "input_filename": 0,
    "input_line_number": 0,
    "debug": 0,
    "stderr": 0,
    "halt": 0,
    "halt_error": 0,
    "modulemeta": 0,
    "get_search_list": 0,
}
_TIME = "; times are $task.startedAt and $workflow.startedAt"


def _refusal(name: str, arguments: int) -> str:
    hint = _TIME if name in {"now", "localtime", "strflocaltime"} else ""
    parameters = "(f)" if arguments else ""
    return f'def {name}{parameters}: error("{name} is not available to expressions{hint}"); '


# Standing before the expression, it also makes `import` and `include` syntax errors.
_PRELUDE = "".join(
    _refusal(name, arguments) for name, arguments in [*FORBIDDEN.items(), ("debug", 1), ("halt_error", 1)]
)
_WHOLE = re.compile(r"\s*\$\{(.*)\}\s*", re.DOTALL)
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class ExpressionError(ValueError):
    """An expression that does not compile or failed on its data; the text says which and why."""


def inner(text: str) -> str | None:
    """The expression in `${ … }` where that is the whole text, else None."""
    found = _WHOLE.fullmatch(text)
    return found[1].strip() if found else None


def bare(text: str) -> str:
    """An expression as it stands in a field that is one by definition: wrapped in `${ … }` or not."""
    return inner(text) or text


def check(expression: str, names: Collection[str]) -> None:
    """Compile an expression that sees the arguments `names` (without their $). Raises ExpressionError."""
    _program(expression, tuple(name for name in _mentioned(expression) if name in names))


def evaluate(expression: str, data: Any, arguments: Mapping[str, Any]) -> Any:
    """The first value of an expression over `data`; `arguments` by name without their $. Raises ExpressionError."""
    seen = {name: _part(expression, name, arguments[name]) for name in _mentioned(expression) if name in arguments}
    program = _program(expression, tuple(seen))
    try:
        text = orjson.dumps([seen, data] if seen else data).decode()
        return next(iter(program.input_text(text)), None)
    except (ValueError, TypeError) as err:
        raise ExpressionError(f"{_shown(expression)}: {_shown(str(err))}") from err


def fill(template: Any, data: Any, arguments: Mapping[str, Any]) -> Any:
    """A copy of `template` with every text that is wholly `${ … }` replaced by its value, at any depth."""
    if isinstance(template, str):
        expression = inner(template)
        return template if expression is None else evaluate(expression, data, arguments)
    if isinstance(template, Mapping):
        return {name: fill(value, data, arguments) for name, value in template.items()}
    if isinstance(template, list):
        return [fill(value, data, arguments) for value in template]
    return template


@lru_cache(maxsize=MOST_PROGRAMS)
def _mentioned(expression: str) -> tuple[str, ...]:
    """The names behind every $ in it, each once; some may stand in a text or be bound by the expression itself."""
    return tuple(dict.fromkeys(_VARIABLE.findall(expression)))


def _part(expression: str, name: str, value: Any) -> Any:
    """Of an argument only what the expression can see: reading the whole document costs jq ten times the rest."""
    members = _members(expression, name)
    if members is None or not isinstance(value, Mapping):
        return value
    return {member: value[member] for member in members if member in value}


@lru_cache(maxsize=MOST_PROGRAMS)
def _members(expression: str, name: str) -> frozenset[str] | None:
    """The members of $name that it mentions; None where one of its mentions is not a plain `$name.member`."""
    mentions = re.findall(rf"\${name}(?![A-Za-z0-9_])(?:\.([A-Za-z_][A-Za-z0-9_]*))?", expression)
    return frozenset(mentions) if all(mentions) else None


@lru_cache(maxsize=MOST_PROGRAMS)
def _program(expression: str, names: tuple[str, ...]) -> Any:
    if "ENV" in _mentioned(expression):
        raise ExpressionError(f"{_shown(expression)}: $ENV is not available to expressions")
    bound = f".[0] as {{{', '.join(f'${name}' for name in names)}}} | .[1] | " if names else ""
    try:
        return jq.compile(f"{_PRELUDE}{{}} as $ENV | {bound}{expression}")
    except ValueError as err:
        reason = str(err).split(" at <top-level>")[0].removeprefix("jq: error: ")
        raise ExpressionError(f"{_shown(expression)}: {_shown(reason)}") from err


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
