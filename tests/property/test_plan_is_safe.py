"""What must hold for one decision, whatever the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chainenv.core.actions import Action, Plan
from chainenv.core.changes import CreateEnvironment, Deactivate, Promote, UpdateAutoscaling, UpdateInstanceTypes, UpdatePromotionSettings
from chainenv.core.deletion import plan_deletion
from chainenv.core.desired import Desired
from chainenv.core.environment import Deployment
from chainenv.core.journal import unsettled
from chainenv.core.plan import plan
from chainenv.core.recover import recover
from chainenv.core.world import World

from .worlds import IDS, NOW, desireds, holding, worlds

PAIR = {"rolling_deploy_config.max_surge_percent", "rolling_deploy_config.max_unavailable_percent"}
SERVES = Deployment(IDS[0], "ACTIVE", NOW)


def decide(world: World) -> Plan:
    return plan(recover(world))


def starts(planned: Plan) -> list[Action]:
    """What starts a deployment that costs GPUs."""
    return [action for action in planned.actions if isinstance(action.change, Promote | UpdateInstanceTypes)]


@given(desireds, st.booleans())
def test_a_settled_world_plans_nothing(wanted: Desired, deployed: bool) -> None:
    wanted = replace(wanted, deployment_id=SERVES.id if deployed and wanted.deployment_id else None)
    planned = decide(World(wanted, holding(wanted, SERVES if deployed else None), NOW, known=True))
    assert (planned.actions, planned.findings, planned.drift, planned.release) == ((), (), (), False)


@given(worlds)
def test_never_two_creates_and_none_of_what_is_there(world: World) -> None:
    planned = decide(world)
    creates = [a for a in planned.actions if isinstance(a.change, CreateEnvironment)]
    assert len(creates) <= 1
    assert not creates or (world.environment is None and len(planned.actions) == 1)
    if any(e.operation == "CreateEnvironment" and unsettled(e) and world.observed(e) < 60 for e in world.journal):
        assert not creates, "the one whose answer was lost may still have happened"


@given(worlds)
def test_at_most_one_deployment_is_started_and_its_intent_is_written_first(world: World) -> None:
    started = starts(decide(world))
    assert len(started) <= 1
    assert all(a.intent_first and a.entry.finished_at is None and a.entry.outcome is None for a in started)


@given(worlds)
def test_no_deployment_is_started_while_a_promotion_runs(world: World) -> None:
    if world.environment is not None and world.environment.promoting:
        assert not starts(decide(world))


@given(worlds)
def test_no_deployment_is_started_while_an_earlier_one_is_not_at_its_end(world: World) -> None:
    recovered = recover(world)
    if any(unsettled(e) for e in recovered.journal if e.operation in ("UpdateInstanceTypes", "Promote")):
        assert not starts(plan(recovered))


@given(worlds)
def test_an_intent_knows_every_deployment_that_was_there(world: World) -> None:
    there = {d.id for d in world.environment.deployments} if world.environment else set()
    assert all(set(a.entry.known_deployments) >= there for a in starts(decide(world)))


def sent(action: Action) -> set[Any]:
    """What an action would write, as paths."""
    match action.change:
        case CreateEnvironment(promotion=promotion, chainlets=chainlets):
            fields = {(n, "instance_type_id") for n, t, _ in chainlets if t} | {(n, k) for n, _, s in chainlets for k in s}
            return set(promotion) - PAIR | fields
        case UpdatePromotionSettings(changes=changes):
            return set(changes) - PAIR
        case UpdateAutoscaling(changes=each):
            return {(n, k) for n, s in each.items() for k in s}
        case UpdateInstanceTypes(changes=types):
            return {(n, "instance_type_id") for n in types}
        case Promote() | Deactivate():
            return set()


@given(worlds)
def test_unmanaged_fields_never_appear_in_an_action(world: World) -> None:
    wanted = world.desired
    managed: set[Any] = set(wanted.promotion)
    managed |= {(c.name, "instance_type_id") for c in wanted.chainlets if c.instance_type_id} | {
        (c.name, k) for c in wanted.chainlets for k in c.autoscaling
    }
    for action in decide(world).actions:
        assert sent(action) <= managed
        if isinstance(action.change, Promote):
            assert action.change.deployment_id == wanted.deployment_id


@given(worlds)
def test_only_what_differs_is_sent(world: World) -> None:
    seen = world.environment
    for action in decide(world).actions if seen else ():
        assert seen is not None
        match action.change:
            case UpdatePromotionSettings(changes=changes):
                assert any(seen.promotion.get(k) != v for k, v in changes.items())
                assert all(seen.promotion.get(k) != v for k, v in changes.items() if k not in PAIR)
            case UpdateAutoscaling(changes=each):
                states = {c.name: c.autoscaling for c in seen.chainlets}
                assert each
                assert all((states[n] or {}).get(k) != v for n, s in each.items() for k, v in s.items())
                assert all(s and (states[n] is not None or world.spec_changed) for n, s in each.items()), "null: only when changed"


def summary(planned: Plan) -> Any:
    """A plan without the order in which chainlets are reported."""
    actions = [(type(a.change), sent(a), a.entry.hash, a.entry.attempts, a.intent_first) for a in planned.actions]
    return (
        actions,
        sorted(f.reason for f in planned.findings),
        sorted((d.path, d.desired, d.actual) for d in planned.drift),
        planned.missing,
    )


@given(worlds, st.randoms(use_true_random=True))
def test_the_order_of_chainlets_does_not_matter(world: World, random: Any) -> None:
    def shuffled(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(items, len(items)))

    seen = world.environment
    turned = replace(
        world,
        desired=replace(world.desired, chainlets=shuffled(world.desired.chainlets)),
        environment=replace(seen, chainlets=shuffled(seen.chainlets)) if seen else None,
    )
    assert summary(decide(turned)) == summary(decide(world))


@given(worlds)
def test_observe_plans_no_action(world: World) -> None:
    assert decide(replace(world, desired=replace(world.desired, management="Observe"))).actions == ()


def differs(world: World) -> bool:
    """Whether Baseten shows a managed value that is not the one declared."""
    seen = world.environment
    assert seen is not None
    states = {c.name: c for c in seen.chainlets}
    pairs = [(c, states[c.name]) for c in world.desired.chainlets if c.name in states]
    return (
        any(seen.promotion.get(k) != v for k, v in world.desired.promotion.items())
        or any(s.autoscaling is not None and s.autoscaling.get(k) != v for c, s in pairs for k, v in c.autoscaling.items())
        or any(c.instance_type_id and s.instance_type and s.instance_type.id != c.instance_type_id for c, s in pairs)
    )


def is_silent(world: World) -> bool:
    """A plan without action and finding is reported as "Baseten holds what the spec says"."""
    planned = decide(world)
    return world.environment is not None and not planned.actions and not planned.findings


@given(worlds)
@settings(max_examples=2500)
def test_synced_is_never_true_while_baseten_shows_something_else(world: World) -> None:
    assert not (is_silent(world) and differs(world))


@given(worlds)
@settings(max_examples=2500)
def test_synced_is_never_true_under_observe_while_baseten_shows_something_else(world: World) -> None:
    world = replace(world, desired=replace(world.desired, management="Observe"))
    assert not (is_silent(world) and differs(world))


@given(worlds)
def test_the_journal_has_one_entry_of_a_kind(world: World) -> None:
    planned = decide(world)
    kinds = [e.operation for e in planned.journal]
    assert len(kinds) == len(set(kinds))


@given(worlds, st.sampled_from(["Retain", "Deactivate", "DeactivateWhenIdle"]), st.sampled_from(["Reconcile", "Observe"]))
def test_deletion_only_deactivates_what_is_there_and_releases_nothing_that_is_on(world: World, policy: str, management: str) -> None:
    world = replace(world, desired=replace(world.desired, deletion=policy, management=management))
    planned = plan_deletion(recover(world))
    there = world.environment.deployments if world.environment else ()
    assert all(isinstance(a.change, Deactivate) and a.change.deployment_id in {d.id for d in there} for a in planned.actions)
    assert not (planned.release and planned.actions)
    mine = world.ours or world.environment is None or world.desired.adoption == "Adopt"
    ours = mine and policy != "Retain" and management != "Observe"
    assert ours or planned.release
    on = [d for d in there if d.status in ("ACTIVE", "BUILDING", "UNHEALTHY", "SCALED_TO_ZERO", "NEVER_HEARD_OF", "DEACTIVATING")]
    if ours and on:
        assert not planned.release
    assert planned.release or planned.actions or planned.findings, "a resource that waits says what for"
