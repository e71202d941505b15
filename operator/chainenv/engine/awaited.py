"""Who waits for a read of another resource: a soak is over only when a read at its end has confirmed it (docs/rollouts.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from .ports import Key


class AwaitedReads:
    """``again``: run a resource once more."""

    def __init__(self, again: Callable[[Key], None]) -> None:
        self._again = again
        self._waiting: defaultdict[Key, set[Key]] = defaultdict(set)

    def wait(self, follower: Key, source: Key, *, failing: bool) -> None:
        """``failing``: the source's reads fail, and back off by themselves; it is not run for those who wait already."""
        if failing and follower in self._waiting[source]:
            return
        self._waiting[source].add(follower)
        self._again(source)

    def confirmed(self, source: Key) -> None:
        """It was read, and its status shows what was read."""
        for follower in self._waiting.pop(source, ()):
            self._again(follower)

    def forget(self, source: Key) -> None:
        self._waiting.pop(source, None)
