"""Only the owner of an environment acts, and its proof is durable before its first call (docs/decisions/0009)."""

from __future__ import annotations

from dataclasses import replace

from ..api import Baseten
from ..core.actions import Plan
from ..core.changes import CreateEnvironment
from ..core.world import World
from ..crd.enums import ManagementPolicy
from .execute import Execution, Fence, execute
from .journal import JournalWriter
from .ports import Store, WriteConflictError


async def execute_as_owner(
    store: Store, baseten: Baseten, world: World, plan: Plan, journal: JournalWriter, fence: Fence
) -> Execution | None:
    """As ``execute``; None when the claim is new amid others: it is proven by now, and the world is to be read again before
    anything is sent. Raises WriteConflictError when the environment is another resource's."""
    resource = journal.resource
    if world.desired.management != ManagementPolicy.RECONCILE or not plan.managed:
        return await execute(baseten, world, plan, journal, fence)  # nothing is sent: a read is no claim
    with store.claimed(resource) as claim:
        if world.environment is not None and (plan.actions or claim.fresh):
            await journal.prove(world.environment)
        if claim.fresh:
            return None
        if claim.contested:  # of an environment that is not there yet the intent to create it is the proof
            actions = (replace(a, intent_first=a.intent_first or isinstance(a.change, CreateEnvironment)) for a in plan.actions)
            plan = replace(plan, actions=tuple(actions))

        def own() -> None:
            fence()
            if store.owner_of(resource) is not None:
                raise WriteConflictError("the environment belongs to another resource")

        return await execute(baseten, world, plan, journal, own)
