"""Is an installed layer 2 file held against messages in both directions?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bpp import layer2
from bpp.models import Layer2
from tests.at_hand import published
from tests.bpp.dialects.samples import built, fixture

DOMAIN = "ev-charging:uei"
FILE = """
openapi: 3.0.0
info: {title: Test, version: 1.0.0, x-core-version: 1.1.0}
paths:
  /status:
    post:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Status'}}}}
      responses: {200: {description: no}}
  /on_status:
    post:
      requestBody:
        content:
          application/json:
            schema: {properties: {message: {required: [mood]}}}
  /health:
    get: {}
components:
  schemas:
    Status:
      properties:
        message: {properties: {order_id: {type: string, enum: [no, on, 2026-02-01]}}, additionalProperties: false}
"""
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    layer2.reread()
    yield
    layer2.forget()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "network.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def install(path: Path, *arguments: str) -> str:
    out = StringIO()
    call_command("install_layer2", str(path), *arguments, stdout=out)
    return out.getvalue()


def held(direction: str, action: str, document: dict[str, Any], version: str = "1.1.0") -> list[str]:
    return [note.path for note in layer2.check(direction, action, document, DOMAIN, version)]


def test_nothing_installed_holds_nothing_against_anyone() -> None:
    assert held("in", "status", fixture("status")) == []
    assert not layer2.refuses(DOMAIN, "1.1.0")


def test_installed_file_warns_about_a_request(file: Path) -> None:
    assert install(file).startswith(
        f"installed: network.yaml for {DOMAIN} 1.1.0, 3 actions, deviating requests: record"
    )
    notes = layer2.check("in", "status", fixture("status"), DOMAIN, "1.1.0")
    assert [(note.path, note.seen) for note in notes] == [("$.message.order_id", "VB-1001")]
    assert notes[0].text.startswith(f"layer 2 of {DOMAIN} 1.1.0 (in): ")
    assert not layer2.refuses(DOMAIN, "1.1.0")


def test_installed_file_finds_a_fault_of_our_own_answer(file: Path) -> None:
    install(file)
    assert held("out", "on_status", built("on_status")) == ["$.message"]
    error = {"context": {}, "error": {"code": "40000"}}
    assert held("out", "on_status", error) == []


@pytest.mark.parametrize("word", ["no", "on", "2026-02-01"])
def test_plain_words_of_the_file_stay_texts(file: Path, word: str) -> None:
    install(file)
    assert held("in", "status", {"context": {}, "message": {"order_id": word}}) == []


def test_action_the_file_does_not_know_is_not_held(file: Path) -> None:
    install(file)
    assert held("in", "select", fixture("select")) == []
    assert held("in", "health", fixture("select")) == []


def test_version_counts_to_the_minor(file: Path) -> None:
    install(file)
    assert held("in", "status", fixture("status"), version="1.1.9") == ["$.message.order_id"]
    assert held("in", "status", fixture("status"), version="1.0.0") == []
    install(file, "--version", "1.1.1", "--incoming", "refuse")
    assert layer2.refuses(DOMAIN, "1.1.1")
    assert not layer2.refuses(DOMAIN, "1.1.0")


def test_other_domain_is_not_held(file: Path) -> None:
    install(file, "--domain", "other")
    assert held("in", "status", fixture("status")) == []


def test_installing_again_changes_nothing_and_a_new_setting_replaces(file: Path) -> None:
    install(file)
    assert install(file).startswith("already installed")
    assert Layer2.objects.count() == 1
    install(file, "--incoming", "refuse")
    assert layer2.refuses(DOMAIN, "1.1.0")
    assert list(Layer2.objects.order_by("id").values_list("active", "incoming")) == [(False, "warn"), (True, "refuse")]


def test_new_file_replaces_the_compiled_rules(file: Path) -> None:
    install(file)
    assert held("in", "status", fixture("status"))
    file.write_text(FILE.replace("enum: [no, on, 2026-02-01]", "minLength: 1"), encoding="utf-8")
    install(file)
    assert held("in", "status", fixture("status")) == []


def test_another_process_sees_the_file_when_it_reads_anew(file: Path) -> None:
    install(file)
    layer2.forget()
    assert held("in", "status", fixture("status")) == ["$.message.order_id"]


def test_json_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(json.dumps({"paths": {}, "info": {}}), encoding="utf-8")
    assert "1.1.0, 0 actions" in install(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "cannot be read as YAML or JSON"),
        ("- 1", "it has no `paths`"),
        ("paths: 7", "it has no `paths`"),
        (FILE.replace("'#/components/schemas/Status'", "'https://example.org/other.json'"), "the schema of /status"),
        (FILE.replace("type: string", "type: strange"), "the schema of /status"),
    ],
)
def test_file_that_is_no_layer_2_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=says):
        install(path)
    assert not Layer2.objects.exists()


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        install(tmp_path / "absent.yaml")


async def test_event_loop_is_never_made_to_wait_for_the_database() -> None:
    layer2.forget()
    assert layer2.check("in", "status", fixture("status"), DOMAIN, "1.1.0") == ()


def test_uei_file_accepts_our_golden_messages() -> None:
    assert "20 actions" in install(published("spec/uei-layer2/3.0/ev-charging_uei_1.1.0.yaml"))
    for name in (
        "search",
        "select",
        "init",
        "confirm",
        "on_search",
        "on_select",
        "on_confirm",
        "on_cancel",
        "on_update_end",
    ):
        document = fixture(name)
        assert held("in", document["context"]["action"], document) == []
    document = built("on_confirm")
    document["message"]["order"]["mood"] = "good"
    assert held("out", "on_confirm", document) == ["$.message.order"]
