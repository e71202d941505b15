"""From what was seen and done to what people read: the resource's status and the events that tell its changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..crd.types import (
    ChainEnvironmentStatus,
    ChainletStatus,
    Condition,
    DeploymentStatus,
    Drift,
    EnvironmentStatus,
    JournalEntry,
    ObservedAutoscaling,
    ObservedChainletSettings,
    ObservedPromotionSettings,
)
from .actions import (
    Call,
    CreateEnvironment,
    Deactivate,
    Finding,
    Promote,
    Severity,
    UpdateAutoscaling,
    UpdateInstanceTypes,
    UpdatePromotionSettings,
)
from .reasons import Event, Reason
from .words import listed, names
from .world import DEGRADED, FAILED, OFF, SERVING, Chainlet, ChainletState, Deployment, Environment, Settings, in_progress

Named = TypeVar("Named", Chainlet, ChainletState)

TRANSIENT = frozenset({Reason.UNAVAILABLE, Reason.RATE_LIMITED, Reason.INTERNAL_ERROR, Reason.CONFLICT})
_UNOWNED = frozenset({Reason.DUPLICATE_TARGET, Reason.ENVIRONMENT_EXISTS, Reason.INVALID_ENVIRONMENT_NAME, Reason.INVALID_RESOURCE})
MOST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the reconcile function came to.

    ``observed``: Baseten was read in this run; then ``environment`` None means that there is none.
    ``complete``: the spec's generation was acted on (a decision counts, a failed call does not).
    ``stale``: the last successful read is too old to be told as the present.
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

    def worst(self) -> Finding | None:
        return max(self.findings, key=lambda f: f.severity, default=None)

    @property
    def moving(self) -> bool:
        """Whether something is under way that will show by itself."""
        waiting = any(f.severity == Severity.WAITING or f.reason in TRANSIENT for f in self.findings)
        environment = self.environment
        current = environment.current if environment else None
        promoting = environment is not None and environment.promoting
        return bool(self.calls) or waiting or promoting or (current is not None and in_progress(current.status))


def project(previous: ChainEnvironmentStatus, report: Report) -> ChainEnvironmentStatus:
    """The status to show. What was not looked at in this run stays as it was."""
    base = previous.model_copy(update=_seen(report)) if report.observed else previous
    conditions = tuple(_conditions(previous, report))
    return base.model_copy(
        update={
            "observed_generation": report.generation if report.complete else previous.observed_generation,
            "conditions": conditions,
            "state": _state(base, report),
            "drift": report.drift if report.observed or report.complete else previous.drift,
            "operations": report.journal,
            "last_handled_reconcile_at": (report.reconcile_request or previous.last_handled_reconcile_at)
            if report.complete
            else previous.last_handled_reconcile_at,
        }
    )


# -- conditions ----------------------------------------------------------------------------------------------------


def _conditions(previous: ChainEnvironmentStatus, report: Report) -> Iterable[Condition]:
    old = {c.type: c for c in previous.conditions}
    yield _ready(old.get("Ready"), report)
    synced, reason, message = _synced(report)
    yield _condition(old.get("Synced"), "Synced", synced, reason, message, report)
    stalled = _stalled(report) or _still_failed(old.get("Stalled"), report)
    if stalled is not None:
        yield _condition(old.get("Stalled"), "Stalled", "True", stalled.reason, stalled.message, report)
    elif report.moving and not report.paused:
        reason, message = _reconciling(report)
        yield _condition(old.get("Reconciling"), "Reconciling", "True", reason, message, report)


def _condition(old: Condition | None, kind: str, status: Any, reason: Reason, message: str, report: Report) -> Condition:
    """``lastTransitionTime`` moves only when status does."""
    since = old.last_transition_time if old is not None and old.status == status else report.now.replace(microsecond=0)
    return Condition(
        type=kind,
        status=status,
        reason=reason.value,
        message=message[:MOST_MESSAGE],
        last_transition_time=since,
        observed_generation=report.generation,
    )


def _synced(report: Report) -> tuple[str, Reason, str]:
    if report.paused:
        told = [f.message for f in report.findings] or [
            "managementPolicy is Pause: no call is made to Baseten; what is shown is from before"
        ]
        return "Unknown", Reason.PAUSED, told[0]
    if report.findings:
        ordered = sorted(report.findings, key=lambda f: -f.severity)
        sent = [f"sent: {_told(report.calls)}"] if report.calls else []
        return "False", ordered[0].reason, ". ".join([*dict.fromkeys(_whole(f) for f in ordered), *sent])
    if report.calls:
        return "False", _doing(report.calls), f"sent: {_told(report.calls)}; not seen on Baseten yet"
    return "True", Reason.IN_SYNC, "Baseten holds what the spec says"


def _whole(finding: Finding) -> str:
    return f"{finding.message}; {finding.again}" if finding.again else finding.message


def _ready(old: Condition | None, report: Report) -> Condition:
    worst = report.worst()
    if worst is not None and worst.reason in _UNOWNED:
        return _condition(old, "Ready", "False", worst.reason, worst.message, report)
    if report.observed:
        status, reason, message = readiness(report.environment)
        if report.environment is None and worst is not None:
            message = f"{message}: {worst.message}"
        return _condition(old, "Ready", status, reason, message, report)
    if old is None or old.reason == Reason.NOT_OBSERVED:
        why = f": {worst.message}" if worst else ""
        return _condition(old, "Ready", "Unknown", Reason.NOT_OBSERVED, f"Baseten has not been looked at yet{why}", report)
    if report.stale:
        message = "the last successful look at Baseten is more than ten minutes old; what is shown is from then"
        return _condition(old, "Ready", "Unknown", Reason.OBSERVATION_STALE, message, report)
    return old


def readiness(environment: Environment | None) -> tuple[str, Reason, str]:
    """Status, reason and message of Ready for what Baseten shows."""
    if environment is None:
        return "False", Reason.ENVIRONMENT_NOT_FOUND, "the environment does not exist on Baseten"
    current = environment.current
    if current is None:
        coming = environment.candidate
        if coming is not None:
            return "False", Reason.DEPLOYING, f"deployment {coming.id} is {coming.status}{_laggards(coming)}"
        return "False", Reason.NO_DEPLOYMENT, "the environment has no deployment yet: push or promote one"
    said = f"deployment {current.id} is {current.status}{_laggards(current)}"
    if environment.candidate is not None:
        said += f"; deployment {environment.candidate.id} is being promoted and is {environment.candidate.status}"
    return _group(current.status, said)


def _group(status: str, said: str) -> tuple[str, Reason, str]:
    if status in SERVING:
        reasons = {"SCALED_TO_ZERO": Reason.SCALED_TO_ZERO, "WAKING_UP": Reason.WAKING_UP}
        return "True", reasons.get(status, Reason.ACTIVE), said
    if status in FAILED:
        return "False", Reason.DEPLOYMENT_FAILED, f"{said}: look at its logs on Baseten, then push or promote another one"
    if status in DEGRADED:
        return "False", Reason.UNHEALTHY, said
    if status in OFF:
        return "False", Reason.DEPLOYMENT_INACTIVE, f"{said}: activate it on Baseten, or push or promote another one"
    return "False", Reason.DEPLOYING, said


def _laggards(deployment: Deployment) -> str:
    others = [f"{c.name} is {c.status}" for c in deployment.chainlets if c.status != deployment.status]
    return f" ({names(others)})" if others else ""


def _stalled(report: Report) -> Finding | None:
    worst = report.worst()
    if worst is not None and worst.severity == Severity.STALLED:
        return worst
    current = report.environment.current if report.environment else None
    if current is not None and current.status in FAILED and not report.moving:
        return Finding(Severity.STALLED, Reason.DEPLOYMENT_FAILED, readiness(report.environment)[2])
    return None


def _still_failed(old: Condition | None, report: Report) -> Finding | None:
    """A look that did not succeed does not make a failed deployment any better."""
    if old is None or report.observed or old.reason != Reason.DEPLOYMENT_FAILED:
        return None
    return Finding(Severity.STALLED, Reason.DEPLOYMENT_FAILED, old.message)


def _reconciling(report: Report) -> tuple[Reason, str]:
    if report.calls:
        return _doing(report.calls), f"sent: {_told(report.calls)}"
    waiting = [f for f in report.findings if f.severity == Severity.WAITING or f.reason in TRANSIENT]
    if waiting:
        return waiting[0].reason, _whole(waiting[0])
    environment = report.environment
    deployments = environment.deployments if environment else ()
    moving = [d for d in deployments if in_progress(d.status) or (environment and environment.promoting and d is environment.candidate)]
    return Reason.DEPLOYING, "; ".join(f"deployment {d.id} is {d.status}{_laggards(d)}" for d in moving)


def _doing(calls: tuple[Call, ...]) -> Reason:
    if any(isinstance(c, CreateEnvironment) for c in calls):
        return Reason.CREATING
    if any(isinstance(c, Deactivate) for c in calls):
        return Reason.DELETING
    return Reason.ROLLING_OUT if any(isinstance(c, Promote | UpdateInstanceTypes) for c in calls) else Reason.CORRECTING


def _told(calls: tuple[Call, ...]) -> str:
    return "; ".join(told(call) for call in calls)


def told(call: Call) -> str:
    """One call in words, with chainlets and fields, old and new."""
    match call:
        case CreateEnvironment():
            return "create the environment"
        case UpdatePromotionSettings() | UpdateAutoscaling():
            return listed(call.differences)
        case UpdateInstanceTypes():
            return f"instance types: {listed(call.differences)}"
        case Promote():
            return f"promote deployment {call.deployment_id}"
        case Deactivate():
            return f"deactivate deployment {call.deployment_id}"


# -- what is shown of Baseten --------------------------------------------------------------------------------------


def _seen(report: Report) -> dict[str, Any]:
    worst = report.worst()
    if worst is not None and worst.reason in _UNOWNED:
        return {}
    environment = report.environment
    if environment is None:
        return {"current_deployment": None, "candidate_deployment": None, "active_replicas": None}
    return {
        "environment": EnvironmentStatus(
            name=environment.name,
            chain_id=environment.chain_id,
            created_at=environment.created_at,
            managed=report.managed,
        ),
        "current_deployment": _deployment(environment.current),
        "candidate_deployment": _deployment(environment.candidate),
        "active_replicas": sum(c.active_replicas for c in environment.current.chainlets) if environment.current else None,
        "chainlet_settings": tuple(
            ObservedChainletSettings(chainlet_name=c.name, instance_type=c.instance_type, autoscaling_settings=_autoscaling(c.autoscaling))
            for c in _by_name(environment.chainlets)
        ),
        "promotion_settings": _promotion(environment.promotion),
    }


def _deployment(deployment: Deployment | None) -> DeploymentStatus | None:
    if deployment is None:
        return None
    return DeploymentStatus(
        id=deployment.id,
        status=deployment.status,
        created_at=deployment.created_at,
        environment=deployment.environment,
        chainlets=tuple(
            ChainletStatus(
                id=c.id,
                name=c.name,
                status=c.status,
                active_replica_count=c.active_replicas,
                instance_type_name=c.instance_type_name,
                autoscaling_settings=_autoscaling(c.autoscaling),
            )
            for c in _by_name(deployment.chainlets)
        ),
    )


def _by_name(chainlets: tuple[Named, ...]) -> list[Named]:
    """In one order, whatever Baseten's, and each name once: the list is a map by name."""
    return [c for _, c in sorted({c.name: c for c in chainlets}.items())]


def _autoscaling(settings: Settings | None) -> ObservedAutoscaling | None:
    return None if settings is None else ObservedAutoscaling.model_validate(dict(settings))


def _promotion(settings: Settings) -> ObservedPromotionSettings | None:
    nested: dict[str, Any] = {}
    for path, value in settings.items():
        outer, _, inner = path.partition(".")
        if inner:
            nested.setdefault(outer, {})[inner] = value
        else:
            nested[outer] = value
    return ObservedPromotionSettings.model_validate(nested) if nested else None


def _state(status: ChainEnvironmentStatus, report: Report) -> str | None:
    worst = report.worst()
    if report.paused:
        return "Paused"
    if worst is not None and worst.reason in _UNOWNED:
        return str(worst.reason)
    if not report.observed:
        return status.state
    if report.environment is None:
        return str(Reason.ENVIRONMENT_NOT_FOUND)
    return report.environment.current.status if report.environment.current else str(Reason.NO_DEPLOYMENT)


def to_json(status: ChainEnvironmentStatus) -> dict[str, Any]:
    """As the API server stores it: Kubernetes' names, nothing empty, times in UTC to the second (the journal's to the microsecond,
    because waits are measured from them)."""
    out: dict[str, Any] = _tidy(status.model_dump(by_alias=True, exclude_none=True, exclude={"operations"}), "seconds")
    journal = [_tidy(entry.model_dump(by_alias=True, exclude_none=True), "auto") for entry in status.operations]
    return {**out, "operations": journal} if journal else out


def _tidy(value: Any, precision: str) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
    if isinstance(value, dict):
        return {k: tidied for k, v in value.items() if (tidied := _tidy(v, precision)) not in (None, [], {})}
    return [_tidy(v, precision) for v in value] if isinstance(value, list | tuple) else value


# -- events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """One Kubernetes Event to be written."""

    reason: Event
    message: str
    warning: bool = False


def changes(previous: ChainEnvironmentStatus, new: ChainEnvironmentStatus, findings: tuple[Finding, ...] = ()) -> Iterable[Told]:
    """Events for what is different in the new status; nothing for what stayed."""
    for name in ("current_deployment", "candidate_deployment"):
        before, after = getattr(previous, name), getattr(new, name)
        if after is not None and (before is None or (before.id, before.status) != (after.id, after.status)):
            was = f" (was {before.status})" if before is not None and before.id == after.id else ""
            which = "current" if name == "current_deployment" else "candidate"
            yield Told(Event.DEPLOYMENT_STATUS, f"{which} deployment {after.id} is {after.status}{was}", after.status in FAILED | DEGRADED)
    yield from _troubles(previous, new, {str(f.reason): f.message for f in findings})


def _troubles(previous: ChainEnvironmentStatus, new: ChainEnvironmentStatus, said: Mapping[str, str]) -> Iterable[Told]:
    before = {c.type: c.reason for c in previous.conditions}
    after = {c.type: c for c in new.conditions}
    stalled, synced = after.get("Stalled"), after.get("Synced")
    if stalled is not None and before.get("Stalled") != stalled.reason:
        yield Told(Event.STALLED, f"{stalled.reason}: {said.get(stalled.reason, stalled.message)}", warning=True)
    elif synced is not None and synced.status == "False" and synced.reason in _WORTH_AN_EVENT and before.get("Synced") != synced.reason:
        yield Told(Event.NOT_SYNCED, f"{synced.reason}: {said.get(synced.reason, synced.message)}", warning=True)


_WORTH_AN_EVENT = TRANSIENT | {
    Reason.CHAINLET_NOT_FOUND,
    Reason.DEPLOYMENT_NOT_FOUND,
    Reason.NOT_CONVERGING,
    Reason.ROLLOUT_FAILED,
    Reason.WOULD_CREATE,
    Reason.DRIFTED,
    Reason.ENVIRONMENT_MISSING,
}
