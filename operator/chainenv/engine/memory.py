"""What is remembered of a resource between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..api import BasetenError
from ..core.changes.instance_types import fingerprint
from ..core.cost import PriceList
from ..core.environment import SERVING
from ..core.resource import Resource
from ..core.values import digest
from ..core.world import World, entry_id, serving_id
from ..crd.types import JournalEntry

BURST = 20.0
"""So many runs of one resource may follow each other at once; after that one a second."""


@dataclass(frozen=True, slots=True)
class Since:
    """A fact that every read has shown since ``at`` (monotonic), by which value."""

    value: str
    at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What successful reads have shown so far. Times that decisions depend on are read from the monotonic clock.

    ``created_at``: when the environment was created, as far as it has been accepted as this resource's.
    ``observed_since``: when the first read was answered that began after an entry of the journal became what it is, by ``entry_id``;
    and that showed a deployment serving outside the environment, by ``serving_id``.
    ``key``: fingerprint of the key that the last plan was made with.
    """

    last_observed: datetime | None = None
    missing_since: datetime | None = None
    created_at: datetime | None = None
    replaced: Since | None = None
    differs: Since | None = None
    observed_since: Mapping[str, float] = field(default_factory=dict)
    key: str = ""

    @classmethod
    def of(cls, resource: Resource) -> Facts:
        """What the status alone says, before any read."""
        known = resource.status.environment
        return cls(created_at=known.created_at if known else None)

    def advance(self, world: World, now: float) -> Facts:
        """With one more successful read; ``now`` is when it was answered, monotonic."""
        environment = world.environment
        serving = (serving_id(d, environment) for d in world.looked_up.values() if d is not None and d.status in SERVING)
        replaced = str(environment.created_at) if environment is not None and world.replaced else None
        return replace(
            self,
            last_observed=world.now,
            missing_since=world.missing_since,
            replaced=_still(self.replaced, replaced, now),
            differs=self.differs if environment is None else _still(self.differs, fingerprint(world), now),
            observed_since={entry: self.observed_since.get(entry, now) for entry in (*map(entry_id, world.journal), *serving)},
        )


def _still(fact: Since | None, value: str | None, now: float) -> Since | None:
    if value is None:
        return None
    return fact if fact is not None and fact.value == value else Since(value, now)


@dataclass(frozen=True, slots=True)
class Learned:
    """The journal of this process's last run. ``base``: the journal in the cluster that it was made from; as long as nobody else
    has written another one, this is the newer."""

    journal: tuple[JournalEntry, ...]
    base: tuple[JournalEntry, ...]

    def newest(self, written: tuple[JournalEntry, ...]) -> tuple[JournalEntry, ...]:
        """``written``: the journal in the cluster now. A status that was wiped is no journal."""
        return self.journal if written in ((), self.base, self.journal) else written


@dataclass(frozen=True, slots=True)
class Retry:
    """A call that failed in passing. ``at``: when it is tried again, monotonic. ``aside``: no condition waits for it."""

    failures: int
    at: float
    error: BasetenError
    aside: bool = False


MOST_PASSED = 11
"""So many polls in a row may be passed over: the next one decides, whatever it reads."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the last run was made from, which had nothing to do (``settled.settled``). ``answer``: digest of Baseten's; ``key``:
    fingerprint. ``prices``, ``actors``: the very objects. ``passed``: how many polls since were passed over."""

    answer: bytes
    resource_version: str
    key: str
    prices: PriceList | None
    actors: Mapping[str, str]
    passed: int = 0

    def holds(self, resource: Resource, key: str, prices: PriceList | None, actors: Mapping[str, str]) -> bool:
        """Whether the same answer leads to the same decision."""
        same = (resource.resource_version, key) == (self.resource_version, self.key)
        return same and prices is self.prices and actors is self.actors and self.passed < MOST_PASSED


@dataclass(slots=True)
class Memory:
    """What is remembered of a resource (by its uid) between runs, and may be lost: a restart only makes the operator more careful.

    ``retries``: by slot of the journal; each change backs off by itself. ``unchanged``: polls in a row that changed nothing in the status.
    ``actors``: who brought the newest deployment that is not this resource's doing, by its id. ``request``: the last reconcile
    annotation for which the key was read anew. ``cut``: the last status written, where the API server kept another one (an older CRD
    drops what it does not know), by the resourceVersion that came of it and its hash.
    """

    uid: str
    first_observed: datetime
    learned: Learned
    facts: Facts
    retries: dict[str, Retry] = field(default_factory=dict)
    failures: int = 0
    failing_since: float | None = None
    conflicts: int = 0
    unchanged: int = 0
    request: str | None = None
    cut: tuple[str, str] | None = None
    actors: Mapping[str, str] = field(default_factory=dict)
    settled: Settled | None = None
    runs: float = 0.0
    """Runs in hand: at most ``BURST``, one more each second."""
    runs_at: float = float("-inf")

    def is_hurried(self, now: float) -> bool:
        """Whether this run comes too soon after too many others; if not, it is counted."""
        self.runs = min(BURST, self.runs + now - self.runs_at)
        self.runs_at = now
        if self.runs < 1:
            return True
        self.runs -= 1
        return False

    def was_cut(self, resource: Resource, shown: Mapping[str, Any]) -> bool:
        """Whether this status (as JSON) is the one that came out as it is now: writing it again would not help."""
        return self.cut is not None and self.cut == (resource.resource_version, digest(shown))

    def note_failure(self, now: float) -> int:
        """How many runs in a row have failed with this one."""
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.failures += 1
        return self.failures

    def failing_for(self, now: float) -> float:
        return 0.0 if self.failing_since is None else now - self.failing_since
