"""promoteFrom: which deployment of another resource is to be promoted, from nothing but what the cluster shows of that resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..crd.enums import Operation, Outcome
from ..crd.types import ChainEnvironmentSpec, ChainEnvironmentStatus, PromoteFrom
from .gates import Hold, WaitsFor
from .journal import REFUSALS, ROLLOUTS
from .reasons import Reason
from .resource import Resource
from .text import absolute
from .world import World


@dataclass(frozen=True, slots=True)
class Member:
    """A ChainEnvironment of the namespace, as the API server shows it. ``generation``: of its metadata. ``confirmed``: when a read
    of this process last confirmed what its status shows; None where nobody keeps it up to date, and the status has to do.
    """

    name: str
    generation: int
    spec: ChainEnvironmentSpec
    status: ChainEnvironmentStatus
    deleting: bool = False
    confirmed: datetime | None = None

    @property
    def target(self) -> tuple[str, str]:
        """Chain and environment on Baseten."""
        return self.spec.chain_id, self.spec.environment_name or self.name

    @property
    def follows(self) -> str | None:
        return self.spec.promote_from.name if self.spec.promote_from else None


@dataclass(frozen=True, slots=True)
class SourceResult:
    """``deployment``: what the source serves, if that is known and wanted. With ``hold`` it is not promoted yet."""

    deployment: str | None = None
    hold: Hold | None = None


def resolve(follower: Member, namespace: Mapping[str, Member], promoted: str | None, now: datetime) -> SourceResult:
    """What the follower's ``promoteFrom`` asks for. ``promoted``: the source's deployment that was promoted last (journal), so that
    a copy with another id is no new wish; one that the source has gone back to is.

    The soak begins when the source became Ready and when the deployment began to serve there, whichever was later. It is over when a
    read at its end, or later, has confirmed both: a status may be as old as a poll, or as a restart.
    """
    rule = follower.spec.promote_from
    if rule is None:
        return SourceResult()
    source = namespace.get(rule.name)
    if source is None:
        return _refused(f"promoteFrom {rule.name} not found in this namespace: create that ChainEnvironment, or correct the name")
    if problem := _impossible(follower, source, namespace):
        return _refused(f"promoteFrom {rule.name} {problem}")
    shown = source.status.current_deployment.id if source.status.current_deployment else None
    if shown is not None and shown == promoted:
        return SourceResult(shown)
    if problem := _unusable(source):
        return SourceResult(None, _waiting(f"waiting for promoteFrom {rule.name}: {problem}"))
    return _soaked(rule, source, now)


def from_source(world: World, follower: Member, namespace: Mapping[str, Member]) -> World:
    """A recovered world in which the source's deployment is the desired one. ``namespace``: what ``upstream`` has found.

    A promotion that was begun is begun, whatever has become of the source since.
    """
    if follower.spec.promote_from is None:
        return world
    entry, done = world.entry(Operation.PROMOTE), world.entry(Operation.PROMOTED)
    begun = entry if entry is not None and entry.outcome not in REFUSALS | {Outcome.LOST} else done
    found = resolve(follower, namespace, begun.target if begun else None, world.now)
    return replace(world, desired=replace(world.desired, deployment_id=found.deployment), source=found.hold)


def member_of(resource: Resource, confirmed: datetime | None = None) -> Member:
    return Member(resource.name, resource.generation, resource.spec, resource.status, resource.deleting, confirmed)


def deployments_named(resource: Resource) -> Iterator[str]:
    """Deployments that a resource wants, has promoted or uses: another resource of the chain leaves them alone."""
    status = resource.status
    used = (status.current_deployment, status.candidate_deployment)
    rollouts = (e for e in status.operations if e.operation in ROLLOUTS | {Operation.PROMOTED})
    named = (resource.spec.deployment_id, *(d.id for d in used if d), *(name for e in rollouts for name in (e.target, e.deployment_id)))
    yield from (name for name in named if name is not None)


def upstream(
    resource: Resource, get: Callable[[str], Resource | None], confirmed: Callable[[Resource], datetime | None] = lambda _: None
) -> dict[str, Member]:
    """The resource and whom it follows, directly or not, by name. ``get``: another one of its namespace; ``confirmed``: see Member."""
    found = {resource.name: member_of(resource)}
    name = found[resource.name].follows
    while name is not None and name not in found and (other := get(name)) is not None:
        found[name] = member_of(other, confirmed(other))
        name = found[name].follows
    return found


def _impossible(follower: Member, source: Member, namespace: Mapping[str, Member]) -> str | None:
    """Why it can never be a source of this follower."""
    if source.name == follower.name or source.target == follower.target:
        return "is this environment itself: name the ChainEnvironment of another environment"
    if source.spec.chain_id != follower.spec.chain_id:
        return f"belongs to chain {source.spec.chain_id}, this resource to chain {follower.spec.chain_id}: name one of the same chain"
    passed = [source.name]
    while (following := namespace[passed[-1]].follows) is not None and following in namespace and following not in passed:
        if following == follower.name:
            return f"is a circle: {' <- '.join([follower.name, *passed, follower.name])}: remove promoteFrom from one of them"
        passed.append(following)
    return None


def _unusable(source: Member) -> str | None:
    """Why what it serves cannot be known just now."""
    status = source.status
    ready = next((condition for condition in status.conditions if condition.type == "Ready"), None)
    if source.deleting:
        return "it is being deleted"
    if source.spec.management_policy == "Pause":
        return "it is paused, so its status may be stale"
    if source.generation != status.observed_generation or ready is None or ready.observed_generation != source.generation:
        return f"its status does not describe its generation {source.generation} yet"
    if ready.status != "True" or status.current_deployment is None:
        return f"it is not Ready ({ready.reason}: {ready.message[:200]})"
    if _serving_since(source) is None:
        return "its history does not list its current deployment yet"
    return None


def _serving_since(source: Member) -> datetime | None:
    """When its current deployment began to serve, and it was Ready from then on."""
    current, history = source.status.current_deployment, source.status.history
    if current is None or not history or history[0].until is not None or history[0].deployment_id != current.id:
        return None
    ready = next(condition for condition in source.status.conditions if condition.type == "Ready")
    return max(history[0].since, ready.last_transition_time)


def _soaked(rule: PromoteFrom, source: Member, now: datetime) -> SourceResult:
    since, current = _serving_since(source), source.status.current_deployment
    assert since is not None
    assert current is not None
    over = since + timedelta(seconds=rule.soak_seconds or 0)
    if now >= over and (source.confirmed is None or source.confirmed >= over):
        return SourceResult(current.id)
    if now >= over:
        message = (
            f"the promotion of deployment {current.id} waits for a read that confirms {source.name} Ready with it since {absolute(since)}"
        )
        return SourceResult(current.id, Hold(WaitsFor.SOAK, Reason.WAITING_FOR_SOURCE, message))
    message = (
        f"the promotion of deployment {current.id} waits until {absolute(over)}: {source.name} is Ready with it since {absolute(since)},"
        f" soakSeconds is {rule.soak_seconds}"
    )
    return SourceResult(current.id, Hold(WaitsFor.SOAK, Reason.WAITING_FOR_SOURCE, message, over))


def _waiting(message: str) -> Hold:
    return Hold(WaitsFor.SOURCE, Reason.WAITING_FOR_SOURCE, message)


def _refused(message: str) -> SourceResult:
    return SourceResult(None, Hold(WaitsFor.SOURCE, Reason.SOURCE_NOT_FOUND, message))
