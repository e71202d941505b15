"""The journal brought up to date with what is seen: intents without outcome settled, rollouts followed to their end.

DESIGN section 4. No rule here sends anything; a rule that cannot tell keeps the entry, and an entry that is kept
holds the next rollout back.
"""

from __future__ import annotations

from dataclasses import replace

from ..crd.types import JournalEntry
from .actions import REFUSALS, ROLLOUTS, Operation, Outcome
from .world import FAILED, Deployment, Environment, World, in_progress


def recover(world: World) -> World:
    """The world with its journal as it stands after looking."""
    if world.environment is None:
        return world
    entries = tuple(_rollout(world, world.environment, e) if e.operation in ROLLOUTS else e for e in world.journal)
    return replace(world, journal=tuple(e for e in entries if e is not None))


def lookups(journal: tuple[JournalEntry, ...], environment: Environment | None) -> tuple[str, ...]:
    """Deployments that the journal waits for and the environment does not show: to be read by id."""
    if environment is None or environment.candidate is not None:
        return ()
    shown = {d.id for d in environment.deployments}
    return tuple(
        e.deployment_id
        for e in journal
        if e.operation in ROLLOUTS and e.outcome == Outcome.ACCEPTED and not e.settled and e.deployment_id and e.deployment_id not in shown
    )


def types_match(world: World, environment: Environment) -> bool:
    """Whether every managed chainlet that the environment has is on its declared instance type."""
    for wanted in world.desired.chainlets:
        state = environment.state_of(wanted.name)
        if wanted.instance_type_id and state and state.instance_type and state.instance_type.id != wanted.instance_type_id:
            return False
    return True


def _rollout(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    if entry.finished_at is None:
        return _open_intent(world, environment, entry)
    if entry.outcome == Outcome.ACCEPTED and not entry.settled:
        return _accepted(world, environment, entry)
    if entry.outcome in REFUSALS and environment.candidate is not None:
        return None  # the running promotion explains it, whatever status it was refused with
    if entry.outcome == Outcome.FAILED and _moved_on(environment, entry):
        return _settled(world, environment, entry)
    return entry


def _open_intent(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    newcomer = next((d for d in reversed(environment.deployments) if d.id not in entry.known_deployments), None)
    if newcomer is not None:
        return _happened(world, entry, newcomer.id)
    if entry.operation == Operation.INSTANCE_TYPES and types_match(world, environment):
        return _happened(world, entry, None)
    if world.since(entry.started_at).total_seconds() < world.timing.settle:
        return entry
    return None


def _happened(world: World, entry: JournalEntry, deployment_id: str | None) -> JournalEntry:
    """Concluded, not answered: the attempt does not count, because the deployment might be somebody else's."""
    update = {"outcome": Outcome.ACCEPTED.value, "finished_at": world.now, "deployment_id": deployment_id, "attempts": 0}
    return entry.model_copy(update=update)


def _accepted(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    assert entry.finished_at is not None
    if environment.candidate is not None:
        return entry
    if _moved_on(environment, entry) or (entry.deployment_id is None and types_match(world, environment)):
        return _settled(world, environment, entry)
    if world.since(entry.finished_at).total_seconds() < world.timing.settle:
        return entry
    if entry.deployment_id is None or entry.deployment_id not in world.looked_up:
        return _settled(world, environment, entry)
    return _gone_elsewhere(world, environment, entry, world.looked_up[entry.deployment_id])


def _moved_on(environment: Environment, entry: JournalEntry) -> bool:
    """Whether the current deployment is the one that came of the entry, or a later one."""
    current = environment.current
    return current is not None and (current.id == entry.deployment_id or current.id not in entry.known_deployments)


def _gone_elsewhere(world: World, environment: Environment, entry: JournalEntry, seen: Deployment | None) -> JournalEntry | None:
    """The deployment that came of the entry is neither current nor candidate."""
    if seen is not None and in_progress(seen.status):
        return entry
    if seen is not None and seen.status in FAILED:
        return _failed(entry, f"deployment {seen.id} ended {seen.status}")
    if entry.operation == Operation.PROMOTE:
        fate = f"is {seen.status}" if seen is not None else "is gone"
        return _failed(entry, f"deployment {entry.deployment_id} {fate} and did not become the current one")
    return _settled(world, environment, entry)


def _failed(entry: JournalEntry, message: str) -> JournalEntry:
    return entry.model_copy(update={"outcome": Outcome.FAILED.value, "message": message})


def _settled(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    """A promotion is remembered (once for each deploymentID); an instance type update only while it does not show."""
    if entry.operation == Operation.INSTANCE_TYPES and types_match(world, environment):
        return None
    return entry.model_copy(update={"settled": True, "outcome": Outcome.ACCEPTED.value, "message": None})
