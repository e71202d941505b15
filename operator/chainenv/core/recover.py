"""The journal brought up to date with what is seen: intents without outcome settled, rollouts followed to their end.

DESIGN section 4. No rule here sends anything; a rule that cannot tell keeps the entry, and an entry that is kept
holds the next rollout back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..crd.types import JournalEntry
from .actions import REFUSALS, ROLLOUTS, Operation, Outcome
from .world import FAILED, Deployment, Environment, World, in_progress

CLOCKS = 300.0
"""How far this machine's clock and Baseten's may be apart, seconds."""


def recover(world: World) -> World:
    """The world with its journal as it stands after looking."""
    if world.environment is None:
        return world
    rollouts = sorted((e for e in world.journal if e.operation in ROLLOUTS), key=lambda e: e.started_at, reverse=True)
    claimed = {e.operation: e.deployment_id for e in rollouts if e.deployment_id}
    after: dict[str, JournalEntry | None] = {}
    for entry in rollouts:  # the newest first: what came after two intents came of the later one
        others = {deployment for operation, deployment in claimed.items() if operation != entry.operation}
        after[entry.operation] = seen = _rollout(world, world.environment, _knowing(entry, others))
        if seen is not None and seen.deployment_id:
            claimed[entry.operation] = seen.deployment_id
    entries = (after.get(e.operation, e) for e in world.journal)
    return replace(world, journal=tuple({e.operation: e for e in entries if e is not None}.values()))


def _knowing(entry: JournalEntry, others: set[str]) -> JournalEntry:
    """What came of another rollout is no sign that this one happened, also when that one has been forgotten."""
    more = others - {*entry.known_deployments, entry.target}
    if not more or not (entry.finished_at is None or entry.outcome == Outcome.LOST):
        return entry
    return entry.model_copy(update={"known_deployments": (*entry.known_deployments, *sorted(more))})


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


def _rollout(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    if entry.finished_at is None or entry.outcome == Outcome.LOST:
        return _open_intent(world, environment, entry)
    if entry.outcome == Outcome.ACCEPTED and not entry.settled:
        return _accepted(world, environment, entry)
    if entry.outcome in REFUSALS and environment.promoting:
        return None  # the running promotion explains it, whatever status it was refused with
    if entry.outcome == Outcome.FAILED and _moved_on(environment, entry):
        return _settled(world, environment, entry)
    return entry


def _open_intent(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    newcomer = next((d for d in reversed(environment.deployments) if _came_of(entry, d)), None)
    if newcomer is not None:
        return _happened(world, entry, newcomer.id)
    if entry.operation == Operation.INSTANCE_TYPES and reached(world, environment, entry):
        return _happened(world, entry, None)
    if entry.outcome == Outcome.LOST or world.since(entry.started_at).total_seconds() < world.timing.settle:
        return entry
    return entry.model_copy(update={"outcome": Outcome.LOST.value, "finished_at": entry.started_at})


def _came_of(entry: JournalEntry, deployment: Deployment) -> bool:
    """Not there when the intent was written, and either asked for or not clearly older (clocks differ by less than CLOCKS)."""
    if deployment.id in entry.known_deployments:
        return False
    younger = deployment.created_at is None or (entry.started_at - deployment.created_at).total_seconds() < CLOCKS
    return younger or deployment.id == entry.target


def _happened(world: World, entry: JournalEntry, deployment_id: str | None) -> JournalEntry:
    """Concluded, not answered: the attempt does not count, because the deployment might be somebody else's."""
    update = {"outcome": Outcome.ACCEPTED.value, "finished_at": world.now, "deployment_id": deployment_id, "attempts": 0}
    return entry.model_copy(update=update)


def _accepted(world: World, environment: Environment, entry: JournalEntry) -> JournalEntry | None:
    assert entry.finished_at is not None
    candidate = environment.candidate
    if candidate is not None and candidate.id == entry.deployment_id and candidate.status in FAILED:
        return _failed(entry, f"deployment {candidate.id} ended {candidate.status}")
    if environment.promoting:
        return entry
    if _moved_on(environment, entry) or (entry.deployment_id is None and reached(world, environment, entry)):
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
    """A promotion is remembered as PROMOTED; an instance type update only while it does not show."""
    if entry.operation == Operation.PROMOTE:
        return promoted(entry)
    if reached(world, environment, entry):
        return None
    return entry.model_copy(update={"settled": True, "outcome": Outcome.ACCEPTED.value, "message": None})


def promoted(entry: JournalEntry) -> JournalEntry:
    update = {"operation": Operation.PROMOTED.value, "settled": True, "outcome": Outcome.ACCEPTED.value, "message": None}
    return entry.model_copy(update=update)
