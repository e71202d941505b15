"""The public answers, in the new shape, the old one, or both at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chainenv_sandbox.baseten.catalogue import CATALOGUE, DEFAULT_INSTANCE_TYPE
from chainenv_sandbox.baseten.errors import JsonObject
from chainenv_sandbox.baseten.model import (
    DEFAULT_AUTOSCALING,
    DEFAULT_ROLLING_CONFIG,
    Autoscaling,
    Chain,
    Chainlet,
    Deployment,
    Environment,
)
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.timeline import FAILED, OFF

_NEW_AUTOSCALING = ("target_in_flight_tokens", "max_scale_down_rate")
_RUNS = frozenset({"ACTIVE", "UPDATING"})


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chain(one: Chain) -> JsonObject:
    return {
        "id": one.id,
        "created_at": moment(one.created_at),
        "name": one.name,
        "deployments_count": len(one.deployments),
        "team_name": "Sandbox",
    }


def autoscaling(values: Autoscaling, options: Options) -> JsonObject:
    dropped = _NEW_AUTOSCALING if options.wire_shape == "old" else ()
    return {name: value for name, value in values.items() if name not in dropped}


def promotion(values: Mapping[str, Any], options: Options) -> JsonObject:
    result = dict(values)
    config = result["rolling_deploy_config"]
    if options.wire_shape != "new":
        cleanup = result["promotion_cleanup_strategy"]
        config = {**(config or default_rolling_config(options)), "promotion_cleanup_strategy": cleanup}
    if options.wire_shape == "old":
        del result["promotion_cleanup_strategy"]
        config.pop("replica_overhead_percent")
    return {**result, "rolling_deploy_config": config}


def instance_type(one: str, options: Options) -> JsonObject:
    return {**CATALOGUE[one].as_json(), "id": options.shown_instance_types.get(one, one)}


def default_rolling_config(options: Options) -> JsonObject:
    """The surge that is published as default is 10 in the older document, 25 in the newer one."""
    return {**DEFAULT_ROLLING_CONFIG, "max_surge_percent": 10 if options.wire_shape == "old" else 25}


def chainlet_settings(environment: Environment, options: Options) -> list[JsonObject]:
    return [
        {
            "chainlet_name": name,
            "autoscaling_settings": autoscaling(one.autoscaling, options) if environment.activated else None,
            "instance_type": instance_type(one.instance_type, options),
        }
        for name, one in environment.chainlets.items()
    ]


def environment(one: Environment, options: Options, now: float) -> JsonObject:
    result = {
        "name": one.name,
        "created_at": moment(one.created_at),
        "chain_id": one.chain_id,
        "promotion_settings": promotion(one.promotion, options),
        "chainlet_settings": chainlet_settings(one, options),
        "current_deployment": one.current and deployment(one.current, options, now),
    }
    if options.wire_shape != "old":
        result["candidate_deployment"] = one.candidate and deployment(one.candidate, options, now)
        result["in_progress_promotion"] = in_progress(one, now)
    return result


def in_progress(one: Environment, now: float) -> JsonObject | None:
    """Calls go to the candidate all at once, at the end: for chains there is no ramp that is known of."""
    if one.forced_progress is not None:
        return one.forced_progress
    if (candidate := one.candidate) is None:
        return None
    status = candidate.status(now)
    failed = status in FAILED
    canceled = status in OFF or status == "BUILD_STOPPED"
    return {
        "status": "CANCELED" if canceled else "FAILED" if failed else "RAMPING_UP" if status == "ACTIVE" else "RELEASING",
        "percent_traffic_to_new_version": 0,
        "error_message": f"Deployment {candidate.id} ended as {status}." if failed else None,
        "rolling_deploy": bool(one.promotion["rolling_deploy"]),
    }


def deployment(one: Deployment, options: Options, now: float) -> JsonObject:
    count = len(one.chainlets)
    return {
        "id": one.id,
        "created_at": moment(one.created_at),
        "chain_id": one.chain_id,
        "environment": one.environment,
        "chainlets": [_chainlet(each, one, (index + 1) / count, options, now) for index, each in enumerate(one.chainlets)],
        "status": one.status(now),
    }


def _chainlet(one: Chainlet, parent: Deployment, share: float, options: Options, now: float) -> JsonObject:
    status = chainlet_status(one, parent, share, now)
    return {
        "id": one.id,
        "name": one.name,
        "autoscaling_settings": autoscaling(one.autoscaling, options) if parent.activated(now) else None,
        "instance_type_name": CATALOGUE[one.instance_type].name,
        "active_replica_count": replicas(one, parent, status, options, now),
        "status": status,
    }


def chainlet_status(one: Chainlet, parent: Deployment, share: float, now: float) -> str:
    """Chainlets load one after the other, each by its share of the loading time; the last one makes the deployment ACTIVE."""
    if one.forced_status is not None:
        return one.forced_status
    status = parent.status(now)
    begin, end = parent.timeline.span(now)
    if status == "LOADING_MODEL" and end != float("inf") and parent.status(end) == "ACTIVE" and now >= begin + (end - begin) * share:
        return "ACTIVE"
    return status


def replicas(one: Chainlet, parent: Deployment, status: str, options: Options, now: float) -> int:
    if one.forced_replicas is not None:
        return one.forced_replicas
    if status not in _RUNS:
        return 0
    wanted = max(1, one.autoscaling["min_replica"] or 0)
    if not options.replica_seconds or parent.status(now) not in _RUNS:
        return wanted if parent.status(now) in _RUNS else 1
    begin, _ = parent.timeline.span(now)
    return min(wanted, 1 + int((now - begin) / options.replica_seconds))


def listed_environment(one: Environment, options: Options, now: float) -> JsonObject:
    """The list endpoint is published with the shape of a model's environment; it holds little about a chain's."""
    new = {
        "candidate_deployment": one.candidate and _listed_deployment(one.candidate, options, now),
        "in_progress_promotion": in_progress(one, now),
    }
    return {
        "name": one.name,
        "created_at": moment(one.created_at),
        "model_id": one.chain_id,
        "current_deployment": one.current and _listed_deployment(one.current, options, now),
        **({} if options.wire_shape == "old" else new),
        "autoscaling_settings": autoscaling(DEFAULT_AUTOSCALING, options),
        "promotion_settings": promotion(one.promotion, options),
        "instance_type": instance_type(DEFAULT_INSTANCE_TYPE, options),
        "request_backpressure_settings": {"policy": None},
    }


def _listed_deployment(one: Deployment, options: Options, now: float) -> JsonObject:
    return {
        "id": one.id,
        "created_at": moment(one.created_at),
        "name": one.id,
        "model_id": one.chain_id,
        "is_production": one.environment == "production",
        "is_development": False,
        "status": one.status(now),
        "active_replica_count": 0,
        "autoscaling_settings": autoscaling(DEFAULT_AUTOSCALING, options) if one.activated(now) else None,
        "instance_type_name": None,
        "request_backpressure_settings": {"policy": None},
        "environment": one.environment,
    }
