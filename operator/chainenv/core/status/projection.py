"""The status to show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from ...crd.types import (
    ChainEnvironmentStatus,
    ChainletStatus,
    DeploymentStatus,
    EnvironmentStatus,
    ObservedAutoscaling,
    ObservedChainletSettings,
    ObservedPromotionSettings,
    PromotionStatus,
    RolloutStatus,
)
from ..actions import Held
from ..environment import Chainlet, ChainletState, Deployment
from ..gates import WaitsFor, rollout_status
from ..reasons import Reason
from ..values import Settings, nested
from .conditions import UNOWNED, conditions, summary
from .report import Observed, Report
from .sizes import CANDIDATE_BYTES, CURRENT_BYTES, MOST_VALUE, bounded_chainlets, bounded_drift, bounded_settings

Named = TypeVar("Named", Chainlet, ChainletState)


def project(previous: ChainEnvironmentStatus, report: Report) -> ChainEnvironmentStatus:
    """What was not observed in this run stays as it was."""
    observed = _observed(report.observation, report) if isinstance(report.observation, Observed) and not _is_unowned(report) else {}
    base = previous.model_copy(update=observed)
    have = conditions(previous, report)
    first = summary(have)
    update: dict[str, Any] = {
        "conditions": have,
        "state": _state(base, report),
        "reason": first.reason if first else None,
        "message": first.message if first else None,
        "operations": report.journal,
    }
    if report.acted_on:
        handled = report.reconcile_request or previous.last_handled_reconcile_at
        update |= {"observed_generation": report.generation, "last_handled_reconcile_at": handled}
    if report.observed and report.acted_on and not report.deleting and not _is_unowned(report):
        update["schedule"] = report.schedule
    if report.observed and not _is_unowned(report):
        update["rollout"] = report.rollout
        if report.priced or report.environment is None:
            update["cost"] = report.cost
    if (report.observed or report.acted_on) and report.drift != previous.drift:
        update["drift"], update["drift_omitted"] = bounded_drift(report.drift)
    return base.model_copy(update=update)


def _is_unowned(report: Report) -> bool:
    """Whether what Baseten shows is no business of this resource."""
    worst = report.worst()
    return worst is not None and worst.reason in UNOWNED


def waiting_rollout(held: tuple[Held, ...]) -> RolloutStatus | None:
    """The one to show of several: what a person can approve, else the first."""
    first = sorted(held, key=lambda each: each.hold.waits_for != WaitsFor.APPROVAL)[:1]
    return rollout_status(first[0].hold, first[0].plan) if first else None


# -- what is shown of Baseten --------------------------------------------------------------------------------------


def _observed(observation: Observed, report: Report) -> dict[str, Any]:
    environment = observation.environment
    more = {"history": report.history}
    if environment is None:
        gone = {"current_deployment": None, "candidate_deployment": None, "active_replicas": None, "promotion": None}
        return {**gone, **more, "endpoints": None}
    settings, omitted = bounded_settings(
        tuple(
            ObservedChainletSettings(chainlet_name=c.name, instance_type=c.instance_type, autoscaling_settings=_autoscaling(c.autoscaling))
            for c in _by_name(environment.chainlets)
        )
    )
    progress = environment.promotion_progress
    return {
        "environment": EnvironmentStatus(
            name=environment.name,
            chain_id=environment.chain_id,
            created_at=_whole_seconds(environment.created_at),
            managed=observation.managed,
        ),
        **more,
        "endpoints": report.endpoints,
        "current_deployment": _deployment(environment.current, CURRENT_BYTES),
        "candidate_deployment": _deployment(environment.candidate, CANDIDATE_BYTES),
        "active_replicas": sum(c.active_replicas for c in environment.current.chainlets) if environment.current else None,
        "chainlet_settings": settings,
        "chainlet_settings_omitted": omitted,
        "promotion_settings": ObservedPromotionSettings.model_validate(nested(environment.promotion)) if environment.promotion else None,
        "promotion": progress
        and PromotionStatus(
            state=progress.status,
            traffic_percent=progress.traffic_percent,
            message=progress.message[:MOST_VALUE] if progress.message else None,
        ),
    }


def _deployment(deployment: Deployment | None, budget: int) -> DeploymentStatus | None:
    if deployment is None:
        return None
    chainlets, omitted = bounded_chainlets(
        tuple(
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
        budget,
    )
    return DeploymentStatus(
        id=deployment.id,
        status=deployment.status,
        created_at=_whole_seconds(deployment.created_at),
        environment=deployment.environment,
        chainlets=chainlets,
        chainlets_omitted=omitted,
    )


def _whole_seconds(moment: datetime | None) -> datetime | None:
    """As it is written: so a status that says nothing new equals the one that was read."""
    return None if moment is None else moment.replace(microsecond=0)


def _by_name(chainlets: tuple[Named, ...]) -> list[Named]:
    """In one order, whatever Baseten's, and each name once: the list is a map by name."""
    return [c for _, c in sorted({c.name: c for c in chainlets}.items())]


def _autoscaling(settings: Settings | None) -> ObservedAutoscaling | None:
    return None if settings is None else ObservedAutoscaling.model_validate(dict(settings))


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
    out = _tidy(status.model_dump(by_alias=True, exclude_none=True, exclude={"operations"}), "seconds")
    journal = [_tidy(entry.model_dump(by_alias=True, exclude_none=True), "auto") for entry in status.operations]
    return {**out, "operations": journal} if journal else out


_PLAIN = frozenset({str, int, bool})
_EMPTY: tuple[Any, ...] = (None, [], {})


def _tidy(fields: dict[str, Any], precision: str) -> dict[str, Any]:
    """By exact type: every value of every status that is compared or written passes here."""
    tidied = {}
    for name, value in fields.items():
        if type(value) in _PLAIN:
            tidied[name] = value
        elif (other := _tidied(value, precision)) not in _EMPTY:
            tidied[name] = other
    return tidied


def _tidied(value: Any, precision: str) -> Any:
    kind = type(value)
    if kind is dict:
        return _tidy(value, precision)
    if kind is list or kind is tuple:
        return [_tidied(inner, precision) for inner in value]
    if kind is datetime:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
    return value
