"""Every public call, in the order of arrival."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chainenv_sandbox.baseten.errors import JsonObject

_KEPT = 200_000


@dataclass(slots=True)
class Entry:
    """`time`: epoch seconds at arrival. `status`: None while under way and when no answer was sent. `key`: the key's name."""

    seq: int
    time: float
    method: str
    path: str
    endpoint: str
    key: str | None = None
    key_ok: bool = False
    request: Any = None
    status: int | None = None
    effect: JsonObject = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float | None = None  # None while under way

    def as_json(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Filter:
    """Everything given must hold. path: regular expression, searched. effect: a name the effect has, "any" for any effect at all."""

    since: int = 0
    method: str | None = None
    endpoint: str | None = None
    path: str | None = None
    key: str | None = None
    status: int | None = None
    effect: str | None = None
    done: bool = False  # only calls that are over

    def fits(self, entry: Entry) -> bool:
        plain = (("method", self.method), ("endpoint", self.endpoint), ("key", self.key), ("status", self.status))
        if entry.seq <= self.since or any(value is not None and getattr(entry, name) != value for name, value in plain):
            return False
        if self.path is not None and not re.search(self.path, entry.path):
            return False
        if self.effect is not None and not (entry.effect if self.effect == "any" else self.effect in entry.effect):
            return False
        return entry.seconds is not None or not self.done


class Journal:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._sequence = itertools.count(1)
        self._waiting: set[asyncio.Event] = set()
        self.calls = self.in_flight = self.most_in_flight = 0

    def open(self, method: str, path: str, endpoint: str, now: float) -> Entry:
        entry = Entry(next(self._sequence), now, method, path, endpoint)
        self._entries.append(entry)
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._notify()
        return entry

    def close(self, entry: Entry, started: float) -> None:
        entry.seconds = time.monotonic() - started
        self.in_flight -= 1
        self._notify()

    def _notify(self) -> None:
        for event in self._waiting:
            event.set()

    def find(self, wanted: Filter) -> Iterator[Entry]:
        return (entry for entry in self._entries if wanted.fits(entry))

    def clear(self) -> None:
        """Sequence numbers go on."""
        self._entries.clear()
        self.calls, self.most_in_flight = 0, self.in_flight

    async def wait(self, wanted: Filter, count: int) -> list[Entry]:
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while len(found := list(self.find(wanted))) < count:
                await event.wait()
                event.clear()
            return found
        finally:
            self._waiting.discard(event)
