"""A whole journey over HTTP against a small provider, and the faults it must notice."""

import json
from pathlib import Path

import pytest

from sandbox import journey
from sandbox.network import RunningNetwork
from tests.sandbox.provider import ToyProvider

HERE = "12.9716,77.5946"


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey, "LOOK_EVERY_S", 0.02)


async def test_journey_holds_and_writes_every_message(
    network: RunningNetwork, provider: ToyProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "messages.jsonl"
    code = await journey.travel(network.buyer.url, json_file=file, near=HERE, direct=False)
    told = capsys.readouterr().out
    assert code == 0, told
    assert "the journey held" in told
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["direction"] for line in lines} == {"out", "in"}
    assert {line["action"] for line in lines} >= {"search", "on_search", "on_confirm", "on_update", "rating_categories"}
    assert all(set(line) == {"direction", "action", "url", "headers", "body", "status", "response"} for line in lines)
    assert len({json.loads(line["body"])["context"]["transaction_id"] for line in lines}) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("sum", "the lines add up to"),
        ("energy", "are billed, the meter says"),
        ("id", "order.id changed from 'O-1' to 'O-2'"),
        ("signature", "the signature does not fit"),
    ],
)
async def test_journey_fails_in_words(
    network: RunningNetwork,
    provider: ToyProvider,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    words: str,
) -> None:
    monkeypatch.setattr(journey, "ANSWER_WITHIN_S", 0.5)
    provider.break_with = fault
    assert await journey.travel(network.buyer.url, json_file=None, near=HERE, direct=True) == 1
    assert words in capsys.readouterr().out


async def test_journey_says_that_the_buyer_app_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert await journey.travel("http://127.0.0.1:9", json_file=None, near=HERE, direct=True) == 1
    assert "does not answer" in capsys.readouterr().out
