"""Everything that one decision is made from, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..crd.enums import AdoptionPolicy, Operation, Outcome
from ..crd.types import HistoryEntry, JournalEntry
from .desired import Desired
from .environment import Deployment, Environment
from .gates import Gates, Hold


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """A change that the chain's audit log records: made with this operator's key, to this environment. ``at``: Baseten's clock."""

    operation: Operation
    deployment_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Timing:
    """The waits that decisions depend on, seconds."""

    progress: float = 10
    vanish: float = 30
    settle: float = 60
    retry_refused: float = 3600

    @property
    def resend(self) -> float:
        """How long an accepted correction may stay invisible before it is sent once more."""
        return min(self.settle, 10 * self.progress)


@dataclass(frozen=True, slots=True)
class World:
    """Everything one decision is made from.

    ``environment`` None: Baseten says there is none. ``known``: it was there before (status.environment);
    ``managed``: created or adopted then, not only observed (None: as ``known``). ``replaced``: it is another one of the same name.
    ``now``: when the read was answered; ``began``: when it began (None: ``now``). Only what a read that began late enough
    does not show is absent.
    ``observed_for``: for how many seconds this process has been reading since an entry of the journal was written or answered
    (by ``entry_id``), or a deployment was found serving (by ``serving_id``), from the answer of the first such read to the beginning
    of this one, on its own monotonic clock.
    ``differs_for``: the same for the difference in instance types that this read shows (``changes.instance_types.fingerprint``).
    ``looked_up``: deployments outside the environment that were read by id, None where that was a 404.
    ``chain_deployments``: every deployment of the chain, None when they were not read.
    ``audited``: what this operator's key has done to the environment, as far as the key may read it; read with the deployments.
    ``last_types``: instance types as last shown, by chainlet. ``chain_unreadable``: the chain's deployments cannot be read with
    this key. ``forced``: a person asked for another try (the reconcile annotation). ``new_key``: the last run was made with
    another key. ``spec_changed``: this generation has not been acted on yet. ``schedule_changed``: another schedule, or none, has
    become active since the last run that acted. ``gates``: what rollouts wait for.
    ``source``: what the promotion of promoteFrom's deployment waits for; that deployment is the desired one, as far as it is known.
    ``history``: what served, this read included. ``former``: those of it that were read by id because they are to be cleaned up, None
    where that was a 404. ``named_by_others``: deployments that other resources of the chain name or use.
    ``answer``: digest of the answer that ``environment`` was read from.
    """

    desired: Desired
    environment: Environment | None
    now: datetime
    timing: Timing = Timing()
    journal: tuple[JournalEntry, ...] = ()
    known: bool = False
    managed: bool | None = None
    replaced: bool = False
    missing_since: datetime | None = None
    began: datetime | None = None
    observed_for: Mapping[str, float] = field(default_factory=dict)
    differs_for: float = 0.0
    looked_up: Mapping[str, Deployment | None] = field(default_factory=dict)
    chain_deployments: tuple[Deployment, ...] | None = None
    chain_unreadable: bool = False
    audited: tuple[AuditedChange, ...] = ()
    last_types: Mapping[str, str] = field(default_factory=dict)
    chain_missing: bool = False
    forced: bool = False
    new_key: bool = False
    spec_changed: bool = False
    schedule_changed: bool = False
    gates: Gates = field(default_factory=Gates)
    source: Hold | None = None
    history: tuple[HistoryEntry, ...] = ()
    former: Mapping[str, Deployment | None] = field(default_factory=dict)
    named_by_others: frozenset[str] = frozenset()
    answer: bytes = b""

    @property
    def ours(self) -> bool:
        """Whether this resource may write to the environment: it created or adopted it, or began to create it."""
        created = self.entry(Operation.CREATE)
        begun = created is not None and created.outcome in (None, Outcome.ACCEPTED)
        mine = self.known if self.managed is None else self.managed
        return begun or (mine and not (self.replaced and self.desired.adoption == AdoptionPolicy.FAIL))

    @property
    def chain_chainlets(self) -> frozenset[str] | None:
        """Names in the chain's deployments; None when there are none, or they were not read."""
        return frozenset(c.name for d in self.chain_deployments or () for c in d.chainlets) or None

    def entry(self, slot: str) -> JournalEntry | None:
        return next((entry for entry in self.journal if entry.slot == slot), None)

    def since(self, moment: datetime) -> timedelta:
        """How long ago ``moment`` was when the read began: what happened while it was under way it need not show."""
        return (self.began or self.now) - moment

    def observed(self, entry: JournalEntry) -> float:
        """For how many seconds this process has been reading since the entry was written or answered."""
        return self.observed_for.get(entry_id(entry), 0.0)

    def observed_serving(self, deployment: Deployment) -> float:
        """For how many seconds this process has found serving a deployment that the environment does not show."""
        return self.observed_for.get(serving_id(deployment, self.environment), 0.0)


def serving_id(deployment: Deployment, environment: Environment | None) -> str:
    """Names that a deployment serves which the environment does not show, beside the one that it does."""
    return f"serving {deployment.id} beside {environment.current_id if environment else None}"


def entry_id(entry: JournalEntry) -> str:
    """Names one state of one entry: waiting starts anew when it is sent again, answered or concluded."""
    return f"{entry.slot} {entry.started_at.isoformat()} {entry.outcome}"
