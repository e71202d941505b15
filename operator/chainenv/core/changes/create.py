"""Creating the environment, with everything the spec says of it in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import AdoptionPolicy, DeletionPolicy, Operation
from .. import messages
from ..actions import Change, PlanBuilder
from ..findings import EventRecord
from ..gates import Hold, WaitsFor
from ..journal import begin, unsettled
from ..retries import Send, retry_decision
from ..values import Settings, digest
from ..world import World
from .budget import create_budget
from .promotion_settings import with_rolling_pair


@dataclass(frozen=True, slots=True)
class CreateEnvironment(Change):
    """``where``: what is created, as messages name it. ``chainlets``: name, instance type and autoscaling settings of each.
    ``recreated``: it was there before."""

    operation: ClassVar[Operation] = Operation.CREATE
    counted_as: ClassVar[str] = ""
    where: str
    promotion: Settings
    chainlets: tuple[tuple[str, str | None, Settings], ...]
    recreated: bool = False
    cleanup_inside: bool = False

    def describe(self) -> str:
        return "create the environment"

    def event(self) -> EventRecord:
        return messages.created(self.where)


def create(world: World, builder: PlanBuilder) -> None:
    """While one create is open no other is sent, whatever the spec says by now. Chainlets that the chain is known not to have are
    left out, so that they do not keep the others from being deployed."""
    desired = world.desired
    chainlets = [c for c in desired.chainlets if world.chain_chainlets is None or c.name in world.chain_chainlets]
    wanted = tuple((c.name, c.instance_type_id, c.autoscaling) for c in chainlets)
    promotion = with_rolling_pair(desired.promotion, desired.promotion, {}, desired.cleanup_inside)
    hashed = digest([dict(promotion), sorted([n, t, dict(s)] for n, t, s in wanted)])
    entry = builder.journal.get(Operation.CREATE)
    if entry and entry.finished_at is None and world.observed(entry) >= world.timing.settle:
        del builder.journal[Operation.CREATE]  # an intent older than the settling time, with nothing to see, did not happen
        entry = None
    decision = retry_decision(world, entry, entry.hash if entry and unsettled(entry) else hashed, patience=world.timing.settle)
    budget = create_budget(world, {c.name: c.instance_type_id for c in chainlets})
    if isinstance(decision, Send) and budget.reason is not None:
        builder.hold(Hold(WaitsFor.BUDGET, budget.reason, f"{desired.where} is not created: {budget.message}"))
    elif isinstance(decision, Send):
        change = CreateEnvironment(desired.where, promotion, wanted, recreated=world.known, cleanup_inside=desired.cleanup_inside)
        # After a crash it must be known that we made the environment, unless nothing depends on it: then a create can simply be observed.
        matters = desired.adoption == AdoptionPolicy.FAIL or desired.deletion != DeletionPolicy.RETAIN
        builder.act(change, begin(world, Operation.CREATE, hashed, entry), intent_first=matters)
    else:
        builder.add(decision.finding)
    unknown = [c.name for c in desired.chainlets if c not in chainlets]
    if unknown:
        builder.add(messages.chainlets_not_found(unknown, world.chain_chainlets or ()))
