"""Doing what a plan says: one call after the other, each with its journal entry."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..api import Baseten, BasetenError, CredentialsRefused, Forbidden, Invalid, NotFound, Unavailable
from ..api.errors import NotSent
from ..core.actions import Action, Plan
from ..core.environment import Environment
from ..core.findings import EventRecord
from ..core.journal import ROLLOUTS, with_entry
from ..core.world import World
from ..crd.enums import Operation, Outcome
from ..crd.types import JournalEntry
from .context import of_last_call
from .explain import explained
from .journal import JournalWriter
from .send import Answer, send

log = logging.getLogger(__name__)

Fence = Callable[[], None]
"""Raises NotLeadingError when this process may not act (any more)."""


@dataclass(slots=True)
class Execution:
    """What came of a plan. ``events``: of its calls. ``failed``: what failed in passing, to be tried again."""

    journal: tuple[JournalEntry, ...]
    environment: Environment | None
    accepted: list[Action] = field(default_factory=list)
    refused: list[Action] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    failed: list[tuple[Action, BasetenError]] = field(default_factory=list)


async def execute(baseten: Baseten, world: World, plan: Plan, journal: JournalWriter, fence: Fence) -> Execution:
    """Each kind of change is tried on its own: one that is refused or fails holds up no other, unless the key itself is refused.

    Of what is cleaned up the first failure ends the run: it comes last, and may be many calls.
    """
    execution = Execution(journal=plan.journal, environment=world.environment)
    for planned in plan.actions:
        action = planned
        if action.intent_first:
            before = _with_approval(execution.journal, action)
            action = replace(action, entry=await journal.intend(before, action.entry, world.environment))
        fence()
        try:
            answer = await send(baseten, world.desired, action.change)
            event = action.change.event()
            _log(event, action)  # the one line of a call that Baseten took; written before anything else can go wrong
            execution.events.append(event)
            _accept(action, answer, journal.now(), execution)
        except (Invalid, NotFound, Forbidden) as error:
            _refuse(action, error, journal.now(), execution)
        except BasetenError as error:
            if action.intent_first and isinstance(error, Unavailable) and not isinstance(error, NotSent):
                execution.journal = with_entry(_with_approval(execution.journal, action), action.entry)
            execution.failed.append((action, error))
            if isinstance(error, CredentialsRefused) or action.change.aside:
                break
    execution.refused = [await explained(baseten, world, action) for action in execution.refused]
    for action in execution.refused:
        execution.journal = with_entry(execution.journal, action.entry)
    return execution


def _with_approval(journal: tuple[JournalEntry, ...], action: Action) -> tuple[JournalEntry, ...]:
    """An approval is used up by the same write as the intent, and only by a call that may have reached Baseten."""
    return with_entry(journal, action.approved) if action.approved is not None else journal


def _log(event: EventRecord, action: Action) -> None:
    log.info("%s: %s", event.reason, event.message, extra={**of_last_call(), "event": str(event.reason), "attempt": action.entry.attempts})


def _accept(action: Action, answer: Answer, now: datetime, execution: Execution) -> None:
    execution.accepted.append(action)
    update: dict[str, Any] = {"outcome": Outcome.ACCEPTED, "finished_at": now}
    if answer.environment is not None:
        execution.environment = answer.environment
        used = tuple(e for e in execution.journal if e.operation == Operation.APPROVE)
        # Of an environment that was there before, nothing else counts any more.
        execution.journal = (action.entry.model_copy(update=update), *used)
        return
    if action.entry.operation in ROLLOUTS:
        update |= {"deployment_id": _new_deployment(action.entry, answer), "started": answer.started}
        if not answer.started:
            update["unconfirmed"] = (action.entry.unconfirmed or 0) + 1
    execution.journal = with_entry(_with_approval(execution.journal, action), action.entry.model_copy(update=update))


def _new_deployment(entry: JournalEntry, answer: Answer) -> str | None:
    """What was there before did not come of the call, whatever the answer names."""
    return answer.deployment_id if answer.deployment_id == entry.target or answer.deployment_id not in entry.known_deployments else None


def _refuse(action: Action, error: BasetenError, now: datetime, execution: Execution) -> None:
    outcomes = {Forbidden: Outcome.FORBIDDEN, NotFound: Outcome.NOT_FOUND}
    outcome = outcomes.get(type(error), Outcome.REFUSED)
    entry = action.entry.model_copy(update={"outcome": outcome, "finished_at": now, "message": error.message[:1024]})
    log.warning("refused: %s: %s", action.change.describe(), error.message, extra=of_last_call(error.endpoint))
    execution.journal = with_entry(_with_approval(execution.journal, action), entry)
    execution.refused.append(replace(action, entry=entry))
