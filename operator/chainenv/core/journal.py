"""The journal's entries: what one of them says, and how one is begun (docs/decisions/0002)."""

from __future__ import annotations

from datetime import datetime

from ..crd.enums import Operation, Outcome
from ..crd.types import JournalEntry
from .world import Timing, World

ROLLOUTS = frozenset({Operation.INSTANCE_TYPES, Operation.PROMOTE})
"""Operations that start a deployment: never sent before their intent is written."""

REFUSALS = frozenset({Outcome.REFUSED, Outcome.NOT_FOUND, Outcome.FORBIDDEN})

MOST_ATTEMPTS = 3
MOST_UNCONFIRMED = 2
"""So many sends of the same values may start a deployment without an answer that says so; then only a person makes another try."""

Journal = tuple[JournalEntry, ...]


def with_entry(journal: Journal, entry: JournalEntry) -> Journal:
    """The journal with the entry in the place of the older one of its slot."""
    return (*(e for e in journal if e.slot != entry.slot), entry)


def unsettled(entry: JournalEntry) -> bool:
    """Whether it is not known yet what became of the entry. What another version began, another version settles."""
    if entry.finished_at is None:
        return isinstance(entry.operation, Operation)
    return entry.outcome == Outcome.ACCEPTED and not entry.settled and entry.operation in ROLLOUTS


def unanswered(entry: JournalEntry) -> bool:
    """Whether a try of it may have happened, or may still happen, without an answer that says so."""
    return entry.finished_at is None or entry.outcome == Outcome.LOST or (entry.outcome in REFUSALS and bool(entry.unconfirmed))


def answered_with_a_start(entry: JournalEntry) -> bool:
    """Whether Baseten itself said that a deployment starts; what was concluded from an observation may be somebody else's."""
    return bool(entry.started) or (entry.started is None and not entry.unconfirmed and bool(entry.deployment_id and entry.attempts))


def ended(entry: JournalEntry) -> datetime:
    """When the last try was answered, or else sent."""
    return entry.finished_at or entry.started_at


def is_afresh(world: World, entry: JournalEntry) -> bool:
    """Whether tries are counted anew: with another spec, and hourly for what is no rollout."""
    if entry.generation != world.desired.generation:
        return True
    return entry.operation not in ROLLOUTS and world.since(ended(entry)).total_seconds() >= world.timing.retry_refused


def retry_seconds(entry: JournalEntry, timing: Timing) -> float:
    """From a refusal to the next try. It may be a busy environment's or a fresh deployment's, so the first comes within about a minute."""
    if entry.outcome == Outcome.FORBIDDEN:
        return timing.retry_refused
    return float(min(timing.retry_refused, timing.settle * 6 ** min(entry.attempts - 1, 10)))


def next_retry(journal: Journal, now: datetime, timing: Timing) -> float | None:
    """Seconds until the first refused call is due again; None when none is, or the plan has passed over the one that was."""
    apart = (Operation.DEACTIVATE, Operation.DELETE)
    refused = (e for e in journal if e.outcome in REFUSALS and isinstance(e.operation, Operation) and e.operation not in apart)
    due = (retry_seconds(e, timing) - (now - e.finished_at).total_seconds() for e in refused if e.finished_at is not None)
    return min((max(1.0, seconds) for seconds in due if seconds > 0), default=None)


def begin(
    world: World,
    operation: Operation,
    hashed: str,
    last: JournalEntry | None,
    *,
    known: tuple[str, ...] = (),
    target: str | None = None,
    values: tuple[str, ...] = (),
) -> JournalEntry:
    """The entry of a call about to be made."""
    same = last if last is not None and last.hash == hashed and not world.forced else None
    return JournalEntry(
        operation=operation,
        hash=hashed,
        generation=world.desired.generation,
        started_at=world.now,
        attempts=same.attempts + 1 if same and not is_afresh(world, same) else 1,
        known_deployments=known,
        target=target,
        values=values,
        unconfirmed=same.unconfirmed if same else None,
    )


def begin_rollout(
    world: World, operation: Operation, hashed: str, last: JournalEntry | None, *, target: str | None = None, values: tuple[str, ...] = ()
) -> JournalEntry:
    """The same for a call that starts a deployment: with the deployments that are there, and so did not come of it."""
    before = last.known_deployments if last and last.unconfirmed else ()
    there = (d.id for d in world.environment.deployments) if world.environment else ()
    return begin(world, operation, hashed, last, known=tuple(dict.fromkeys((*before, *there))), target=target, values=values)
