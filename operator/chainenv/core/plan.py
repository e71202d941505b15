"""From a world to what is to be done about it: one rule for each row of DESIGN section 2, in the order they are sent."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ..crd.types import Drift, JournalEntry
from .actions import (
    REFUSALS,
    CreateEnvironment,
    Draft,
    Operation,
    Outcome,
    Plan,
    Promote,
    Severity,
    UpdateAutoscaling,
    UpdateInstanceTypes,
    UpdatePromotionSettings,
)
from .attempts import Verdict, begin, clock, unsettled, verdict
from .reasons import Reason
from .words import camel, listed, names, shown
from .world import CLEANUP, ROLLING, SURGE, UNAVAILABLE, Environment, Settings, Value, World, digest

PRODUCTION = "production"


def plan(world: World) -> Plan:
    """What to do about a recovered world. Under Observe the same rules run and nothing is sent."""
    draft = Draft({e.operation: e for e in world.journal})
    if world.environment is None:
        return _absent(world, draft)
    created = draft.journal.pop(Operation.CREATE, None)
    ours = world.known or (created is not None and created.outcome not in REFUSALS)
    observing = world.desired.management == "Observe"
    if not ours and not observing and world.desired.adoption == "Fail":
        return _exists(world, draft)
    for rule in (_promotion_settings, _autoscaling, _instance_types, _promotion, _unknown_chainlets):
        rule(world, world.environment, draft)
    if observing:
        return _observed_only(draft)
    return draft.done(adopted=not ours)


# -- the environment as a whole ------------------------------------------------------------------------------------


def _exists(world: World, draft: Draft) -> Plan:
    draft.note(
        Severity.STALLED,
        Reason.ENVIRONMENT_EXISTS,
        f"environment {world.desired.environment} of chain {world.desired.chain_id} exists already and adoptionPolicy is Fail:"
        " set adoptionPolicy to Adopt to manage it, or choose another environmentName in a new resource",
    )
    return draft.done()


def _absent(world: World, draft: Draft) -> Plan:
    desired = world.desired
    where = f"environment {desired.environment} of chain {desired.chain_id}"
    if world.chain_missing:
        draft.note(Severity.STALLED, Reason.CHAIN_NOT_FOUND, _no_chain(desired.chain_id))
        return draft.done(missing=world.known)
    if world.known and _still_doubted(world):
        draft.note(
            Severity.WAITING,
            Reason.ENVIRONMENT_MISSING,
            f"Baseten does not find {where} any more; it is created again if it is still missing in {world.timing.vanish:g} s",
        )
        return draft.done(missing=True)
    if desired.management == "Observe":
        draft.note(Severity.BLOCKED, Reason.WOULD_CREATE, f"{where} does not exist; managementPolicy Observe does not create it")
        return draft.done(missing=world.known)
    if desired.environment == PRODUCTION:
        draft.note(
            Severity.STALLED, Reason.CHAIN_NOT_FOUND, f"every chain has production, but it is not found: {_no_chain(desired.chain_id)}"
        )
        return draft.done(missing=world.known)
    _create(world, draft)
    return draft.done(missing=world.known)


def _no_chain(chain_id: str) -> str:
    return f"Baseten does not find chain {chain_id} with this API key: check chainID and whose key it is"


def _still_doubted(world: World) -> bool:
    return world.missing_since is None or world.since(world.missing_since).total_seconds() < world.timing.vanish


def _create(world: World, draft: Draft) -> None:
    chainlets = [c for c in world.desired.chainlets if world.chain_chainlets is None or c.name in world.chain_chainlets]
    unknown = [c.name for c in world.desired.chainlets if c not in chainlets]
    wanted = tuple((c.name, c.instance_type_id, c.autoscaling) for c in chainlets)
    call = CreateEnvironment(world.desired.promotion, wanted, recreated=world.known, cleanup_inside=world.desired.cleanup_inside)
    hashed = digest([dict(call.promotion), sorted([n, t, dict(s)] for n, t, s in wanted)])
    entry = _create_intent(world, draft)
    if verdict(world, draft, entry, hashed) is Verdict.SEND:
        draft.act(call, begin(world, Operation.CREATE, hashed, entry), intent_first=world.desired.adoption == "Fail" and not world.known)
    if unknown:
        _note_unknown(draft, unknown, world.chain_chainlets or frozenset())


def _create_intent(world: World, draft: Draft) -> JournalEntry | None:
    """An intent older than the settling time, with nothing to see, did not happen."""
    entry = draft.journal.get(Operation.CREATE)
    if entry and entry.finished_at is None and world.since(entry.started_at).total_seconds() >= world.timing.settle:
        return draft.journal.pop(Operation.CREATE, None) and None
    return entry


# -- settings: corrections that can be repeated --------------------------------------------------------------------


def _promotion_settings(world: World, environment: Environment, draft: Draft) -> None:
    wanted = world.desired.promotion
    changed = {k: v for k, v in wanted.items() if environment.promotion.get(k) != v}
    differences = tuple(
        Drift(path=f"promotionSettings.{camel(k)}", desired=shown(v), actual=shown(environment.promotion.get(k)))
        for k, v in sorted(changed.items())
    )
    if _settled_or_waiting(world, draft, Operation.PROMOTION_SETTINGS, digest(dict(wanted)), differences, world.timing.progress):
        return
    changes = _with_rolling_pair(changed, wanted, environment.promotion, environment.cleanup_inside)
    call = UpdatePromotionSettings(changes, differences, environment.cleanup_inside)
    draft.act(call, begin(world, Operation.PROMOTION_SETTINGS, digest(dict(wanted)), draft.journal.get(Operation.PROMOTION_SETTINGS)))


def _with_rolling_pair(changed: Mapping[str, Value], wanted: Settings, actual: Settings, cleanup_inside: bool) -> dict[str, Value]:
    """When anything inside rolling_deploy_config is sent, surge and unavailable go too: the server would put an omitted
    surge back to its default (API.md, "Environments"). Exactly one of the two may be above zero while rolling."""
    out = dict(changed)
    if not any(k.startswith(f"{ROLLING}.") or (k == CLEANUP and cleanup_inside) for k in changed):
        return out
    for mine, other in ((SURGE, UNAVAILABLE), (UNAVAILABLE, SURGE)):
        if mine in wanted:
            out[mine] = wanted[mine]
        elif wanted.get(other):
            out[mine] = 0
        elif mine in actual:
            out[mine] = actual[mine]
    return out


def _autoscaling(world: World, environment: Environment, draft: Draft) -> None:
    managed = [(c, s.autoscaling) for c in world.desired.chainlets if c.autoscaling and (s := environment.state_of(c.name))]
    changes: dict[str, Settings] = {}
    differences: list[Drift] = []
    for chainlet, actual in managed:
        if actual is None:
            continue
        changed = {k: v for k, v in chainlet.autoscaling.items() if actual.get(k) != v}
        if changed:
            changes[chainlet.name] = changed
        differences += [
            Drift(path=f"chainletSettings[{chainlet.name}].autoscalingSettings.{camel(k)}", desired=shown(v), actual=shown(actual.get(k)))
            for k, v in changed.items()
        ]
    hashed = digest({c.name: dict(c.autoscaling) for c, _ in managed})
    if _settled_or_waiting(world, draft, Operation.AUTOSCALING, hashed, tuple(differences), world.timing.resend):
        return
    entry = draft.journal.get(Operation.AUTOSCALING)
    draft.act(UpdateAutoscaling(changes, tuple(differences)), begin(world, Operation.AUTOSCALING, hashed, entry))


def _settled_or_waiting(
    world: World, draft: Draft, operation: Operation, hashed: str, differences: tuple[Drift, ...], patience: float
) -> bool:
    """True when nothing is to be sent: no difference, or the last try is young, or it is one too many."""
    if not differences:
        draft.journal.pop(operation, None)
        return True
    said = verdict(world, draft, draft.journal.get(operation), hashed, patience=patience, differences=differences)
    if said is Verdict.STOP:
        draft.drift += differences
    return said is not Verdict.SEND


# -- rollouts: what starts a deployment ----------------------------------------------------------------------------


def _instance_types(world: World, environment: Environment, draft: Draft) -> None:
    managed = [(c, s) for c in world.desired.chainlets if c.instance_type_id and (s := environment.state_of(c.name))]
    wanted = {c.name: str(c.instance_type_id) for c, _ in managed}
    actual = {c.name: s.instance_type.id for c, s in managed if s.instance_type and s.instance_type.id}
    changes = {name: type_id for name, type_id in wanted.items() if actual.get(name, type_id) != type_id}
    differences = tuple(
        Drift(path=f"chainletSettings[{name}].instanceTypeID", desired=type_id, actual=actual[name]) for name, type_id in changes.items()
    )
    hashed = digest(wanted)
    entry = draft.journal.get(Operation.INSTANCE_TYPES)
    if not changes and entry and (entry.outcome in REFUSALS or (entry.outcome == Outcome.FAILED and entry.hash != hashed)):
        entry = draft.journal.pop(Operation.INSTANCE_TYPES) and None
    _follow(draft, Operation.INSTANCE_TYPES)
    if not changes:
        return
    if _held_back(environment, draft, f"the change of instance types of {names(changes)}"):
        return
    said = verdict(world, draft, entry, hashed, patience=world.timing.settle, differences=differences)
    if said is Verdict.SEND:
        begun = begin(world, Operation.INSTANCE_TYPES, hashed, entry, known=tuple(d.id for d in environment.deployments))
        draft.act(UpdateInstanceTypes(changes, differences), begun, intent_first=True)
    else:
        draft.drift += differences


def _promotion(world: World, environment: Environment, draft: Draft) -> None:
    target = world.desired.deployment_id
    entry = draft.journal.get(Operation.PROMOTE)
    if target is None:
        _forget_promotion(environment, draft, entry)
        return
    tried_again = entry is not None and entry.outcome == Outcome.FAILED and world.forced
    if entry and entry.target == target and entry.outcome not in REFUSALS and not tried_again:
        _follow(draft, Operation.PROMOTE)
        return
    if entry is None and any(d.id == target for d in environment.deployments):
        draft.journal[Operation.PROMOTE] = begin(world, Operation.PROMOTE, digest(target), None).model_copy(
            update={"outcome": Outcome.ACCEPTED.value, "finished_at": world.now, "target": target, "deployment_id": target, "settled": True}
        )
        return
    if _held_back(environment, draft, f"promotion of deployment {target}", also=entry):
        return
    if verdict(world, draft, entry, digest(target)) is Verdict.SEND:
        begun = begin(world, Operation.PROMOTE, digest(target), entry, known=tuple(d.id for d in environment.deployments), target=target)
        draft.act(Promote(target, world.desired.scale_down_previous), begun, intent_first=True)


def _forget_promotion(environment: Environment, draft: Draft, entry: JournalEntry | None) -> None:
    """Without deploymentID the last promotion is remembered while it still serves: writing the same id again asks for nothing."""
    if entry is None or unsettled(entry) or environment.candidate is not None:
        return
    current = environment.current.id if environment.current else None
    if current not in (entry.target, entry.deployment_id):
        draft.journal.pop(Operation.PROMOTE)


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
            f"{what} of {clock(entry)} failed: {entry.message}. What served before goes on serving. It is not repeated by itself:"
            " mend the chain and push or promote a deployment, or change the spec",
        )
    elif entry.finished_at is None:
        draft.note(
            Severity.WAITING,
            Reason.SETTLING_INTENT,
            f"{what} was begun at {clock(entry)} and its outcome is not known; looking whether it happened",
        )
    elif unsettled(entry):
        deployment = f" to deployment {entry.deployment_id}" if entry.deployment_id else ""
        draft.note(Severity.WAITING, Reason.ROLLING_OUT, f"rolling out{deployment}, started by {what} at {clock(entry)}")


def _held_back(environment: Environment, draft: Draft, what: str, also: JournalEntry | None = None) -> bool:
    """One rollout at a time: while a promotion runs, or an earlier one has not come to its end, the next waits."""
    if environment.candidate is not None:
        draft.note(
            Severity.WAITING, Reason.PROMOTION_RUNNING, f"{what} waits until deployment {environment.candidate.id} has been promoted"
        )
        return True
    pending = [e for e in draft.journal.values() if unsettled(e)]
    begun = [a for a in draft.actions if a.intent_first]
    if also in pending:
        _follow(draft, Operation.PROMOTE)
    elif begun:
        draft.note(Severity.WAITING, Reason.PROMOTION_RUNNING, f"{what} waits until the change of instance types has rolled out")
    return bool(pending or begun)


# -- chainlets that are not there ----------------------------------------------------------------------------------


def _unknown_chainlets(world: World, environment: Environment, draft: Draft) -> None:
    if environment.current is None:
        return
    there = {state.name for state in environment.chainlets}
    unknown = [c.name for c in world.desired.chainlets if c.name not in there]
    if unknown:
        _note_unknown(draft, unknown, frozenset(there))


def _note_unknown(draft: Draft, unknown: list[str], there: frozenset[str]) -> None:
    hints = [
        f"{name} (did you mean {near[0]}?)" if (near := difflib.get_close_matches(name, sorted(there), 1)) else name for name in unknown
    ]
    exist = f"its chainlets are {names(sorted(there))}" if there else "it shows no chainlets"
    draft.note(
        Severity.BLOCKED,
        Reason.CHAINLET_NOT_FOUND,
        f"not in the environment: {names(hints)}; {exist}. Everything else of the spec is applied",
    )


# -- under Observe -------------------------------------------------------------------------------------------------


def _observed_only(draft: Draft) -> Plan:
    """What would be done, as drift."""
    drift = list(draft.drift)
    for action in draft.actions:
        drift += getattr(action.call, "differences", ())
        if isinstance(action.call, Promote):
            drift.append(Drift(path="deploymentID", desired=action.call.deployment_id, actual="not promoted"))
    draft.actions.clear()
    draft.drift = drift
    draft.findings = [f for f in draft.findings if f.reason == Reason.CHAINLET_NOT_FOUND]
    if drift:
        draft.note(
            Severity.BLOCKED, Reason.DRIFTED, f"Baseten differs and managementPolicy Observe corrects nothing: {listed(tuple(drift))}"
        )
    return draft.done()
