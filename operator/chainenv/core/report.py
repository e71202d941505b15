"""What one run of the reconcile function came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..crd.types import Drift, JournalEntry
from .actions import Call, CreateEnvironment, Finding, Promote, Severity, UpdateInstanceTypes
from .reasons import Reason
from .world import Environment, in_progress

TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.RATE_LIMITED, Reason.INTERNAL_ERROR, Reason.CONFLICT})
ROLLOUT_REASONS = frozenset({Reason.ROLLING_OUT, Reason.PROMOTION_RUNNING, Reason.SETTLING_INTENT, Reason.DEPLOYING, Reason.CREATING})
GRACE_SECONDS = 60.0
"""For so long failures of the passing kind are shown by Reconciling alone."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the reconcile function came to.

    ``observed``: Baseten was read in this run; then ``environment`` None means that there is none.
    ``complete``: the spec's generation was acted on (a decision counts, a failed call does not).
    ``stale``: the last successful read is too old to stand for the present.
    ``failing_for``: seconds from the first failure in a row to this one; 0 for the first, and without one.
    """

    generation: int
    now: datetime
    observed: bool = False
    environment: Environment | None = None
    findings: tuple[Finding, ...] = ()
    drift: tuple[Drift, ...] = ()
    journal: tuple[JournalEntry, ...] = ()
    calls: tuple[Call, ...] = ()
    complete: bool = True
    stale: bool = False
    paused: bool = False
    managed: bool = False
    deleting: bool = False
    reconcile_request: str | None = None
    failing_for: float = 0.0

    def worst(self) -> Finding | None:
        return max(self.findings, key=lambda f: f.severity, default=None)

    @property
    def passing(self) -> tuple[Finding, ...]:
        """Failures of this run that pass by themselves."""
        return tuple(f for f in self.findings if f.reason in TRANSIENT)

    @property
    def lasting(self) -> tuple[Finding, ...]:
        """What conditions are made of: one failed call changes none of them, failures that last a minute do."""
        return tuple(f for f in self.findings if f.reason not in TRANSIENT or self.failing_for >= GRACE_SECONDS)

    @property
    def rolling(self) -> bool:
        """Whether a rollout is under way, or was begun by this run: what is missing or failed may be mended by it."""
        promoting = self.environment is not None and self.environment.promoting
        waiting = any(f.severity == Severity.WAITING and f.reason in ROLLOUT_REASONS for f in self.findings)
        return promoting or waiting or any(isinstance(c, CreateEnvironment | Promote | UpdateInstanceTypes) for c in self.calls)

    @property
    def moving(self) -> bool:
        """Whether something is under way that will show by itself."""
        return bool(self.passing) or self.progressing

    @property
    def progressing(self) -> bool:
        """The same without failures."""
        waiting = any(f.severity == Severity.WAITING and f.reason not in TRANSIENT for f in self.findings)
        environment = self.environment
        current = environment.current if environment else None
        promoting = environment is not None and environment.promoting
        return bool(self.calls) or waiting or promoting or (current is not None and in_progress(current.status))
