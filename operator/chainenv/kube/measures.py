"""What the runs come to, as metrics. Each resource's part is remembered, so that it can be taken back when it changes or goes."""

from __future__ import annotations

from collections.abc import Iterable

from .. import metrics
from ..core.findings import Severity
from ..core.reasons import Reason
from ..core.status import TRANSIENT, Report
from ..crd.types import ChainEnvironmentStatus
from ..engine.ports import Key
from .rollouts import RolloutMeasures

Labels = tuple[str, ...]
MOST_CHAINLETS = 200
"""Of one resource that have series: as many as a spec may name."""
MOST_CHARACTERS = 128
"""Of a label's value that Baseten has chosen."""
_REASONS = frozenset(str(reason) for reason in Reason)
OTHER = "Other"
"""A reason that is none of the operator's: somebody else has written the status."""
_KINDS = ("promotion_settings", "autoscaling", "instance_types", "deployment")
_OUTCOMES = ("settled", "waiting", "acted", "stalled", "transient")


class Measures:
    """Implements engine.ports.Measure. ``chainlets``: also a series for each chainlet of each resource; ``resources``: for each
    condition of a resource that needs attention, and for its active schedule. A settled resource without schedules has none of the
    latter, so their number stays small."""

    def __init__(self, *, chainlets: bool, resources: bool = True) -> None:
        self._with_chainlets = chainlets
        self._with_resources = resources
        self._conditions: dict[Key, tuple[Labels, ...]] = {}
        self._counts: dict[Labels, int] = {}
        self._chainlets: dict[Key, dict[Labels, int]] = {}
        self._schedules: dict[Key, str] = {}
        self._drifted: dict[Key, set[str]] = {}
        """Fields that were different in the last run: each is found once, until it is as declared again."""
        for kind in _KINDS:  # from 0 on: the first increment of a counter that was not there shows in no rate()
            metrics.drift_found.labels(kind)
            metrics.drift_corrected.labels(kind)
        for outcome in _OUTCOMES:
            metrics.reconciles.labels(outcome)
        self._rollouts = RolloutMeasures(resources=resources)

    def __call__(self, key: Key, status: ChainEnvironmentStatus | None, report: Report | None) -> None:
        """``status`` None: the resource is gone."""
        conditions = status.conditions if status else ()
        self._count(key, tuple((c.type[:MOST_CHARACTERS], c.status, c.reason if c.reason in _REASONS else OTHER) for c in conditions))
        if self._with_chainlets:
            self._count_chainlets(key, status)
        self._rollouts(key, status)
        if self._with_resources:
            self._show_schedule(key, status.schedule.active if status and status.schedule else None)
        if status is None or report is None:
            self._drifted.pop(key, None)
            return
        metrics.reconciles.labels(_outcome(report)).inc()
        corrections = [change for change in report.changes if change.corrections]
        for change in corrections:
            metrics.drift_corrected.labels(change.counted_as).inc()
        different = {each.path for change in corrections for each in change.corrections} | {each.path for each in report.drift}
        for path in different - self._drifted.get(key, set()):
            metrics.drift_found.labels(_kind(path)).inc()
        self._drifted[key] = different

    def _count(self, key: Key, now: tuple[Labels, ...]) -> None:
        before = self._conditions.pop(key, ())
        if now:
            self._conditions[key] = now
        for labels in set(before) ^ set(now):
            self._counts[labels] = self._counts.get(labels, 0) + (1 if labels in now else -1)
            metrics.resources_condition.labels(*labels).set(self._counts[labels])
        if not self._with_resources:
            return
        for labels in _bad(before) - _bad(now):
            metrics.resource_condition.remove(key.namespace, key.name, *labels)
        for labels in _bad(now) - _bad(before):
            metrics.resource_condition.labels(key.namespace, key.name, *labels).set(1)

    def _count_chainlets(self, key: Key, status: ChainEnvironmentStatus | None) -> None:
        current = status.current_deployment if status else None
        chainlets = current.chainlets[:MOST_CHAINLETS] if current else ()
        now: dict[Labels, int] = {
            (key.namespace, key.name, c.name[:MOST_CHARACTERS], c.status[:MOST_CHARACTERS]): c.active_replica_count for c in chainlets
        }
        before = self._chainlets.pop(key, {})
        for labels in before.keys() - now.keys():
            metrics.chainlet_status.remove(*labels)
        for labels in {gone[:3] for gone in before} - {there[:3] for there in now}:
            metrics.chainlet_replicas.remove(*labels)
        for labels, replicas in now.items():
            metrics.chainlet_status.labels(*labels).set(1)
            metrics.chainlet_replicas.labels(*labels[:3]).set(replicas)
        if now:
            self._chainlets[key] = now

    def _show_schedule(self, key: Key, active: str | None) -> None:
        before, now = self._schedules.pop(key, None), active and active[:MOST_CHARACTERS]
        if before and before != now:
            metrics.schedule_active.remove(key.namespace, key.name, before)
        if now:
            metrics.schedule_active.labels(key.namespace, key.name, now).set(1)
            self._schedules[key] = now


def _bad(conditions: Iterable[Labels]) -> set[Labels]:
    """Those that somebody may have to act on."""
    return {each for each in conditions if each[0] == "Stalled" or (each[0] in ("Ready", "Synced") and each[1] != "True")}


def _kind(path: str) -> str:
    """Of a field: which call corrects it."""
    head, _, tail = path.rpartition(".")
    if head.endswith("autoscalingSettings"):
        return "autoscaling"
    return {"instanceTypeID": "instance_types", "deploymentID": "deployment"}.get(tail, "promotion_settings")


def _outcome(report: Report) -> str:
    worst = report.worst()
    if worst is not None and worst.reason in TRANSIENT:
        return "transient"
    if worst is not None and worst.severity == Severity.STALLED:
        return "stalled"
    if report.changes:
        return "acted"
    return "waiting" if report.moving or report.rollout is not None else "settled"
