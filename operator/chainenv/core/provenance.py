"""Where the current deployment comes from, as far as the journal knows: what ``history.fold`` cannot know from one read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..crd.enums import Operation, Outcome
from ..crd.types import JournalEntry
from .environment import DEGRADED, SERVING, Environment
from .history import Cause, History, Observed, Origin, fold
from .journal import Journal, unsettled, with_entry
from .world import World

_CAUSES = {
    Operation.INSTANCE_TYPES: Cause.INSTANCE_TYPES,
    Operation.PROMOTE: Cause.PROMOTION,
    Operation.PROMOTED: Cause.PROMOTION,
    Operation.CREATED: Cause.CREATED,
}


def with_history(world: World, history: History, before: Journal, actors: Mapping[str, str]) -> World:
    """A recovered world with its history after this read. ``before``: the journal before it was recovered; ``actors``: by deployment.

    An environment that is not there proves no end: it may be an incident.
    """
    environment = world.environment
    if environment is None:
        return replace(world, history=history)
    if (made := _created(world, environment)) is not None:
        world = replace(world, journal=with_entry(world.journal, made))
    current = environment.current
    observed = Observed(
        now=world.now,
        current=environment.current_id,
        serves=current is not None and current.status in SERVING | DEGRADED,
        origins=_origins(world, environment, before),
        actors=actors,
    )
    history = fold(history, observed)
    kept = tuple(e for e in world.journal if e.operation != Operation.CREATED or _is_awaited(e, environment, history))
    return replace(world, history=history, journal=kept)


def _created(world: World, environment: Environment) -> JournalEntry | None:
    """The entry that remembers who made the environment, until its first deployment serves."""
    made, entry = world.entry(Operation.CREATE), world.entry(Operation.CREATED)
    if entry is None and made is not None and made.outcome in (None, Outcome.ACCEPTED):
        update = {"operation": Operation.CREATED, "finished_at": world.now, "outcome": Outcome.ACCEPTED, "settled": True}
        entry = made.model_copy(update=update)
    if entry is not None and entry.deployment_id is None and environment.current is not None:
        return entry.model_copy(update={"deployment_id": environment.current.id})
    return entry


def _is_awaited(entry: JournalEntry, environment: Environment, history: History) -> bool:
    if entry.deployment_id is None:
        return True
    current = environment.current_id
    return current == entry.deployment_id and not any(each.deployment_id == current for each in history)


def _origins(world: World, environment: Environment, before: Journal) -> dict[str, Origin]:
    """Of the current deployment. By its id, or because a rollout that was under way came to its end with this read.

    Clocks of two processes may differ: no rollout began after what it led to was read.
    """
    current = environment.current
    if current is None:
        return {}
    after = {entry.slot: entry for entry in world.journal}
    ended = [entry for entry in before if _has_ended(entry, after)]
    for entry in (*after.values(), *ended):
        cause = _CAUSES.get(entry.operation) if isinstance(entry.operation, Operation) else None
        moved_on = entry in ended and current.id not in (*entry.known_deployments, entry.target)
        sent = entry.operation == Operation.CREATED or entry in ended or entry.started or entry.unconfirmed  # it did not serve already
        if cause is not None and (current.id == entry.deployment_id or moved_on) and sent:
            return {current.id: Origin(cause, min(entry.started_at, world.now).replace(microsecond=0), entry.target)}
    return {}


def _has_ended(entry: JournalEntry, after: Mapping[str, JournalEntry]) -> bool:
    """Whether the rollout was under way before this read, and has succeeded since."""
    if entry.operation not in (Operation.INSTANCE_TYPES, Operation.PROMOTE) or entry.outcome not in (None, Outcome.ACCEPTED, Outcome.LOST):
        return False
    now = after.get(entry.slot)
    return unsettled(entry) and (now is None or bool(now.settled))
