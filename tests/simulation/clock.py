"""Virtual time: an event loop whose clock jumps to the next timer when nothing is ready, and a ``time`` that follows it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 10, 5, 6, 0, tzinfo=UTC)
"""The wall clock of Baseten and of the API server at virtual second 0."""


class DeadlockError(Exception):
    """Nothing is ready and no timer is set: what is awaited can never happen."""


class _Jump:
    """In the place of a selector: no descriptor is ever ready, and to wait is to move the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise DeadlockError
        if timeout > 0:
            self._loop.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Deterministic: what is ready runs in the order it became so. No threads, no sockets, no signals."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """No other thread waits to be heard."""


def wall(now: float, skew: float = 0.0) -> datetime:
    """What a clock shows that is ``skew`` seconds ahead of the API server's."""
    return EPOCH + timedelta(seconds=now + skew)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Time:
    """What the production code sees as the module ``time``: the clock alone is another one."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return 1_000.0 + self._loop.now

    perf_counter = monotonic

    def time(self) -> float:
        return EPOCH.timestamp() + self._loop.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """A loop, with the modules of the operator reading its clock meanwhile."""
    loop = VirtualLoop()
    theirs = [m for name, m in list(sys.modules.items()) if name.startswith("chainenv.") and getattr(m, "time", None) is time]
    for module in theirs:
        module.time = _Time(loop)  # type: ignore[attr-defined]
    try:
        yield loop
    finally:
        for module in theirs:
            module.time = time  # type: ignore[attr-defined]
        loop.close()
