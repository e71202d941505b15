"""The one gap that no client can close: the answer is lost, and Baseten works on past the settling time before anything shows.

What the operator does then is what docs/behaviour.md says under "Known limitation": nothing before the settling time is over, one
more call after it, and no third, whatever the first one still brings.
"""

from __future__ import annotations

import pytest

from ..integration.harness.manifests import resource
from ..integration.harness.stage import Stage, condition
from ..integration.harness.waiting import wait_until
from .jobs import JOBS, Job, effects, is_done, open_intents, scene

SETTLE_SECONDS = 1.5
IMPATIENT = {"CHAINENV_SETTLE_SECONDS": str(SETTLE_SECONDS), "CHAINENV_REQUEST_TIMEOUT_SECONDS": "1"}

COPY, TYPES = JOBS["promote a copy"], JOBS["instance types"]


def lose_the_answer(stage: Stage, job: Job) -> int:
    """The spec changes, its call reaches Baseten and stays there, and the operator has stopped waiting for it; the mark before."""
    mark = stage.mark()
    stage.simulator.hold("slow", method=job.method, path=job.path, if_gone="wait")
    stage.apply(resource(**job.after))
    stage.simulator.wait_held("slow", gone=1)
    return mark


def calls(stage: Stage, job: Job, mark: int) -> list[float]:
    """When each call of the kind arrived."""
    return [each.time for each in stage.simulator.journal(since=mark, method=job.method, path=job.path)]


def finish_the_first(stage: Stage, job: Job, mark: int) -> None:
    """Baseten comes to the end of the call that nobody waits for any more."""
    stage.simulator.release("slow")
    stage.simulator.wait_journal(2, since=mark, method=job.method, path=job.path)


def test_a_promotion_worked_on_past_the_settling_time_is_sent_once_more_and_never_again(stage: Stage) -> None:
    operator = stage.run_operator(**IMPATIENT)
    scene(stage, COPY)
    started = stage.started()
    mark = lose_the_answer(stage, COPY)
    stage.wait_for("settled, with no intent open", is_done)
    first, second = calls(stage, COPY, mark)
    assert second - first >= SETTLE_SECONDS, "nothing is sent while it may still show"
    assert stage.started() == [*started, "promote"]

    finish_the_first(stage, COPY, mark)
    assert stage.started() == [*started, "promote", "promote"], "this is the gap: two deployments"
    late = stage.simulator.started_deployments()[-1]["id"]
    stage.wait_for("the later one is shown as current", lambda seen: is_done(seen) and seen["status"]["currentDeployment"]["id"] == late)
    operator.restart()
    stage.wait_polls(3)
    assert len(calls(stage, COPY, mark)) == 2, "it is not undone, nor done a third time"


def test_instance_types_worked_on_past_the_settling_time_are_sent_once_more_and_never_again(stage: Stage) -> None:
    """Here the first call finds nothing left to change; a server that did not compare would start a deployment as above."""
    stage.run_operator(**IMPATIENT)
    scene(stage, TYPES)
    started = stage.started()
    mark = lose_the_answer(stage, TYPES)
    stage.wait_for("settled, with no intent open", is_done)
    first, second = calls(stage, TYPES, mark)
    assert second - first >= SETTLE_SECONDS

    finish_the_first(stage, TYPES, mark)
    stage.wait_polls(3)
    assert is_done(stage.see())
    assert len(calls(stage, TYPES, mark)) == 2
    assert stage.started() == [*started, *TYPES.starts]
    assert effects(stage.simulator, TYPES, mark) == 1


@pytest.mark.parametrize("job", [COPY, TYPES], ids=lambda job: job.call)
def test_within_the_settling_time_the_call_is_not_repeated_and_the_resource_says_why(stage: Stage, job: Job) -> None:
    stage.run_operator(CHAINENV_SETTLE_SECONDS="300", CHAINENV_REQUEST_TIMEOUT_SECONDS="1")
    scene(stage, job)
    mark, started = lose_the_answer(stage, job), stage.started()
    wait_until("it says so", lambda: condition(stage.see(), "Synced").get("reason") == "SettlingIntent")
    stage.wait_polls(3)
    assert len(open_intents(stage.see())) == 1
    stage.simulator.release("slow")
    stage.wait_for("settled, with no intent open", is_done)
    assert len(calls(stage, job, mark)) == 1
    assert stage.started() == [*started, *job.starts]
