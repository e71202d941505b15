"""What is remembered of a resource between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..api import BasetenError
from ..core.actions import Action
from ..core.changes.instance_types import fingerprint, fingerprint_shown
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
    ``differs``: the difference in instance types, since when it has been shown; since ever where a new spec has made it.
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
        """What the status alone says, before any read. A difference that waits at a gate has been believed before."""
        known, waiting = resource.status.environment, resource.status.rollout
        believed = fingerprint_shown(resource.status.drift) if waiting is not None and waiting.plan is not None else None
        differs = Since(believed, float("-inf")) if believed is not None else None
        return cls(created_at=known.created_at if known else None, differs=differs)

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
            differs=self.differs if environment is None else self._differs(world, now),
            observed_since={entry: self.observed_since.get(entry, now) for entry in (*map(entry_id, world.journal), *serving)},
        )

    def _differs(self, world: World, now: float) -> Since | None:
        """A difference that a new spec has made is no doubtful find of one read: it is believed for as long as it is shown."""
        fact = _still(self.differs, fingerprint(world), now)
        return replace(fact, at=float("-inf")) if fact is not None and world.spec_changed else fact


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
    ``confirmed``: when the last read was answered that the status, as written, shows.
    ``actors``: who brought the newest deployment that is not this resource's doing, by its id. ``request``: the last reconcile
    annotation for which the key was read anew, ``handled`` the last one that was acted on. ``cut``: the last status written, where the
    API server kept another one (an older CRD drops what it does not know), by the resourceVersion that came of it and its hash.
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
    handled: str | None = None
    cut: tuple[str, str] | None = None
    confirmed: datetime | None = None
    actors: Mapping[str, str] = field(default_factory=dict)
    settled: Settled | None = None
    runs: float = 0.0
    """Runs in hand: at most ``BURST``, one more each second."""
    runs_at: float = float("-inf")

    def due(self, actions: tuple[Action, ...], now: float) -> tuple[Action, ...]:
        """Those that need not wait for their next try. Of what is cleaned up all wait for the same one, and what failed least comes first,
        so that one that always fails starves no other."""
        slots = {action.entry.slot for action in actions}
        self.retries = {s: retry for s, retry in self.retries.items() if s in slots or (retry.aside and now < retry.at)}
        waiting = {slot for slot, retry in self.retries.items() if now < retry.at}
        ready = (a for a in actions if a.entry.slot not in waiting)
        failed = {slot: retry.failures for slot, retry in self.retries.items() if retry.aside}
        return tuple(sorted(ready, key=lambda a: (a.change.aside, failed.get(a.entry.slot, 0))))

    def cleanup_waits(self, now: float) -> bool:
        return any(retry.aside and now < retry.at for retry in self.retries.values())

    def failures_of(self, action: Action) -> int:
        """In a row; of what is cleaned up together."""
        if action.change.aside:
            return max((retry.failures for retry in self.retries.values() if retry.aside), default=0)
        last = self.retries.get(action.entry.slot)
        return last.failures if last else 0

    def retry_later(self, action: Action, retry: Retry) -> None:
        if retry.aside:
            self.retries = {s: replace(each, at=retry.at) if each.aside else each for s, each in self.retries.items()}
        self.retries[action.entry.slot] = retry

    def is_hurried(self, now: float) -> bool:
        """Whether this run comes too soon after too many others; if not, it is counted."""
        self.runs = min(BURST, self.runs + now - self.runs_at)
        self.runs_at = now
        if self.runs < 1:
            return True
        self.runs -= 1
        return False

    def once(self, resource: Resource) -> Resource:
        """A person's request that was handled is handled, also when somebody has emptied the status since."""
        if self.handled is None or self.handled != resource.reconcile_request:
            return resource
        return replace(resource, status=resource.status.model_copy(update={"last_handled_reconcile_at": self.handled}))

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
