"""Does a message obey the layer 2 file the network has agreed on?

A layer 2 file is an OpenAPI document installed as configuration (`manage.py install_layer2`). It adds nothing to what
the dialect understands: it only says what deviates. Installed rows are re-read every few seconds, validators are
compiled once.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import yaml
from django.db import transaction

from bpp.dialects import v1
from bpp.messages import Checked, Note
from bpp.models import Layer2
from core.loops import in_event_loop

REREAD_S = 10.0
MAX_NOTES = 50


@dataclass(frozen=True, slots=True)
class Agreement:
    """One active layer 2 file."""

    domain: str
    version: str
    digest: str
    refuses: bool
    document: dict[str, Any]


class AgreementError(Exception):
    """A file that is no usable layer 2 document; the text says where and why."""


class _Installed:
    """The active rows as last read, and what was compiled of them."""

    def __init__(self) -> None:
        self.rows: tuple[Agreement, ...] = ()
        self.read_at = float("-inf")
        self.validators: dict[tuple[str, str], jsonschema_rs.Draft202012Validator | None] = {}

    def is_empty(self) -> bool:
        """Whether no file is installed, as far as was read lately; in an event loop, as far as was read."""
        return not self.rows and (time.monotonic() - self.read_at <= REREAD_S or in_event_loop())

    def agreement(self, domain: str, version: str) -> Agreement | None:
        if time.monotonic() - self.read_at > REREAD_S and not in_event_loop():
            self.reread()
        return _best(self.rows, domain, version) if self.rows else None

    def reread(self) -> None:
        self.rows = tuple(
            Agreement(row.domain, row.version, row.digest, row.incoming == Layer2.Incoming.REFUSE, row.document)
            for row in Layer2.objects.filter(active=True)
        )
        self.read_at = time.monotonic()
        current = {row.digest for row in self.rows}
        for key in [known for known in self.validators if known[0] not in current]:
            del self.validators[key]

    def validator(self, agreement: Agreement, action: str) -> jsonschema_rs.Draft202012Validator | None:
        key = (agreement.digest, action)
        if key not in self.validators:
            self.validators[key] = _compile(agreement.document, action)
        return self.validators[key]


_installed = _Installed()
_NOTHING = Checked()


def incoming(action: str, document: dict[str, Any]) -> Checked:
    """What the installed file holds against a request: faults where it says refuse, else warnings."""
    if _installed.is_empty():
        return _NOTHING
    context = document["context"]
    domain, version = str(context.get("domain", "")), str(context.get("version", ""))
    notes = check("in", action, document, domain, version)
    return Checked(faults=notes) if notes and refuses(domain, version) else Checked(warnings=notes)


def check(direction: str, action: str, document: dict[str, Any], domain: str, version: str) -> tuple[Note, ...]:
    """What the installed layer 2 file holds against a message; nothing where none is, or where it lacks the action.

    `direction` is `in` or `out` and stands in the notes. Callers record them: incoming ones as warnings or, where
    `refuses` says so, as a NACK; outgoing ones on the outbox row. An error answer without message is not checked.
    """
    agreement = _installed.agreement(domain, version)
    if agreement is None or ("error" in document and "message" not in document):
        return ()
    validator = _installed.validator(agreement, action)
    if validator is None or validator.is_valid(document):
        return ()
    rule = f"layer 2 of {agreement.domain} {agreement.version} ({direction})"
    return tuple(
        _note(fault, rule) for fault, _ in zip(validator.iter_errors(document), range(MAX_NOTES), strict=False)
    )


def refuses(domain: str, version: str) -> bool:
    """Whether the network's layer 2 file refuses a deviating request with a NACK instead of a warning."""
    agreement = _installed.agreement(domain, version)
    return agreement is not None and agreement.refuses


def reread() -> None:
    """Reads the installed files now: after an installation, and by a server whose event loop must not wait for it."""
    _installed.reread()


def forget() -> None:
    """Drops what was read, so that the next check reads anew."""
    _installed.rows, _installed.read_at = (), float("-inf")


def load(path: Path) -> dict[str, Any]:
    """The OpenAPI document of a YAML or JSON file, its booleans by YAML 1.2 (only true and false).

    Raises AgreementError with the place of the fault.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Yaml12)  # noqa: S506, a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise AgreementError(f"{path} cannot be read as YAML or JSON: {err}") from err
    if isinstance(document, dict):
        document = orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))  # status codes as keys: 200
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise AgreementError(f"{path} is no OpenAPI document: it has no `paths`; give the network's layer 2 file")
    return document


def install(document: dict[str, Any], *, name: str, domain: str, version: str, incoming: str) -> tuple[Layer2, bool]:
    """Makes `document` the active layer 2 file of a domain and version; the former one stays, switched off.

    Returns the row and whether anything changed. Raises AgreementError where a schema in it cannot be compiled.
    """
    for path in document["paths"]:
        _compile(document, str(path).lstrip("/"))
    digest = hashlib.blake2b(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    with transaction.atomic():
        active = (
            Layer2.objects.select_for_update(no_key=True).filter(domain=domain, version=version, active=True).first()
        )
        if active and active.digest == digest and active.incoming == incoming:
            return active, False
        Layer2.objects.filter(domain=domain, version=version, active=True).update(active=False)
        row = Layer2.objects.create(
            domain=domain, version=version, name=name, document=document, digest=digest, incoming=incoming
        )
    reread()
    return row, True


def core_version(document: dict[str, Any]) -> str:
    """The core version a file says it is for (`info.x-core-version`), else 1.1.0."""
    info = document.get("info")
    stated = info.get("x-core-version") if isinstance(info, dict) else None
    return str(stated) if stated else "1.1.0"


class _Yaml12(yaml.SafeLoader):
    """YAML whose plain scalars are read as JSON reads them: `no`, `on` and dates stay texts."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def _compile(document: dict[str, Any], action: str) -> jsonschema_rs.Draft202012Validator | None:
    path = document["paths"].get(f"/{action}")
    if not isinstance(path, dict) or "requestBody" not in path.get("post", {}):
        return None
    pointer = f"#/paths/~1{action}/post/requestBody/content/application~1json/schema"
    root = {**document, "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": pointer}
    try:
        # offline: a $ref to elsewhere is a fault of the file, never a reason to fetch something
        return jsonschema_rs.Draft202012Validator(root, validate_formats=True, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as err:
        raise AgreementError(f"the schema of /{action} cannot be used: {err}") from err


def _best(rows: Iterable[Agreement], domain: str, version: str) -> Agreement | None:
    """The row of the very version, else one of the same 1.x."""
    same = [row for row in rows if row.domain == domain and _minor(row.version) == _minor(version)]
    return next((row for row in same if row.version == version), same[0] if same else None)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _note(fault: jsonschema_rs.ValidationError, rule: str) -> Note:
    return Note(v1.json_path(fault.instance_path), v1.shown(fault.instance), f"{rule}: {fault.message[:300]}")
