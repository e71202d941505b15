"""What the user reads on stderr while binaries are searched for, fetched or built."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

TERMINAL_SECONDS = 0.25
LOG_SECONDS = 10.0


def report(message: str) -> None:
    print(f"chainenv-sandbox: {message}", file=sys.stderr, flush=True)


class Progress:
    """One line that updates itself on a terminal, else one line every ten seconds."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def update(self, detail: str = "") -> None:
        """Cheap: call it as often as you like."""
        now = time.monotonic()
        if now - self._shown < (TERMINAL_SECONDS if self._terminal else LOG_SECONDS):
            return
        self._shown = now
        line = f"{self._label}: {self.elapsed:.0f} s{detail and f', {detail}'}"
        if self._terminal:
            print(f"\r\x1b[Kchainenv-sandbox: {line}", end="", file=sys.stderr, flush=True)
        else:
            report(line)

    def clear(self) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def progress(label: str, about: str) -> Iterator[Progress]:
    """Says what begins and about how long it takes, and when it is done, how long it took."""
    report(f"{label} ({about})")
    running = Progress(label)
    try:
        yield running
    finally:
        running.clear()
    report(f"{label}: done in {running.elapsed:.1f} s")
