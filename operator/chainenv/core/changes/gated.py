"""What a change that starts a deployment passes before it is sent: source, window, approval (docs/rollouts.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...crd.enums import Operation, Outcome
from ...crd.types import Drift, JournalEntry
from ..actions import PlanBuilder
from ..cost import BudgetResult
from ..gates import Hold, Wanted, gate, plan_of
from ..journal import REFUSALS
from ..world import World


@dataclass(frozen=True, slots=True)
class Passage:
    """The change may begin. ``plan``: the one that was approved; ``approved``: the journal's entry that uses the approval up."""

    plan: str | None = None
    approved: JournalEntry | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What wants to begin. ``what`` names it in a message, ``call`` is what would be sent, ``last`` the last try of the same values."""

    what: str
    call: Mapping[str, Any]
    last: JournalEntry | None = None
    drift: tuple[Drift, ...] = ()


def passage(
    world: World, builder: PlanBuilder, request: Request, *, budget: BudgetResult | None = None, source: Hold | None = None
) -> Passage | None:
    """None: it waits, and the plan says for what. Under Observe nothing waits, because nothing is sent.

    Every call passes the gates, repeats included: a repeat leaves only after Baseten refused the call, or when nothing shows that it
    happened, so that nothing is half done behind it. Its approval is not asked for again while the very same call replaces the very
    same deployment.
    """
    if world.desired.observing:
        return Passage()
    used = builder.journal.get(Operation.APPROVE)
    plan = plan_for(world, builder, request.call)
    repeat = used is not None and _repeats(request.last, used, plan_of(request.call, replaces=_replaces(world), used=used.target))
    rules = world.gates.rules
    approval = plan if repeat else world.gates.approval
    hold = gate(Wanted(request.what, plan), rules, world.now, approval=approval, budget=budget, source=source)
    if hold is not None:
        builder.hold(hold, plan, request.drift)
        return None
    if not rules.manual:
        return Passage()
    if repeat and used is not None:
        return Passage(used.hash)
    return Passage(plan, _used(world, plan, used))


def plan_for(world: World, builder: PlanBuilder, call: Mapping[str, Any]) -> str:
    """The plan of a call that would be sent now."""
    used = builder.journal.get(Operation.APPROVE)
    return plan_of(call, replaces=_replaces(world), used=used.hash if used else None)


def _replaces(world: World) -> str | None:
    return world.environment.current_id if world.environment else None


def _repeats(last: JournalEntry | None, used: JournalEntry, plan: str) -> bool:
    """Whether this is another try of the call that the last used approval was for."""
    if last is None or (last.outcome not in REFUSALS and last.outcome != Outcome.LOST):
        return False
    return last.plan == used.hash == plan


def _used(world: World, plan: str, before: JournalEntry | None) -> JournalEntry:
    """``target`` is the plan that was used before: with it the hash of this one can be made again."""
    return JournalEntry(
        operation=Operation.APPROVE,
        hash=plan,
        generation=world.desired.generation,
        started_at=world.now,
        finished_at=world.now,
        outcome=Outcome.ACCEPTED,
        target=before.hash if before else None,
        settled=True,
    )
