"""What to do about a resource that is being deleted (docs/behaviour.md)."""

from __future__ import annotations

from ..crd.enums import AdoptionPolicy, DeletionPolicy, Operation, Outcome
from . import messages
from .actions import Plan, PlanBuilder
from .changes.deactivate import deactivate, slot
from .desired import keeps_finalizer
from .environment import FAILED, OFF, Deployment, Environment
from .journal import MOST_ATTEMPTS, REFUSALS, unsettled
from .text import at
from .world import World


def plan_deletion(world: World) -> Plan:
    """Deactivate current and candidate, wait for INACTIVE or 404, release.

    An environment that was not observed before is treated as its adoption would have treated it: a deployment must not go on
    running because the resource was deleted a moment too early.
    """
    desired, environment = world.desired, world.environment
    if not keeps_finalizer(desired.deletion, desired.management):
        return Plan(journal=world.journal, release=True, managed=world.ours)
    if environment is None:
        return _gone(world)
    if not world.ours and desired.adoption == AdoptionPolicy.FAIL:
        return Plan(journal=world.journal, release=True)
    there = {slot(d.id) for d in environment.deployments}
    kept = (e for e in world.journal if e.slot in there or e.operation not in (Operation.DEACTIVATE, Operation.CREATE, Operation.ABORT))
    builder = PlanBuilder({e.slot: e for e in kept})
    running = [d for d in environment.deployments if d.status not in OFF and not _is_given_up(world, d)]
    if not running:
        return _last_read(world, environment, builder)
    if desired.deletion == DeletionPolicy.DEACTIVATE_WHEN_IDLE and (busy := messages.busy(environment)):
        builder.add(messages.not_idle(busy))
        return builder.build(managed=True)
    for deployment in running:
        deactivate(world, builder, deployment)
    return builder.build(managed=True, release=not builder.actions and not builder.findings)


def _gone(world: World) -> Plan:
    """A single 404 is not believed, and none at all with a key that cannot see the chain: the deployments might go on running."""
    builder = PlanBuilder({e.slot: e for e in world.journal})
    if world.chain_missing:
        builder.add(messages.unknown_whether_running(world.desired.chain_id))
        return builder.build(managed=world.ours)
    created, doubt = world.entry(Operation.CREATE), world.timing.vanish
    if created is not None and created.finished_at is None:
        doubt = max(doubt, world.timing.settle)  # the create may still arrive
    if world.missing_since is not None and world.since(world.missing_since).total_seconds() >= doubt:
        return builder.build(release=True, managed=world.ours)
    builder.add(messages.missing_while_deleted(at(world.missing_since or world.now, doubt)))
    return builder.build(missing=True, managed=world.ours)


def _is_given_up(world: World, deployment: Deployment) -> bool:
    """404 is as good as INACTIVE; one that failed for good has nothing running, and may never become INACTIVE."""
    entry = world.entry(slot(deployment.id))
    if entry is None:
        return False
    over = entry.outcome in REFUSALS or entry.attempts >= MOST_ATTEMPTS
    return entry.outcome == Outcome.NOT_FOUND or (over and deployment.status in FAILED)


def _last_read(world: World, environment: Environment, builder: PlanBuilder) -> Plan:
    """What was started and does not show yet must not go on running unseen."""
    coming = [entry for entry in builder.journal.values() if unsettled(entry)]
    if coming:
        builder.add(messages.may_have_started(coming[0]))
        return builder.build(managed=True)
    entries = [(d, world.entry(slot(d.id))) for d in environment.deployments if d.status not in OFF]
    refused = tuple(d.id for d, entry in entries if entry is not None and entry.outcome != Outcome.NOT_FOUND)
    return builder.build(release=True, left_on=refused, managed=world.ours)
