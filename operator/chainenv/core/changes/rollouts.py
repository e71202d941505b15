"""What starts a deployment: one at a time, never repeated by itself (docs/decisions/0002)."""

from __future__ import annotations

from ...crd.enums import Operation, Outcome
from .. import messages
from ..actions import PlanBuilder
from ..environment import Environment
from ..journal import unsettled
from ..world import World
from .abort import has_aborted


def report_earlier(world: World, _: Environment, builder: PlanBuilder) -> None:
    """How the rollouts go that were begun before. Whether one takes too long is decided by the wall clock, because it may take days
    and restarts; nothing is undone."""
    deadline, aborted = world.gates.rules.deadline, builder.journal.get(Operation.ABORT)
    for entry in (builder.journal.get(Operation.INSTANCE_TYPES), builder.journal.get(Operation.PROMOTE)):
        if entry is None:
            continue
        if entry.outcome == Outcome.FAILED:
            builder.add(messages.rollout_aborted(entry) if has_aborted(aborted, entry.deployment_id) else messages.rollout_failed(entry))
        elif deadline is not None and unsettled(entry) and world.now - entry.started_at >= deadline:
            builder.add(messages.deadline_exceeded(entry, entry.started_at + deadline))
        elif entry.finished_at is None:
            builder.add(messages.rollout_outcome_unknown(entry))
        elif unsettled(entry):
            builder.add(messages.rolling_out(entry))


def is_held_back(world: World, environment: Environment, builder: PlanBuilder, what: str) -> bool:
    """One rollout at a time: while a promotion runs, or an earlier one has not come to its end, ``what`` waits."""
    if world.desired.observing:
        return False
    if environment.promoting:
        builder.add(messages.promotion_running(what, environment))
        return True
    if any(action.change.starts_deployment for action in builder.actions):
        builder.add(messages.instance_types_first(what))
        return True
    return any(unsettled(entry) for entry in builder.journal.values())
