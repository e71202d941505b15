"""One keyed queue with due times: each key once, one run at a time for each, and no group of keys at the cost of another.

Among the groups that have something due, the one with the fewest runs under way is next; inside a group, priority, then the
due time. A group has at most as many runs under way as there are workers free: however many groups are slow, there is room for one more.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum

from ..engine.ports import Key

log = logging.getLogger(__name__)

Handle = Callable[[Key], Awaitable[float | None]]
Rank = tuple[int, int, int]

BURST = 5
PACE_SECONDS = 2.0
"""A resource that changes again and again has BURST changes served before others; then its changes are served like polls, one in so
many seconds."""


class Priority(IntEnum):
    """The smaller is served first: who changes something need not wait until a thousand new resources have been created."""

    CHANGED = 0
    NEW = 1
    POLL = 2


@dataclass(slots=True)
class _Entry:
    """``due`` on the monotonic clock. ``changed``: not only a poll, whatever its priority. ``order`` is that of its only valid place in
    the heaps."""

    due: float
    priority: Priority
    changed: bool
    order: int


class _Group:
    """What is due of one group. ``served``: when it had a run last, as a count of all runs."""

    __slots__ = ("ready", "running", "served")

    def __init__(self) -> None:
        self.ready: list[tuple[int, float, int, Key]] = []
        self.running = 0
        self.served = 0

    @property
    def rank(self) -> Rank | None:
        """The smaller is next; None: nothing is due."""
        return (self.running, self.ready[0][0], self.served) if self.ready else None


class Queue:
    """``run`` calls ``handle`` for each due key; what that returns (seconds) is when the key is due again, None forgets it.
    ``group``: whose work a key is; the namespace's unless given."""

    def __init__(self, handle: Handle, *, workers: int, group: Callable[[Key], Hashable] = lambda key: key.namespace) -> None:
        self._handle = handle
        self._workers = workers
        self._group = group
        self._entries: dict[Key, _Entry] = {}
        self._later: list[tuple[float, int, Key]] = []
        self._groups: defaultdict[Hashable, _Group] = defaultdict(_Group)
        self._next: list[tuple[Rank, int, Hashable]] = []
        """Groups by rank; an entry whose rank is not the group's any more does not count."""
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._handled: set[Key] = set()
        self._paces: dict[Key, float] = {}
        """When the changes of a key that were served are paid for, PACE_SECONDS each (GCRA's theoretical arrival time)."""
        self._order = itertools.count(1)
        self._wake = asyncio.Event()
        self._stopping = False
        self.last_tick = time.monotonic()

    def __len__(self) -> int:
        return len(self._entries) + len(self._running)

    @property
    def late_seconds(self) -> float:
        """How long the longest waiting due key has been waiting."""
        if not self._entries:
            return 0.0
        return max(0.0, time.monotonic() - min(entry.due for entry in self._entries.values()))

    @property
    def running(self) -> int:
        return len(self._running)

    def add(self, key: Key, delay: float = 0.0, *, changed: bool = False) -> None:
        """Due in ``delay`` seconds, or earlier if it was due earlier. A key that is being handled is handled once more after."""
        if key in self._running:
            self._again.add(key)
            return
        due, priority = time.monotonic() + delay, Priority.POLL
        if changed:
            wait = self._paces.get(key, 0.0) - time.monotonic() - (BURST - 1) * PACE_SECONDS
            due += max(0.0, wait)
            priority = Priority.POLL if wait > 0 else Priority.CHANGED if key in self._handled else Priority.NEW
        old = self._entries.get(key)
        if old is not None:
            due, priority, changed = min(due, old.due), min(priority, old.priority), changed or old.changed
        if old is None or (due, priority) != (old.due, old.priority):
            entry = self._entries[key] = _Entry(due, priority, changed, next(self._order))
            heapq.heappush(self._later, (due, entry.order, key))
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
        """Start what is due, as far as there are workers; returns how long nothing more becomes due."""
        now = time.monotonic()
        while self._later and (self._later[0][0] <= now or not self._is_valid(self._later[0][2], self._later[0][1])):
            due, order, key = heapq.heappop(self._later)
            if self._is_valid(key, order):
                name = self._group(key)
                heapq.heappush(self._groups[name].ready, (self._entries[key].priority, due, order, key))
                self._rank(name)
        while not self._stopping and (taken := self._take()) is not None:
            key, name = taken
            if self._entries.pop(key).changed:
                self._paces[key] = max(now, self._paces.get(key, now)) + PACE_SECONDS
            group = self._groups[name]
            group.running += 1
            group.served = next(self._order)
            self._rank(name)
            self._running[key] = asyncio.create_task(self._one(key, name), name=f"reconcile {key}")
        return self._later[0][0] - now if self._later else 1.0

    def _is_valid(self, key: Key, order: int) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.order == order

    def _rank(self, name: Hashable) -> None:
        """The group's place after a change; a group without anything to do is forgotten."""
        group = self._groups[name]
        while group.ready and not self._is_valid(group.ready[0][3], group.ready[0][2]):
            heapq.heappop(group.ready)
        if group.rank is not None:
            heapq.heappush(self._next, (group.rank, next(self._order), name))
        elif not group.running:
            del self._groups[name]

    def _take(self) -> tuple[Key, Hashable] | None:
        """The next key to handle, out of the queue; None when there is none, or no worker for it."""
        while self._next:
            rank, _, name = self._next[0]
            group = self._groups.get(name)
            if group is None or group.rank != rank:
                heapq.heappop(self._next)
                continue
            if not self._is_valid(group.ready[0][3], group.ready[0][2]):
                heapq.heappop(self._next)
                self._rank(name)
                continue
            if group.running >= self._workers - len(self._running):
                return None  # all others have as many or more
            heapq.heappop(self._next)
            return heapq.heappop(group.ready)[3], name
        return None

    async def _one(self, key: Key, name: Hashable) -> None:
        delay: float | None = None
        try:
            delay = await self._handle(key)
        except asyncio.CancelledError:  # by whomever: the resource is not forgotten for that
            delay = None if self._stopping else 0.0
            raise
        finally:
            del self._running[key]
            self._groups[name].running -= 1
            self._rank(name)
            self._handled.add(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key, changed=True)
            elif delay is not None:
                self.add(key, delay)
            else:
                self._handled.discard(key)
                self._paces.pop(key, None)
            self._wake.set()
