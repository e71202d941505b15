"""From a world to what is to be done about it: one rule for each kind of difference, in the order they are sent."""

from __future__ import annotations

import difflib

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
    UpdatePromotionSettings,
)
from .attempts import Verdict, at, begin, note_unconfirmed, unsettled, verdict
from .reasons import Reason
from .rollouts import instance_types, promotion, rollouts_before
from .words import camel, listed, names, shown
from .world import CLEANUP, ROLLING, SURGE, UNAVAILABLE, Environment, Settings, Value, World, digest, in_progress

PRODUCTION = "production"


def plan(world: World) -> Plan:
    """What to do about a recovered world. Under Observe the same rules run and nothing is sent."""
    draft = Draft({e.operation: e for e in world.journal})
    if world.environment is None:
        return _absent(world, draft)
    draft.journal.pop(Operation.CREATE, None)
    observing = world.desired.management == "Observe"
    if not world.ours and not observing and world.desired.adoption == "Fail":
        return _exists(world, draft)
    if observing:
        return _observed_only(world, world.environment)
    _apply_rules(world, world.environment, draft)
    return draft.done(adopted=not world.ours, ours=True)


def _apply_rules(world: World, environment: Environment, draft: Draft) -> None:
    for rule in (_promotion_settings, _autoscaling, rollouts_before, instance_types, promotion, _unknown_chainlets):
        rule(world, environment, draft)


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
        return draft.done()
    if _not_visible_yet(world):
        draft.note(Severity.WAITING, Reason.CREATING, f"{where} was created a moment ago and is not visible yet")
        return draft.done(missing=True, ours=True)
    if world.known and _still_doubted(world):
        draft.note(
            Severity.WAITING,
            Reason.ENVIRONMENT_MISSING,
            f"{where} not found (404); will be recreated if confirmed {at(world.missing_since or world.now, world.timing.vanish)}",
        )
        return draft.done(missing=True)
    if desired.management == "Observe":
        draft.note(Severity.BLOCKED, Reason.WOULD_CREATE, f"{where} does not exist; managementPolicy Observe does not create it")
        return draft.done()
    if desired.environment == PRODUCTION:
        draft.note(
            Severity.STALLED,
            Reason.CHAIN_NOT_FOUND,
            f"environment production exists on every chain, but was not found: {_no_chain(desired.chain_id)}",
        )
        return draft.done()
    _create(world, draft)
    return draft.done(ours=True)


def _no_chain(chain_id: str) -> str:
    return f"chain {chain_id} not found, or not accessible with this API key: correct chainID or the key"


def _not_visible_yet(world: World) -> bool:
    """A new object can answer 404 for a few seconds (docs/baseten-api.md)."""
    entry = world.entry(Operation.CREATE)
    if entry is None or entry.outcome != Outcome.ACCEPTED or entry.finished_at is None:
        return False
    return world.since(entry.finished_at).total_seconds() < world.timing.vanish


def _still_doubted(world: World) -> bool:
    return world.missing_since is None or world.since(world.missing_since).total_seconds() < world.timing.vanish


def _create(world: World, draft: Draft) -> None:
    chainlets = [c for c in world.desired.chainlets if world.chain_chainlets is None or c.name in world.chain_chainlets]
    unknown = [c.name for c in world.desired.chainlets if c not in chainlets]
    wanted = tuple((c.name, c.instance_type_id, c.autoscaling) for c in chainlets)
    promotion = _with_rolling_pair(world.desired.promotion, world.desired.promotion, {}, world.desired.cleanup_inside)
    call = CreateEnvironment(promotion, wanted, recreated=world.known, cleanup_inside=world.desired.cleanup_inside)
    hashed = digest([dict(call.promotion), sorted([n, t, dict(s)] for n, t, s in wanted)])
    entry = draft.journal.get(Operation.CREATE)
    if entry and entry.finished_at is None:
        entry = _open_create(world, draft, entry)
    if entry is None or _create_verdict(world, draft, entry, hashed) is Verdict.SEND:
        draft.act(call, begin(world, Operation.CREATE, hashed, entry), intent_first=_whose_it_is_matters(world))
    if unknown:
        _note_unknown(draft, unknown, world.chain_chainlets or frozenset())


def _whose_it_is_matters(world: World) -> bool:
    """With these policies it must be known after a crash that we made the environment; otherwise a create can simply be seen."""
    return world.desired.adoption == "Fail" or world.desired.deletion != "Retain"


def _create_verdict(world: World, draft: Draft, entry: JournalEntry, hashed: str) -> Verdict:
    """While one create is open no other is sent, whatever the spec says by now."""
    return verdict(world, draft, entry, entry.hash if unsettled(entry) else hashed, patience=world.timing.settle)


def _open_create(world: World, draft: Draft, entry: JournalEntry) -> JournalEntry | None:
    """An intent older than the settling time, with nothing to see, did not happen."""
    if world.observed(entry) < world.timing.settle:
        return entry
    del draft.journal[Operation.CREATE]
    return None


# -- settings: corrections that can be repeated --------------------------------------------------------------------


def _promotion_settings(world: World, environment: Environment, draft: Draft) -> None:
    wanted, actual = world.desired.promotion, environment.promotion
    hashed, entry = digest(dict(wanted)), draft.journal.get(Operation.PROMOTION_SETTINGS)
    hidden = {k: v for k, v in wanted.items() if k not in actual}
    changed = {k: v for k, v in wanted.items() if k in actual and actual[k] != v}
    if hidden:
        note_unconfirmed(environment, draft, f"the promotion settings {names(sorted(map(camel, hidden)))}")
        if _changed_unseen(world, entry, hashed):
            changed |= hidden
        elif not changed:
            return  # nothing to compare, and nothing to forget
    differences = tuple(
        Drift(path=f"promotionSettings.{camel(k)}", desired=shown(v), actual=shown(actual.get(k))) for k, v in sorted(changed.items())
    )
    if _settled_or_waiting(world, draft, Operation.PROMOTION_SETTINGS, hashed, differences, world.timing.progress):
        return
    inside = environment.cleanup_inside if CLEANUP in actual else world.desired.cleanup_inside
    changes = _with_rolling_pair(changed, wanted, actual, inside)
    call = UpdatePromotionSettings(changes, differences, inside, environment.cleanup_twice)
    draft.act(call, begin(world, Operation.PROMOTION_SETTINGS, hashed, entry))


def _with_rolling_pair(changed: Settings, wanted: Settings, actual: Settings, cleanup_inside: bool) -> dict[str, Value]:
    """When anything inside rolling_deploy_config is sent, surge and unavailable go too: the server would put an omitted
    surge back to its default (docs/baseten-api.md). Exactly one of the two may be above zero while rolling."""
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
    hidden = [c for c, actual in managed if actual is None]
    for chainlet, actual in managed:
        changed = {} if actual is None else {k: v for k, v in chainlet.autoscaling.items() if actual.get(k) != v}
        if changed:
            changes[chainlet.name] = changed
        differences += [_autoscaling_drift(chainlet.name, k, v, (actual or {}).get(k)) for k, v in changed.items()]
    hashed = digest({c.name: dict(c.autoscaling) for c, _ in managed})
    entry = draft.journal.get(Operation.AUTOSCALING)
    if hidden:
        note_unconfirmed(environment, draft, f"the autoscaling settings of {names(c.name for c in hidden)}")
        if world.known and _changed_unseen(world, entry, hashed):  # an environment just found will show them, or has none yet
            changes |= {c.name: c.autoscaling for c in hidden}
            differences += [_autoscaling_drift(c.name, k, v, None) for c in hidden for k, v in c.autoscaling.items()]
        elif not differences:
            return  # nothing to compare, and nothing to forget
    rolling = environment.promoting or (environment.current is not None and in_progress(environment.current.status))
    patience = world.timing.retry_refused if rolling else world.timing.resend  # a change may be queued behind a rollout
    if _settled_or_waiting(world, draft, Operation.AUTOSCALING, hashed, tuple(differences), patience):
        return
    draft.act(UpdateAutoscaling(changes, tuple(differences)), begin(world, Operation.AUTOSCALING, hashed, entry))


def _autoscaling_drift(chainlet: str, setting: str, wanted: Value, actual: Value | None) -> Drift:
    path = f"chainletSettings[{chainlet}].autoscalingSettings.{camel(setting)}"
    return Drift(path=path, desired=shown(wanted), actual=shown(actual))


def _changed_unseen(world: World, entry: JournalEntry | None, hashed: str) -> bool:
    """Whether values that Baseten does not show are to be sent: once, when the spec has changed."""
    if world.desired.management == "Observe" or not world.spec_changed:
        return False
    return entry is None or entry.hash != hashed or entry.outcome in REFUSALS


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


def _observed_only(world: World, environment: Environment) -> Plan:
    """What would be done, as drift: the same rules, as if nothing had been tried before."""
    draft = Draft({e.operation: e for e in world.journal if e.operation == Operation.PROMOTED})
    _apply_rules(world, environment, draft)
    for action in draft.actions:
        draft.drift += getattr(action.call, "differences", ())
        if isinstance(action.call, Promote):
            draft.drift.append(Drift(path="deploymentID", desired=action.call.deployment_id, actual="not promoted"))
    if draft.drift:
        message = f"Baseten differs and managementPolicy Observe corrects nothing: {listed(tuple(draft.drift))}"
        draft.note(Severity.BLOCKED, Reason.DRIFTED, message)
    return Plan(findings=tuple(draft.findings), drift=tuple(draft.drift), journal=world.journal, ours=world.ours)
