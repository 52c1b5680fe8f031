"""What did the provider say on a stage, story by story, and is every word of it signed, exact and as published?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sandbox.exchanges import Exchange, Ledger
from sandbox.expectations import quote_faults
from tests.conftest import CHECKED
from tests.journeys.schemas import checker, faults_in


class Story(Protocol):
    """What is known of a test."""

    path: Path
    name: str
    user_properties: list[tuple[str, object]]


@dataclass
class Hearing:
    """Reads the ledgers of every buyer app; keeps a file of messages for each story in `folder`."""

    folder: Path
    ledgers: list[Ledger] = field(default_factory=list)
    read: dict[int, int] = field(default_factory=dict)
    kept: int = 0
    last: Story | None = None

    def note(self, story: Story) -> None:
        """Keep what came since the story before. Raises AssertionError for a missing signature or a wrong quote."""
        self.last = story
        fresh = list(self._fresh())
        with (self.folder / f"{story.path.stem}.{story.name}.jsonl").open("a", encoding="utf-8") as file:
            for exchange in fresh:
                file.write(json.dumps(json.loads(exchange.body)) + "\n")
        self.kept += len(fresh)
        for exchange in fresh:
            assert exchange.genuine, f"{exchange.action}: {exchange.verdict}"
            order = json.loads(exchange.body).get("message", {}).get("order") or {}
            assert "quote" not in order or quote_faults(order, where=exchange.action) == []

    def conclude(self) -> None:
        """Hold every message against the official schemas, where they are at hand; the last story carries the figures.

        Raises AssertionError that names the story, the message and the fault.
        """
        if self.last is None:
            return
        self.note(self.last)  # what came after it
        if checker() is None:
            return
        count, faults = faults_in(self.folder)
        self.last.user_properties.append((CHECKED, (count, len(faults))))
        assert count == self.kept, f"{self.kept} messages came and {count} were checked"
        assert not faults, "\n".join(self._named(fault) for fault in faults)

    def _fresh(self) -> Iterator[Exchange]:
        for number, ledger in enumerate(self.ledgers):
            yield from (it for it in ledger.exchanges[self.read.get(number, 0) :] if it.direction == "in")
            self.read[number] = len(ledger.exchanges)

    def _named(self, fault: str) -> str:
        file, _, rest = fault.partition(".jsonl:")
        line, _, text = rest.partition(" ")
        message = Path(f"{file}.jsonl").read_text(encoding="utf-8").splitlines()[int(line) - 1]
        context = json.loads(message)["context"]
        return f"{Path(file).name}, message {line}, {context['action']} {context['message_id']}: {text}"
