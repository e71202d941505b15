"""SIGKILL at any instant must not start a deployment twice, nor do anything else twice.

Each call that changes something is stopped on its way: before Baseten has acted on it, or after, with the answer never
delivered. Then the operator is killed and started again. What becomes of a call that was under way when its sender died is
not in the operator's hands, so each of the possible fates is tried.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import pytest

from chainenv_sandbox.baseten.holds import IfGone
from chainenv_sandbox.baseten.matching import Point

from ..integration.harness.manifests import CHAIN, resource
from ..integration.harness.stage import Stage, condition
from .jobs import BASE, COPIES, JOBS, RETYPED, Job, effects, is_done, open_intents, scene


@dataclass(frozen=True)
class Fate:
    """Of a call whose sender dies. ``late``: it takes effect only after the next life of the operator has polled."""

    point: Point
    if_gone: IfGone = "effect"
    late: bool = False
    lost: bool = False


FATES = {
    "it is lost": Fate("before_effect", "drop", lost=True),
    "it arrives all the same": Fate("before_effect", "effect"),
    "it arrives late": Fate("before_effect", "wait", late=True),
    "it was done and the answer is lost": Fate("after_effect"),
}
ALL = tuple(FATES)
LOST_OR_DONE = ("it is lost", "it was done and the answer is lost")
LATE_OR_DONE = ("it arrives late", "it was done and the answer is lost")
TRIED: dict[str, tuple[str, ...]] = {
    "create": LOST_OR_DONE,
    "create where adoption is to fail": ALL,
    "promotion settings": LOST_OR_DONE,
    "autoscaling": LOST_OR_DONE,
    "instance types": ALL,
    "instance types shown late": LATE_OR_DONE,
    "promote": LATE_OR_DONE,
    "promote a copy": ALL,
}
CASES = {f"{job}: {fate}": (JOBS[job], FATES[fate]) for job, fates in TRIED.items() for fate in fates}


@pytest.mark.parametrize(("job", "fate"), CASES.values(), ids=CASES)
def test_a_call_during_which_the_operator_is_killed_is_not_doubled(stage: Stage, job: Job, fate: Fate) -> None:
    settle = {"CHAINENV_SETTLE_SECONDS": "20"} if fate.late else {}
    operator = stage.run_operator(**settle)
    scene(stage, job)
    mark, started = stage.mark(), stage.started()

    stage.simulator.hold("call", method=job.method, path=job.path, point=fate.point, if_gone=fate.if_gone)
    stage.apply(resource(**job.after))
    stage.simulator.wait_held("call")
    if job.rolls_out:
        assert open_intents(stage.see()), "the intent is written before the call is made"
    operator.kill()
    stage.simulator.wait_held("call", gone=1)
    if not fate.late:
        stage.simulator.release()
    operator.start()
    if fate.late:
        stage.wait_polls(1)
        stage.simulator.release()

    stage.wait_for("settled, with no intent open", is_done)
    stage.wait_polls(2)
    assert stage.started() == [*started, *job.starts]
    assert effects(stage.simulator, job, mark) == 1
    if job.rolls_out:
        assert [each.call for each in stage.sent(mark)] == [job.call] * (2 if fate.lost else 1)


def test_an_environment_that_shows_late_is_not_taken_for_somebody_elses(stage: Stage) -> None:
    stage.simulator.set_options(create_visible_after_seconds=1.0)
    operator = stage.run_operator(CHAINENV_SETTLE_SECONDS="20")
    stage.simulator.hold("create", method="POST", path="/environments$", point="after_effect")
    stage.apply(resource(adoptionPolicy="Fail"))
    stage.simulator.wait_held("create")
    operator.kill()
    stage.simulator.release()
    operator.start()
    stage.wait_for("settled, with no intent open", is_done)
    assert not condition(stage.see(), "Stalled")
    assert stage.started() == ["create"]


def test_kills_at_random_instants_start_no_deployment_twice(stage: Stage) -> None:
    """Three changes, each with the operator killed again and again while it brings them about."""
    chance = random.Random()
    stage.simulator.add_deployment(CHAIN, active=True, deployment_id="dep123")
    operator = stage.run_operator()
    first, second = {"chainletSettings": BASE}, {"chainletSettings": RETYPED}
    for change in (first, second, {**second, "deploymentID": "dep123"}):
        stage.apply(resource(**change, promotionSettings=COPIES))
        for _ in range(2):
            time.sleep(chance.uniform(0.7, 2.0))  # no condition to wait for: any instant of its life will do
            operator.kill()
            operator.start()
        stage.wait_polls(1)
        stage.wait_for("settled, with no intent open", is_done)
    assert stage.started() == ["create", "instance_types", "promote"]
