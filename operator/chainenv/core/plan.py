"""From a recovered world to what is to be done about it: the rules of each kind of change, in the order they are sent."""

from __future__ import annotations

from ..crd.enums import AdoptionPolicy, Operation, Outcome
from ..crd.types import Drift
from . import messages
from .actions import Plan, PlanBuilder
from .changes import Promote
from .changes.abort import abort
from .changes.autoscaling import autoscaling
from .changes.cleanup import cleanup
from .changes.create import create
from .changes.instance_types import forget_instance_types, instance_types
from .changes.promote import forget_promotion, promote
from .changes.promotion_settings import promotion_settings
from .changes.rollouts import report_earlier
from .environment import Environment
from .text import at, names
from .world import World

PRODUCTION = "production"


def plan(world: World) -> Plan:
    """What to do about a recovered world. Under Observe the same rules run and nothing is sent."""
    builder = PlanBuilder({e.slot: e for e in world.journal})
    if world.environment is None:
        return _absent(world, builder)
    builder.journal.pop(Operation.CREATE, None)
    if world.desired.observing:
        return _observed_only(world, world.environment)
    if not world.ours and world.desired.adoption == AdoptionPolicy.FAIL:
        builder.add(messages.environment_exists(world.desired))
        return builder.build()
    _apply_rules(world, world.environment, builder)
    return builder.build(adopted=not world.ours, managed=True)


def _apply_rules(world: World, environment: Environment, builder: PlanBuilder) -> None:
    for rule in (
        abort,
        promotion_settings,
        autoscaling,
        forget_instance_types,
        forget_promotion,
        report_earlier,
        instance_types,
        promote,
        cleanup,
        _unknown_chainlets,
    ):
        rule(world, environment, builder)


def _unknown_chainlets(world: World, environment: Environment, builder: PlanBuilder) -> None:
    there = {state.name for state in environment.chainlets}
    unknown = [c.name for c in world.desired.chainlets if c.name not in there]
    if unknown and environment.current is not None:
        builder.add(messages.chainlets_not_found(unknown, there))
    elif unknown:  # nothing is deployed that could have them
        builder.add(messages.unconfirmed(f"the settings of {names(unknown)}", environment))


def _absent(world: World, builder: PlanBuilder) -> Plan:
    desired, vanish = world.desired, world.timing.vanish
    if world.chain_missing:
        builder.add(messages.chain_not_found(desired.chain_id))
        return builder.build(managed=world.ours)
    made = world.entry(Operation.CREATE)
    if made and made.outcome == Outcome.ACCEPTED and made.finished_at and world.since(made.finished_at).total_seconds() < vanish:
        builder.add(messages.not_visible_yet(desired))  # a new object can answer 404 for a few seconds (docs/baseten-api.md)
        return builder.build(missing=True, managed=True)
    if world.known and (world.missing_since is None or world.since(world.missing_since).total_seconds() < vanish):
        builder.add(messages.environment_missing(desired, at(world.missing_since or world.now, vanish)))
        return builder.build(missing=True, managed=world.ours)
    if desired.observing:
        builder.add(messages.would_create(desired))
        return builder.build(managed=world.ours)
    if desired.environment == PRODUCTION:
        builder.add(messages.production_not_found(desired.chain_id))
        return builder.build(managed=world.ours)
    create(world, builder)
    return builder.build(managed=True)


def _observed_only(world: World, environment: Environment) -> Plan:
    """What would be done, as drift: the same rules, as if nothing had been tried before."""
    builder = PlanBuilder({e.slot: e for e in world.journal if e.operation == Operation.PROMOTED})
    _apply_rules(world, environment, builder)
    for action in builder.actions:
        builder.drift += action.change.corrections
        if isinstance(action.change, Promote):
            path = "promoteFrom" if world.desired.promote_from else "deploymentID"
            builder.drift.append(Drift(path=path, desired=action.change.deployment_id, actual="not promoted"))
    if builder.drift:
        builder.findings.insert(0, messages.not_corrected(tuple(builder.drift)))
    return Plan(
        findings=tuple(builder.findings), drift=tuple(builder.drift), journal=world.journal, managed=world.ours, held=tuple(builder.held)
    )
