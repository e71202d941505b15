"""The journal brought up to date with what was observed: intents without outcome settled, rollouts followed to their end.

docs/decisions/0002. No rule here sends anything; a rule that cannot tell keeps the entry, and an entry that is kept
holds the next rollout back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..crd.types import JournalEntry
from .actions import MOST_UNCONFIRMED, REFUSALS, ROLLOUTS, Operation, Outcome
from .world import ENDING, FAILED, KNOWN_PROGRESS, SERVING, Deployment, Environment, World, digest

RAMP_UP = "ramp_up_duration_seconds"


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
        others = {deployment for operation, deployment in claimed.items() if operation != entry.operation}
        after[entry.operation] = seen = _rollout(world, environment, _knowing(entry, others))
        if seen is not None and seen.deployment_id:
            claimed[entry.operation] = seen.deployment_id
    entries = (after.get(e.operation, e) for e in world.journal)
    return replace(world, journal=tuple({e.operation: e for e in entries if e is not None}.values()))


def _of_the_new_environment(world: World, environment: Environment) -> tuple[JournalEntry, ...]:
    """Nothing has been done there yet, but a call without an answer may still arrive; what is there already did not come of it."""
    there = tuple(d.id for d in environment.deployments)
    return tuple(
        e if e.operation == Operation.CREATE else e.model_copy(update={"known_deployments": (*e.known_deployments, *there)})
        for e in world.journal
        if e.operation == Operation.CREATE or (e.operation in ROLLOUTS and e.finished_at is None)
    )


def _knowing(entry: JournalEntry, others: set[str]) -> JournalEntry:
    """What came of another rollout is no sign that this one happened, also when that one has been forgotten."""
    more = others - {*entry.known_deployments, entry.target}
    if not more or not unanswered(entry):
        return entry
    return entry.model_copy(update={"known_deployments": (*entry.known_deployments, *sorted(more))})


def unanswered(entry: JournalEntry) -> bool:
    """Whether a try of it may have happened, or may still happen, without an answer that says so."""
    return entry.finished_at is None or entry.outcome == Outcome.LOST or (entry.outcome in REFUSALS and bool(entry.unconfirmed))


def lookups(journal: tuple[JournalEntry, ...], environment: Environment | None) -> tuple[str, ...]:
    """Deployments that the journal waits for and the environment does not show: to be read by id."""
    if environment is None or environment.promoting:
        return ()
    shown = {d.id for d in environment.deployments}
    return tuple(
        e.deployment_id
        for e in journal
        if e.operation in ROLLOUTS and e.outcome == Outcome.ACCEPTED and not e.settled and e.deployment_id and e.deployment_id not in shown
    )


def must_list(world: World) -> bool:
    """Whether the chain's deployments are to be read: a rollout without an answer is about to be sent again."""
    return any(
        e.operation in ROLLOUTS
        and unanswered(e)
        and (e.finished_at is not None or world.observed(e) >= world.timing.settle)
        and (e.unconfirmed or 0) < MOST_UNCONFIRMED
        for e in world.journal
    )


def wanted_types(world: World, environment: Environment) -> dict[str, str]:
    """The declared instance type of each managed chainlet that the environment has."""
    return {c.name: c.instance_type_id for c in world.desired.chainlets if c.instance_type_id and environment.state_of(c.name)}


def as_values(types: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(f"{name}={type_id}" for name, type_id in types.items()))


def reached(world: World, environment: Environment, entry: JournalEntry) -> bool:
    """Whether the environment shows what the entry was to reach; what is not shown proves nothing."""
    declared = {c.name: c.instance_type_id for c in world.desired.chainlets if c.instance_type_id}
    values = entry.values or as_values(declared)
    return bool(values) and set(values) <= set(as_values(shown_types(environment)))


def types_match(world: World, environment: Environment) -> bool:
    """Whether Baseten holds the declared instance types of the chainlets that are there."""
    wanted = wanted_types(world, environment)
    return bool(wanted) and wanted.items() <= shown_types(environment).items()


def shown_types(environment: Environment) -> dict[str, str]:
    return {c.name: c.instance_type.id for c in environment.chainlets if c.instance_type and c.instance_type.id}


def types_differ(world: World) -> str | None:
    """A short hash of the difference in instance types that this read shows; None when it shows none."""
    if world.environment is None:
        return None
    shown = shown_types(world.environment)
    differences = {n: [t, shown[n]] for n, t in wanted_types(world, world.environment).items() if shown.get(n, t) != t}
    return digest(differences) if differences else None


def _rollout(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    if entry.outcome in REFUSALS:
        return _refused(world, environment, entry)
    if unanswered(entry):
        return _open_intent(world, environment, entry)
    if entry.outcome == Outcome.ACCEPTED and not entry.settled:
        return _accepted(world, environment, entry)
    if entry.outcome == Outcome.FAILED and _moved_on(environment, entry):
        return _settled(world, environment, entry)
    return entry


def _refused(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """No verdict while an earlier try may still be running; and none at all if the environment moved on meanwhile, or is busy."""
    if entry.unconfirmed:
        return _evidence(world, environment, entry) or entry
    return None if environment.promoting or _moved_on(environment, entry) else entry


def _open_intent(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry:
    found = _evidence(world, environment, entry)
    if found is not None:
        return found
    if entry.outcome == Outcome.LOST or world.observed(entry) < world.timing.settle:
        return entry
    if world.chain_deployments is None and not world.chain_unreadable:
        return entry
    lost = {"outcome": Outcome.LOST.value, "finished_at": entry.started_at, "unconfirmed": (entry.unconfirmed or 0) + 1}
    return entry.model_copy(update=lost)


def _evidence(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """The entry as concluded from what the environment, or else the chain, has now; None when nothing shows that it happened."""
    newcomer = next((d for d in reversed(environment.deployments) if _came_of(environment, entry, d)), None) or _listed(world, entry)
    reads_so = entry.operation == Operation.INSTANCE_TYPES and reached(world, environment, entry)
    if newcomer is None and not reads_so and not _audited(world, entry):
        return None
    update = {
        "outcome": Outcome.ACCEPTED.value,
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


def _listed(world: World, entry: JournalEntry) -> Deployment | None:
    """The newest deployment that the chain has for this environment since the intent, also when the environment does not show it."""
    listed = world.chain_deployments or ()
    before = [d.created_at for d in listed if d.id in entry.known_deployments and d.created_at]
    if world.environment is not None and world.environment.created_at is not None:
        before.append(world.environment.created_at)
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
    before = [d.created_at for d in world.chain_deployments or () if d.id in entry.known_deployments and d.created_at]
    if world.environment is not None and world.environment.created_at is not None:
        before.append(world.environment.created_at)
    if not ours or ours[-1].at <= max(before, default=ours[-1].at):
        return False
    return ours[-1].deployment_id == entry.target or ours[-1].deployment_id not in entry.known_deployments


def _accepted(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    candidate, current = environment.candidate, environment.current
    if candidate is not None and entry.deployment_id is None and _came_of(environment, entry, candidate):
        entry = entry.model_copy(update={"deployment_id": candidate.id})
    if candidate is not None and candidate.id == entry.deployment_id and not environment.promoting:
        return _failed(entry, environment, f"deployment {candidate.id} is {candidate.status}")
    if environment.promoting:
        return entry
    if (current is not None and current.id == entry.deployment_id) or (entry.deployment_id is None and reached(world, environment, entry)):
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


def _elsewhere(world: World, environment: Environment, entry: JournalEntry, seen: Deployment | None) -> JournalEntry | None:
    """The deployment that came of the entry is neither current nor candidate."""
    if seen is not None and seen.status in FAILED:
        return _failed(entry, environment, f"deployment {seen.id} is {seen.status}")
    moved_on = _moved_on(environment, entry)
    copied = moved_on and seen is not None and seen.id == entry.target  # Baseten named the source; a copy of it serves
    if not copied and world.observed(entry) < _patience(world, seen, moved_on=moved_on):
        return entry
    if entry.operation == Operation.PROMOTE and not moved_on:
        fate = f"is {seen.status}" if seen is not None else "is gone"
        return _failed(entry, environment, f"deployment {entry.deployment_id} {fate} and did not become the current one")
    return _settled(world, environment, entry)


def _patience(world: World, seen: Deployment | None, *, moved_on: bool) -> float:
    """For how many seconds a deployment that the environment does not show is waited for. While it deploys: without end, also
    behind somebody else's that has finished first."""
    settle = world.timing.settle
    if seen is None or seen.status in ENDING or seen.environment not in (None, world.desired.environment):
        return settle
    if seen.status in KNOWN_PROGRESS:
        return float("inf")
    if seen.status in SERVING and world.environment is not None:  # its traffic may still be ramping up
        return settle if moved_on else settle + float(world.environment.promotion.get(RAMP_UP, 600))
    return 10 * settle


def _failed(entry: JournalEntry, environment: Environment, message: str) -> JournalEntry:
    said = environment.promotion_failure
    return entry.model_copy(update={"outcome": Outcome.FAILED.value, "message": f"{message}; {said}"[:1024] if said else message})


def _settled(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """A promotion is remembered as PROMOTED; an instance type update only while it does not show."""
    if entry.operation == Operation.PROMOTE:
        return promoted(entry)
    if reached(world, environment, entry):
        return None
    return entry.model_copy(update={"settled": True, "outcome": Outcome.ACCEPTED.value, "message": None})


def promoted(entry: JournalEntry) -> JournalEntry:
    update = {"operation": Operation.PROMOTED.value, "settled": True, "outcome": Outcome.ACCEPTED.value, "message": None}
    return entry.model_copy(update=update)
