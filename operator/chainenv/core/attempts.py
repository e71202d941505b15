"""When a call is sent, when its effect is waited for, and when trying stops."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

from ..crd.types import Drift, JournalEntry
from .actions import MOST_UNCONFIRMED, REFUSALS, ROLLOUTS, Draft, Finding, Operation, Outcome, Severity, retry_seconds
from .reasons import Reason
from .words import listed
from .world import Environment, Timing, World, in_progress

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
        message = f"sent at {clock(entry)}, outcome unknown; observing whether it happened"
        draft.note(Severity.WAITING, Reason.SETTLING_INTENT, message)
        return Verdict.WAIT
    if entry.outcome in REFUSALS:
        return _refused(world, draft, entry)
    if world.since(entry.finished_at).total_seconds() < patience and entry.outcome == Outcome.ACCEPTED:
        shows = f": {listed(differences)}" if differences else ""
        draft.note(Severity.WAITING, Reason.CORRECTING, f"update sent at {clock(entry)}; waiting for confirmation{shows}")
        return Verdict.WAIT
    if _another_try(world, entry):
        return Verdict.SEND
    if entry.outcome != Outcome.FAILED:
        draft.note(Severity.BLOCKED, Reason.NOT_CONVERGING, _given_up(entry, differences, world.timing))
    return Verdict.STOP


def _another_try(world: World, entry: JournalEntry) -> bool:
    """Tries start afresh with another spec; without one, hourly. A rollout is repeated only by a person's word: each costs GPUs.

    One that only seemed to have happened and does not show its effect is sent once more (docs/decisions/0002).
    """
    if world.forced:
        return True
    if entry.outcome == Outcome.FAILED:
        return False
    if entry.operation in ROLLOUTS:
        return not answered_with_a_start(entry) and (entry.unconfirmed or 0) < MOST_UNCONFIRMED
    return entry.attempts < MOST_ATTEMPTS or _afresh(world, entry)


def answered_with_a_start(entry: JournalEntry) -> bool:
    """Whether Baseten itself said that a deployment starts; what was concluded from an observation may be somebody else's."""
    return bool(entry.started) or (entry.started is None and not entry.unconfirmed and bool(entry.deployment_id and entry.attempts))


def _afresh(world: World, entry: JournalEntry) -> bool:
    if entry.generation != world.desired.generation:
        return True
    if entry.operation in ROLLOUTS:
        return False
    return world.since(entry.finished_at or entry.started_at).total_seconds() >= world.timing.retry_refused


def _given_up(entry: JournalEntry, differences: tuple[Drift, ...], timing: Timing) -> str:
    times = "once" if entry.attempts == 1 else f"{entry.attempts} times"
    effect = f"but Baseten shows something else: {listed(differences)}" if differences else "without effect"
    if entry.outcome == Outcome.LOST:
        effect = f"without an answer, {effect}"
    hourly = at(entry.finished_at or entry.started_at, timing.retry_refused)
    again = "only with the annotation reconcile-requested-at" if entry.operation in ROLLOUTS else hourly
    return f"sent {times}, {effect}. Change the spec to what Baseten allows; next try {again}"


def at(moment: datetime, seconds: float) -> str:
    """A time in a message: absolute, to the minute."""
    return f"at {moment + timedelta(seconds=seconds + 59):%H:%MZ}"


def next_retry(journal: tuple[JournalEntry, ...], now: datetime, timing: Timing) -> float | None:
    """Seconds until the first refused call is due again; None when none is, or the plan has passed over the one that was."""
    due = [
        retry_seconds(e, timing) - (now - e.finished_at).total_seconds()
        for e in journal
        if e.outcome in REFUSALS and e.finished_at is not None and e.operation in _SPOKEN
    ]
    return min((max(1.0, seconds) for seconds in due if seconds > 0), default=None)


def _refused(world: World, draft: Draft, entry: JournalEntry) -> Verdict:
    waited = world.since(entry.finished_at or entry.started_at).total_seconds() >= retry_seconds(entry, world.timing)
    another_spec = entry.generation != world.desired.generation
    if world.forced or waited or another_spec or (world.new_key and entry.outcome == Outcome.FORBIDDEN):
        if world.forced or (entry.unconfirmed or 0) < MOST_UNCONFIRMED:
            return Verdict.SEND
        draft.note(Severity.BLOCKED, Reason.NOT_CONVERGING, _given_up(entry, (), world.timing))
        return Verdict.STOP
    running = bool(entry.unconfirmed) and world.observed(entry) < world.timing.settle
    if not running and (entry.unconfirmed or 0) >= MOST_UNCONFIRMED:
        draft.note(Severity.BLOCKED, Reason.NOT_CONVERGING, _given_up(entry, (), world.timing))
    else:
        draft.findings.append(refusal(entry, world.timing, may_still_run=running))
    return Verdict.STOP


def refusal(entry: JournalEntry, timing: Timing, *, just_now: bool = False, may_still_run: bool = False) -> Finding:
    """What a refused call means for people. ``just_now``: by this run; a cause is looked for before it is called one.
    ``may_still_run``: an earlier try without an answer."""
    said = (entry.message or "").rstrip(".")
    said = f"{entry.cause} ({said})" if entry.cause else said
    spoken = _SPOKEN.get(entry.operation, "")
    retry = f"next try {at(entry.finished_at or entry.started_at, retry_seconds(entry, timing))}"
    if entry.operation not in _SPOKEN:
        message = f"Baseten refused to deactivate deployment {entry.target}: {said}; {retry}"
        return Finding(Severity.STALLED, Reason.FORBIDDEN if entry.outcome == Outcome.FORBIDDEN else Reason.REFUSED, message)
    if entry.outcome == Outcome.FORBIDDEN:
        message = f"the API key may read but not {spoken}: {said}. Use a key that may, or managementPolicy Observe"
        return Finding(Severity.STALLED, Reason.FORBIDDEN, message)
    if may_still_run or (just_now and entry.unconfirmed):
        message = (
            f"refused to {spoken}: {said}. An earlier try without an answer may still be running; observing whether it happened; {retry}"
        )
        return Finding(Severity.WAITING, Reason.SETTLING_INTENT, message)
    if just_now and entry.operation == Operation.CREATE and not entry.cause:
        return Finding(Severity.WAITING, Reason.CREATING, f"refused to {spoken}: {said}; reading the chain to find the cause")
    if entry.operation in ROLLOUTS and entry.attempts == 1 and not entry.cause:
        target = f" {entry.target}" if entry.target else ""
        message = f"refused to {spoken}{target}: {said}. It may be too new, or the environment busy; {retry}"
        return Finding(Severity.WAITING, Reason.CORRECTING, message)
    if entry.operation == Operation.PROMOTE and entry.outcome == Outcome.NOT_FOUND:
        message = f"deployment {entry.target} not found, or not accessible with this API key: {said}. Correct deploymentID; {retry}"
        return Finding(Severity.BLOCKED, Reason.DEPLOYMENT_NOT_FOUND, message)
    return Finding(Severity.STALLED, Reason.REFUSED, f"Baseten refused to {spoken}: {said}. Correct the spec; {retry}")


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
    same = last is not None and last.hash == hashed and not world.forced
    again = same and last is not None and not _afresh(world, last)
    return JournalEntry(
        operation=str(operation),
        hash=hashed,
        generation=world.desired.generation,
        started_at=world.now,
        attempts=last.attempts + 1 if again and last else 1,
        known_deployments=known,
        target=target,
        values=values,
        unconfirmed=last.unconfirmed if same and last else None,
    )


def clock(entry: JournalEntry) -> str:
    return f"{entry.started_at:%H:%M:%S}Z"


def note_unconfirmed(environment: Environment, draft: Draft, what: str) -> None:
    """What cannot be compared is never called in sync. It passes by itself only while something deploys."""
    current = environment.current
    moving = environment.promoting or (current is not None and in_progress(current.status))
    message = f"Baseten does not show {what}, so they could not be compared with the spec"
    draft.note(Severity.WAITING if moving else Severity.BLOCKED, Reason.UNCONFIRMED, message)
