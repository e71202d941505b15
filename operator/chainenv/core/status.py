"""From what was observed and done to what people read: the resource's status and the events that describe its changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..crd.types import (
    ChainEnvironmentStatus,
    ChainletStatus,
    DeploymentStatus,
    EnvironmentStatus,
    ObservedAutoscaling,
    ObservedChainletSettings,
    ObservedPromotionSettings,
    PromotionStatus,
)
from .actions import Finding
from .conditions import UNOWNED, conditions, summary
from .reasons import Event, Reason
from .report import TRANSIENT, Report
from .sizes import CANDIDATE_BYTES, CURRENT_BYTES, MOST_VALUE, bounded_chainlets, bounded_drift, bounded_settings
from .words import told
from .world import DEGRADED, FAILED, Chainlet, ChainletState, Deployment, Environment, Settings

__all__ = ["TRANSIENT", "Report", "Told", "changes", "project", "to_json", "told"]

Named = TypeVar("Named", Chainlet, ChainletState)


def project(previous: ChainEnvironmentStatus, report: Report) -> ChainEnvironmentStatus:
    """The status to show. What was not observed in this run stays as it was."""
    base = previous.model_copy(update=_seen(report)) if report.observed else previous
    have = conditions(previous, report)
    first = summary(have)
    return base.model_copy(
        update={
            "observed_generation": report.generation if report.complete else previous.observed_generation,
            "conditions": have,
            "state": _state(base, report),
            "reason": first.reason if first else None,
            "message": first.message if first else None,
            **_drift(previous, report),
            "operations": report.journal,
            "last_handled_reconcile_at": (report.reconcile_request or previous.last_handled_reconcile_at)
            if report.complete
            else previous.last_handled_reconcile_at,
        }
    )


def _drift(previous: ChainEnvironmentStatus, report: Report) -> dict[str, Any]:
    if not (report.observed or report.complete) or report.drift == previous.drift:
        return {}
    drift, omitted = bounded_drift(report.drift)
    return {"drift": drift, "drift_omitted": omitted}


# -- what is shown of Baseten --------------------------------------------------------------------------------------


def _seen(report: Report) -> dict[str, Any]:
    worst = report.worst()
    if worst is not None and worst.reason in UNOWNED:
        return {}
    environment = report.environment
    if environment is None:
        return {"current_deployment": None, "candidate_deployment": None, "active_replicas": None, "promotion": None}
    settings, omitted = bounded_settings(
        tuple(
            ObservedChainletSettings(chainlet_name=c.name, instance_type=c.instance_type, autoscaling_settings=_autoscaling(c.autoscaling))
            for c in _by_name(environment.chainlets)
        )
    )
    return {
        "environment": EnvironmentStatus(
            name=environment.name,
            chain_id=environment.chain_id,
            created_at=environment.created_at,
            managed=report.managed,
        ),
        "current_deployment": _deployment(environment.current, CURRENT_BYTES),
        "candidate_deployment": _deployment(environment.candidate, CANDIDATE_BYTES),
        "active_replicas": sum(c.active_replicas for c in environment.current.chainlets) if environment.current else None,
        "chainlet_settings": settings,
        "chainlet_settings_omitted": omitted,
        "promotion_settings": _promotion(environment.promotion),
        "promotion": _progress(environment),
    }


def _progress(environment: Environment) -> PromotionStatus | None:
    told = environment.promotion_progress
    if told is None:
        return None
    return PromotionStatus(
        state=told.status, traffic_percent=told.traffic_percent, message=told.message[:MOST_VALUE] if told.message else None
    )


def _deployment(deployment: Deployment | None, budget: int) -> DeploymentStatus | None:
    if deployment is None:
        return None
    chainlets, omitted = bounded_chainlets(tuple(map(_chainlet, _by_name(deployment.chainlets))), budget)
    return DeploymentStatus(
        id=deployment.id,
        status=deployment.status,
        created_at=deployment.created_at,
        environment=deployment.environment,
        chainlets=chainlets,
        chainlets_omitted=omitted,
    )


def _chainlet(chainlet: Chainlet) -> ChainletStatus:
    return ChainletStatus(
        id=chainlet.id,
        name=chainlet.name,
        status=chainlet.status,
        active_replica_count=chainlet.active_replicas,
        instance_type_name=chainlet.instance_type_name,
        autoscaling_settings=_autoscaling(chainlet.autoscaling),
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
    if worst is not None and worst.reason in UNOWNED:
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

    reason: Event | Reason
    message: str
    warning: bool = False


def changes(previous: ChainEnvironmentStatus, new: ChainEnvironmentStatus, findings: tuple[Finding, ...] = ()) -> Iterable[Told]:
    """Events for what is different in the new status; nothing for what stayed."""
    for name in ("current_deployment", "candidate_deployment"):
        before, after = getattr(previous, name), getattr(new, name)
        if after is not None and (before is None or (before.id, before.status) != (after.id, after.status)):
            was = f"changed from {before.status} to" if before is not None and before.id == after.id else "is"
            which = "current" if name == "current_deployment" else "candidate"
            yield Told(Event.DEPLOYMENT_STATUS, f"{which} deployment {after.id} {was} {after.status}", after.status in FAILED | DEGRADED)
    yield from _troubles(previous, new, {str(f.reason): f.message for f in findings})


def _troubles(previous: ChainEnvironmentStatus, new: ChainEnvironmentStatus, said: Mapping[str, str]) -> Iterable[Told]:
    """A Warning with the condition's own reason: once when it begins, not again when it becomes final."""
    before = {c.type: c.reason for c in previous.conditions}
    after = {c.type: c for c in new.conditions}
    stalled, synced = after.get("Stalled"), after.get("Synced")
    described = before.get("Synced") if before.get("Synced") in _WORTH_AN_EVENT else None
    if stalled is not None:
        if stalled.reason not in (before.get("Stalled"), described):
            yield Told(Reason(stalled.reason), said.get(stalled.reason, stalled.message), warning=True)
    elif synced is not None and synced.status == "False" and synced.reason in _WORTH_AN_EVENT and before.get("Synced") != synced.reason:
        yield Told(Reason(synced.reason), said.get(synced.reason, synced.message), warning=True)


_WORTH_AN_EVENT = TRANSIENT | {
    Reason.CHAINLET_NOT_FOUND,
    Reason.DEPLOYMENT_NOT_FOUND,
    Reason.NOT_CONVERGING,
    Reason.ROLLOUT_FAILED,
    Reason.WOULD_CREATE,
    Reason.DRIFTED,
    Reason.ENVIRONMENT_MISSING,
}
