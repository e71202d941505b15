"""Whether a difference is sent, waited for, or given up on, given the last try of its kind."""

from __future__ import annotations

from dataclasses import dataclass

from ..crd.enums import Outcome
from ..crd.types import Drift, JournalEntry
from . import messages
from .findings import Finding
from .journal import (
    MOST_ATTEMPTS,
    MOST_UNCONFIRMED,
    REFUSALS,
    ROLLOUTS,
    answered_with_a_start,
    ended,
    is_afresh,
    retry_seconds,
)
from .world import World


@dataclass(frozen=True, slots=True)
class Send:
    """Now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It was sent, and what came of it will show."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Not before something changes, or much later. ``finding`` None: another rule reports why."""

    finding: Finding | None


RetryDecision = Send | Wait | GiveUp


def retry_decision(
    world: World, entry: JournalEntry | None, hashed: str, *, patience: float = 0, differences: tuple[Drift, ...] = ()
) -> RetryDecision:
    """``entry``: the last try. ``patience``: how long an answered call may stay without visible effect, seconds."""
    if entry is None or entry.hash != hashed:
        return Send()
    if entry.finished_at is None:
        return Wait(messages.outcome_unknown(entry))
    if entry.outcome in REFUSALS:
        return _after_a_refusal(world, entry)
    if world.since(entry.finished_at).total_seconds() < patience and entry.outcome == Outcome.ACCEPTED:
        return Wait(messages.waiting_for_confirmation(entry, differences))
    if _is_tried_again(world, entry):
        return Send()
    return GiveUp(None) if entry.outcome == Outcome.FAILED else _not_converging(world, entry, differences)


def _not_converging(world: World, entry: JournalEntry, differences: tuple[Drift, ...] = ()) -> GiveUp:
    """Settings are tried hourly; a rollout is not, and only one that is under way may still bring what was asked for."""
    rolling = world.environment is not None and world.environment.promoting
    return GiveUp(messages.not_converging(entry, differences, world.timing, final=entry.operation in ROLLOUTS and not rolling))


def _is_tried_again(world: World, entry: JournalEntry) -> bool:
    """Tries are counted anew with another spec; without one, hourly. A rollout is repeated only when a person asks: each costs GPUs.

    One that only seemed to have happened and does not show its effect is sent once more (docs/decisions/0002).
    """
    if world.forced:
        return True
    if entry.outcome == Outcome.FAILED:
        return False
    if entry.operation in ROLLOUTS:
        return not answered_with_a_start(entry) and (entry.unconfirmed or 0) < MOST_UNCONFIRMED
    return entry.attempts < MOST_ATTEMPTS or is_afresh(world, entry)


def _after_a_refusal(world: World, entry: JournalEntry) -> RetryDecision:
    waited = world.since(ended(entry)).total_seconds() >= retry_seconds(entry, world.timing)
    another_spec = entry.generation != world.desired.generation
    due = world.forced or waited or another_spec or (world.new_key and entry.outcome == Outcome.FORBIDDEN)
    exhausted = (entry.unconfirmed or 0) >= MOST_UNCONFIRMED
    if due and (world.forced or not exhausted):
        return Send()
    running = not due and bool(entry.unconfirmed) and world.observed(entry) < world.timing.settle
    if exhausted and not running:
        return _not_converging(world, entry)
    return GiveUp(messages.refused(entry, world.timing, may_still_run=running))
