"""Rollouts and money as metrics."""

from __future__ import annotations

from .. import metrics
from ..core.gates import WaitsFor
from ..core.journal import ROLLOUTS, unsettled
from ..crd.enums import Operation, Outcome
from ..crd.types import ChainEnvironmentStatus, JournalEntry
from ..engine.ports import Key

OUTCOMES = ("succeeded", "failed", "aborted")


class RolloutMeasures:
    """``resources``: also series for each resource that has a rollout under way, or whose cost is known."""

    def __init__(self, *, resources: bool) -> None:
        self._with_resources = resources
        self._running: dict[Key, JournalEntry] = {}
        self._waiting: dict[Key, str] = {}
        for outcome in OUTCOMES:
            metrics.rollouts.labels(outcome)
        for waits_for in WaitsFor:
            metrics.rollouts_waiting.labels(waits_for.value)

    def __call__(self, key: Key, status: ChainEnvironmentStatus | None) -> None:
        """``status`` None: the resource is gone."""
        journal = status.operations if status else ()
        running = next((e for e in journal if e.operation in ROLLOUTS and unsettled(e)), None)
        before = self._running.pop(key, None)
        if running is not None:
            self._running[key] = running
        if status is not None and before is not None and (running is None or running.operation != before.operation):
            outcome = _outcome(before, journal)
            if outcome is not None:
                metrics.rollouts.labels(outcome).inc()
        self._wait(key, status.rollout.waits_for if status and status.rollout else None)
        if self._with_resources:
            self._show(key, status, running)

    def _wait(self, key: Key, waits_for: str | None) -> None:
        before, now = self._waiting.pop(key, None), waits_for if waits_for in set(WaitsFor) else None
        if now is not None:
            self._waiting[key] = now
        if before == now:
            return
        if before is not None:
            metrics.rollouts_waiting.labels(before).dec()
        if now is not None:
            metrics.rollouts_waiting.labels(now).inc()

    @staticmethod
    def _show(key: Key, status: ChainEnvironmentStatus | None, running: JournalEntry | None) -> None:
        if running is not None:
            metrics.rollouts_begun[key] = running.started_at.timestamp()
        else:
            metrics.rollouts_begun.pop(key, None)
        cost = status.cost if status else None
        if cost is None:
            metrics.costs.pop(key, None)
            return
        kinds = {"now": cost.per_hour, "min": cost.min_per_hour, "max": cost.max_per_hour}
        metrics.costs[key] = {kind: amount for kind, amount in kinds.items() if amount is not None}


def _outcome(rollout: JournalEntry, journal: tuple[JournalEntry, ...]) -> str | None:
    """Of one that is under way no more; None when it never began: refused, or lost without an effect."""
    after = next((e for e in journal if e.operation == rollout.operation and e.hash == rollout.hash), None)
    if after is None or after.outcome == Outcome.ACCEPTED:
        return "succeeded"
    if after.outcome != Outcome.FAILED:
        return None
    aborted = any(e.operation == Operation.ABORT and e.target == after.deployment_id for e in journal)
    return "aborted" if aborted else "failed"
