"""A line on stderr that shows what is waited for, on a terminal alone and not before two seconds have passed."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .output import console, is_terminal
from .text import harmless

if TYPE_CHECKING:
    from rich.status import Status

QUIET_SECONDS = 2.0


class Progress:
    """Call it with a text whenever there is something to show."""

    def __init__(self, text: str = "") -> None:
        self._began = time.monotonic()
        self._shows = is_terminal(sys.stderr)
        self._line: Status | None = None
        self._text = text

    def __call__(self, text: str) -> None:
        self._text = text
        if not self._shows or time.monotonic() - self._began < QUIET_SECONDS:
            return
        from rich.text import Text

        seconds = int(time.monotonic() - self._began)
        shown = Text(f"{harmless(self._text)} ({seconds} s)", overflow="ellipsis", no_wrap=True)
        if self._line is None:
            self._line = console(sys.stderr).status(shown)
            self._line.start()
        else:
            self._line.update(shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._line is not None:
            self._line.stop()
