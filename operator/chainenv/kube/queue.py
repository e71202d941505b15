"""One keyed queue with due times: each key once, one run at a time for each, the changed ones first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Awaitable, Callable

from ..engine.ports import Key

log = logging.getLogger(__name__)

Handle = Callable[[Key], Awaitable[float | None]]

HEAD_START = 300.0
"""A change is served as if it had been due this much earlier (seconds): it passes those that only look again. Of a resource that
was handled before it is served twice as early: it need not wait until a thousand new ones have been created."""


class Queue:
    """``run`` calls ``handle`` for each due key; what that returns (seconds) is when the key is due again, None forgets it."""

    def __init__(self, handle: Handle, *, workers: int) -> None:
        self._handle = handle
        self._workers = workers
        self._due: dict[Key, float] = {}  # with the head start; `_since` is without
        self._since: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._handled: set[Key] = set()
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._stopping = False
        self.last_tick = time.monotonic()

    def __len__(self) -> int:
        return len(self._due) + len(self._running)

    @property
    def late_seconds(self) -> float:
        """How long the longest waiting due key has been waiting."""
        return max(0.0, time.monotonic() - min(self._since.values())) if self._since else 0.0

    @property
    def running(self) -> int:
        return len(self._running)

    def add(self, key: Key, delay: float = 0.0, *, changed: bool = False) -> None:
        """Due in ``delay`` seconds, or earlier if it was due earlier. A key that is being handled is handled once more after."""
        if key in self._running:
            self._again.add(key)
            return
        since = time.monotonic() + delay
        due = since - (HEAD_START * (1 + (key in self._handled)) if changed else 0)
        if key not in self._due or due < self._due[key]:
            self._schedule(key, due, since)

    def _schedule(self, key: Key, due: float, since: float) -> None:
        self._due[key], self._since[key] = due, min(since, self._since.get(key, since))
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._wake.set()

    async def run(self) -> None:
        """Until ``stop``; then what is being handled is waited for."""
        while not self._stopping:
            self.last_tick = time.monotonic()
            self._wake.clear()
            wait = self._start_due()
            try:
                await asyncio.wait_for(self._wake.wait(), timeout=min(wait, 1.0))
            except TimeoutError:
                continue
        if self._running:
            await asyncio.wait(self._running.values())

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def cancel_running(self) -> None:
        """What is being handled is broken off; the journal knows how far it got."""
        for task in self._running.values():
            task.cancel()

    def _start_due(self) -> float:
        """Start what is due, as far as there are workers; returns how long nothing is due."""
        while self._heap and len(self._running) < self._workers and not self._stopping:
            due, _, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)
                continue
            now = time.monotonic()
            if due > now:
                return due - now
            heapq.heappop(self._heap)
            del self._due[key], self._since[key]
            self._running[key] = asyncio.create_task(self._one(key), name=f"reconcile {key}")
        return 1.0

    async def _one(self, key: Key) -> None:
        delay: float | None = None
        try:
            delay = await self._handle(key)
        except asyncio.CancelledError:  # by whomever: the resource is not forgotten for that
            delay = None if self._stopping else 0.0
            raise
        finally:
            del self._running[key]
            self._handled.add(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key, changed=True)
            elif delay is not None:
                self.add(key, delay)
            else:
                self._handled.discard(key)
            self._wake.set()
