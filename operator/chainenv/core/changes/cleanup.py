"""Cleaning up behind rollouts: what served in this environment before is deactivated or deleted, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import Operation, Outcome
from .. import messages
from ..actions import Change, PlanBuilder
from ..environment import ENDING, Environment
from ..findings import EventRecord
from ..history import Needed, due, is_here, next_due
from ..journal import ROLLOUTS, begin, unsettled
from ..values import digest
from ..world import World
from .deactivate import Deactivate

_OF_ROLLOUTS = ROLLOUTS | {Operation.PROMOTED}


@dataclass(frozen=True, slots=True)
class DeleteDeployment(Change):
    operation: ClassVar[Operation] = Operation.DELETE
    counted_as: ClassVar[str] = ""
    deployment_id: str

    @property
    def aside(self) -> bool:
        return True

    def describe(self) -> str:
        return f"delete deployment {self.deployment_id}"

    def event(self) -> EventRecord:
        return messages.deleted(self.deployment_id)


def to_read(world: World) -> tuple[str, ...]:
    """Deployments that are due: each is read before it is touched."""
    environment, rules = world.environment, world.desired.cleanup
    if environment is None or rules is None or world.desired.observing:
        return ()
    if environment.promoting or any(unsettled(entry) for entry in world.journal):
        return ()
    return due(world.history, rules, _needed(world, environment), world.now, tuple(_done(world)))


def cleanup(world: World, environment: Environment, builder: PlanBuilder) -> None:
    """What is due and was read. While a rollout is under way, or its outcome unknown, nothing is."""
    _forget(world, builder)
    if world.desired.observing:
        return
    for deployment in to_read(world):
        if deployment in world.former:
            _clean_up(world, builder, deployment)
    builder.decide_again(next_due(world.history, world.desired.cleanup, _needed(world, environment), world.now))


def _clean_up(world: World, builder: PlanBuilder, deployment: str) -> None:
    operation, found = _operation(world), world.former[deployment]
    entry = begin(world, operation, digest(deployment), None, target=deployment)
    over = {"finished_at": world.now, "attempts": 0}
    if found is None:
        builder.journal[entry.slot] = entry.model_copy(update={**over, "outcome": Outcome.NOT_FOUND})
    elif not is_here(world.desired.environment, found.environment):
        message = f"left alone: it is in environment {found.environment}" if found.environment else "left alone: it is in no environment"
        builder.journal[entry.slot] = entry.model_copy(update={**over, "outcome": Outcome.REFUSED, "message": message})
    elif operation == Operation.DELETE:
        builder.act(DeleteDeployment(deployment), entry)
    elif found.status in ENDING:
        builder.journal[entry.slot] = entry.model_copy(update={**over, "outcome": Outcome.ACCEPTED})
    else:
        builder.act(Deactivate(deployment, former=True), entry)


def _operation(world: World) -> Operation:
    rules = world.desired.cleanup
    return Operation.DELETE if rules is not None and rules.action == "Delete" else Operation.DEACTIVATE


def _needed(world: World, environment: Environment) -> Needed:
    """Also what a rollout of this resource was begun with or came to, however long ago."""
    named = [world.desired.deployment_id]
    for entry in world.journal:
        if entry.operation in _OF_ROLLOUTS:
            named += [entry.target, entry.deployment_id]
    return Needed(
        environment.current_id,
        environment.candidate.id if environment.candidate else None,
        frozenset(each for each in named if each is not None),
        world.named_by_others,
    )


def _done(world: World) -> Iterator[str]:
    """What needs no other try now. One that has served again since is another case."""
    for entry in world.journal:
        if entry.operation == _operation(world) and entry.target is not None and entry.finished_at is not None:
            stopped = next((each.until for each in world.history if each.deployment_id == entry.target), None)
            settled = entry.outcome in (Outcome.ACCEPTED, Outcome.NOT_FOUND)
            young = world.since(entry.finished_at).total_seconds() < world.timing.retry_refused
            if stopped is not None and entry.finished_at >= stopped and (settled or young):
                yield entry.target


def _forget(world: World, builder: PlanBuilder) -> None:
    """The journal is bounded by the history: an entry goes with what it is about."""
    there = {entry.deployment_id for entry in world.history}
    for slot, entry in list(builder.journal.items()):
        if entry.operation not in (Operation.DEACTIVATE, Operation.DELETE):
            continue
        if world.desired.cleanup is None or entry.operation != _operation(world) or entry.target not in there:
            del builder.journal[slot]
