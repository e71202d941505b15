"""What a run came to, as the report that conditions, events and metrics are made from."""

from __future__ import annotations

from ..core import messages
from ..core.findings import EventRecord
from ..core.reasons import Event, Reason
from ..core.resource import Resource
from ..core.running import running_cost
from ..core.status import Observed, Report, waiting_rollout
from ..core.world import Timing, World
from ..crd.enums import Operation, Outcome
from ..crd.history import endpoints
from ..crd.types import JournalEntry
from . import failures
from .decide import Decided
from .execute import Execution


def report_of(resource: Resource, decided: Decided, execution: Execution, timing: Timing) -> Report:
    """Of a run that has decided and has sent what it could; failures of calls are added by whoever knows since when they last."""
    world, planned = decided.world, decided.plan
    refused = [action for action in execution.refused if not action.change.aside]
    refusals = (messages.refused(action.entry, timing, just_now=True) for action in refused)
    return Report(
        generation=resource.generation,
        now=world.now,
        observation=Observed(execution.environment, planned.managed),
        findings=failures.with_way_out(resource, (*planned.findings, *refusals)),
        drift=(*planned.drift, *(drift for action in execution.refused for drift in action.change.corrections)),
        journal=execution.journal,
        changes=tuple(action.change for action in execution.accepted if not action.change.aside),
        acted_on=all(action.change.aside for action, _ in execution.failed),
        reconcile_request=resource.reconcile_request,
        deleting=resource.deleting,
        rollout=waiting_rollout(planned.held),
        cost=running_cost(execution.environment, world.gates.prices),
        priced=world.gates.prices is not None,
        schedule=world.desired.schedule,
        history=world.history,
        endpoints=endpoints(*resource.target),
    )


def concluded(opened: tuple[JournalEntry, ...], world: World) -> tuple[EventRecord, ...]:
    """Events for what an earlier run did and could not record any more."""
    open_ = {e.operation for e in opened if e.finished_at is None}
    reasons: dict[str, Event | Reason] = {
        Operation.INSTANCE_TYPES: Event.INSTANCE_TYPES_CHANGED,
        Operation.PROMOTE: Event.PROMOTED,
        Operation.ABORT: Reason.ROLLOUT_ABORTED,
    }
    return tuple(
        messages.concluded(reasons[e.operation], e)
        for e in world.journal
        if e.operation in open_ and e.operation in reasons and e.outcome == Outcome.ACCEPTED
    )
