"""What does the person at the terminal see while we work?"""

from __future__ import annotations

import sys
import time
from typing import TextIO

ESTIMATE_AFTER_S = 10.0
PLAIN_EVERY_S = 15.0
COUNTED_SHARE = 0.6  # fetching is counted; unpacking, the rest of the time, is silent


class Teller:
    """Writes progress to stderr unless told otherwise: stdout is for results; `quiet` keeps only problems."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._width = 0

    def say(self, text: str) -> None:
        if not self.quiet:
            self._clear()
            print(text, file=self.stream, flush=True)

    def warn(self, text: str) -> None:
        self._clear()
        print(f"vb: {text}", file=sys.stderr, flush=True)

    def rewrite(self, text: str) -> None:
        """Replace the current line on a terminal; elsewhere nothing, the caller repeats itself with `say`."""
        if self.live and not self.quiet:
            print("\r" + text.ljust(self._width), end="", file=self.stream, flush=True)
            self._width = len(text)

    def _clear(self) -> None:
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=self.stream)
            self._width = 0


class Progress:
    """A count towards a known total, with the remaining time once ten seconds have shown the pace."""

    def __init__(self, teller: Teller, label: str, total: int) -> None:
        self._teller = teller
        self._label = label
        self._total = max(total, 1)
        self._started = time.monotonic()
        self._told = self._started
        self._done = 0
        self._whole_s = 0.0

    def show(self, done: int) -> None:
        now = time.monotonic()
        if done > self._done:
            self._done = done
            self._whole_s = (now - self._started) * self._total / (COUNTED_SHARE * min(done, self._total))
        line = self._line(min(done, self._total), now - self._started)
        if self._teller.live:
            self._teller.rewrite(line)
        elif now - self._told >= PLAIN_EVERY_S:
            self._told = now
            self._teller.say(line)

    def finish(self, text: str) -> None:
        self._teller.say(f"{self._label} {text} in {clock(time.monotonic() - self._started)}")

    def _line(self, done: int, elapsed_s: float) -> str:
        line = f"{self._label} {done} of {self._total}  {clock(elapsed_s)}"
        if elapsed_s >= ESTIMATE_AFTER_S and self._whole_s:
            left_s = self._whole_s - elapsed_s
            line += f"  about {clock(left_s)} left" if left_s >= 1 else "  unpacking takes longer than expected"
        return line


def clock(seconds: float) -> str:
    """65.2 → 1:05."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
