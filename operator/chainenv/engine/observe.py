"""Reading Baseten: one GET of the environment, and only what the journal waits for besides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from ..api import Baseten, NotFound
from ..api import models as m
from ..core.actions import REFUSALS, Operation
from ..core.recover import lookups
from ..core.world import (
    CLEANUP,
    ROLLING,
    Chainlet,
    ChainletState,
    Deployment,
    Environment,
    PromotionProgress,
    Resource,
    Timing,
    Value,
    World,
    flat,
)
from ..crd.types import InstanceType, JournalEntry

T = TypeVar("T")


async def observe(
    baseten: Baseten,
    resource: Resource,
    journal: tuple[JournalEntry, ...],
    clock: Callable[[], datetime],
    timing: Timing,
    missing_since: datetime | None,
) -> World:
    """Raises BasetenError, except NotFound: that is an observation. ``missing_since`` is when a known environment was first missed."""
    desired = resource.desired
    environment = await _environment(baseten, desired.chain_id, desired.environment)
    now = clock()  # after the answer: waiting for a turn and for Baseten may take a while
    before = resource.status.environment
    known = before is not None
    world = World(
        desired=desired,
        environment=environment,
        now=now,
        timing=timing,
        journal=journal,
        known=known,
        managed=before.managed if before is not None else None,
        missing_since=None if environment is not None or not known else missing_since or now,
        forced=resource.forced,
    )
    if environment is None:
        return await _with_chain(baseten, world)
    waited_for = lookups(world.journal, environment)
    looked_up = {i: await _deployment(baseten, desired.chain_id, i) for i in waited_for}
    return dataclasses.replace(world, looked_up=looked_up) if looked_up else world


async def _with_chain(baseten: Baseten, world: World) -> World:
    """After a refused create: which chainlets does the chain have, and does it exist at all?"""
    entry = world.entry(Operation.CREATE)
    if entry is None or entry.outcome not in REFUSALS:
        return world
    try:
        deployments = await baseten.list_deployments(world.desired.chain_id)
    except NotFound:
        return dataclasses.replace(world, chain_missing=True)
    chainlets = frozenset(c.name for d in deployments for c in d.chainlets)
    return dataclasses.replace(world, chain_chainlets=chainlets) if chainlets else world


async def _environment(baseten: Baseten, chain_id: str, name: str) -> Environment | None:
    try:
        return environment_of(await baseten.get_environment(chain_id, name))
    except NotFound:
        return None


async def _deployment(baseten: Baseten, chain_id: str, deployment_id: str) -> Deployment | None:
    try:
        return deployment_of(await baseten.get_deployment(chain_id, deployment_id))
    except NotFound:
        return None


# -- from the wire to the world ------------------------------------------------------------------------------------


def environment_of(wire: m.ChainEnvironmentV1) -> Environment:
    promotion = flat(dataclasses.asdict(wire.promotion_settings))
    inner = promotion.pop(f"{ROLLING}.{CLEANUP}", None)
    return Environment(
        name=wire.name,
        chain_id=wire.chain_id,
        created_at=wire.created_at,
        promotion=promotion,
        cleanup_inside=inner is not None,
        chainlets=tuple(_chainlet_state(c) for c in _each_once(wire.chainlet_settings, lambda c: c.chainlet_name)),
        current=deployment_of(wire.current_deployment) if wire.current_deployment else None,
        candidate=deployment_of(wire.candidate_deployment) if wire.candidate_deployment else None,
        promotion_progress=_progress(wire.in_progress_promotion),
    )


def _progress(wire: m.InProgressPromotionV1 | None) -> PromotionProgress | None:
    return PromotionProgress(wire.status, wire.percent_traffic_to_new_version, wire.error_message) if wire else None


def _each_once(items: tuple[T, ...], name: Callable[[T], str]) -> tuple[T, ...]:
    """The first of each name: the status is a map by name, and the API server refuses a list that has one twice."""
    found: dict[str, T] = {}
    for item in items:
        found.setdefault(name(item), item)
    return tuple(found.values())


def deployment_of(wire: m.ChainDeploymentV1) -> Deployment:
    return Deployment(
        id=wire.id,
        status=wire.status,
        created_at=wire.created_at,
        environment=wire.environment,
        chainlets=tuple(
            Chainlet(
                id=c.id,
                name=c.name,
                status=c.status,
                active_replicas=c.active_replica_count or 0,
                instance_type_name=c.instance_type_name or None,
                autoscaling=_autoscaling(c.autoscaling_settings),
            )
            for c in _each_once(wire.chainlets, lambda c: c.name)
        ),
    )


def _chainlet_state(wire: m.ChainletEnvironmentSettingsV1) -> ChainletState:
    kind = wire.instance_type
    return ChainletState(
        name=wire.chainlet_name,
        instance_type=InstanceType.model_validate(dataclasses.asdict(kind)) if kind else None,
        autoscaling=_autoscaling(wire.autoscaling_settings),
    )


def _autoscaling(wire: m.AutoscalingSettingsV1 | None) -> Mapping[str, Value] | None:
    return None if wire is None else flat(dataclasses.asdict(wire))
