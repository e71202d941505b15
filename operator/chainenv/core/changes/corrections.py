"""What corrections that can be repeated have in common."""

from __future__ import annotations

from ...crd.enums import Operation
from ...crd.types import Drift
from ..actions import PlanBuilder
from ..journal import REFUSALS
from ..retries import GiveUp, Send, retry_decision
from ..world import World


def is_to_be_sent(
    world: World, builder: PlanBuilder, operation: Operation, hashed: str, differences: tuple[Drift, ...], patience: float
) -> bool:
    """False: no difference, or the last try is young, or it is one too many; the plan then says so."""
    if not differences:
        builder.journal.pop(operation, None)
        return False
    decision = retry_decision(world, builder.journal.get(operation), hashed, patience=patience, differences=differences)
    if isinstance(decision, Send):
        return True
    builder.add(decision.finding)
    if isinstance(decision, GiveUp):
        builder.drift += differences
    return False


def has_changed_unseen(world: World, builder: PlanBuilder, operation: Operation, hashed: str, *, changed: bool) -> bool:
    """Whether values that Baseten does not show are to be sent: once, when what is wanted has ``changed``."""
    entry = builder.journal.get(operation)
    if world.desired.observing or not changed:
        return False
    return entry is None or entry.hash != hashed or entry.outcome in REFUSALS
