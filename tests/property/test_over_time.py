"""What must hold from run to run: corrections settle, stop, and start no deployment twice (docs/behaviour.md, "Nothing twice")."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chainenv.core.actions import Plan
from chainenv.core.changes import CreateEnvironment, Promote, UpdateInstanceTypes
from chainenv.core.desired import Desired
from chainenv.core.environment import ChainletState, Deployment, Environment
from chainenv.core.journal import MOST_UNCONFIRMED
from chainenv.core.recover import recover
from chainenv.core.values import digest
from chainenv.core.world import World
from chainenv.crd.enums import Operation
from chainenv.crd.types import InstanceType, JournalEntry

from .story import ANSWERED, FATES, UNSENT, Story
from .test_plan_is_safe import differs
from .worlds import NOW, desired, environment, nearly, of, worlds

CURRENT = Deployment("dep-old", "ACTIVE", NOW)
GONE_IN_A_MOMENT = 20.0
"""Longest time until something that was done shows: well below the settling time of 60 s."""


def reconciling(random: Random) -> tuple[Desired, Environment | None]:
    """A spec, and an environment without a promotion under way, or none."""
    wanted = desired(random)
    seen = None if random.random() < 0.2 else environment(random) if random.random() < 0.3 else nearly(random, wanted)
    return replace(wanted, adoption="Adopt"), seen and replace(seen, current=CURRENT if seen.current else None, candidate=None)


starts = of(reconciling)
seeds = st.randoms(use_true_random=True)


def holds(story: Story, planned: Plan) -> None:
    assert planned.actions == ()
    assert {f.reason.value for f in planned.findings} <= {"ChainletNotFound", "Unconfirmed"}
    assert story.truth is not None
    assert not differs(World(story.wanted, story.truth, story.now))


@given(starts)
def test_the_plan_applied_to_its_world_settles_it(start: tuple[Desired, Environment | None]) -> None:
    """Settings in one round, then the instance types' deployment, then the promotion; after that nothing."""
    story = Story(*start)
    for _ in range(6):
        story.poll()
        story.passes(70)
        story.finish()
    holds(story, story.poll())
    assert story.started(Promote) == (story.wanted.deployment_id not in (None, "dep-old"))


@given(starts, seeds)
def test_whatever_is_lost_on_the_way_it_settles_in_the_end(start: tuple[Desired, Environment | None], random: Random) -> None:
    story = Story(*start)
    for _ in range(4):
        story.poll(random.choice(FATES), lag=random.uniform(0, GONE_IN_A_MOMENT))
        story.passes(random.choice([0, 1, 30, 70]))
        if random.random() < 0.5:
            story.finish()
    story.passes(4000)
    for _ in range(8):
        story.finish()
        story.poll()
        story.passes(70)
    last = story.poll()
    if "NotConverging" in {f.reason.value for f in last.findings}:
        assert any((e.unconfirmed or 0) >= MOST_UNCONFIRMED for e in story.journal), "two may have arrived: a person decides"
    else:
        holds(story, last)


@given(starts, seeds)
def test_no_deployment_twice(start: tuple[Desired, Environment | None], random: Random) -> None:
    """Answers are lost, the process is killed, effects show late, rollouts fail: one deployment for each, at most."""
    story = Story(*start)
    for _ in range(14):
        story.poll(random.choice(FATES), lag=random.uniform(0, GONE_IN_A_MOMENT))
        story.passes(random.choice([0, 1, 10, 30, 61]))
        if random.random() < 0.3:
            random.choice([story.finish, story.finish, story.fail])()
        assert story.started(UpdateInstanceTypes) <= 1
        assert story.started(Promote) <= 1
        assert sum(isinstance(call, CreateEnvironment) for call in story.happened) <= 1


def to_be_promoted(random: Random) -> tuple[Desired, Environment]:
    wanted = desired(random)
    return replace(wanted, adoption="Adopt", deployment_id="dep-a"), replace(nearly(random, wanted), current=CURRENT, candidate=None)


def types_changed(story: Story, random: Random) -> Desired:
    """Another spec: the same promotion, other instance types."""
    chainlets = tuple(replace(c, instance_type_id=random.choice(["1x2", "2x8", "A10Gx8x32"])) for c in story.wanted.chainlets)
    return replace(story.wanted, chainlets=chainlets, generation=story.wanted.generation + 1)


@given(of(to_be_promoted), seeds)
@settings(max_examples=300)
def test_a_promotion_is_remembered_only_when_it_was_made(start: tuple[Desired, Environment], random: Random) -> None:
    """Also when its call was lost, and another rollout has brought a new deployment since."""
    story = Story(*start)
    for _ in range(14):
        story.poll(random.choice(FATES), lag=random.uniform(0, GONE_IN_A_MOMENT))
        story.passes(random.choice([0, 1, 10, 30, 61]))
        if random.random() < 0.4:
            story.finish()
        if random.random() < 0.4:
            story.wanted = types_changed(story, random)
        if any(e.operation == Operation.PROMOTED for e in story.journal):
            assert story.started(Promote) == 1


WRONG = Environment(
    "staging", "abcd1234", NOW, chainlets=(ChainletState("Alpha", InstanceType(id="1x2"), {"min_replica": 0}),), current=CURRENT
)


def stubborn(random: Random) -> tuple[Desired, Environment]:
    """A spec that Baseten takes and does not keep."""
    wanted = desired(random)
    seen = environment(random)
    return replace(wanted, deployment_id=None), replace(seen, current=CURRENT, candidate=None)


@given(of(stubborn), seeds)
@settings(max_examples=100)
def test_the_same_correction_is_sent_three_times_an_hour_at_most(start: tuple[Desired, Environment], random: Random) -> None:
    story = Story(*start, stubborn=True)
    for _ in range(40):
        story.poll()
        story.finish()
        story.passes(random.choice([1, 10, 60, 61, 300]))
    assert story.most_in_an_hour() <= 3


@given(of(stubborn), seeds)
@settings(max_examples=100)
def test_even_when_values_are_not_shown_for_a_while(start: tuple[Desired, Environment], random: Random) -> None:
    """While a chainlet deploys its autoscaling settings are null; that says nothing of what they are."""

    def hidden(seen: Environment) -> Environment:
        return replace(seen, chainlets=tuple(replace(c, autoscaling=None) for c in seen.chainlets))

    story = Story(*start, stubborn=True)
    for _ in range(40):
        story.poll(view=hidden if random.random() < 0.3 else None)
        story.finish()
        story.passes(random.choice([1, 10, 60, 61]))
    assert story.most_in_an_hour() <= 3


@given(starts, seeds)
@settings(max_examples=40)
def test_even_when_no_answer_ever_comes_a_rollout_is_sent_three_times_an_hour_at_most(
    start: tuple[Desired, Environment | None], random: Random
) -> None:
    story = Story(*start)
    while (story.now - NOW).total_seconds() < 7000:
        kinds = [a.change for a in story.poll(ANSWERED if story.truth is None else UNSENT).actions]
        story.sent = [s for s in story.sent if isinstance(s[1].change, Promote | UpdateInstanceTypes)]
        story.passes(random.choice([61, 90, 300]) if kinds else 61)
    assert story.most_in_an_hour() <= 3


def blank(random: Random, seen: Environment) -> Environment:
    """A poll at which an old deployment's types, or nothing of a chainlet, is shown; never the declared ones."""
    chainlets = tuple(replace(c, instance_type=random.choice([c.instance_type, None])) for c in seen.chainlets if random.random() < 0.8)
    return replace(seen, chainlets=chainlets)


@given(seeds, st.integers(1, 3))
def test_a_rollout_that_was_answered_with_a_deployment_is_never_sent_again(random: Random, generation: int) -> None:
    """Not by time, not by another generation with the same values, not by what is not shown: only by a person."""
    wanted = replace(desired(random), deployment_id=random.choice([None, "dep-a"]))
    wanted = replace(wanted, chainlets=tuple(replace(c, instance_type_id="2x8") for c in wanted.chainlets if c.name == "Alpha"))
    story = Story(wanted, WRONG, stubborn=True)
    for _ in range(25):
        story.poll(view=lambda seen: blank(random, seen))
        story.passes(random.choice([1, 60, 4000, 90_000]))
        random.choice([story.finish, story.fail])()
        story.wanted = replace(story.wanted, generation=random.randint(1, generation))
    assert story.started(UpdateInstanceTypes) <= 1
    assert story.started(Promote) <= 1


# -- recover -------------------------------------------------------------------------------------------------------


@given(of(desired), seeds, st.sampled_from([Operation.INSTANCE_TYPES, Operation.PROMOTE]), st.floats(0, 59.9))
def test_recover_never_drops_an_open_intent_that_is_young_and_shows_nothing(
    wanted: Desired, random: Random, operation: Operation, seconds: float
) -> None:
    other = {"1x2": "2x8", "2x8": "1x2"}
    states = tuple(ChainletState(c.name, InstanceType(id=other[c.instance_type_id])) for c in wanted.chainlets if c.instance_type_id)
    seen = Environment("staging", "abcd1234", NOW, chainlets=states, current=CURRENT)
    intent = JournalEntry(
        operation=operation.value,
        hash=digest("any"),
        started_at=NOW - timedelta(seconds=seconds),
        known_deployments=("dep-old",),
        target="dep-a" if operation == Operation.PROMOTE else None,
    )
    shown = random.choice([seen, None])
    world = recover(World(replace(wanted, generation=random.randint(1, 3)), shown, NOW, journal=(intent,), known=True))
    assert world.journal == (intent,)


@given(worlds)
def test_recover_comes_to_rest(world: World) -> None:
    """Observing the same world again, without time passing, soon says nothing new."""
    rested = recover(recover(recover(world)))
    assert recover(rested) == rested
