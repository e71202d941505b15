"""What is remembered of a resource between two runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..api import BasetenError
from ..crd.types import JournalEntry


@dataclass(slots=True)
class Memory:
    """What is remembered of a resource (by its uid) between runs, and may be lost: a restart only makes the operator more careful.

    Times that decisions depend on are read from the monotonic clock.
    """

    uid: str
    first_observed: datetime
    last_observed: datetime | None = None
    missing_since: datetime | None = None
    failures: int = 0
    failing_since: float | None = None
    conflicts: int = 0
    looks: int = 0
    learned: Learned | None = None
    """The journal of this process's last run, as long as nobody else has written another one."""
    created_at: datetime | None = None
    """When the environment was created, as far as it has been accepted as this resource's."""
    replaced: Since | None = None
    differs: Since | None = None
    observed_since: dict[str, float] = field(default_factory=dict)
    """When the first read was answered that began after an entry of the journal became what it is, by ``entry_id``."""
    retries: dict[str, Retry] = field(default_factory=dict)
    """Calls that failed in passing, by operation: each kind backs off by itself."""
    key: str = ""
    """Fingerprint of the key that the last plan was made with."""
    request: str | None = None
    """The last reconcile annotation for which the key was read anew."""
    written: tuple[str, str] | None = None
    """The last status written: the resourceVersion that came of it, and its hash."""


@dataclass(frozen=True, slots=True)
class Learned:
    """``base``: the journal in the cluster that it was made from."""

    journal: tuple[JournalEntry, ...]
    base: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """A fact that every read has shown since ``at`` (monotonic), by which value."""

    value: str
    at: float


@dataclass(frozen=True, slots=True)
class Retry:
    failures: int
    at: float
    error: BasetenError


def still(fact: Since | None, value: str | None, now: float) -> Since | None:
    if value is None:
        return None
    return fact if fact is not None and fact.value == value else Since(value, now)
