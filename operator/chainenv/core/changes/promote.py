"""Promoting a deployment into the environment: once for each deploymentID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...crd.enums import Operation, Outcome
from ...crd.types import JournalEntry
from .. import messages
from ..actions import Change, PlanBuilder
from ..environment import Environment
from ..findings import EventRecord
from ..journal import REFUSALS, begin_rollout, unsettled
from ..retries import Send, retry_decision
from ..values import digest
from ..world import World
from .gated import Passage, Request, passage, plan_for
from .rollouts import is_held_back


@dataclass(frozen=True, slots=True)
class Promote(Change):
    operation: ClassVar[Operation] = Operation.PROMOTE
    counted_as: ClassVar[str] = ""
    starts_deployment: ClassVar[bool] = True
    deployment_id: str
    scale_down_previous: bool | None

    def describe(self) -> str:
        return f"promote deployment {self.deployment_id}"

    def event(self) -> EventRecord:
        return messages.promotion_started(self.deployment_id)


def forget_promotion(world: World, environment: Environment, builder: PlanBuilder) -> None:
    """An attempt for another deployment than the wanted one. Without deploymentID the last promotion is remembered while it still
    serves: writing the same id again asks for nothing. While a source is waited for nothing is wanted anew, so nothing is forgotten."""
    if world.source is not None:
        return
    target, entry, done = world.desired.deployment_id, builder.journal.get(Operation.PROMOTE), builder.journal.get(Operation.PROMOTED)
    if entry and not unsettled(entry) and entry.target != target:
        del builder.journal[Operation.PROMOTE]
    if target is None and done and environment.candidate is None and environment.current_id not in (done.target, done.deployment_id):
        del builder.journal[Operation.PROMOTED]


def promote(world: World, environment: Environment, builder: PlanBuilder) -> None:
    if world.source is not None:  # the first gate of a promotion, and the source's deployment need not be known
        if not world.desired.observing or world.source.stuck:
            builder.hold(world.source, _plan(world, builder))
        return
    target, entry, done = world.desired.deployment_id, builder.journal.get(Operation.PROMOTE), builder.journal.get(Operation.PROMOTED)
    if target is None or (done and done.target == target):
        return
    if entry and entry.target == target:
        repeatable = entry.outcome in REFUSALS or entry.outcome == Outcome.LOST
        if not repeatable and not (entry.outcome == Outcome.FAILED and world.forced):
            return
    begun = begin_rollout(world, Operation.PROMOTE, digest(target), entry, target=target)
    if not environment.promoting and environment.current_id == target:  # it serves already
        builder.journal.pop(Operation.PROMOTE, None)
        builder.journal[Operation.PROMOTED] = promoted(begun.model_copy(update={"finished_at": world.now, "deployment_id": target}))
        return
    what, change = f"the promotion of deployment {target}", Promote(target, world.desired.scale_down_previous)
    decision = retry_decision(world, entry, digest(target))
    passed: Passage | None = Passage()
    if isinstance(decision, Send):
        passed = passage(world, builder, Request(what, _call(world), entry))
    if passed is None or is_held_back(world, environment, builder, what):
        return
    if isinstance(decision, Send):
        builder.act(change, begun.model_copy(update={"plan": passed.plan}), approved=passed.approved)
    else:
        builder.add(decision.finding)


def _call(world: World) -> dict[str, Any]:
    desired = world.desired
    return {
        "operation": Operation.PROMOTE,
        "deployment": desired.deployment_id,
        "scale_down_previous": desired.scale_down_previous,
    }


def _plan(world: World, builder: PlanBuilder) -> str | None:
    """Of what soaks: it can be approved before its time. None while the source's deployment is not known."""
    return None if world.desired.deployment_id is None else plan_for(world, builder, _call(world))


def promoted(entry: JournalEntry) -> JournalEntry:
    """The entry of a promotion that is done with."""
    return entry.model_copy(update={"operation": Operation.PROMOTED, "settled": True, "outcome": Outcome.ACCEPTED, "message": None})
