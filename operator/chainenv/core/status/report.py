"""What one run of the reconcile function came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ...crd.types import CostStatus, Drift, Endpoints, HistoryEntry, JournalEntry, RolloutStatus, ScheduleStatus
from ..changes import AnyChange, CreateEnvironment
from ..environment import Environment
from ..findings import Finding, Severity
from ..reasons import Reason

TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.RATE_LIMITED, Reason.INTERNAL_ERROR, Reason.CONFLICT})
ROLLOUT_REASONS = frozenset({Reason.ROLLING_OUT, Reason.PROMOTION_RUNNING, Reason.SETTLING_INTENT, Reason.DEPLOYING, Reason.CREATING})
GATES = frozenset({Reason.WAITING_FOR_APPROVAL, Reason.WAITING_FOR_WINDOW, Reason.WAITING_FOR_SOURCE, Reason.PRICE_UNKNOWN})
"""What a rollout waits for without anything that moves: a person, the clock, another resource."""
GRACE_SECONDS = 60.0
"""For so long failures of the passing kind are shown by Reconciling alone."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Baseten was read in this run. ``environment`` None: there is none. ``managed``: it is this resource's own."""

    environment: Environment | None = None
    managed: bool = False


@dataclass(frozen=True, slots=True)
class Unobserved:
    """Baseten was not read. ``stale``: the last successful read is too old to stand for the present."""

    stale: bool = False


@dataclass(frozen=True, slots=True)
class Paused(Unobserved):
    """It was not read because the resource asks for that."""


Observation = Observed | Unobserved


@dataclass(frozen=True, slots=True)
class Report:
    """``acted_on``: the spec's generation was (a decision counts, a failed call does not).
    ``failing_for``: seconds from the first failure in a row to this one; 0 for the first, and without one.
    ``rollout``: the one that waits. ``cost``: of what runs; with ``priced`` false prices are not known yet, and it stays as it was.
    ``schedule``: what the clock made of the schedules in this run; None: there are none. ``history``: what served, this run's read
    included.
    """

    generation: int
    now: datetime
    observation: Observation
    findings: tuple[Finding, ...] = ()
    drift: tuple[Drift, ...] = ()
    journal: tuple[JournalEntry, ...] = ()
    changes: tuple[AnyChange, ...] = ()
    acted_on: bool = True
    deleting: bool = False
    reconcile_request: str | None = None
    failing_for: float = 0.0
    schedule: ScheduleStatus | None = None
    rollout: RolloutStatus | None = None
    cost: CostStatus | None = None
    priced: bool = False
    history: tuple[HistoryEntry, ...] = ()
    endpoints: Endpoints | None = None

    @property
    def observed(self) -> bool:
        return isinstance(self.observation, Observed)

    @property
    def paused(self) -> bool:
        return isinstance(self.observation, Paused)

    @property
    def stale(self) -> bool:
        return isinstance(self.observation, Unobserved) and self.observation.stale

    @property
    def environment(self) -> Environment | None:
        return self.observation.environment if isinstance(self.observation, Observed) else None

    def worst(self) -> Finding | None:
        return max(self.findings, key=lambda f: f.severity, default=None)

    @property
    def passing(self) -> tuple[Finding, ...]:
        """Failures of this run that pass by themselves."""
        return tuple(f for f in self.findings if f.reason in TRANSIENT)

    @property
    def lasting(self) -> tuple[Finding, ...]:
        """What conditions are made of, the worst first: one failed call changes none of them, failures that last a minute do."""
        lasting = (f for f in self.findings if f.reason not in TRANSIENT or self.failing_for >= GRACE_SECONDS)
        return tuple(sorted(lasting, key=lambda f: -f.severity))

    @property
    def rolling(self) -> bool:
        """Whether a rollout is under way, or was begun by this run: what is missing or failed may be mended by it."""
        promoting = self.environment is not None and self.environment.promoting
        waiting = any(f.severity == Severity.WAITING and f.reason in ROLLOUT_REASONS for f in self.findings)
        return promoting or waiting or any(c.starts_deployment or isinstance(c, CreateEnvironment) for c in self.changes)

    @property
    def moving(self) -> bool:
        """Whether something is under way whose end a later read shows."""
        return bool(self.passing) or self.progressing

    @property
    def progressing(self) -> bool:
        """The same without failures."""
        waiting = any(f.severity == Severity.WAITING and f.reason not in TRANSIENT | GATES for f in self.findings)
        return bool(self.changes) or waiting or (self.environment is not None and self.environment.deploying)
