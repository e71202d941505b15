"""Aborting a rollout: the candidate that a person names is deactivated, once, and never what serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...crd.enums import Operation, Outcome
from ...crd.types import JournalEntry
from .. import messages
from ..actions import Change, PlanBuilder
from ..environment import ENDING, FAILED, Environment
from ..findings import EventRecord
from ..journal import ROLLOUTS, begin, unsettled
from ..retries import Send, retry_decision
from ..values import digest
from ..world import World

NEVER_SENT = 0
"""Attempts of an abort that came too late."""


@dataclass(frozen=True, slots=True)
class AbortRollout(Change):
    operation: ClassVar[Operation] = Operation.ABORT
    counted_as: ClassVar[str] = ""
    deployment_id: str

    def describe(self) -> str:
        return f"abort the rollout of deployment {self.deployment_id}"

    def event(self) -> EventRecord:
        return messages.rollout_aborting(self.deployment_id)


def abort(world: World, environment: Environment, builder: PlanBuilder) -> None:
    """Once for each value of the annotation: what somebody starts again afterwards is another rollout. A value that named what serves,
    or what had ended already, is used up too: it must not abort a later rollout back to that deployment."""
    asked, entry = world.gates.abort, builder.journal.get(Operation.ABORT)
    if entry is not None and entry.target != asked and not unsettled(entry) and not _is_remembered(entry, builder):
        del builder.journal[Operation.ABORT]
    if not asked or world.desired.observing:
        return
    if _came_too_late(asked, environment):
        if Operation.ABORT not in builder.journal:  # one that explains a failed rollout stays
            over = {"outcome": Outcome.ACCEPTED, "finished_at": world.now, "attempts": NEVER_SENT}
            builder.journal[Operation.ABORT] = begin(world, Operation.ABORT, digest(asked), None, target=asked).model_copy(update=over)
        return
    if not _is_candidate(asked, environment, builder):
        return
    last = entry if entry is not None and entry.target == asked else None
    if last is not None and last.outcome == Outcome.ACCEPTED:
        return
    unanswered = last is not None and last.finished_at is None  # it is still the candidate: asking twice does no harm
    decision = Send() if unanswered else retry_decision(world, last, digest(asked))
    if isinstance(decision, Send):
        builder.act(AbortRollout(asked), begin(world, Operation.ABORT, digest(asked), last, target=asked), intent_first=True)
    else:
        builder.add(decision.finding)


def _came_too_late(deployment_id: str, environment: Environment) -> bool:
    """Whether there is nothing to abort any more: it serves, or is a candidate that has failed or is off."""
    candidate = environment.candidate
    failed = candidate is not None and candidate.id == deployment_id and candidate.status in FAILED | ENDING
    return failed or environment.current_id == deployment_id


def has_aborted(entry: JournalEntry | None, deployment_id: str | None) -> bool:
    """Whether the deployment was deactivated because a person asked for it."""
    return entry is not None and entry.target == deployment_id and entry.attempts > NEVER_SENT


def _is_candidate(deployment_id: str, environment: Environment, builder: PlanBuilder) -> bool:
    """Whether it is being promoted, of one that has not ended. A server that shows no candidates leaves it to the journal to know."""
    if environment.candidate is not None:
        return environment.candidate.id == deployment_id
    return any(unsettled(e) and e.operation in ROLLOUTS and e.deployment_id == deployment_id for e in builder.journal.values())


def _is_remembered(entry: JournalEntry, builder: PlanBuilder) -> bool:
    """Whether a rollout's entry is there that it explains."""
    return any(e.deployment_id == entry.target for e in builder.journal.values() if e.operation in ROLLOUTS)
