"""The journal brought up to date with what was observed: intents without outcome settled, rollouts followed to their end.

docs/decisions/0002. No rule here sends anything; a rule that cannot decide keeps the entry, and an entry that is kept
holds the next rollout back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ..crd.enums import Operation, Outcome
from ..crd.types import JournalEntry
from .changes.abort import has_aborted
from .changes.instance_types import is_reached, settled_types
from .changes.promote import promoted
from .environment import ENDING, FAILED, KNOWN_PROGRESS, SERVING, Deployment, Environment, in_progress
from .journal import MOST_UNCONFIRMED, REFUSALS, ROLLOUTS, retry_seconds, unanswered, unsettled
from .world import World

RAMP_UP = "ramp_up_duration_seconds"

KEPT = frozenset({Operation.CREATE, Operation.APPROVE})
"""What another environment of the same name does not end: an approval that was used stays used."""


def recover(world: World) -> World:
    """The world with its journal as it stands after the read."""
    environment = world.environment
    if environment is None:
        return world
    if world.replaced:
        world = replace(world, journal=_of_the_new_environment(world, environment))
    rollouts = sorted((e for e in world.journal if e.operation in ROLLOUTS), key=lambda e: e.started_at, reverse=True)
    claimed = {e.operation: e.deployment_id for e in rollouts if e.deployment_id}
    after: dict[str, JournalEntry | None] = {}
    for entry in rollouts:  # the newest first: what came after two intents came of the later one
        known = (*entry.known_deployments, entry.target)
        others = sorted(d for operation, d in claimed.items() if operation != entry.operation and d not in known)
        # What came of another rollout is no sign that this one happened, also when that one has been forgotten.
        update = {"known_deployments": (*entry.known_deployments, *others)} if others and unanswered(entry) else {}
        after[entry.slot] = now = _recovered(world, environment, entry.model_copy(update=update))
        if now is not None and now.deployment_id:
            claimed[entry.operation] = now.deployment_id
    entries = [e for e in (after.get(e.slot, e) for e in world.journal) if e is not None]
    settled = (_abort_settled(world, environment, e, entries) if e.operation == Operation.ABORT else e for e in entries)
    return replace(world, journal=tuple({e.slot: e for e in settled if e is not None}.values()))


def _abort_settled(world: World, environment: Environment, entry: JournalEntry, journal: Iterable[JournalEntry]) -> JournalEntry | None:
    """An abort without an answer happened when its deployment is off, or is no candidate; it is forgotten when that one serves."""
    target, candidate = entry.target or "", environment.candidate
    if entry.finished_at is not None:
        return entry
    if environment.current_id == target:
        return None
    if candidate is not None and candidate.id == target:
        off = candidate.status in ENDING | FAILED
    elif target in world.looked_up:
        found = world.looked_up[target]
        off = found is None or found.status in ENDING | FAILED
    else:
        off = not any(e.deployment_id == target and unsettled(e) for e in journal)
    update = {"outcome": Outcome.ACCEPTED, "finished_at": world.now, "deployment_id": target}
    return entry.model_copy(update=update) if off else entry


def _of_the_new_environment(world: World, environment: Environment) -> tuple[JournalEntry, ...]:
    """Nothing has been done there yet, but a call without an answer may still arrive; what is there already did not come of it."""
    there = tuple(d.id for d in environment.deployments)
    return tuple(
        e if e.operation in KEPT else e.model_copy(update={"known_deployments": (*e.known_deployments, *there)})
        for e in world.journal
        if e.operation in KEPT or (e.operation in ROLLOUTS and e.finished_at is None)
    )


# -- what is to be read besides the environment --------------------------------------------------------------------


def lookups(journal: tuple[JournalEntry, ...], environment: Environment | None) -> tuple[str, ...]:
    """Deployments that a recovered journal waits for and the environment does not show: to be read by id."""
    if environment is None:
        return ()
    there = {d.id for d in environment.deployments}

    def is_followed(entry: JournalEntry) -> bool:
        if entry.outcome == Outcome.FAILED:
            return _moved_on(environment, entry)
        return entry.outcome == Outcome.ACCEPTED and not entry.settled and not environment.promoting

    return tuple(
        e.deployment_id for e in journal if e.operation in ROLLOUTS and e.deployment_id and e.deployment_id not in there and is_followed(e)
    )


def must_list(world: World) -> bool:
    """Whether the chain's deployments are to be read: a rollout without an answer is about to be sent again."""

    def is_due(entry: JournalEntry) -> bool:
        if entry.finished_at is None:
            return world.observed(entry) >= world.timing.settle
        return entry.outcome == Outcome.LOST or world.since(entry.finished_at).total_seconds() >= retry_seconds(entry, world.timing)

    return any(e.operation in ROLLOUTS and unanswered(e) and is_due(e) and (e.unconfirmed or 0) < MOST_UNCONFIRMED for e in world.journal)


# -- one rollout's entry -------------------------------------------------------------------------------------------


def _recovered(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    if entry.outcome in REFUSALS:  # no verdict while an earlier try may still be running, or if the environment moved on, or is busy
        if entry.unconfirmed:
            return _concluded(world, environment, entry) or entry
        return None if environment.promoting or _moved_on(environment, entry) else entry
    if unanswered(entry):
        if (concluded := _concluded(world, environment, entry)) is not None:
            return concluded
        over = entry.outcome != Outcome.LOST and world.observed(entry) >= world.timing.settle
        if over and (world.chain_deployments is not None or world.chain_unreadable):  # and nothing shows that it happened
            update = {"outcome": Outcome.LOST, "finished_at": entry.started_at, "unconfirmed": (entry.unconfirmed or 0) + 1}
            return entry.model_copy(update=update)
        return entry
    if entry.outcome == Outcome.ACCEPTED and not entry.settled:
        return _followed(world, environment, entry)
    if entry.outcome == Outcome.FAILED and _moved_on(environment, entry) and not _may_yet_serve(world, environment, entry):
        return _settled(world, environment, entry)
    return entry


def _may_yet_serve(world: World, environment: Environment, entry: JournalEntry) -> bool:
    """Whether what serves is older than the deployment that was given up: an earlier rollout was late too, and this one still waits."""
    if entry.deployment_id is None or entry.deployment_id in {d.id for d in environment.deployments}:
        return False
    if entry.deployment_id not in world.looked_up:
        return True
    found = world.looked_up[entry.deployment_id]
    return found is not None and _is_newer(found, environment.current)


def _concluded(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """The entry as concluded from what the environment, or else the chain, has now; None when nothing shows that it happened."""
    newcomer = next((d for d in reversed(environment.deployments) if _came_of(environment, entry, d)), None) or _listed(world, entry)
    reads_so = entry.operation == Operation.INSTANCE_TYPES and is_reached(world, environment, entry)
    if newcomer is None and not reads_so and not _audited(world, entry):
        return None
    update = {
        "outcome": Outcome.ACCEPTED,
        "finished_at": world.now,
        "deployment_id": newcomer.id if newcomer else None,
        "message": None,
        "unconfirmed": (entry.unconfirmed or 0) + (entry.finished_at is None),
    }
    return entry.model_copy(update=update)


def _came_of(environment: Environment, entry: JournalEntry, deployment: Deployment) -> bool:
    """Not there when the intent was written, and either asked for or not older than what was (by Baseten's own clock)."""
    if deployment.id in entry.known_deployments:
        return False
    before = [d.created_at for d in environment.deployments if d.id in entry.known_deployments and d.created_at]
    return (
        deployment.id == entry.target
        or deployment.created_at is None
        or deployment.created_at >= max(before, default=deployment.created_at)
    )


def _before(world: World, entry: JournalEntry, listed: Iterable[Deployment]) -> list[datetime]:
    """Baseten's own times of what was there before the intent."""
    before = [d.created_at for d in listed if d.id in entry.known_deployments and d.created_at]
    if world.environment is not None and world.environment.created_at is not None:
        before.append(world.environment.created_at)
    return before


def _listed(world: World, entry: JournalEntry) -> Deployment | None:
    """The newest deployment that the chain has for this environment since the intent, also when the environment does not show it."""
    listed = world.chain_deployments or ()
    before = _before(world, entry, listed)
    since = [
        (d.created_at, d)
        for d in listed
        if d.environment == world.desired.environment
        and d.id not in entry.known_deployments
        and d.created_at
        and d.created_at > max(before, default=d.created_at)
    ]
    return max(since, key=lambda pair: pair[0])[1] if since else None


def _audited(world: World, entry: JournalEntry) -> bool:
    """Whether the newest such change by this operator's key is this one. The log may be late: its silence proves nothing."""
    ours = sorted((change for change in world.audited if change.operation == entry.operation), key=lambda change: change.at)
    before = _before(world, entry, world.chain_deployments or ())
    if not ours or ours[-1].at <= max(before, default=ours[-1].at):
        return False
    return ours[-1].deployment_id == entry.target or ours[-1].deployment_id not in entry.known_deployments


def _followed(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """An accepted rollout on its way."""
    candidate, current = environment.candidate, environment.current
    if candidate is not None and entry.deployment_id is None and _came_of(environment, entry, candidate):
        entry = entry.model_copy(update={"deployment_id": candidate.id})
    if candidate is not None and candidate.id == entry.deployment_id and not environment.promoting:
        return _failed(entry, environment, f"deployment {candidate.id} is {candidate.status}")
    if environment.promoting:
        return entry
    deadline = world.gates.rules.deadline  # with one a rollout ends when its deployment serves, not when it is the current one
    if current is not None and current.id == entry.deployment_id and deadline is not None and in_progress(current.status):
        return entry
    if (current is not None and current.id == entry.deployment_id) or (
        entry.operation == Operation.INSTANCE_TYPES and entry.deployment_id is None and is_reached(world, environment, entry)
    ):
        return _settled(world, environment, entry)
    if entry.deployment_id is None:
        over = _moved_on(environment, entry) or world.observed(entry) >= world.timing.settle
        return _settled(world, environment, entry) if over else entry
    if entry.deployment_id not in world.looked_up:
        return entry
    return _elsewhere(world, environment, entry, world.looked_up[entry.deployment_id])


def _moved_on(environment: Environment, entry: JournalEntry) -> bool:
    """Whether the current deployment is the one that came of the entry, or a later one."""
    current = environment.current
    return current is not None and (current.id == entry.deployment_id or current.id not in entry.known_deployments)


def _elsewhere(world: World, environment: Environment, entry: JournalEntry, found: Deployment | None) -> JournalEntry | None:
    """The deployment that came of the entry is neither current nor candidate."""
    if found is not None and found.status in FAILED:
        return _failed(entry, environment, f"deployment {found.id} is {found.status}")
    aborted, moved_on = world.entry(Operation.ABORT), _moved_on(environment, entry)
    if has_aborted(aborted, entry.deployment_id) and not moved_on and (found is None or found.status in ENDING):
        return _failed(entry, environment, f"deployment {entry.deployment_id} was deactivated")
    copied = moved_on and found is not None and found.id == entry.target  # Baseten named the source; a copy of it serves
    waited = world.observed(entry) if found is None or found.status not in SERVING else world.observed_serving(found)
    if not copied and waited < _patience(world, found, moved_on=moved_on):
        return entry
    if entry.operation == Operation.PROMOTE and not moved_on:
        fate = f"is {found.status}" if found is not None else "is gone"
        return _failed(entry, environment, f"deployment {entry.deployment_id} {fate} and did not become the current one")
    return _settled(world, environment, entry)


def _patience(world: World, found: Deployment | None, *, moved_on: bool) -> float:
    """For how many seconds a deployment that the environment does not show is waited for. While it deploys: without end, also
    behind somebody else's that has finished first."""
    settle = world.timing.settle
    if found is None or found.status in ENDING or found.environment not in (None, world.desired.environment):
        return settle
    if found.status in KNOWN_PROGRESS:
        return float("inf")
    if found.status in SERVING and world.environment is not None:  # its traffic may still be ramping up
        superseded = moved_on and not _is_newer(found, world.environment.current)
        return settle if superseded else settle + float(world.environment.promotion.get(RAMP_UP, 600))
    return 10 * settle


def _is_newer(found: Deployment, current: Deployment | None) -> bool:
    """Whether it was made after the one that serves, and so may yet take its place: somebody else's was promoted before ours."""
    if current is None or current.created_at is None or found.created_at is None:
        return False
    return found.status == "ACTIVE" and found.created_at > current.created_at


def _failed(entry: JournalEntry, environment: Environment, message: str) -> JournalEntry:
    why = environment.promotion_failure
    return entry.model_copy(update={"outcome": Outcome.FAILED, "message": f"{message}; {why}"[:1024] if why else message})


def _settled(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """What is remembered of a rollout that came to its end."""
    return promoted(entry) if entry.operation == Operation.PROMOTE else settled_types(world, environment, entry)
