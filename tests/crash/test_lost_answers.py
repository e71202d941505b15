"""An answer that is lost or cannot be read says nothing about what Baseten did: it is found out, not tried again."""

from __future__ import annotations

from typing import Any

import pytest

from ..integration.harness.manifests import resource
from ..integration.harness.stage import Stage
from .jobs import JOBS, Job, effects, is_done, scene

ANSWERS: dict[str, dict[str, Any]] = {
    "the connection breaks": {"kind": "reset"},
    "a gateway says 502": {"kind": "answer", "status": 502, "body": "<html>Bad Gateway</html>"},
    "the answer is no JSON": {"kind": "garbage", "garbage": "html"},
    "the answer is cut": {"kind": "garbage", "garbage": "cut"},
    "the answer is another document": {"kind": "garbage", "garbage": "wrong_json"},
    "no answer comes": {"kind": "delay", "seconds": 3.0},
}

TYPES, COPY, CREATE = (JOBS[name] for name in ("instance types", "promote a copy", "create"))
COMMON = ("the connection breaks",)
CASES = {
    f"{job.call}: {name}": (job, answer)
    for job in (TYPES, COPY, CREATE)
    for name, answer in ANSWERS.items()
    if job is TYPES or name in COMMON
}


@pytest.mark.parametrize(("job", "answer"), CASES.values(), ids=CASES)
def test_a_call_whose_answer_is_lost_is_not_sent_again(stage: Stage, job: Job, answer: dict[str, Any]) -> None:
    stage.run_operator(CHAINENV_REQUEST_TIMEOUT_SECONDS="1", CHAINENV_SETTLE_SECONDS="20")
    scene(stage, job)
    mark, started = stage.mark(), stage.started()
    stage.simulator.add_fault(**answer, method=job.method, path=job.path, point="after_effect")
    stage.apply(resource(**job.after))
    stage.simulator.wait_journal(1, since=mark, method=job.method, effect=job.effect)
    stage.wait_for("settled, with no intent open", is_done)
    stage.wait_polls(2)
    assert stage.started() == [*started, *job.starts]
    assert effects(stage.simulator, job, mark) == 1
    assert [each.call for each in stage.sent(mark)] == [job.call]


@pytest.mark.parametrize("job", [TYPES, COPY], ids=lambda job: job.call)
def test_a_resource_edited_during_a_call_does_not_make_it_twice(stage: Stage, job: Job) -> None:
    """The outcome cannot be written over the newer object, and is found out instead."""
    stage.run_operator()
    scene(stage, job)
    mark, started = stage.mark(), stage.started()
    stage.simulator.hold("call", method=job.method, path=job.path, point="after_effect")
    stage.apply(resource(**job.after))
    stage.simulator.wait_held("call")
    stage.cluster.kubectl("label", "chenv/staging", "edited=meanwhile", namespace=stage.namespace)
    stage.simulator.release()
    stage.wait_for("settled, with no intent open", is_done)
    stage.wait_polls(2)
    assert stage.started() == [*started, *job.starts]
    assert [each.call for each in stage.sent(mark)] == [job.call]
