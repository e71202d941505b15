"""What starts a deployment: one at a time, never repeated by itself (docs/decisions/0002)."""

from __future__ import annotations

from ...crd.enums import Operation, Outcome
from .. import messages
from ..actions import PlanBuilder
from ..environment import Environment
from ..gates import Hold, rollout_status
from ..journal import unsettled
from ..world import World


def report_earlier(_: World, __: Environment, builder: PlanBuilder) -> None:
    """How the rollouts go that were begun before."""
    for entry in (builder.journal.get(Operation.INSTANCE_TYPES), builder.journal.get(Operation.PROMOTE)):
        if entry is None:
            continue
        if entry.outcome == Outcome.FAILED:
            builder.add(messages.rollout_failed(entry))
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


def hold(world: World, builder: PlanBuilder, held: Hold, plan: str | None = None) -> None:
    """A wanted rollout that may not begin yet; nothing else of the spec waits for it. Who only observes begins none: then only
    what never passes is worth a word."""
    if world.desired.observing and not held.stuck:
        return
    builder.rollout = builder.rollout or rollout_status(held, plan)
    builder.decide_again(held.until)
    builder.add(messages.held(held))
