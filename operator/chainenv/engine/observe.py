"""Reading Baseten: one GET of the environment, and only what the journal waits for besides."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from ..api import Baseten, BasetenError, CredentialsRefused, Invalid, NotFound, Unavailable
from ..api import models as m
from ..core.changes.cleanup import to_read
from ..core.environment import Chainlet, ChainletState, Deployment, Environment, PromotionProgress
from ..core.journal import REFUSALS
from ..core.recover import lookups, must_list, recover
from ..core.resource import Resource
from ..core.values import CLEANUP, ROLLING, Value, flat
from ..core.world import AuditedChange, Timing, World
from ..crd.enums import Operation
from ..crd.types import InstanceType, JournalEntry, ScheduleStatus
from .context import of_last_call

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Before:
    """What is known of a resource before a read. ``created_at``: when the environment was created, as far as this resource has
    accepted it; ``observed_for``: see World. ``contested``: other resources want the environment as well."""

    journal: tuple[JournalEntry, ...]
    created_at: datetime | None
    missing_since: datetime | None
    observed_for: Mapping[str, float]
    contested: bool = False


async def observe(
    baseten: Baseten, resource: Resource, before: Before, clock: Callable[[], datetime], timing: Timing, unless: bytes | None = None
) -> World | None:
    """None: the environment's answer has the digest ``unless``. Raises BasetenError, except NotFound: that is an observation."""
    desired = resource.desired
    began = clock()
    try:
        answer, wire = await baseten.read_environment(desired.chain_id, desired.environment, unless)
    except NotFound:
        answer, wire = b"", None
    else:
        if wire is None:
            return None
    environment = None if wire is None else environment_of(wire)
    if environment is not None and environment.name.casefold() != desired.environment.casefold():
        message = f"Baseten answered with environment {environment.name} in place of {desired.environment}"
        raise Unavailable(message, endpoint="get_environment", status=200)
    now = clock()
    last = resource.status.environment
    created = environment.created_at if environment is not None else None
    # The status keeps whole seconds of it.
    another = created is not None and before.created_at is not None and abs((created - before.created_at).total_seconds()) > SAME_SECONDS
    wanted = resource.desired_at(now)
    world = World(
        desired=wanted,
        environment=environment,
        answer=answer,
        now=now,
        began=began,
        timing=timing,
        journal=before.journal,
        known=last is not None,
        managed=last.managed if last is not None else None,
        replaced=another,
        missing_since=None if environment is not None else before.missing_since or now,
        observed_for=before.observed_for,
        last_types={
            c.chainlet_name: c.instance_type.id for c in resource.status.chainlet_settings if c.instance_type and c.instance_type.id
        },
        forced=resource.forced,
        spec_changed=resource.status.observed_generation != resource.generation,
        schedule_changed=_active(wanted.schedule) != _active(resource.status.schedule),
    )
    if environment is None:
        return await _with_deployments(baseten, world) if before.contested or _needs_a_cause(resource, world) else world
    if must_list(world):
        world = await _with_audit_log(baseten, await _with_deployments(baseten, world))
    looked_up = await _deployments(baseten, desired.chain_id, lookups(recover(world).journal, environment))
    return dataclasses.replace(world, looked_up=looked_up) if looked_up else world


async def _deployments(baseten: Baseten, chain_id: str, ids: Iterable[str]) -> dict[str, Deployment | None]:
    """By id, None where that was a 404. After the first that cannot be read no more are: what is known of the environment itself does
    not wait for them."""
    found: dict[str, Deployment | None] = {}
    for each in ids:
        try:
            read = deployment_of(await baseten.get_deployment(chain_id, each))
        except NotFound:
            found[each] = None
        except BasetenError as error:
            log.warning("deployment %s was not read: %s", each, error.message, extra=of_last_call(error.endpoint))
            break
        else:
            if read.id == each:  # an answer about another one says nothing
                found[each] = read
    return found


def _active(schedule: ScheduleStatus | None) -> str | None:
    return schedule.active if schedule else None


SAME_SECONDS = 2.0
"""Two times of creation that differ by less are one: the status keeps whole seconds."""


def _needs_a_cause(resource: Resource, world: World) -> bool:
    """Whether an absence is explained by reading the chain, whether it exists for this key and which chainlets it has: after a
    refused create, and before something that is known is created anew or given up. Where others want the environment too it always
    is: who cannot see the chain has no claim."""
    entry = world.entry(Operation.CREATE)
    refused = entry is not None and entry.outcome in REFUSALS
    since = world.since(world.missing_since).total_seconds() if world.missing_since else 0.0
    return refused or ((world.known or resource.deleting) and since >= world.timing.vanish)


async def _with_deployments(baseten: Baseten, world: World) -> World:
    """A list that cannot be read does not hold up what the environment itself can show. Raises BasetenError when there is none."""
    try:
        wire = await baseten.list_deployments(world.desired.chain_id)
    except NotFound:
        return dataclasses.replace(world, chain_missing=world.environment is None, chain_unreadable=True)
    except CredentialsRefused:
        return dataclasses.replace(world, chain_unreadable=True)
    except BasetenError as error:
        if world.environment is None:
            raise
        log.warning("the chain's deployments were not read: %s", error.message, extra=of_last_call(error.endpoint))
        return dataclasses.replace(world, chain_unreadable=isinstance(error, Invalid))
    return dataclasses.replace(world, chain_deployments=tuple(deployment_of(d) for d in wire))


_AUDITED = {"CHAIN_DEPLOYMENT_PROMOTED": Operation.PROMOTE, "CHAINLET_INSTANCE_TYPE_CHANGED": Operation.INSTANCE_TYPES}


async def _with_audit_log(baseten: Baseten, world: World) -> World:
    """Only what this operator's key did counts, and a log that cannot be read holds up nothing."""
    try:
        entries = await baseten.list_rollout_audit_logs(world.desired.chain_id, world.desired.environment)
    except BasetenError:
        return world
    changes = tuple(
        AuditedChange(_AUDITED[e.event_type], e.event_data.chain_deployment_id, e.created)
        for e in entries
        if e.event_type in _AUDITED and e.created and e.event_data and e.actor and baseten.key.begins_with(e.actor.api_key_prefix or "")
    )
    return dataclasses.replace(world, audited=changes)


async def with_former(baseten: Baseten, world: World, named_by_others: Callable[[], frozenset[str]]) -> World:
    """What is to be cleaned up, each as it is now. One that cannot be read is left for another time.

    Who names what is asked again after the reads: they take a while.
    """
    due = to_read(dataclasses.replace(world, named_by_others=named_by_others())) if to_read(world) else ()
    former = await _deployments(baseten, world.desired.chain_id, due)
    return dataclasses.replace(world, former=former, named_by_others=named_by_others()) if former else world


# -- from the wire to the world ------------------------------------------------------------------------------------


def environment_of(wire: m.ChainEnvironmentV1) -> Environment:
    promotion = flat(dataclasses.asdict(wire.promotion_settings))
    progress, current, candidate = wire.in_progress_promotion, wire.current_deployment, wire.candidate_deployment
    if current is not None and candidate is not None and current.id == candidate.id:
        candidate = None  # what serves is not to be promoted any more
    inner = promotion.pop(f"{ROLLING}.{CLEANUP}", None)
    twice = inner is not None and CLEANUP in promotion
    if inner is not None:
        outer = promotion.setdefault(CLEANUP, inner)
        promotion[CLEANUP] = inner if outer == inner else f"{outer} and {inner}"
    return Environment(
        name=wire.name,
        chain_id=wire.chain_id,
        created_at=wire.created_at,
        promotion=promotion,
        cleanup_inside=inner is not None,
        cleanup_twice=twice,
        chainlets=tuple(_chainlet_state(c) for c in _each_once(wire.chainlet_settings, lambda c: c.chainlet_name)),
        current=deployment_of(current) if current else None,
        candidate=deployment_of(candidate) if candidate else None,
        promotion_progress=PromotionProgress(progress.status, progress.percent_traffic_to_new_version, progress.error_message)
        if progress
        else None,
    )


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
