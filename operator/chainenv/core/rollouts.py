"""Rules for what starts a deployment: instance types and promotions, one at a time (docs/decisions/0002)."""

from __future__ import annotations

from collections.abc import Mapping

from ..crd.types import Drift, JournalEntry
from .actions import REFUSALS, ROLLOUTS, Draft, Operation, Outcome, Promote, Severity, UpdateInstanceTypes
from .attempts import Verdict, begin, clock, note_unconfirmed, unsettled, verdict
from .reasons import Reason
from .recover import as_values, promoted, shown_types, types_match, wanted_types
from .words import listed, names, shown
from .world import Environment, World, digest


def rollouts_before(world: World, environment: Environment, draft: Draft) -> None:
    """Forget attempts that are over and not asked for any more; say how the others go."""
    types, promotion = draft.journal.get(Operation.INSTANCE_TYPES), draft.journal.get(Operation.PROMOTE)
    if types and not unsettled(types) and _types_are_over(world, environment, types):
        del draft.journal[Operation.INSTANCE_TYPES]
    if promotion and not unsettled(promotion) and promotion.target != world.desired.deployment_id:
        del draft.journal[Operation.PROMOTE]
    for operation in ROLLOUTS:
        _follow(draft, operation)


def _types_are_over(world: World, environment: Environment, entry: JournalEntry) -> bool:
    """Baseten holds the declared types, or there are none any more. A failed rollout to these very types is not over."""
    wanted = wanted_types(world, environment)
    if not any(c.instance_type_id for c in world.desired.chainlets):
        return True
    return types_match(world, environment) and not (entry.outcome == Outcome.FAILED and _asked_before(entry, wanted, digest(wanted)))


def _asked_before(entry: JournalEntry, types: Mapping[str, str], hashed: str) -> bool:
    return set(as_values(types)) <= set(entry.values) if entry.values else entry.hash == hashed


def instance_types(world: World, environment: Environment, draft: Draft) -> None:
    wanted, actual = wanted_types(world, environment), shown_types(environment)
    changes = {name: type_id for name, type_id in wanted.items() if actual.get(name, type_id) != type_id}
    changes |= _types_not_shown(world, environment, draft, {n: t for n, t in wanted.items() if n not in actual})
    differences = tuple(
        Drift(path=f"chainletSettings[{name}].instanceTypeID", desired=type_id, actual=shown(actual.get(name)))
        for name, type_id in changes.items()
    )
    if not changes or _held_back(world, environment, draft, f"the change of instance types of {names(changes)}"):
        return
    doubted = world.differs_for < world.timing.progress and any(name in actual for name in changes)
    if doubted and not world.spec_changed and not world.forced:
        draft.note(Severity.WAITING, Reason.DRIFTED, f"{listed(differences)}; corrected if the next read confirms it")
        draft.drift += differences
        return
    entry = draft.journal.get(Operation.INSTANCE_TYPES)
    hashed = entry.hash if entry and _asked_before(entry, changes, digest(wanted)) else digest(wanted)
    if verdict(world, draft, entry, hashed, patience=world.timing.settle, differences=differences) is Verdict.SEND:
        known = (*(entry.known_deployments if entry and entry.unconfirmed else ()), *(d.id for d in environment.deployments))
        begun = begin(world, Operation.INSTANCE_TYPES, hashed, entry, known=tuple(dict.fromkeys(known)), values=as_values(wanted))
        draft.act(UpdateInstanceTypes(changes, differences), begun, intent_first=True)
    else:
        draft.drift += differences


def _types_not_shown(world: World, environment: Environment, draft: Draft, hidden: Mapping[str, str]) -> dict[str, str]:
    """Of the declared types that Baseten does not show: those that the spec has changed since they were last shown or sent.

    What was declared when a type first was not shown is remembered as an entry that was never sent.
    """
    if not hidden:
        return {}
    note_unconfirmed(environment, draft, f"the instance types of {names(hidden)}")
    entry = draft.journal.get(Operation.INSTANCE_TYPES)
    sent = dict(value.partition("=")[::2] for value in entry.values) if entry else {}
    if entry is None:
        values = as_values({name: world.last_types.get(name, type_id) for name, type_id in hidden.items()})
        sent = dict(value.partition("=")[::2] for value in values)
        draft.journal[Operation.INSTANCE_TYPES] = JournalEntry(
            operation=Operation.INSTANCE_TYPES.value,
            hash=digest(list(values)),
            generation=world.desired.generation,
            started_at=world.now,
            finished_at=world.now,
            attempts=0,
            outcome=Outcome.ACCEPTED.value,
            values=values,
            settled=True,
        )
    return {name: type_id for name, type_id in hidden.items() if sent.get(name, type_id) != type_id}


def promotion(world: World, environment: Environment, draft: Draft) -> None:
    target, entry = world.desired.deployment_id, draft.journal.get(Operation.PROMOTE)
    done = draft.journal.get(Operation.PROMOTED)
    if target is None:
        return _forget_promotion(environment, draft)
    if (done and done.target == target) or (entry and entry.target == target and not _may_be_tried(world, entry)):
        return None
    known = (*(entry.known_deployments if entry and entry.unconfirmed else ()), *(d.id for d in environment.deployments))
    begun = begin(world, Operation.PROMOTE, digest(target), entry, known=tuple(dict.fromkeys(known)), target=target)
    if _serves_already(environment, target):
        draft.journal.pop(Operation.PROMOTE, None)
        draft.journal[Operation.PROMOTED] = promoted(begun.model_copy(update={"finished_at": world.now, "deployment_id": target}))
    elif not _held_back(world, environment, draft, f"the promotion of deployment {target}") and (
        verdict(world, draft, entry, digest(target)) is Verdict.SEND
    ):
        draft.act(Promote(target, world.desired.scale_down_previous), begun, intent_first=True)
    return None


def _serves_already(environment: Environment, target: str) -> bool:
    return not environment.promoting and environment.current is not None and environment.current.id == target


def _may_be_tried(world: World, entry: JournalEntry) -> bool:
    return entry.outcome in (*REFUSALS, Outcome.LOST) or (entry.outcome == Outcome.FAILED and world.forced)


def _forget_promotion(environment: Environment, draft: Draft) -> None:
    """Without deploymentID the last promotion is remembered while it still serves: writing the same id again asks for nothing."""
    done = draft.journal.get(Operation.PROMOTED)
    current = environment.current.id if environment.current else None
    if done is not None and environment.candidate is None and current not in (done.target, done.deployment_id):
        del draft.journal[Operation.PROMOTED]


def _follow(draft: Draft, operation: Operation) -> None:
    """Say how the last rollout of this kind goes."""
    entry = draft.journal.get(operation)
    if entry is None:
        return
    what = "the promotion" if operation == Operation.PROMOTE else "the change of instance types"
    if entry.outcome == Outcome.FAILED:
        draft.note(
            Severity.BLOCKED,
            Reason.ROLLOUT_FAILED,
            f"rollout failed: {what} of {clock(entry)}: {entry.message}; the previous deployment keeps serving; not retried automatically:"
            " fix the chain and push or promote a deployment, or change the spec",
        )
    elif entry.finished_at is None:
        draft.note(
            Severity.WAITING,
            Reason.SETTLING_INTENT,
            f"{what} was sent at {clock(entry)}, outcome unknown; observing whether it happened",
        )
    elif unsettled(entry):
        deployment = f" to deployment {entry.deployment_id}" if entry.deployment_id else ""
        draft.note(Severity.WAITING, Reason.ROLLING_OUT, f"rolling out{deployment}, started by {what} at {clock(entry)}")


def _held_back(world: World, environment: Environment, draft: Draft, what: str) -> bool:
    """One rollout at a time: while a promotion runs, or an earlier one has not come to its end, the next waits."""
    if world.desired.management == "Observe":
        return False
    if environment.promoting:
        who = f"deployment {environment.candidate.id}" if environment.candidate else "the deployment that is being promoted"
        draft.note(Severity.WAITING, Reason.PROMOTION_RUNNING, f"{what} waits until {who} has been promoted")
        return True
    if any(action.intent_first for action in draft.actions):
        draft.note(Severity.WAITING, Reason.PROMOTION_RUNNING, f"{what} waits until the change of instance types has rolled out")
        return True
    return any(unsettled(entry) for entry in draft.journal.values())
