"""Baseten in fifty lines, pure: what each call makes of an environment (docs/baseten-api.md). Refuses what Baseten refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chainenv.core.changes import (
    AnyChange,
    CreateEnvironment,
    Deactivate,
    Promote,
    UpdateAutoscaling,
    UpdateInstanceTypes,
    UpdatePromotionSettings,
)
from chainenv.core.desired import Desired
from chainenv.core.environment import ChainletState, Deployment, Environment
from chainenv.core.values import Settings
from chainenv.crd.types import InstanceType

SURGE = "rolling_deploy_config.max_surge_percent"


class RefusedError(Exception):
    """Baseten says no."""


def apply(environment: Environment | None, call: AnyChange, wanted: Desired, *, new_id: str, now: datetime) -> Environment:
    """``new_id``: of the deployment that the call starts, if it starts one."""
    if isinstance(call, CreateEnvironment):
        return _create(environment, call, wanted, now)
    if environment is None:
        raise RefusedError("no such environment")
    match call:
        case UpdatePromotionSettings():
            return replace(environment, promotion=_promotion(environment.promotion, call.changes))
        case UpdateAutoscaling():
            return _each(environment, {name: ("autoscaling", settings) for name, settings in call.changes.items()})
        case UpdateInstanceTypes():
            typed = _each(environment, {name: ("instance_type", InstanceType(id=id_)) for name, id_ in call.changes.items()})
            return typed if environment.current is None else _start(typed, new_id, now)
        case Promote():
            return _start(environment, new_id, now)
        case Deactivate():
            return _off(environment, call.deployment_id)


def finish(environment: Environment) -> Environment:
    """The promotion that runs comes to its good end."""
    if environment.candidate is None:
        return environment
    chainlets = tuple(replace(c, autoscaling=c.autoscaling or {}) for c in environment.chainlets)
    return replace(environment, chainlets=chainlets, current=replace(environment.candidate, status="ACTIVE"), candidate=None)


def _create(environment: Environment | None, call: CreateEnvironment, wanted: Desired, now: datetime) -> Environment:
    if environment is not None:
        raise RefusedError("it exists")
    chainlets = tuple(ChainletState(name, InstanceType(id=type_id or "1x2"), dict(settings)) for name, type_id, settings in call.chainlets)
    return Environment(wanted.environment, wanted.chain_id, now, _promotion({}, call.promotion), chainlets=chainlets)


def _promotion(before: Settings, changes: Settings) -> Settings:
    """An omitted surge goes back to its default when anything else of its block is sent."""
    reset = {SURGE: 10} if any(path.startswith("rolling_deploy_config.") for path in changes) else {}
    return {**before, **reset, **changes}


def _each(environment: Environment, changes: dict[str, tuple[str, object]]) -> Environment:
    there = {c.name for c in environment.chainlets}
    if not changes or not changes.keys() <= there:
        raise RefusedError("an unknown chainlet fails the call")
    return replace(environment, chainlets=tuple(_changed(c, changes.get(c.name)) for c in environment.chainlets))


def _changed(chainlet: ChainletState, change: tuple[str, object] | None) -> ChainletState:
    if change is None:
        return chainlet
    name, value = change
    if isinstance(value, dict):
        return replace(chainlet, autoscaling={**(chainlet.autoscaling or {}), **value})
    return replace(chainlet, **{name: value})  # type: ignore[arg-type]


def _start(environment: Environment, new_id: str, now: datetime) -> Environment:
    if environment.candidate is not None:
        raise RefusedError("one promotion at a time")
    return replace(environment, candidate=Deployment(new_id, "BUILDING", now, environment.name))


def _off(environment: Environment, deployment_id: str) -> Environment:
    def off(deployment: Deployment | None) -> Deployment | None:
        return replace(deployment, status="INACTIVE") if deployment and deployment.id == deployment_id else deployment

    return replace(environment, current=off(environment.current), candidate=off(environment.candidate))
