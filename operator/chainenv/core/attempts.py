"""When a call is sent, when its effect is waited for, and when trying stops."""

from __future__ import annotations

from enum import Enum, auto

from ..crd.types import Drift, JournalEntry
from .actions import REFUSALS, ROLLOUTS, Draft, Finding, Operation, Outcome, Severity
from .reasons import Reason
from .words import listed
from .world import World

MOST_ATTEMPTS = 3


class Verdict(Enum):
    SEND = auto()
    WAIT = auto()
    STOP = auto()


def unsettled(entry: JournalEntry) -> bool:
    """Whether it is not known yet what became of the entry."""
    if entry.finished_at is None:
        return entry.operation in _KNOWN  # what another version began, another version settles
    return entry.outcome == Outcome.ACCEPTED and not entry.settled and entry.operation in ROLLOUTS


_KNOWN = frozenset(map(str, Operation))


def verdict(
    world: World, draft: Draft, entry: JournalEntry | None, hashed: str, *, patience: float = 0, differences: tuple[Drift, ...] = ()
) -> Verdict:
    """What to do about a difference, given the last try of its kind; unless it is SEND, a finding says why.

    ``patience``: how long an answered call may stay without visible effect, seconds.
    """
    if entry is None or entry.hash != hashed:
        return Verdict.SEND
    if entry.finished_at is None:
        message = f"begun at {clock(entry)} and its outcome is not known; looking whether it happened"
        draft.note(Severity.WAITING, Reason.SETTLING_INTENT, message)
        return Verdict.WAIT
    if entry.outcome in REFUSALS:
        return _refused(world, draft, entry)
    if world.since(entry.finished_at).total_seconds() < patience and entry.outcome == Outcome.ACCEPTED:
        shows = f"it: {listed(differences)}" if differences else "what came of it"
        draft.note(Severity.WAITING, Reason.CORRECTING, f"sent at {clock(entry)}, waiting until Baseten shows {shows}")
        return Verdict.WAIT
    if _another_try(world, entry):
        return Verdict.SEND
    if entry.outcome != Outcome.FAILED:
        draft.note(Severity.BLOCKED, Reason.NOT_CONVERGING, _given_up(entry, differences))
    return Verdict.STOP


def _another_try(world: World, entry: JournalEntry) -> bool:
    """Tries start afresh with another spec; without one, hourly. A rollout is repeated only by a person's word: each costs GPUs.

    One that only seemed to have happened (no attempts counted, see recover) and does not show its effect is sent after all.
    """
    if world.forced:
        return True
    if entry.outcome == Outcome.FAILED or (entry.deployment_id and entry.attempts):
        return False
    return entry.attempts < MOST_ATTEMPTS or _afresh(world, entry)


def _afresh(world: World, entry: JournalEntry) -> bool:
    if entry.generation != world.desired.generation:
        return True
    return world.since(entry.finished_at or entry.started_at).total_seconds() >= world.timing.retry_refused


def _given_up(entry: JournalEntry, differences: tuple[Drift, ...]) -> str:
    times = "once" if entry.attempts == 1 else f"{entry.attempts} times"
    effect = f"but Baseten shows something else: {listed(differences)}" if differences else "without effect"
    if entry.outcome == Outcome.LOST:
        effect = f"without an answer, {effect}"
    again = "on the annotation reconcile-requested-at" if entry.deployment_id else "an hour after the last one"
    return f"sent {times}, {effect}. Change the spec to what Baseten allows; next try {again}"


def _refused(world: World, draft: Draft, entry: JournalEntry) -> Verdict:
    if world.forced or _afresh(world, entry) or (world.new_key and entry.outcome == Outcome.FORBIDDEN):
        return Verdict.SEND
    draft.findings.append(refusal(entry))
    return Verdict.STOP


def refusal(entry: JournalEntry) -> Finding:
    """What a refused call means for people."""
    said = (entry.message or "").rstrip(".")
    spoken = _SPOKEN.get(entry.operation, "")
    if entry.operation == Operation.PROMOTE and entry.outcome == Outcome.NOT_FOUND:
        message = f"Baseten does not find deployment {entry.target} to promote: {said}. Correct deploymentID; next try in an hour"
        return Finding(Severity.BLOCKED, Reason.DEPLOYMENT_NOT_FOUND, message)
    if entry.operation not in _SPOKEN:
        message = f"Baseten refused to deactivate deployment {entry.target}: {said}; it is tried again"
        return Finding(Severity.STALLED, Reason.FORBIDDEN if entry.outcome == Outcome.FORBIDDEN else Reason.REFUSED, message)
    if entry.outcome == Outcome.FORBIDDEN:
        message = f"the API key may read but not {spoken}: {said}. Use a key that may, or managementPolicy Observe"
        return Finding(Severity.STALLED, Reason.FORBIDDEN, message)
    message = f"Baseten refused to {spoken}: {said}. Correct the spec; next try in an hour"
    return Finding(Severity.STALLED, Reason.REFUSED, message)


_SPOKEN = {
    Operation.CREATE.value: "create the environment",
    Operation.PROMOTION_SETTINGS.value: "change the promotion settings",
    Operation.AUTOSCALING.value: "change the autoscaling settings",
    Operation.INSTANCE_TYPES.value: "change the instance types",
    Operation.PROMOTE.value: "promote the deployment",
}


def begin(
    world: World,
    operation: str,
    hashed: str,
    last: JournalEntry | None,
    *,
    known: tuple[str, ...] = (),
    target: str | None = None,
    values: tuple[str, ...] = (),
) -> JournalEntry:
    """The entry of a call about to be made."""
    again = last is not None and last.hash == hashed and not world.forced and not _afresh(world, last)
    return JournalEntry(
        operation=str(operation),
        hash=hashed,
        generation=world.desired.generation,
        started_at=world.now,
        attempts=last.attempts + 1 if again and last else 1,
        known_deployments=known,
        target=target,
        values=values,
    )


def clock(entry: JournalEntry) -> str:
    return f"{entry.started_at:%H:%M:%S}Z"
